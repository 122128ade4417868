"""Finding the final answer in what a model wrote.

Explicit marks first (\\boxed, <answer>, ####, JSON), the last one in the text winning; then phrases ("the
answer is", 答案是), bold, a lone choice letter, program output; at last the last number or formula. Thinking
between <think> tags is not the answer. Everything is linear in the text's length: the text is hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial

from tasks.answers.phrases import announced, bold, choice, headed, last_value, tidied
from tasks.answers.sentences import letter_in, value_in
from tasks.answers.spelling import closing
from tasks.replies.solutions import solution_of

MAX_TEXT = 200_000  # characters kept, from the end: the final answer stands there
MAX_ANSWER = 2_000
PROSE_TAIL = 12_000


@dataclass(frozen=True, slots=True)
class Extraction:
    """A final answer as it was written, and the mark it was found by: boxed, tag, hash, json, phrase, bold,
    choice, code or last (the weakest: nothing marked it)."""

    answer: str
    kind: str
    marked: bool = field(default=False, compare=False)  # by a box, a tag, #### or JSON, a choice letter too


def extract(text: str, language: str = "en", *, cut: bool = False) -> Extraction | None:
    """The final answer of a solution in `language` ("en", "zh"), or None if it has none.

    A solution cut off inside its thinking has no final answer there; one that the token limit has `cut` has none but in
    an explicit, whole mark: its last number is one of a calculation that goes on. Where nothing was cut, a last box
    that lacks nothing but its closing brace holds the answer, and one that lacks more holds none.
    """
    text = solution_of(text)[-MAX_TEXT:].strip()
    if not text:
        return None
    found = _marked(text)
    if found is None and cut:
        return None
    if found is None:
        broken = _BROKEN_BOX.search(text)
        if broken:
            answer = broken["answer"].strip()
            whole = answer and _balanced(answer) and len(answer) <= MAX_ANSWER
            return Extraction(_without_words(answer), "boxed") if whole else None
    if found is None:
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
        return Extraction(letter.group(1), "choice", found.marked)
    return found


_LETTER = re.compile(r"[\s*(\[\uff08]*([A-J])[\s*)\].:\uff09]*")


def _marked(text: str) -> Extraction | None:
    """The last of the explicit marks."""
    found: tuple[int, Extraction] | None = None
    for name, finder in (("boxed", _boxed), ("tag", _tag), ("hash", _hash), ("json", _json)):
        hit = finder(text)
        if hit is not None and hit[1] and (found is None or hit[0] > found[0]):
            found = hit[0], Extraction(_without_words(hit[1]), name, True)
    if found is not None and found[1].kind in ("boxed", "hash") and not _LETTER.fullmatch(found[1].answer):
        # a box around a step, and the choice after it
        letters = list(_LETTER_LINE.finditer(text, found[0]))
        if letters:
            return Extraction(letters[-1].group(1), "choice", True)
    if found is not None and found[1].kind in ("tag", "json"):
        # a box inside the tag or the string is the answer itself
        inner = _boxed(found[1].answer)
        if inner is not None and inner[1]:
            return Extraction(_without_words(inner[1]), found[1].kind, True)
    return None if found is None else found[1]


_LETTER_LINE = re.compile(
    r"^\W{0,12}(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|option|choice|答案|故选|选)\W{0,6}(?:is\b\W{0,4}|是|为)?[(\[]?([A-J])[)\]]?[\s*.。]*$",
    re.IGNORECASE | re.MULTILINE,
)
_WORDS_BEFORE = re.compile(
    r"\\(?:text|mathrm|textbf|mbox|textrm)\s*\{[^{}]{0,200}?(?:\b(?:is|are|equals?|answer|total|of)|[:=：是为])\s*\}\s*[:=]?\s*(?=\S)"
)


def _without_words(answer: str) -> str:
    """The value of a box that holds a sentence: of \\text{The answer is } 12, 12."""
    words = _WORDS_BEFORE.match(answer)
    if words:
        return answer[words.end() :]
    whole = _TEXT_ONLY.fullmatch(answer)
    return (value_in(whole.group(1)) or answer) if whole else answer


def _closing_letter(text: str) -> str | None:
    """The choice letter that the last lines name in a sentence."""
    return letter_in(text[-400:])


_TEXT_ONLY = re.compile(r"\\(?:text|mathrm|textbf|mbox|textrm)\s*\{([^{}]{1,400})\}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\{|[^\s{\\]+)")
# a box that nothing closes up to the end of the text, on one line; what closes the formula around it may follow
_BROKEN_BOX = re.compile(
    r"\\(?:boxed|fbox)[ ]?\{(?P<answer>(?:(?!\\boxed|\\fbox)[^\n]){0,400}?)(?:\$\$?|\\\)|\\\])?[ .]?\Z"
)


def _balanced(text: str) -> bool:
    """Whether every brace of the text is closed in it."""
    depth = 0
    for char in re.sub(r"\\[{}]", "", text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


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
    """GSM8K's `#### 42`. A heading of the fourth level is no answer: text follows it, or it has a heading's words."""
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
    """Whether a line after #### is an answer and not a heading. `last`: nothing follows it."""
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
    """The last line that a program printed, in a fenced block of output."""
    if "```output" not in text and "```stdout" not in text and "```result" not in text:
        return None
    blocks = [lines for block in _OUTPUT.findall(text) if (lines := block.strip().splitlines())]
    return Extraction(blocks[-1][-1].strip(), "code") if blocks else None
