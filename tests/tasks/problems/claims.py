"""Extract the arithmetic of worked steps: every equality between plain numbers, to be evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_RUN = re.compile(r"[\d+\-*/^(). ]+")


def claims(steps: Iterable[str]) -> list[tuple[str, str]]:
    """Return the sides of every `left = right` in which both are plain arithmetic."""
    pairs = []
    for step in steps:
        text = re.sub(r"\$([^$]*)\$", lambda match: _plain(match[1]), step)
        for sign in re.finditer("=", text):
            left, right = _before(text, sign.start()), _after(text, sign.end())
            if left and right:
                pairs.append((left, right))
    return pairs


def _plain(formula: str) -> str:
    """Return a LaTeX formula in plain notation, "@" where it has more than plain arithmetic has."""
    text = re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", formula).replace(r"\cdot", "*")
    text = re.sub(r"\^\{(\d+)\}", r"^\1", text)
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", text)
    return "@" if "\\" in text else text


def false_claims(steps: Iterable[str]) -> list[tuple[str, str]]:
    return [(left, right) for left, right in claims(steps) if value(left) != value(right)]


def value(expression: str) -> Fraction:
    """Evaluate plain arithmetic exactly; `^` is a power."""
    code = re.sub(r"\d+\.\d+|\d+", lambda match: f"Fraction('{match[0]}')", expression.replace("^", "**"))
    result = eval(code, {"__builtins__": {}, "Fraction": Fraction})
    return Fraction(result)


def _before(text: str, end: int) -> str | None:
    start = end
    while start and _RUN.fullmatch(text[start - 1]):
        start -= 1
    run, front = text[start:end].strip(), text[:start]
    while run.count("(") > run.count(")"):
        run = run[run.index("(") + 1 :].strip()
    # `x - 3 = 5`, `2x = 4`, `F(2) = 7` and `sqrt(9) = 3` speak of letters, not of numbers
    adjacent = text[start:end][:1] != " " and front[-1:].isascii() and front[-1:].isalnum()
    variable = re.search(r"(?:^|[^A-Za-z])[A-Za-z]$", front) is not None
    if not re.search(r"\d", run) or adjacent or (variable and run[0] in "+-*/^"):
        return None
    return run.lstrip(".").strip()


def _after(text: str, start: int) -> str | None:
    match = _RUN.match(text, start)
    run = (match[0] if match else "").rstrip(". ").strip()
    rest = text[match.end() :] if match else ""
    while run.count(")") > run.count("("):
        run = run[: run.rindex(")")].strip()
    letters = rest[:1].isascii() and rest[:1].isalpha() and not (match and match[0].endswith(" "))
    if not re.search(r"\d", run) or letters or run[-1] in "+-*/^(":
        return None
    return run
