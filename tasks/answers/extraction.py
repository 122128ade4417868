"""Finds the final answer in a solution.

Explicit marks first (\\boxed, <answer>, ####, JSON), the last one in the text winning; then phrases ("the
answer is", 答案是), bold, a lone choice letter, program output; at last the last number or formula. Thinking
between <think> tags is skipped. Everything is linear in the text's length: the text is hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial

from tasks.answers.phrases import announced, bold, choice, headed, last_value, tidied
from tasks.answers.sentences import letter_in, value_in
from tasks.replies.solutions import solution_of
from tasks.text.brackets import GROUPS, closing

MAX_TEXT = 200_000  # characters at the end that are searched; the final answer is there
MAX_ANSWER = 2_000  # characters
PROSE_TAIL = 12_000  # characters at the end that are searched for answers without an explicit mark


@dataclass(frozen=True, slots=True)
class Extraction:
    """A final answer as it was written, and the kind of mark by which it was recognised.

    The kinds are boxed, tag, hash, json, phrase, bold, choice, code and last; `last` is the weakest, a last value without
    a mark.
    """

    answer: str
    kind: str
    marked: bool = field(default=False, compare=False)  # by a box, a tag, #### or JSON, a choice letter too


def extract(text: str, language: str = "en", *, cut: bool = False) -> Extraction | None:
    """Return the final answer of a solution in `language` ("en", "zh"), None if it has none.

    A solution that was cut off inside its thinking has no final answer. One that the token limit has `cut` has one only
    in a complete explicit mark, because its last number is part of an unfinished calculation. Where nothing was cut, a
    last box that lacks only its closing brace holds the answer, and one that lacks more holds none.
    """
    text = solution_of(text)[-MAX_TEXT:].strip()
    if not text:
        return None
    extracted = _marked(text)
    if extracted is None and cut:
        return None
    if extracted is None:
        broken = _BROKEN_BOX.search(text)
        if broken:
            answer = broken["answer"].strip()
            whole = answer and _balanced(answer) and len(answer) <= MAX_ANSWER
            return Extraction(_without_words(answer), "boxed") if whole else None
    if extracted is None:
        tail = text[-PROSE_TAIL:]
        for kind, finder in (
            ("phrase", partial(headed, language=language)),
            ("phrase", partial(announced, language=language)),
            ("choice", _closing_letter),
            ("bold", bold),
            ("choice", choice),
        ):
            answer = finder(tail)
            if answer:
                extracted = Extraction(answer, kind)
                break
        else:
            extracted = _code(text)
    if extracted is None:
        answer = last_value(text[-PROSE_TAIL:])
        extracted = Extraction(answer, "last") if answer else None
    if extracted is None or len(extracted.answer) > MAX_ANSWER or _BLANK.fullmatch(extracted.answer):
        return None
    letter = _LETTER.fullmatch(extracted.answer)
    if letter and extracted.kind != "code":
        return Extraction(letter.group(1), "choice", extracted.marked)
    return extracted


_BLANK = re.compile(r"[\s_.\u2026?]+")  # the place for an answer in a template that a model repeats
_LETTER = re.compile(r"[\s*(\[\uff08]*([A-J])[\s*)\].:\uff09]*")


def _marked(text: str) -> Extraction | None:
    """Return the answer in the last of the explicit marks."""
    last: tuple[int, Extraction] | None = None
    for name, finder in (("boxed", _boxed), ("tag", _tag), ("hash", _hash), ("json", _json)):
        match = finder(text)
        if match is not None and match[1] and (last is None or match[0] > last[0]):
            last = match[0], Extraction(_without_words(match[1]), name, True)
    if last is not None and last[1].kind in ("boxed", "hash") and not _LETTER.fullmatch(last[1].answer):
        # a box around a step, and the choice after it
        letters = list(_LETTER_LINE.finditer(text, last[0]))
        if letters:
            return Extraction(letters[-1].group(1), "choice", True)
    if last is not None and last[1].kind in ("tag", "json"):
        # a box inside the tag or the string is the answer itself
        inner = _boxed(last[1].answer)
        if inner is not None and inner[1]:
            return Extraction(_without_words(inner[1]), last[1].kind, True)
    return None if last is None else last[1]


_LETTER_LINE = re.compile(
    r"^\W{0,12}(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|option|choice|答案|故选|选)\W{0,6}(?:is\b\W{0,4}|是|为)?[(\[]?([A-J])[)\]]?[\s*.。]*$",
    re.IGNORECASE | re.MULTILINE,
)
_WORDS_BEFORE = re.compile(
    r"\\(?:text|mathrm|textbf|mbox|textrm)\s*\{[^{}]{0,200}?(?:\b(?:is|are|equals?|answer|total|of)|[:=：是为])\s*\}\s*[:=]?\s*(?=\S)"
)


def _without_words(answer: str) -> str:
    """Return the value of a box that holds a sentence: 12 for \\text{The answer is } 12."""
    words = _WORDS_BEFORE.match(answer)
    if words:
        return answer[words.end() :]
    whole = _TEXT_ONLY.fullmatch(answer)
    return (value_in(whole.group(1)) or answer) if whole else answer


def _closing_letter(text: str) -> str | None:
    """Return the choice letter that the last lines name in a sentence, None if they name none."""
    return letter_in(text[-400:])


_TEXT_ONLY = re.compile(r"\\(?:text|mathrm|textbf|mbox|textrm)\s*\{([^{}]{1,400})\}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\{|[^\s{\\]+)")
# a box on the last line that is not closed; the end of the formula around it may follow
_BROKEN_BOX = re.compile(
    r"\\(?:boxed|fbox)[ ]?\{(?P<answer>(?:(?!\\boxed|\\fbox)[^\n]){0,400}?)(?:\$\$?|\\\)|\\\])?[ .]?\Z"
)


def _balanced(text: str) -> bool:
    """Return whether every brace of the text is closed in it."""
    depth = 0
    for char in re.sub(r"\\[{}]", "", text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def with_closed_box(text: str) -> str:
    """Return the text with the missing brace of a box on its last line, which is the answer that `extract` reads there."""
    broken = _BROKEN_BOX.search(text) if "\\boxed" in text or "\\fbox" in text else None
    if broken is None or not (answer := broken["answer"].strip()) or not _balanced(answer):
        return text
    end = broken.end("answer")
    return f"{text[:end].rstrip()}}}{text[end:]}"


def without_last_box(text: str) -> str:
    """Return the text with the content of its last complete box in place of the box; a line of the box alone is left out."""
    for match in reversed(list(_BOX.finditer(text, max(0, text.rfind("\\boxed") - 4 * MAX_ANSWER)))):
        if match.group(1) != "{":
            continue
        end = closing(text, match.end() - 1, match.end() + 2 * MAX_ANSWER, GROUPS)
        if end < 0:
            continue
        before, content, after = text[: match.start()], text[match.end() : end], text[end + 1 :]
        first, last = before.rfind("\n") + 1, f"{after}\n".index("\n")
        if not re.search(r"\w", before[first:] + after[:last]):
            return (before[:first].rstrip() + after[last:]).strip()
        return before + content + after
    return text


_BETWEEN = re.compile(
    r"(?:[\s$.,;]|\\[()\[\],; ]|\\(?:text|quad|qquad)\b|\{|\}|\band\b|\bor\b|和|或|及|、|，|\b[a-zA-Z](?:_\{?\w+\}?)?\s*=)*"
)


def _boxed(text: str) -> tuple[int, str] | None:
    """Return (position, content) of the last complete box; boxes joined only by "and" or commas are one answer."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    boxes: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text, max(0, text.rfind("\\boxed") - 4 * MAX_ANSWER)):
        if boxes and match.start() < boxes[-1][1]:
            continue  # a box in a box
        if match.group(1) != "{":
            boxes.append((match.start(), match.end(), match.group(1).rstrip("$.,;)")))
            continue
        end = closing(text, match.end() - 1, match.end() + 2 * MAX_ANSWER, GROUPS)
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
    """Return (position, answer) of GSM8K's mark `#### 42`.

    A heading of the fourth level is no answer: text follows it, or it has words of a heading.
    """
    end = len(text)
    for _ in range(MOST_HASHES):
        start = text.rfind("####", 0, end)
        if start < 0:
            return None
        end = start
        if text[start - 1 : start] == "#" or text[start + 4 : start + 5] == "#":
            continue  # another level
        line, _, rest = text[start + 4 :].lstrip(" \t").partition("\n")
        line = _NAMED.sub("", line.strip()).strip().strip("*").strip()
        if line and _is_answer(line, last=not rest.strip()):
            return start + 4, line
    return None


