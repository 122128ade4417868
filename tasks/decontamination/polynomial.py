"""Equations in one form: what a text states as `left = right`, whatever its order, form and unknowns'
names.

`x^2 - 5x + 6 = 0` and `2y^2 + 12 = 10y` are one equation: the same polynomial up to scale. If little would
be left of it (`2x + 3 = 7` is then x - 2), its two sides represent it, each expanded. Texts may be hostile,
so nothing is evaluated: expressions (tasks.text.expressions) are read into sympy's sparse polynomials over the
rationals, within limits on size and degree; what is outside of them (functions, inequalities, more than four unknowns) is no
equation here.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing, ring

from tasks.text.expressions import (
    Bracketed,
    Digits,
    Factor,
    Letter,
    Node,
    NotAnExpression,
    Notation,
    Power,
    Quotient,
    Sum,
    Term,
    parse,
)

MAX_DIGITS, MAX_DEGREE = 15, 8
MAX_UNKNOWNS = 4

Terms = tuple[tuple[tuple[int, ...], str], ...]
Equation = tuple[Terms, ...]
"""(exponents, coefficient) of the sorted terms, the unknowns renamed: of left - right, or of each side."""

_LETTER = r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])"
_SPAN = re.compile(rf"(?:\d+(?:\.\d+)?|(?<=\d)[A-Za-z](?![A-Za-z])|{_LETTER}|\\frac|[-+*/^(){{}}]|\s)+")
_NOTATION = Notation(
    signs={sign: sign for sign in "-+*/^(){}"},
    commands={"frac": "frac"},
    numbers=r"\d+(?:\.\d+)?",
    tokens=80,
    depth=11,
)

Ratio = tuple[PolyElement, PolyElement]
"""Numerator and denominator."""


def equations(folded: str) -> frozenset[Equation]:
    """Return the equations in a text whose LaTeX is folded (tasks.dedup.normalise.folded_array)."""
    stated = set()
    for place in [k for k, c in enumerate(folded) if c == "="]:
        if folded[place - 1 : place] in ("<", ">", "!", "=") or folded[place + 1 : place + 2] == "=":
            continue
        before = _ending_here(folded, place)
        after = _SPAN.match(folded, place + 1)
        if before and after:
            equation = _canonical(_trim(before), _trim(after.group()))
            if equation is not None:
                stated.add(equation)
    return frozenset(stated)


def specific(equation: Equation) -> int:
    """Return how many of the equation's coefficients are other than 1 and -1.

    `x + y = 10` has one, `2x + 3 = 7` three. A given value, `x = 5`, says nothing of its own: 0.
    """
    if len(equation) == 2 and all(len(side) <= 1 for side in equation):
        return 0
    return sum(coefficient not in ("1", "-1") for side in equation for _, coefficient in side)


def _ending_here(text: str, place: int) -> str | None:
    """Return the longest run of the grammar's signs that ends before `place`."""
    start = max(0, place - 160)
    for match in _SPAN.finditer(text, start, place):
        if match.end() == place:
            return match.group()
    return None


def _trim(span: str) -> str:
    return span.strip()


@functools.lru_cache(maxsize=1 << 16)
def _canonical(left: str, right: str) -> Equation | None:
    try:
        names = sorted(set(re.findall(r"[A-Za-z]", (left + right).replace(r"\frac", ""))))
        if not names or len(names) > MAX_UNKNOWNS:
            return None
        space: PolyRing = ring(names, QQ)[0]
        (a, b), (c, d) = (_Evaluation(space).sum(parse(side, _NOTATION)) for side in (left, right))
        whole = _named([a * d - c * b], len(names), scaled=True)
        # one equation can be brought to many forms only if something remains of it in all of them
        return whole if specific(whole) >= 2 else _named([a * d, c * b], len(names), scaled=False)
    except NotAnExpression:
        return None


def _named(sides: list[PolyElement], unknowns: int, *, scaled: bool) -> Equation:
    """Normalise sides by the unknowns' names (the least of all renamings), their order, and the scale if
    `scaled`.
    """
    best: Equation | None = None
    for order in itertools.permutations(range(unknowns)):
        named = []
        for side in sides:
            side_terms = sorted((tuple(exponents[k] for k in order), c) for exponents, c in side.terms())
            scale = side_terms[-1][1] if scaled and side_terms else 1
            named.append(tuple((exponents, str(c / scale)) for exponents, c in side_terms))
        candidate = tuple(sorted(named))
        best = candidate if best is None or candidate < best else best
    if best is None:
        raise NotAnExpression("no unknowns")
    return best


class _Evaluation:
    """Evaluates trees in a polynomial ring."""

    def __init__(self, space: PolyRing) -> None:
        self._one = space.one
        self._gens = {str(symbol): gen for symbol, gen in zip(space.symbols, space.gens, strict=True)}

    def sum(self, tree: Sum) -> Ratio:
        total: Ratio | None = None
        for term in tree.terms:
            a, b = self._product(term.factors)
            if term.negative:
                a = -a
            if total is None:
                total = (a, b)
            else:
                total = (total[0] * b + a * total[1], total[1] * b)
                _check(total)
        if total is None:
            raise NotAnExpression("empty")
        return total

    def _product(self, factors: Sequence[Factor]) -> Ratio:
        total = self._value(factors[0].value)
        for factor in factors[1:]:
            a, b = self._value(factor.value)
            if factor.operator == "/":
                a, b = b, a
            if not b:
                raise NotAnExpression("a division by zero")
            total = (total[0] * a, total[1] * b)
            _check(total)
        return total

    def _value(self, value: Node) -> Ratio:
        match value:
            case Digits(digits=digits):
                if len(digits) > MAX_DIGITS:
                    raise NotAnExpression("too long")
                whole, _, fraction = digits.partition(".")
                return self._one * QQ(int(whole + fraction), 10 ** len(fraction)), self._one
            case Letter(name=name):
                return self._gens[name], self._one
            case Bracketed(inner=inner):
                return self.sum(inner)
            case Quotient(numerator=numerator, denominator=denominator):
                (a, b), (c, d) = self.sum(numerator.inner), self.sum(denominator.inner)
                if not c:
                    raise NotAnExpression("a division by zero")
                return a * d, b * c
            case Power(base=base, exponent=exponent):
                a, b = self._value(base)
                power = _exponent(exponent)
                a, b = a**power, b**power
                _check((a, b))
                return a, b
        raise NotAnExpression("a root, or a sign behind a value")


def _exponent(exponent: Node) -> int:
    """Return an exponent from 1 to MAX_DEGREE that is written as digits, in braces or without."""
    match exponent:
        case (
            Digits(digits=digits)
            | Bracketed(
                bracket="{",
                inner=Sum(terms=(Term(negative=False, factors=(Factor(value=Digits(digits=digits)),)),)),
            )
        ):
            if digits.isdecimal() and 0 < int(digits[:3]) <= MAX_DEGREE:
                return int(digits)
    raise NotAnExpression("the exponent")


def _check(value: Ratio) -> None:
    for part in value:
        if len(part) > 200 or any(sum(exponents) > MAX_DEGREE for exponents in part.monoms()):
            raise NotAnExpression("too large")
