"""Finding the final answer in what a model wrote.

Explicit marks first (\\boxed, <answer>, ####, JSON), the last one in the text winning; then phrases ("the
answer is", 答案是), bold, a lone choice letter, program output; at last the last number or formula. Thinking
between <think> tags is not the answer. Everything is linear in the text's length: the text is hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial

from tasks.answers.phrases import announced, bold, choice, last_value, tidied
from tasks.answers.spelling import closing
from tasks.replies import solution_of

MAX_TEXT = 200_000  # characters kept, from the end: the final answer stands there
MAX_ANSWER = 2_000
PROSE_TAIL = 12_000


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
    text = solution_of(text)[-MAX_TEXT:].strip()
    if not text:
        return None
    found = _marked(text)
    if found is None:
        tail = text[-PROSE_TAIL:]
        for kind, finder in (
            ("phrase", partial(announced, language=language)),
            ("bold", bold),
            ("choice", choice),
        ):
            answer = finder(tail)
            if answer:
                found = Extraction(answer, kind)
                break
        else:
            found = _code(text)
    if found is None:
        answer = last_value(text[-PROSE_TAIL:])
        found = Extraction(answer, "last") if answer else None
    if found is None or len(found.answer) > MAX_ANSWER:
        return None
    letter = _LETTER.fullmatch(found.answer)
    if letter and found.kind != "code":
        return Extraction(letter.group(1), "choice")
    return found


_LETTER = re.compile(r"[\s*(\[\uff08]*([A-J])[\s*)\].:\uff09]*")


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
        end = closing(text, match.end() - 1, match.end() + 2 * MAX_ANSWER)
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
    r"^(?:(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?|答案(?:是|为)?\s*[:\uff1a]?)\s*", re.IGNORECASE
)
_JSON_KEY = re.compile(r'["\'](?:final_?)?(?:answer|答案)["\']\s*[:\uff1a]\s*', re.IGNORECASE)
_LOOSE_VALUE = re.compile(r"[\"']?(.*?)(?:(?<!\\)[\"']\s*(?:[,}\n]|$)|\n|$)", re.DOTALL)


def _json(text: str) -> tuple[int, str] | None:
    """The value of the last "answer" key, in whole JSON or in what a model left of it."""
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
        # LaTeX in a JSON string is often escaped once too little: take the characters as they stand
        loose = _LOOSE_VALUE.match(text, start)
        return (loose.end(), tidied(loose.group(1).strip())) if loose else None
    if isinstance(value, str) and any(ord(char) < 32 and char != "\n" for char in value):
        value = text[start + 1 : end - 1]  # "\frac" was read as a form feed
    if isinstance(value, list):
        value = ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    return end, tidied(value.strip()) if isinstance(value, str) else json.dumps(value)


_DECODER = json.JSONDecoder(strict=False)


_OUTPUT = re.compile(r"```(?:output|stdout|result)\s*\n(.*?)```", re.DOTALL)


def _code(text: str) -> Extraction | None:
    """The last line that a program printed, in a fenced block of output."""
    if "```output" not in text and "```stdout" not in text and "```result" not in text:
        return None
    blocks = [lines for block in _OUTPUT.findall(text) if (lines := block.strip().splitlines())]
    return Extraction(blocks[-1][-1].strip(), "code") if blocks else None
