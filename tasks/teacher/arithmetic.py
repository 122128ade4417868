"""Exact arithmetic of text: expressions with at most one unknown are read as polynomials over the rationals.

Accepts plain and LaTeX notation: 12*7, 3 × (4 + 5), 2^10, 1,250, 15%, \\frac{3}{4}, \\sqrt{16}, 5!, 3x + 4. A polynomial
is {power: coefficient}; a number is {0: value}. Nothing is evaluated by Python and sizes are limited, so untrusted text
may be read. Functions, matrices and several unknowns are not supported.
"""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

Coefficients = dict[int, Fraction]

DEEPEST = 24  # maximum nesting of parentheses
LARGEST = 10**40  # maximum of a value's numerator or denominator
HIGHEST = 64  # maximum exponent

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"|\\(?P<command>times|cdot|div|[dt]?frac|sqrt|left|right)(?![A-Za-z])"
    r"|(?P<operator>\*\*|[-+*/^()\[\]{}!%×÷·−–√])"
    r"|(?P<unknown>[a-zA-Z])(?![a-zA-Z]))"
)
_SAME = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^", "[": "(", "]": ")"}
_COMMAND = {"times": "*", "cdot": "*", "div": "/", "dfrac": "frac", "tfrac": "frac"}


class NotArithmetic(ValueError):
    """The text is not an expression that this module can read."""


@functools.lru_cache(maxsize=16384)  # the links of a chain and the samples of a question repeat
def number(text: str) -> Fraction | None:
    """Return the exact value of a whole text, or None if it is not a numeric expression."""
    try:
        poly = polynomial(text)[0]
    except NotArithmetic:
        return None
    return poly.get(0, Fraction(0)) if not any(poly.get(power) for power in poly if power) else None


def polynomial(text: str) -> tuple[Coefficients, str]:
    """Return the polynomial of a whole text and the letter of its unknown ("" if none). Raises NotArithmetic if it is none."""
    reader = _Reader(text, unknowns=True)
    value = reader.sum(0)
    if text[reader.at :].strip():
        raise NotArithmetic(text)
    return value, reader.unknown


def leading_number(text: str) -> tuple[Fraction, int] | None:
    """Return the value of the longest numeric expression at the start of the text and the index of its end, or None."""
    reader = _Reader(text, unknowns=False)
    try:
        value = reader.sum(0)
    except NotArithmetic:
        return None
    return value.get(0, Fraction(0)), reader.at


