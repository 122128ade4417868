"""Answers as Python and sympy print them, respelled in LaTeX: x**2 + sqrt(2)/2 becomes x^{2} + \\sqrt{2}/2.

math-verify's grammar stops silently at a `**` (it reads 2*x**3 as 2), so nothing of this may reach it as is.
Text is rewritten, never evaluated.
"""

from __future__ import annotations

import re

_TRIGGER = re.compile(
    r"\*\*|\*|(?<![\\a-zA-Z])(?:sqrt|cbrt|Rational|Fraction|Matrix|pi|oo|exp|log|ln|sin|cos|tan|asin|acos|atan|Abs|Interval|FiniteSet|EmptySet)(?![a-zA-Z])"
)
_NAMES = {
    "pi": r"\pi ", "oo": r"\infty ", "sin": r"\sin ", "cos": r"\cos ", "tan": r"\tan ", "asin": r"\arcsin ",
    "acos": r"\arccos ", "atan": r"\arctan ", "log": r"\ln ", "ln": r"\ln ", "EmptySet": r"\emptyset ",
}  # fmt: skip
_NAME = re.compile(rf"(?<![\\a-zA-Z])({'|'.join(_NAMES)})(?![a-zA-Z])")
_RATIO = re.compile(r"(?:Rational|Fraction)\(\s*(-?\d+)\s*,\s*(\d+)\s*\)")
_MATRIX = re.compile(r"(?:Immutable)?(?:Dense)?Matrix\(\s*\[(\[.*\])\]\s*\)", re.DOTALL)
_CALL = re.compile(r"(?<![\\a-zA-Z])(sqrt|cbrt|exp|Abs|FiniteSet)\(")
_POWER = re.compile(r"\s*\*\*\s*")
_OPERAND = re.compile(r"-?(?:\d+(?:\.\d+)?|[a-zA-Z]\w*|\\[a-zA-Z]+)")


def respelled(text: str) -> str:
    """The text with Python's operators and sympy's functions in LaTeX; unchanged where it has none."""
    if not _TRIGGER.search(text):
        return text
    text = _RATIO.sub(r"\\frac{\1}{\2}", text)
    text = _MATRIX.sub(_matrix, text)
    text = _calls(text)
    text = _NAME.sub(lambda match: _NAMES[match.group(1)], text)
    text = _powers(text)
    return text if "**" in text else re.sub(r"\s*\*\s*", r" \\cdot ", text)


def _matrix(match: re.Match[str]) -> str:
    rows = [row.replace(",", " & ") for row in re.findall(r"\[([^\[\]]*)\]", match.group(1))]
    return r"\begin{pmatrix}" + r" \\ ".join(rows) + r"\end{pmatrix}"


_SHAPES = {
    "sqrt": (r"\sqrt{", "}"), "cbrt": (r"\sqrt[3]{", "}"), "exp": ("e^{", "}"), "Abs": ("|", "|"),
    "FiniteSet": (r"\{", r"\}"),
}  # fmt: skip


def _calls(text: str) -> str:
    while match := _CALL.search(text):
        end = _closing(text, match.end() - 1)
        if end < 0:
            return text
        left, right = _SHAPES[match.group(1)]
        text = text[: match.start()] + left + text[match.end() : end] + right + text[end + 1 :]
    return text


def _powers(text: str) -> str:
    """a**b as a^{b}; a tower (a**b**c) keeps its stars, and is read by nobody."""
    parts: list[str] = []
    position = 0
    while match := _POWER.search(text, position):
        start = match.end()
        if text.startswith("(", start):
            end = _closing(text, start)
            operand = text[start + 1 : end]
            end += 1
        else:
            found = _OPERAND.match(text, start)
            end = found.end() if found else -1
            operand = found.group() if found else ""
        if end <= start or _POWER.match(text, end) or "**" in operand:
            return text
        parts += [text[position : match.start()], "^{", operand, "}"]
        position = end
    return "".join([*parts, text[position:]])


def _closing(text: str, start: int) -> int:
    depth = 0
    for match in re.compile(r"[()]").finditer(text, start):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.start()
    return -1
