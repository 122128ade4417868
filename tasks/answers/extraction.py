"""Finding the final answer in what a model wrote.

Explicit marks first (\\boxed, <answer>, ####, JSON), the last one in the text winning; then phrases ("the
answer is", 答案是), bold, a lone choice letter, program output; at last the last number or formula. Thinking
between <think> tags is not the answer. Everything is linear in the text's length: the text is hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tasks.answers.spelling import closing

MAX_TEXT = 200_000  # characters kept, from the end: the final answer stands there
MAX_ANSWER = 2_000


@dataclass(frozen=True, slots=True)
class Extraction:
    """A final answer as it was written, and the mark it was found by: boxed, tag, hash, json, phrase, bold,
    choice, code or last (the weakest: nothing marked it)."""

    answer: str
    kind: str


def extract(text: str, language: str = "en") -> Extraction | None:
    """The final answer of a solution in `language` ("en", "zh"), or None if it has none.

    A solution cut off inside its thinking or its last box has no final answer there.
    """
    text = without_thinking(text)[-MAX_TEXT:]
    if "<" in text:
        text = _SPECIAL.sub("", text).strip()
    if not text:
        return None
    found = _marked(text)
    if found is None:
        first, second = (_ZH_PHRASE, _EN_PHRASE) if language == "zh" else (_EN_PHRASE, _ZH_PHRASE)
        found = _phrase(text, first) or _phrase(text, second) or _bold(text) or _choice(text)
    if found is None:
        found = _code(text) or _last(text)
    if found is None or len(found.answer) > MAX_ANSWER:
        return None
    letter = _LETTER.fullmatch(found.answer)
    if letter and found.kind != "code":
        return Extraction(letter.group(1), "choice")
    return found


def without_thinking(text: str) -> str:
    """The text after the thinking; before it, where the thinking never ended (the model was cut off)."""
    end = max(
        text.rfind(tag) + len(tag) if tag in text else -1 for tag in ("</think>", "</thinking>", "</thought>")
    )
    if end > 0:
        text = text[end:]
    start = _THINK.search(text) if "<think" in text or "<thought" in text else None
    return (text[: start.start()] if start else text).strip()


_SPECIAL = re.compile(r"</?s>|<\|[a-z_]{1,24}\|>|<(?:eos|bos|pad|unk)>")
_THINK = re.compile(r"<(?:think|thinking|thought)>")
_LETTER = re.compile(r"[\s*(\[]*([A-J])[\s*)\].:]*")


def _marked(text: str) -> Extraction | None:
    """The last of the explicit marks."""
    found: tuple[int, Extraction] | None = None
    for name, finder in (("boxed", _boxed), ("tag", _tag), ("hash", _hash), ("json", _json)):
        hit = finder(text)
        if hit is not None and hit[1] and (found is None or hit[0] > found[0]):
            found = hit[0], Extraction(hit[1], name)
    if found is not None and found[1].kind in ("tag", "json"):
        # a box inside the tag or the string is the answer itself
        inner = _boxed(found[1].answer)
        if inner is not None and inner[1]:
            return Extraction(inner[1], found[1].kind)
    return None if found is None else found[1]


_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\{|[^\s{\\]+)")
_BETWEEN = re.compile(
    r"(?:[\s$.,;]|\\[()\[\],; ]|\\(?:text|quad|qquad)\b|\{|\}|\band\b|\bor\b|和|或|及|、|，|\b[a-zA-Z](?:_\{?\w+\}?)?\s*=)*"
)


def _boxed(text: str) -> tuple[int, str] | None:
    """The last complete box; boxes joined by nothing but "and" are one answer of several."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    boxes: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text, max(0, text.rfind("\\boxed") - 4 * MAX_ANSWER)):
        if boxes and match.start() < boxes[-1][1]:
            continue  # a box in a box
        if match.group(1) != "{":
            boxes.append((match.start(), match.end(), match.group(1).rstrip("$.,;)")))
            continue
        end = closing(text[: match.end() + 2 * MAX_ANSWER], match.end() - 1)
        if end >= 0:
            boxes.append((match.start(), end + 1, text[match.end() : end].strip()))
    if not boxes:
        return None
    answers = [boxes[-1][2]]
    for earlier, later in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        gap = text[earlier[1] : later[0]]
        if len(gap) > 40 or "\n\n" in gap or not _BETWEEN.fullmatch(gap):
            break
        if earlier[2] not in answers:
            answers.insert(0, earlier[2])
    return boxes[-1][1], ", ".join(answers)


