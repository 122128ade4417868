"""Arithmetic statements in running text, such as "12 - 5 = 7": their positions, their values and whether they are true.

Statements are rather missed than misread: only plain arithmetic on both sides of a `=` counts, and not "3x + 4 = 19",
"5% of 80 = 4", "f(2) = 3" or "17 / 5 = 3 remainder 2".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tasks.text.arithmetic import leading_number, number


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement `left = right` at text[start:end]; its right side is text[right_at:end]."""

    start: int
    right_at: int
    end: int
    left: Fraction
    right: Fraction
    left_text: str
    right_text: str

    @property
    def true(self) -> bool:
        """Whether both sides are equal, or are if the left is rounded to the decimals of the right."""
        if self.left == self.right:
            return True
        if self.right_text.endswith("%") and "%" not in self.left_text and self.left == 100 * self.right:
            return True  # 100 - 60 = 40% counts in percent
        decimals = re.fullmatch(r"-?\d+\.(\d+)", self.right_text)
        return decimals is not None and abs(self.left - self.right) * 2 <= Fraction(
            1, 10 ** len(decimals.group(1))
        )


_EQUALS = re.compile(r"(?<![<>!≤≥≠:=])=(?!=)")
_RUN = r"(?:[\d.,+\-−–*/×÷·^(){}\s%!√]|\\(?:times|cdot|div|[dt]?frac|sqrt|left|right)(?![A-Za-z]))"
_SUFFIX = re.compile(f"{_RUN}*$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_BEFORE_SENTENCE = re.compile(r"^.*(?:[.,]\s|\n)", re.DOTALL)
# what makes the preceding value a part of something else: a variable, a function, a remainder, the power of a unit
_GOES_ON = re.compile(
    r"\s*(?:[-+*/×÷·^!%({\[_]|\\(?!text|mathrm|quad|,|;|!|\)|\]|$)|[a-zA-Z](?![a-zA-Z]))"
    r"|\s\d|[^.\n]{0,40}\bremainder\b|[A-Za-z]|\.\.|…|\.\\|\.\d|,\d|,\\!"
    r"|[\s$)]*(?:余|(?:remainder|mod|rem|R)\b|\\text\s*\{\s*(?:R|rem))"
)
# what may not precede an expression directly: a letter, an index, a command, a bar, the colon of a time or ratio
_LEADS_IN = re.compile(r"(?:[A-Za-z_\\|&\]@#]|\d:)$")
# words that make what follows an operand of something else
_OPERATED = re.compile(
    r"(?:\b(?:of|times|plus|minus|mod|over|than|(?:divided|multiplied) by|\d\s?and)|的|以|[)}]"
    r"|(?<![A-Za-z])[xX×*·]|[/*×]\s?\$|\b(?:days?|weeks?|months?|years?|steps?|rooms?|pages?|grades?|chapters?)|\\[cl]?dots[a-z]?|\.\.\.|…)$"
)
# an x between two numbers multiplies them, and is no unknown
_TIMES = re.compile(r"([\d)%]\s{0,3})[xX](?=\s{0,3}[\d($.])")
_FRACTION_BEHIND = re.compile(r"\s+(?:and\s+)?\(?(\d{1,6})/(\d{1,6})(?![\d/]|\.\d)\)?")
_BY_A_FRACTION = re.compile(r"/\s*\d+\s*/\s*\d")  # 25 / 1/3 may mean 25 / (1/3)

_CLOCK = re.compile(r"(?<![\d.])0\d{2,}")  # 0900 - 0130 are times
WINDOW = 160  # characters that are read on either side of a `=`


def statements(text: str) -> Iterator[Statement]:
    """Yield every arithmetic statement from left to right; a chain "a = b = c" gives one statement per `=`."""
    written, text = text, _TIMES.sub(r"\1×", text)  # of the same length
    signs = list(_EQUALS.finditer(text))
    for index, sign in enumerate(signs):
        previous_end = signs[index - 1].end() if index else 0
        following = signs[index + 1].start() if index + 1 < len(signs) else len(text)
        left = _left(text, max(previous_end, sign.start() - WINDOW), sign.start(), chained=index > 0)
        if left is None:
            continue
        right = _right(text, sign.end(), min(following, sign.end() + WINDOW), chained=following < len(text))
        if right is None:
            continue
        statement = Statement(
            left[1],
            right[1],
            right[2],
            left[0],
            right[0],
            written[left[1] : sign.start()].strip(),
            written[right[1] : right[2]],
        )
        if not _says_nothing(statement, text):
            yield statement


def _says_nothing(statement: Statement, text: str) -> bool:
    """Whether the two sides may have different units, so that a difference is no error."""
    left, right = statement.left_text, statement.right_text
    if _CLOCK.search(left) or _CLOCK.search(right):
        return True
    if not statement.true and _BY_A_FRACTION.search(left):
        return True
    if "%" in right and "%" not in left and not re.fullmatch(r"[\d.,]+\s?\\?%", right):
        return True  # 48 = 100% + 20%
    dollars = "$" in text[max(0, statement.start - 2) : statement.start + 1]
    return dollars and re.match(r"\s*(?:cents?\b|¢)", text[statement.end :]) is not None


def _left(text: str, low: int, high: int, *, chained: bool) -> tuple[Fraction, int] | None:
    match = _SUFFIX.search(text[low:high])
    run = match.group(0) if match else ""
    start = high - len(run)
    cut = _BEFORE_SENTENCE.match(run)
    if cut and re.search(r"[-+*/×÷=]\s*$", cut.group(0)):
        return None  # an expression broken over lines
    if cut:
        start += cut.end()
    run = text[start:high]
    start += len(run) - len(run.lstrip(" \t\n,"))
    run = text[start:high].rstrip()
    before = text[low:start]
    spaced = before.rstrip()
    if not run or run[0] in "+*/×÷·^!%.)},{" or _LEADS_IN.search(before) or _OPERATED.search(spaced):
        return None
    # a minus after a value, or with a space behind it, subtracts from something; otherwise it is a sign
    if run[0] in "-−–" and (run[1:2] == " " or re.search(r"(?:\d|[)}|]|(?<![A-Za-z])[A-Za-z])$", spaced)):
        return None
    if run.startswith(("(", r"\left")) and re.search(r"(?<![A-Za-z])[A-Za-z]$", spaced):
        return None  # a function's argument
    ahead = spaced.rstrip("$ \t\n")  # a formula may begin between the words and the number
    whole = (start == low and chained) or not ahead
    if _NUMBER.fullmatch(run) and not whole and ahead[-1] not in ",:;.(，。：；、（→⇒=":
        return None  # a lone number after a word or a sign belongs to that
    value = number(run)
    return None if value is None else (value, start)


def _right(text: str, low: int, high: int, *, chained: bool) -> tuple[Fraction, int, int, str] | None:
    leading = leading_number(text[low:high])
    if leading is None:
        return None
    value, length = leading
    raw = text[low : low + length]
    start = low + len(raw) - len(raw.lstrip())
    end = low + len(raw.rstrip())
    rest = text[end:high]
    behind = _FRACTION_BEHIND.match(rest)
    if behind and re.fullmatch(r"-?\d+", text[start:end]) and int(behind.group(2)):
        part = Fraction(int(behind.group(1)), int(behind.group(2)))  # 3 / 2 = 1 1/2
        value += -part if value < 0 else part
        end += behind.end()
        rest = text[end:high]
    if _GOES_ON.match(rest):
        return None
    return value, start, end, text[start:end]
