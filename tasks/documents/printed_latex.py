"""Boxes of one line as LaTeX: the names of functions, words, relations and dots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tasks.documents.printed_boxes import Box

FUNCTIONS: Final = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "lg",
        "exp",
        "lim",
        "max",
        "min",
        "sup",
        "inf",
        "det",
        "dim",
        "ker",
        "gcd",
        "deg",
        "arg",
        "Pr",
        "mod",
    ]
)
_MODULUS: Final = re.compile(r"\(\\bmod ?([^()]+)\)")
_DOTS: Final = re.compile(r"\\cdot(?: ?\\cdot){2,}|\.\.\.|\. \. \.")
_NEGATED: Final = {r"\in": r"\notin", "=": r"\ne"}
_RELATIONS: Final = frozenset(
    ["=", "+", "-", "<", ">", r"\le", r"\ge", r"\ne", r"\leq", r"\geq", r"\in", r"\cap", r"\cup", r"\times", r"\cdot", r"\to", r"\mid",
     r"\subseteq", r"\subset", r"\pm", r"\equiv", r"\approx", r"\Rightarrow", r"\Leftrightarrow", r"\rightarrow", r"\wedge", r"\vee"]
)  # fmt: skip


def formula(boxes: Sequence[Box]) -> str:
    """Return boxes of one line as LaTeX."""
    parts: list[str] = []
    letters: list[Box] = []

    def words() -> None:
        text = "".join(box.latex for box in letters)
        if text in FUNCTIONS:
            text = f"\\{text}" if text != "mod" else r"\bmod"
        elif len(text) > 1:
            text = f"\\text{{{text}}}"
        if text and letters:
            last = letters[-1]
            parts.append(
                text
                + (f"_{{{last.lower}}}" if last.lower else "")
                + (f"^{{{last.upper}}}" if last.upper else "")
            )
        letters.clear()

    before: Box | None = None
    for box in sorted(boxes, key=lambda box: box.x0):
        apart = before is not None and box.x0 - before.x1 > 0.15 * box.size
        if box.text in ("/", "̸") and before is not None and parts and box.x0 < before.x1 - 0.3 * box.size:
            parts[-1] = _NEGATED.get(parts[-1], f"\\not{parts[-1]}")
            continue
        roman = not box.math and not box.italic and box.text is not None and box.text.isalpha()
        if letters and (apart or not roman or letters[-1].upper or letters[-1].lower):
            ended = apart and roman
            words()
            if (ended or (apart and not roman)) and parts and parts[-1].startswith("\\text{"):
                parts[-1] = parts[-1][:-1] + " }"
        if roman:
            letters.append(box)
        else:
            parts.append(box.whole)
        before = box
    words()
    return _spaced(parts)


def _spaced(parts: Sequence[str]) -> str:
    """Join LaTeX, with a blank where a command would run into a letter, and around relations."""
    text = ""
    for part in parts:
        if not part:
            continue
        command = re.search(r"\\[A-Za-z]+\Z", text)
        relation = part in _RELATIONS or (bool(text) and text.rsplit(" ", 1)[-1] in _RELATIONS)
        text += (
            " "
            if text and (relation or (command and part[0].isalpha()) or (command and part[0] == "\\"))
            else ""
        ) + part
    text = text.replace(r" }\text{", " ")  # words beside each other
    text = _MODULUS.sub(r"\\pmod{\1}", text)
    text = text.replace("̸=", r"\ne ").replace("̸ =", r"\ne ")
    return _DOTS.sub(_dots, text).strip()


def _dots(match: re.Match[str]) -> str:
    """Return three dots of TeX as such, between multiplication signs where there are five."""
    count = match[0].count(r"\cdot")
    return {0: r"\ldots", 3: r"\cdots", 4: r"\cdots \cdot", 5: r"\cdot \cdots \cdot"}.get(count, match[0])