def _tag(text: str) -> tuple[int, str] | None:
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end if end >= 0 else None)
    if start < 0:
        return None
    return (end if end >= 0 else len(text)), text[start + len("<answer>") : end if end >= 0 else None].strip()


def _hash(text: str) -> tuple[int, str] | None:
    """GSM8K's `#### 42`; markdown headings of the fourth level are no answers."""
    start = text.rfind("####")
    if start < 0:
        return None
    line = text[start:].lstrip("#").strip().split("\n", 1)[0]
    line = _NAMED.sub("", line).strip()
    if _HEADING.match(line) or len(line.split()) > 8 or not re.search(r"\d|\\|^\W*\w+\W*$", line):
        return None
    return start + 4, line


_HEADING = re.compile(r"(?:step|part|case|question|problem|solution|步骤|第)\b", re.IGNORECASE)
_NAMED = re.compile(
    r"^(?:(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?|答案(?:是|为)?\s*[::]?)\s*", re.IGNORECASE
)
_JSON_KEY = re.compile(r'["\'](?:final_?)?(?:answer|答案)["\']\s*[::]\s*', re.IGNORECASE)
_LOOSE_VALUE = re.compile(r"[\"']?(.*?)(?:(?<!\\)[\"']\s*(?:[,}\n]|$)|\n|$)", re.DOTALL)


def _json(text: str) -> tuple[int, str] | None:
    """The value of the last "answer" key, in whole JSON or in what a model left of it."""
    if "nswer" not in text and "答案" not in text:
        return None
    matches = list(_JSON_KEY.finditer(text))
    if not matches:
        return None
    start = matches[-1].end()
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        # LaTeX in a JSON string is often escaped once too little: take the characters as they stand
        loose = _LOOSE_VALUE.match(text, start)
        return (loose.end(), _tidy(loose.group(1).strip())) if loose else None
    if isinstance(value, str) and any(ord(char) < 32 and char != "\n" for char in value):
        value = text[start + 1 : end - 1]  # "\frac" was read as a form feed
    if isinstance(value, list):
        value = ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    return end, _tidy(value.strip()) if isinstance(value, str) else json.dumps(value)


_DECODER = json.JSONDecoder(strict=False)

_EN_PHRASE = re.compile(
    r"(?:(?:final|correct)\s+(?:answer|choice|option|result)|\banswer\b|\bthe\s+(?:correct\s+)?(?:choice|option)\b)"
    r"(?:\s+(?:to|for)\s[^.:\n]{0,80})?\s*(?:is|are|=|:|would\s+be|must\s+be|should\s+be)\s*(?:\*\*|option\b|choice\b|therefore\b|thus\b|:|\s)*"
    r"|^\s*A\s*:\s*",
    re.IGNORECASE | re.MULTILINE,
)
_ZH_PHRASE = re.compile(
    r"(?:答案|结果|答)\s*(?:是|为|应为|应该是|等于|选|:|:)\s*(?:\*\*|:|:|\s)*|(?:故选|应选|选择|选)\s*[::]?\s*(?=[((]?[A-J])"
)
_SENTENCE_END = re.compile(r"\n|[。;!]|\.(?=\s|$|\*\*)|,?\s(?:because|since|which|as shown|so that)\s|,?因为")
_INLINE_MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\\d])\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def _phrase(text: str, pattern: re.Pattern[str]) -> Extraction | None:
    """What follows the last phrase that announces an answer, up to the end of its sentence."""
    tail = text[-6 * MAX_ANSWER :]
    for match in reversed(list(pattern.finditer(tail))):
        rest = tail[match.end() : match.end() + MAX_ANSWER].lstrip()
        formula = _INLINE_MATH.match(rest)
        stop = _SENTENCE_END.search(rest, formula.end() if formula else 0)
        sentence = rest[: stop.start()] if stop else rest
        answer = _core(sentence)
        if answer and not answer.startswith("```") and answer not in ("\\boxed{}", "in \\boxed{}"):
            return Extraction(answer, "phrase")
    return None