def written(value: Fraction, like: str = "") -> str:
    """Return the value as text in the notation of `like`: a LaTeX or plain fraction, a decimal, or an integer."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = _decimal(value)
    if decimal and "frac" not in like and ("/" not in like):
        return decimal
    if "/" in like:
        return f"{value.numerator}/{value.denominator}"
    sign = "-" if value < 0 else ""
    command = "dfrac" if "dfrac" in like else "frac"
    return f"{sign}\\{command}{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _decimal(value: Fraction) -> str | None:
    """Return the value as a decimal if it has at most six places, else None."""
    for places in range(1, 7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return ("-" if value < 0 else "") + digits[:-places] + "." + digits[-places:]
    return None


class _Reader:
    """A recursive-descent parser of sums of products of powers. `at` is the index at which reading stopped."""

    def __init__(self, text: str, *, unknowns: bool) -> None:
        self.text = text
        self.at = 0
        self.unknowns = unknowns
        self.unknown = ""

    def peek(self) -> tuple[str, str, int]:
        """Return kind and text of the next token and the index of its end; ("", "", at) at the end or if it is unknown."""
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            return "", "", self.at
        kind = match.lastgroup or ""
        token = match.group(kind)
        if kind == "command" and token in ("left", "right"):
            self.at = match.end()
            return self.peek()
        if kind == "command":
            token = _COMMAND.get(token, token)
            kind = "operator" if token in "*/" else kind
        return kind, _SAME.get(token, token), match.end()

    def sum(self, depth: int) -> Coefficients:
        if depth > DEEPEST:
            raise NotArithmetic("too deep")
        kind, token, end = self.peek()
        sign = 1
        while kind == "operator" and token in "+-":
            self.at = end
            sign = -sign if token == "-" else sign
            kind, token, end = self.peek()
        total = self.product(depth)
        if sign < 0:
            total = _scaled(total, Fraction(-1))
        while True:
            before = self.at
            kind, token, end = self.peek()
            if kind != "operator" or token not in "+-":
                self.at = before
                return total
            self.at = end
            try:
                term = self.product(depth)
            except NotArithmetic:
                self.at = before
                return total
            total = _bounded(_plus(total, term if token == "+" else _scaled(term, Fraction(-1))))

    def product(self, depth: int) -> Coefficients:
        total = self.signed(depth)
        while True:
            before = self.at
            kind, token, end = self.peek()
            if kind == "operator" and token in "*/":
                self.at = end
                try:
                    factor = self.signed(depth)
                except NotArithmetic:
                    self.at = before
                    return total
                total = _bounded(_times(total, factor) if token == "*" else _over(total, factor))
            elif kind == "command" and self.text[: self.at].rstrip()[-1:].isdigit():
                self.at = before  # 3\\frac{1}{2} is a mixed number, which is not a product
                return total
            elif (kind == "unknown" and self.unknowns) or token == "(" or kind == "command":
                try:
                    total = _bounded(_times(total, self.power(depth)))
                except NotArithmetic:
                    self.at = before
                    return total
            else:
                self.at = before
                return total

    def signed(self, depth: int) -> Coefficients:
        kind, token, end = self.peek()
        if kind == "operator" and token == "-":
            self.at = end
            return _scaled(self.power(depth), Fraction(-1))
        return self.power(depth)

    def power(self, depth: int) -> Coefficients:
        base = self.atom(depth)
        while True:
            before = self.at
            kind, token, end = self.peek()
            if token == "^":
                self.at = end
                exponent = _constant(self.group(depth) if self.peek()[1] == "{" else self.signed(depth))
                base = _bounded(_raised(base, exponent))
            elif (kind == "operator" and token == "%") or token == "!":
                self.at = end
                if token == "!" and self.peek()[1] == "!":
                    raise NotArithmetic("a double factorial")
                value = _constant(base)
                base = {0: value / 100 if token == "%" else _factorial(value)}
            else:
                self.at = before
                return base

    def atom(self, depth: int) -> Coefficients:
        kind, token, end = self.peek()
        if kind == "number":
            if len(token) > 40:
                raise NotArithmetic("too long")
            self.at = end
            return {0: Fraction(token.replace(",", ""))}
        if kind == "unknown" and self.unknowns and self.unknown in ("", token):
            self.at = end
            self.unknown = token
            return {1: Fraction(1)}
        if token in ("(", "{"):
            return self.group(depth)
        if token == "frac":
            self.at = end
            return _over(self.group(depth), self.group(depth))
        if token in ("sqrt", "√"):
            self.at = end
            if self.text[end : end + 1] == "[":
                raise NotArithmetic("a root of another degree")
            return {0: _root(_constant(self.group(depth) if self.peek()[1] in "({" else self.atom(depth)))}
        raise NotArithmetic(self.text)

    def group(self, depth: int) -> Coefficients:
        _, token, end = self.peek()
        closing = {"(": ")", "{": "}"}.get(token)
        if closing is None:
            raise NotArithmetic(self.text)
        self.at = end
        value = self.sum(depth + 1)
        _, token, end = self.peek()
        if token != closing:
            raise NotArithmetic(self.text)
        self.at = end
        return value


def _bounded(poly: Coefficients) -> Coefficients:
    for power, value in poly.items():
        if power > HIGHEST or max(abs(value.numerator), value.denominator) > LARGEST:
            raise NotArithmetic("too large")
    return poly


def _plus(a: Coefficients, b: Coefficients) -> Coefficients:
    return {power: a.get(power, Fraction(0)) + b.get(power, Fraction(0)) for power in a.keys() | b.keys()}


def _scaled(a: Coefficients, factor: Fraction) -> Coefficients:
    return {power: value * factor for power, value in a.items()}


def _times(a: Coefficients, b: Coefficients) -> Coefficients:
    product: Coefficients = {}
    for p, x in a.items():
        for q, y in b.items():
            product[p + q] = product.get(p + q, Fraction(0)) + x * y
    return product


def _over(a: Coefficients, b: Coefficients) -> Coefficients:
    divisor = _constant(b)
    if not divisor:
        raise NotArithmetic("division by zero")
    return _scaled(a, 1 / divisor)


def _raised(base: Coefficients, exponent: Fraction) -> Coefficients:
    if exponent.denominator != 1 or abs(exponent) > HIGHEST:
        raise NotArithmetic("exponent")
    if exponent < 0:
        return _raised(_over({0: Fraction(1)}, base), -exponent)
    power: Coefficients = {0: Fraction(1)}
    for _ in range(int(exponent)):
        power = _bounded(_times(power, base))
    return power


def _constant(poly: Coefficients) -> Fraction:
    if any(value for power, value in poly.items() if power):
        raise NotArithmetic("not a number")
    return poly.get(0, Fraction(0))


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= 30:
        raise NotArithmetic("factorial")
    return Fraction(math.factorial(int(value)))


def _root(value: Fraction) -> Fraction:
    if value >= 0:
        over, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if over * over == value.numerator and under * under == value.denominator:
            return Fraction(over, under)
    raise NotArithmetic("not a perfect square")
