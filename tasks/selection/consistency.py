"""Drop rows whose form is not uniform: what a student would learn from them is the defect. This module is the example for
contributors.

Each screen looks at a row by itself, without a model. None of them judges whether the mathematics is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
from pydantic import Field, field_validator

from storage.reasons import Code, Reason, reason
from tasks.plugins import checked
from tasks.selection import Selection
from tasks.settings import Section
from tasks.stages.outcome import Tick

STAGE = "select"

whole = False
parents = False

_LATEX = re.compile(r"\\(?:\(|\[|[a-zA-Z]{2,})|\$[a-zA-Z]\$|\$[^$\n]{1,200}?[\\^_=]")
_COMMAND = re.compile(r"\\(?:d?frac|sqrt|cdot|times|sum|int|lim|sin|cos|log|ln|pi|le|ge|left|div|pm)\b")
_ASCII_FORMULA = re.compile(r"\*\*|\w\^\w|\b(?:sqrt|pi|oo)\b|\d\s*\*\s*\w|->")
_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_BRACE = re.compile(r"\\f?boxed(?=\{)|\\.|[{}]", re.DOTALL)
_SPACES = re.compile(r"\s+|\\[,;!: ]")
_THINKING = re.compile(r"</?think(?:ing)?>")
_DELIMITER = re.compile(r"\\\\|\\[()\[\]]|\\\$|\$\$?|\\(?:begin|end)\{\w+\*?\}")
_PARTNERS: Final[Mapping[str, str]] = {r"\(": r"\)", r"\[": r"\]", "$": "$", "$$": "$$"}


def _outside_of_formulas(text: str) -> tuple[str, bool]:
    """Return the text without its formulas and boxes, and whether every formula is closed. Takes time linear in the text.

    A dollar sign that has no partner is one of money.
    """
    text = _without_boxes(text)
    parts, start, closing_by = [], 0, ""
    for match in _DELIMITER.finditer(text):
        mark = match.group()
        if mark in (r"\\", r"\$"):
            continue
        if closing_by:
            if mark == closing_by:
                start, closing_by = match.end(), ""
            continue
        parts.append(text[start : match.start()])
        start = match.end()
        if mark in _PARTNERS:
            closing_by = _PARTNERS[mark]
        elif mark.startswith(r"\begin"):
            closing_by = rf"\end{mark[len(chr(92) + 'begin') :]}"
        else:  # the end of a formula that was never opened
            return " ".join(parts), False
    closed = closing_by in ("", "$")
    return " ".join([*parts, text[start:]] if closed else parts), closed


def _boxes(text: str) -> list[tuple[int, int, int]]:
    """Return where each box begins, where its content does and where that ends, outer boxes before those in them; without boxes
    that are never closed. Takes time linear in the text."""
    opened: list[int] = []
    begins: dict[int, int] = {}  # the brace of a box -> where the box begins
    places = []
    for match in _BRACE.finditer(text):
        mark = match.group()
        if mark == "{":
            opened.append(match.start())
        elif mark == "}" and opened:
            brace = opened.pop()
            if brace in begins:
                places.append((begins[brace], brace + 1, match.start()))
        elif mark.endswith("boxed"):
            begins[match.end()] = match.start()
    return sorted(places)


def _without_boxes(text: str) -> str:
    parts, start = [], 0
    for begin, _, end in _boxes(text):
        if begin >= start:
            parts.append(text[start:begin])
            start = end + 1
    return " ".join(
        [*parts, text[start:]]
    )  # a box in dollar signs leaves two, which must not become one sign of a display


def _language(row: Mapping[str, Any]) -> bool:
    """Return whether a solution in words is in another language than its question."""
    text, _ = _outside_of_formulas(row["solution"])
    cjk, words = len(_CJK.findall(text)), len(_WORDS.findall(text))
    if row["solution_format"] == "pot" or cjk + words < 8:
        return False
    return cjk < words if row["language"] == "zh" else cjk > words


def _notation(row: Mapping[str, Any]) -> bool:
    """Return whether the question has LaTeX formulas and a solution in words has formulas in ASCII only."""
    if row["solution_format"] == "pot" or not _LATEX.search(row["question"]):
        return False
    text = _without_boxes(row["solution"])
    return not _LATEX.search(text) and bool(_ASCII_FORMULA.search(text))


def _delimiters(row: Mapping[str, Any]) -> bool:
    """Return whether a formula is left open, or LaTeX commands stand outside of formulas."""
    if row["solution_format"] == "pot":
        return False
    text, closed = _outside_of_formulas(row["solution"])
    return not closed or bool(_COMMAND.search(text))


def _answers(row: Mapping[str, Any]) -> bool:
    """Return whether the solution boxes several different values, of which it cannot mean all as its answer."""
    text = row["solution"]
    return len({_SPACES.sub("", text[begin:end]) for _, begin, end in _boxes(text)}) > 1


def _fences(row: Mapping[str, Any]) -> bool:
    """Return whether a code fence or a tag of thinking is left in the solution without its partner, or at all in a program."""
    text = row["solution"]
    fences = text.count("```")
    return bool(_THINKING.search(text)) or fences % 2 == 1 or (row["solution_format"] == "pot" and fences > 0)


def _rubric(row: Mapping[str, Any]) -> bool:
    """Return whether the texts hold what belongs to the conversation with the writer, not to the problem."""
    return bool(_RUBRIC.search(row["question"]) or _RUBRIC.search(row["solution"]))


_RUBRIC = re.compile(
    r"(?im)^[ \t]*(?:sure|certainly|of course|here(?: is|'s) (?:the|a|my) (?:solution|answer|problem)|as an ai|好的[,，]|当然[,，])"
    r"|^[ \t]*(?:question|problem|answer|solution|题目|问题|解答|答案)[ \t]*\d{0,3}[ \t]*[:：][ \t]*$"
)

SCREENS: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "language": _language,
    "notation": _notation,
    "delimiters": _delimiters,
    "answers": _answers,
    "fences": _fences,
    "rubric": _rubric,
}


class ConsistencySettings(Section, title="Consistency"):
    screens: list[str] = Field(
        list(SCREENS),
        description="language of question and solution; notation (LaTeX there and ASCII here); delimiters of formulas; several "
        "boxed answers; fences and tags of thinking; rubric (phrases of a conversation)",
    )

    @field_validator("screens")
    @classmethod
    def _screens(cls, given: list[str]) -> list[str]:
        checked("screen", given, SCREENS)
        return given


own_settings = ConsistencySettings


def needs(settings: ConsistencySettings) -> Mapping[str, str]:
    return {}


def select(rows: pa.Table, *, settings: ConsistencySettings, seed: int, tick: Tick) -> Selection:
    """Drop each row at the first screen that it does not pass."""
    reasons: list[Reason | None] = []
    for row in rows.select(["question", "solution", "solution_format", "language"]).to_pylist():
        name = next((name for name in settings.screens if SCREENS[name](row)), None)
        reasons.append(None if name is None else reason(STAGE, Code.INCONSISTENT, name=name))
    tick(rows.num_rows)
    return Selection(reasons)