def _core(sentence: str) -> str:
    """The answer in the sentence that gives it: the only bold or formula in it, or the sentence."""
    sentence = sentence.strip().strip("*").strip()
    bold = _BOLD.search(sentence)
    if bold:
        return bold.group(1).strip()
    formulas = list(_INLINE_MATH.finditer(sentence))
    if len(formulas) == 1 and not re.search(r"\d", sentence[: formulas[0].start()]):
        return next(group for group in formulas[0].groups() if group is not None).strip()
    if formulas:
        return sentence
    return _tidy(_MEANINGFUL.sub("", sentence).strip())


_SENTENCE_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}|[\u4e00-\u9fff]{2,}")
_BOUND = re.compile(
    r"\b(?:least|most|more|less|fewer|between|or|and|not|than|never)\b|至少|至多|不|或|和", re.IGNORECASE
)


def _tidy(answer: str) -> str:
    """Of a sentence ("Anne is 8 years old.") its number, if it has one only or comes to it by "="."""
    if len(_SENTENCE_WORD.findall(answer)) < 3 or "\\" in answer:
        return answer
    numbers = list(_NUMBER.finditer(answer))
    values = {number.group().strip() for number in numbers}
    if len(values) == 1 and not _BOUND.search(answer):
        return values.pop()
    if (
        numbers
        and "=" in answer
        and re.fullmatch(r".*=[^\d=]{0,3}", answer[: numbers[-1].start()], re.DOTALL)
    ):
        return numbers[-1].group().strip()
    return answer


_MEANINGFUL = re.compile(
    r"^(?:that|as follows|approximately|about|simply|just|therefore|约|大约)\s*:?\s*", re.IGNORECASE
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")


def _bold(text: str) -> Extraction | None:
    """Bold with a digit or a letter choice in the last lines (bold headings have neither)."""
    for match in reversed(list(_BOLD.finditer(text[-2 * MAX_ANSWER :]))):
        inner = match.group(1).strip()
        if inner.endswith((":", "：")) or re.match(r"(?:step|part|case|步骤|第)\b", inner, re.IGNORECASE):
            continue
        if re.search(r"\d|\\[a-z]", inner) or _LETTER.fullmatch(inner):
            return Extraction(_answer_in(inner), "bold")
    return None


def _answer_in(sentence: str) -> str:
    formulas = list(_INLINE_MATH.finditer(sentence))
    if len(formulas) == 1:
        return next(group for group in formulas[0].groups() if group is not None).strip()
    if len(sentence) > 40 or "=" in sentence:
        numbers = list(_NUMBER.finditer(sentence))
        return numbers[-1].group() if numbers else sentence
    return sentence


def _choice(text: str) -> Extraction | None:
    line = text.rsplit("\n", 1)[-1].strip()
    match = re.search(r"(?:^|\s)\(([A-J])\)[\s.]*$", line) or re.fullmatch(r"([A-J])[.)]?(?:\s.*)?", line)
    if match and (match.end() - match.start() < 6 or match.re.pattern.startswith("(?:")):
        return Extraction(match.group(1), "choice")
    return None


_OUTPUT = re.compile(r"```(?:output|stdout|result)\s*\n(.*?)```", re.DOTALL)


def _code(text: str) -> Extraction | None:
    """The last line that a program printed, in a fenced block of output."""
    if "```output" not in text and "```stdout" not in text and "```result" not in text:
        return None
    blocks = [lines for block in _OUTPUT.findall(text) if (lines := block.strip().splitlines())]
    return Extraction(blocks[-1][-1].strip(), "code") if blocks else None


_NUMBER = re.compile(
    r"[$€£¥]?\s?-?(?:\\frac\s*\{-?\d+\}\s*\{\d+\}|\d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+)\s?%?"
)


def _last(text: str) -> Extraction | None:
    """A short text is its own answer; otherwise the last formula or number of the text."""
    if len(text) <= 80 and "\n" not in text and "=" not in text and len(text.split()) <= 6:
        return Extraction(text, "last")
    tail = text[-MAX_ANSWER:]
    numbers, formulas = list(_NUMBER.finditer(tail)), list(_INLINE_MATH.finditer(tail))
    if formulas and (not numbers or numbers[-1].start() < formulas[-1].end()):
        inner = next(group for group in formulas[-1].groups() if group is not None)
        return Extraction(_right_side(inner), "last")
    if numbers:
        return Extraction(numbers[-1].group().strip(), "last")
    return None


def _right_side(formula: str) -> str:
    """The end of a chain of equations: the value it arrives at."""
    last = re.split(r"(?<![<>!\\])=", formula)[-1].strip()
    return last or formula.strip()
