"""Exact arithmetic of text: expressions with at most one unknown are read as polynomials over the rationals.

Accepts plain and LaTeX notation: 12*7, 3 × (4 + 5), 2^10, 1,250, 15%, \\frac{3}{4}, \\sqrt{16}, 5!, 3x + 4. A polynomial
is {power: coefficient}; a number is {0: value}. Nothing is evaluated by Python and sizes are limited, so untrusted text
may be read. Functions, matrices and several unknowns are not supported.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import replace
from fractions import Fraction

from tasks.text.expressions import (
    Beside,
    Bracketed,
    Digits,
    Factor,
    Letter,
    Node,
    NotAnExpression,
    Notation,
    Postfix,
    Power,
    Quotient,
    Root,
    Sum,
    Term,
    Token,
    parse,
    parse_start,
)

Coefficients = dict[int, Fraction]

LARGEST = 10**40  # maximum of a value's numerator or denominator
HIGHEST = 64  # maximum exponent


def _beside(before: Token, token: Token, divided: bool) -> Beside:
    """3\\frac{1}{2} is a mixed number, which is not a product; two numbers side by side are none either."""
    if token.kind == "command":
        return "end" if before.kind == "number" else "multiply"
    return "multiply" if token.kind == "letter" or token.text == "(" else "end"


_WITH_UNKNOWN = Notation(
    signs={sign: sign for sign in "-+*/^(){}!%√"}
    | {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^", "[": "(", "]": ")"},
    commands={"times": "*", "cdot": "*", "div": "/", "left": "", "right": ""}
    | {"frac": "frac", "dfrac": "frac", "tfrac": "frac", "sqrt": "sqrt"},
    numbers=r"\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?",
    letters="lone",
    beside=_beside,
    minus="one",
    arguments="({",
    bare_roots=True,
    towers=True,
    tokens=4000,
    depth=24,
)
_NUMERIC = replace(_WITH_UNKNOWN, letters="none")


_FLAT = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[-+*/]-?\d{1,30}(?:\.\d{1,30})?){0,40}")
_PART = re.compile(r"(?:^|(?<=[-+*/]))(-)?(\d+)(?:\.(\d+))?([-+*/]?)")


def _flat(expression: str) -> Fraction | None:
    """Return the value of numbers with + - * / between them and no brackets, None if it is too large or divides by zero.

    Most calculations of worked solutions are such ones, and their values take a tenth of the time without a tree.
    """
    over, under = 0, 1  # of the sum so far; plain integers are several times as fast as fractions
    up, down, pending, negative = 1, 1, "", False  # of the term so far
    for minus, whole, decimals, following in _PART.findall(expression):
        value, scale = (int(whole + decimals), 10 ** len(decimals)) if decimals else (int(whole), 1)
        if minus:
            value = -value
        if pending == "/":
            if not value:
                return None
            up, down = up * scale, down * value
        elif pending:
            up, down = up * value, down * scale
        else:
            up, down = value, scale
        if following == "*" or following == "/":
            pending = following
            continue
        over, under = over * down - up * under if negative else over * down + up * under, under * down
        pending, negative = "", following == "-"
    total = Fraction(over, under)
    return None if max(abs(total.numerator), total.denominator) > LARGEST else total


@functools.lru_cache(maxsize=16384)  # the links of a chain and the samples of a question repeat
def number(text: str) -> Fraction | None:
    """Return the exact value of a whole text, or None if it is not a numeric expression."""
    if _FLAT.fullmatch(text):
        return _flat(text)
    try:
        poly = polynomial(text)[0]
    except NotAnExpression:
        return None
    return poly.get(0, Fraction(0)) if not any(poly.get(power) for power in poly if power) else None


def polynomial(text: str) -> tuple[Coefficients, str]:
    """Return the polynomial of a whole text and the letter of its unknown ("" if none). Raises NotAnExpression if it is none."""
    evaluation = _Evaluation()
    value = evaluation.sum(parse(text, _WITH_UNKNOWN))
    return value, evaluation.unknown


def leading_number(text: str) -> tuple[Fraction, int] | None:
    """Return the value of the longest numeric expression at the start of the text and the index of its end, or None.

    What has no value, such as a division by zero, ends the expression before its operator, as what cannot be read does.
    """
    try:
        terms = parse_start(text, _NUMERIC).terms
        total, end, complete = _leading_term(terms[0])
        for term in terms[1:]:
            if not complete:
                break
            try:
                value, after, complete = _leading_term(term)
            except NotAnExpression:
                break
            total, end = _bounded(_plus(total, value)), after
    except NotAnExpression:
        return None
    return total.get(0, Fraction(0)), end


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


def _leading_term(term: Term) -> tuple[Coefficients, int, bool]:
    """Return the value of the factors that have one, the index of their end, and whether these are all factors."""
    evaluation = _Evaluation()
    first = term.factors[0]
    total, end, complete = evaluation.factor(first), first.end, True
    for factor in term.factors[1:]:
        try:
            value = evaluation.factor(factor)
            if not factor.operator:
                value = _bounded(_times(total, value))
        except NotAnExpression:
            complete = False
            break
        total, end = value if not factor.operator else _combined(total, factor, value), factor.end
    return (_scaled(total, Fraction(-1)) if term.negative else total), end, complete


class _Evaluation:
    """Evaluates trees as polynomials. `unknown` is the letter that occurred, "" before the first one."""

    def __init__(self) -> None:
        self.unknown = ""

    def sum(self, tree: Sum) -> Coefficients:
        total = self.term(tree.terms[0])
        for term in tree.terms[1:]:
            total = _bounded(_plus(total, self.term(term)))
        return total

    def term(self, term: Term) -> Coefficients:
        total = self.factor(term.factors[0])
        for factor in term.factors[1:]:
            total = _combined(total, factor, self.factor(factor))
        return _scaled(total, Fraction(-1)) if term.negative else total

    def factor(self, factor: Factor) -> Coefficients:
        value = self.value(factor.value)
        return _scaled(value, Fraction(-1)) if factor.negative else value

    def value(self, value: Node) -> Coefficients:
        match value:
            case Digits(digits=digits):
                if len(digits) > 40:
                    raise NotAnExpression("too long")
                return {0: Fraction(digits.replace(",", ""))}
            case Letter(name=name):
                if self.unknown not in ("", name):
                    raise NotAnExpression("a second unknown")
                self.unknown = name
                return {1: Fraction(1)}
            case Bracketed(inner=inner):
                return self.sum(inner)
            case Quotient(numerator=numerator, denominator=denominator):
                return _over(self.sum(numerator.inner), self.sum(denominator.inner))
            case Root(radicand=radicand):
                return {0: _root(_constant(self.value(radicand)))}
            case Power(base=base, exponent=exponent, negative=negative):
                raised = self.value(base)
                power = _constant(self.value(exponent))
                return _bounded(_raised(raised, -power if negative else power))
            case Postfix(sign=sign, value=inner_value):
                number_before = _constant(self.value(inner_value))
                return {0: number_before / 100 if sign == "%" else _factorial(number_before)}


def _combined(total: Coefficients, factor: Factor, value: Coefficients) -> Coefficients:
    return _bounded(_over(total, value) if factor.operator == "/" else _times(total, value))


def _bounded(poly: Coefficients) -> Coefficients:
    for power, value in poly.items():
        if power > HIGHEST or max(abs(value.numerator), value.denominator) > LARGEST:
            raise NotAnExpression("too large")
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
        raise NotAnExpression("division by zero")
    return _scaled(a, 1 / divisor)


def _raised(base: Coefficients, exponent: Fraction) -> Coefficients:
    if exponent.denominator != 1 or abs(exponent) > HIGHEST:
        raise NotAnExpression("exponent")
    if exponent < 0:
        return _raised(_over({0: Fraction(1)}, base), -exponent)
    power: Coefficients = {0: Fraction(1)}
    for _ in range(int(exponent)):
        power = _bounded(_times(power, base))
    return power


def _constant(poly: Coefficients) -> Fraction:
    if any(value for power, value in poly.items() if power):
        raise NotAnExpression("not a number")
    return poly.get(0, Fraction(0))


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= 30:
        raise NotAnExpression("factorial")
    return Fraction(math.factorial(int(value)))


def _root(value: Fraction) -> Fraction:
    if value >= 0:
        over, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if over * over == value.numerator and under * under == value.denominator:
            return Fraction(over, under)
    raise NotAnExpression("not a perfect square")
