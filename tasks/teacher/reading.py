"""Reads the job that a prompt requests, from its words alone, in English or Chinese, whatever the template.

First the quoted material (tags, fences, quoted lines, labelled parts) is removed, so that words inside a problem or a
solution never decide what the job is; then the remaining words decide.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from tasks.problems.machinery.family import Problem, recognise
from tasks.teacher.compound import split
from tasks.teacher.quoting import Quoted, quoted
from tasks.teacher.topics import concepts_in, count_in, level_in, scale_in, subdomain_in


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """What a prompt requests. `kind` is write, similar, words, program or judge; other jobs are in tasks/teacher/jobs. Fields that
    a kind does not use are empty.

    `level` is from 1 to 3, `scale` the difficulty from 1 to 5 where the prompt states that. `concepts` are knowledge points by
    their English names. `planned` says that reasons come before the result: a plan and a check with each problem, the working before
    scores. `chinese_keys` says that keys and words of the answer are Chinese. `reference` is the trusted answer that a critic is shown."""

    kind: str
    language: str
    question: str = ""
    problem: Problem | None = None
    solution: tuple[str, ...] = ()
    subdomain: str | None = None
    count: int = 1
    level: int | None = None
    examples: tuple[str, ...] = field(default=())
    scale: int | None = None
    concepts: frozenset[str] = frozenset()
    avoid: tuple[str, ...] = ()
    planned: bool = False
    chinese_keys: bool = False
    reference: str = ""


_JUDGE = re.compile(
    r"\b(?:judge|grad(?:e|ing)|critiqu\w*|critic|scor(?:e|ing)|assess\w*|evaluat\w*|review|verify|correct or|is\s+(?:it|this)\b.*\b(?:right|correct))\b"
    r"|评分|打分|批改|评判|评价|评估|评审|审阅|判断|点评|阅卷|检查",
    re.IGNORECASE,
)
_NOT_WRITING = (
    r"(?:(?!\b(?:programs?|code|scripts?|functions?|solutions?|answers?|python|steps?)\b)[^.!?\n]){0,90}?"
)
_NOT_WRITING_ZH = r"(?:(?!程序|代码|解答|步骤|解法|答案)[^。！？\n])"
_WRITE = re.compile(
    r'"(?:problems|题目列表)"\s*:'
    rf"|\b(?:write|create|generate|compose|invent|produce|come up with|make up|devise|design|give me|author|need|want)\b{_NOT_WRITING}"
    r"\b(?:problems|questions|exercises|variations|variants|(?:new|original|similar|another|practice|different)\s+(?:\w+\s+){0,3}(?:problem|question|exercise))\b"
    rf"|(?:出|编写|编|设计|生成|写|创作|构造|给出|给我|提供|命制|再来|需要){_NOT_WRITING_ZH}{{0,30}}?"
    rf"(?:[\d一二两三四五六七八九十几]\s*[道个条]|新|一些|若干|类似|相似){_NOT_WRITING_ZH}{{0,30}}?(?:题|变式)",
    re.IGNORECASE,
)
_SIMILAR = re.compile(
    r"\b(?:similar|alike|like (?:it|this|these|that|the)|same (?:type|kind|idea|skill)|varia(?:tions?|nts?)|analog\w*|resembl\w*|failed|struggl\w*|got (?:it )?wrong)\b"
    r"|类似|相似|同类|同一类|同一技能|变式|仿照|做错|答错|错题",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"\b(?:python|programs?|code|script)\b|程序|代码|编程", re.IGNORECASE)
# in a prompt without structure the question's own words are in the way: "a recycling program", "the zip code"
_ASKS_PROGRAM = re.compile(
    r"\bpython\b|\b(?:write|use|using|give|provide|produce|create|with|via)\b[^.\n]{0,40}?\b(?:code|program|script)\b"
    r"|(?:写|用|编|给出)[^。\n]{0,20}?(?:程序|代码)|编程",
    re.IGNORECASE,
)
_NO_PROGRAM = re.compile(
    r"\b(?:do not|don't|without|no|never|not|rather than|instead of|avoid)\b[^.\n]{0,40}?\b(?:code|programs?|python|script)\b"
    r"|(?:不要|无需|不用|不得|不必|禁止|勿|而不是|不写)[^。，\n]{0,12}?(?:代码|程序|编程|Python)",
    re.IGNORECASE,
)
_PLANNED = re.compile(r'"(?:plan|思路)"')
_REASONED = re.compile(r'"(?:working|演算)"')
_CHINESE_KEYS = re.compile(r'"(?:题目列表|评语)"')
_CJK = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
_SENTENCE = re.compile(r"(?<=[.!?:：。！？])\s*")
MOST_TRIED = 40  # maximum number of spans of a prompt that are tried as a known problem
SHOWN = 4000  # maximum length of a text that is tried as a known problem


def read(system: str, user: str) -> PromptRequest:
    """Return the job that the system message and the last user message of a conversation request."""
    parts = quoted(user)
    words = parts.rest
    language = language_of_prompt(user, parts)
    questions, solutions, examples = parts.of("question"), parts.of("solution"), parts.of("example")
    if not solutions and _JUDGE.search(words):
        unnamed = questions + parts.of("other")
        questions, solutions = (unnamed[:1], unnamed[1:]) if len(unnamed) > 1 else (questions, [])
    if solutions and (_JUDGE.search(words) or _JUDGE.search(system)):
        question, problem = _known_dressed(questions or [parts.rest])
        return PromptRequest(
            "judge",
            language,
            question,
            problem,
            tuple(solutions[-1].split("\n")),
            planned=_REASONED.search(words) is not None,
            chinese_keys=_CHINESE_KEYS.search(words) is not None,
            reference=" ".join(parts.of("reference")).strip(),
        )
    if _WRITE.search(words):
        shown = _shown(user, parts) if _SIMILAR.search(words) else []
        question, problem = _known_dressed(shown)
        return PromptRequest(
            "similar" if shown else "write",
            language,
            question,
            problem,
            subdomain=subdomain_in(words, _WRITE),
            count=count_in(words),
            level=level_in(words),
            examples=tuple(examples or ([] if shown else questions)),
            scale=scale_in(words),
            concepts=concepts_in(words),
            avoid=tuple(parts.of("avoid")),
            planned=_PLANNED.search(words) is not None,
            chinese_keys=_CHINESE_KEYS.search(words) is not None,
        )
    question, problem = _known(_candidates(user, parts))
    if problem is not None:
        words = words.replace(question, " ")
    language_of_question = problem.language if problem is not None else language_of(question or user)
    instructions = words if words.strip() else system
    pattern = _PROGRAM if parts.blocks or problem is not None else _ASKS_PROGRAM
    program = pattern.search(_NO_PROGRAM.sub(" ", instructions)) is not None
    return PromptRequest(
        "program" if program else "words",
        language_of_question,
        question,
        problem,
        subdomain=problem.subdomain if problem else None,
    )


def language_of_prompt(user: str, parts: Quoted) -> str:
    """Return the language of a prompt's own words, or of the whole message if it has none."""
    return language_of(parts.rest if parts.rest.strip() else user)