def _is_answer(line: str, *, last: bool) -> bool:
    """Return whether a line after #### is an answer and not a heading. `last`: nothing follows it."""
    if _HEADING.match(line) or line.endswith((":", "：")) or len(line.split()) > 8:
        return False
    words = _PROSE_WORD.findall(_COMMAND.sub(" ", line))
    if not re.search(r"\d|\\", line):
        # a word: yes, Tuesday, a choice letter
        return last and len(words) <= 3
    if last:
        return True
    # text follows: a value with its unit at most
    return len(words) <= 2 and not re.match(r"\d{1,2}[.)、]\s*\D", line)


MOST_HASHES = 64
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_PROSE_WORD = re.compile(r"[^\W\d_]{2,}")
_HEADING = re.compile(
    r"(?:\d{1,2}[.)、]\s*)?(?:step|part|case|question|problem|solution|conclusions?|summary|verification|verify|check(?:ing)?|"
    r"explanations?|approach|analysis|reasoning|calculations?|notes?|method|final|results?|answers?|proof|example|"
    r"given|understanding|strategy|discussion|remarks?|interpretation|code|output|equation|section|substitution|"
    r"setup|introduction|background|key|lemma|claim|option|scenario)\b"
    r"|(?:步骤|第[一二三四五六七八九十\d]|总结|结论|解答|分析|验证|说明|解析|解题|方法|小结|思路|计算|检验|因此|答案)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"^(?:(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?|答案(?:是|为)?\s*[:\uff1a]?)\s*", re.IGNORECASE
)
_JSON_KEY = re.compile(r'["\'](?:(?:final|correct)[_ ]?)?(?:answer|答案)["\']\s*[:\uff1a]\s*', re.IGNORECASE)
_BARE_VALUE = re.compile(r"[^,}\n\"']{1,400}")  # 12 + 5, which JSON has no form for
_JSON_GOES_ON = re.compile(r"\s*[^\s,}\]\n`]")
_LOOSE_VALUE = re.compile(r"[\"']?(.*?)(?:(?<!\\)[\"']\s*(?:[,}\n]|$)|\n|$)", re.DOTALL)


def _json(text: str) -> tuple[int, str] | None:
    """Return (position, value) of the last "answer" key, in valid or damaged JSON."""
    if "nswer" not in text and "答案" not in text:
        return None
    start = text.rfind('"answer":') + len('"answer":')
    if start < 9 or "nswer" in text[start:]:
        matches = list(_JSON_KEY.finditer(text))
        if not matches:
            return None
        start = matches[-1].end()
    while text[start : start + 1].isspace():
        start += 1
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        # LaTeX in a JSON string often lacks one level of escapes: take the characters as they are
        loose = _LOOSE_VALUE.match(text, start)
        bare = _BARE_VALUE.match(text, start)
        if bare and bare.group().strip():
            return bare.end(), tidied(bare.group().strip())
        return (loose.end(), tidied(loose.group(1).strip())) if loose else None
    bare = _BARE_VALUE.match(text, start) if isinstance(value, (int, float)) else None
    if bare and not isinstance(value, bool) and _JSON_GOES_ON.match(text, end):
        return bare.end(), tidied(bare.group().strip())
    if isinstance(value, str) and any(ord(char) < 32 and char != "\n" for char in value):
        value = text[start + 1 : end - 1]  # "\frac" was read as a form feed
    if isinstance(value, list):
        value = ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    return end, tidied(value.strip()) if isinstance(value, str) else json.dumps(value)


_DECODER = json.JSONDecoder(strict=False)


_OUTPUT = re.compile(r"```(?:output|stdout|result)\s*\n(.*?)```", re.DOTALL)


def _code(text: str) -> Extraction | None:
    """Return the last line that a program printed, from a fenced block of output."""
    if "```output" not in text and "```stdout" not in text and "```result" not in text:
        return None
    blocks = [lines for block in _OUTPUT.findall(text) if (lines := block.strip().splitlines())]
    return Extraction(blocks[-1][-1].strip(), "code") if blocks else None