def language_of(text: str) -> str:
    """Return `zh` if Chinese characters outnumber Latin words, else `en`."""
    return "zh" if len(_CJK.findall(text)) > len(_LATIN_WORD.findall(text)) else "en"


def _shown(user: str, parts: Quoted) -> list[str]:
    """Return the problem that new ones should resemble: a labelled part, else an unlabelled part that is a known problem."""
    labelled = parts.of("question") or parts.of("other")
    if labelled or parts.of("example"):
        return labelled
    return [text for text in _candidates(user, parts)[:MOST_TRIED] if known(text) is not None][:1]


def _candidates(user: str, parts: Quoted) -> list[str]:
    """Return the parts of the prompt that may be the question to solve, likeliest first."""
    labelled = parts.of("question")
    if labelled:
        return list(dict.fromkeys(part for text in labelled for part in undressed(text)))
    rest = parts.rest.strip()
    paragraphs = [piece.strip() for piece in re.split(r"\n\s*\n", rest) if piece.strip()]
    candidates = [*parts.of("other"), *parts.of("example"), rest, *reversed(paragraphs)]
    for piece in reversed(paragraphs):
        # "Please help me: <question>", "<question> Think step by step."
        comma = re.search("[,，]", piece)
        starts = [0, *([comma.end()] if comma else []), *(match.end() for match in _SENTENCE.finditer(piece))]
        ends = [*(match.start() for match in _SENTENCE.finditer(piece)), len(piece)]
        candidates += [piece[start:end] for start in starts for end in reversed(ends) if end - start > 8]
    return list(dict.fromkeys(text for text in candidates if text.strip())) or [user.strip()]


def undressed(question: str) -> list[str]:
    """Return the question, and the question without additions: a later paragraph, an opening ("Try this: "), a last
    sentence."""
    breaks = [match for match in _SENTENCE.finditer(question) if 0 < match.start() < len(question)]
    ends = [question[breaks[-1].end() :], question[: breaks[-1].start()]] if breaks else []
    opening = [question[breaks[0].end() :]] if breaks else []
    parts = [question.split("\n\n", 1)[0], *opening, *ends]
    return [question, *(part for part in parts if len(part) > 8)]


def _known(candidates: list[str]) -> tuple[str, Problem | None]:
    """Return the first candidate that is a known problem, else the first candidate unchanged. A question that is put together from
    others is none of its parts."""
    if candidates and split(candidates[0]) is not None:
        return candidates[0], None
    for text in candidates[:MOST_TRIED]:
        if len(text) <= SHOWN:
            problem = known(text)
            if problem is not None:
                return text, problem
    return (candidates[0] if candidates else ""), None


def _known_dressed(questions: list[str]) -> tuple[str, Problem | None]:
    """Return as `_known` does, but also look inside each question; the whole question is judged or imitated."""
    for text in questions:
        _, problem = _known(undressed(text))
        if problem is not None:
            return text, problem
    return (questions[0] if questions else ""), None


@functools.lru_cache(maxsize=8192)  # solvers, critics and writers get the same questions
def known(text: str) -> Problem | None:
    """Return the problem behind the text of a question, or None if no family recognises it."""
    text = text.strip()
    return recognise(text, "zh" if _CJK.search(text) else "en")
