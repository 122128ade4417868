"""Equations in one form: what a text states as `left = right`, whatever its order, form and unknowns'
names.

`x^2 - 5x + 6 = 0` and `2y^2 + 12 = 10y` are one equation: the same polynomial up to scale. If little would
be left of it (`2x + 3 = 7` is then x - 2), its two sides represent it, each expanded. Texts may be hostile,
so nothing is evaluated: a small grammar is read into sympy's sparse polynomials over the rationals, within
limits on size and degree; what is outside of it (functions, inequalities, more than four unknowns) is no
equation here.
"""

from __future__ import annotations

import functools
import itertools
import re

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing, ring

MAX_TOKENS, MAX_DIGITS, MAX_DEGREE, MAX_DEPTH = 80, 15, 8, 12
MAX_UNKNOWNS = 4

Terms = tuple[tuple[tuple[int, ...], str], ...]
Equation = tuple[Terms, ...]
"""(exponents, coefficient) of the sorted terms, the unknowns renamed: of left - right, or of each side."""

_LETTER = r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])"
_SPAN = re.compile(rf"(?:\d+(?:\.\d+)?|(?<=\d)[A-Za-z](?![A-Za-z])|{_LETTER}|\\frac|[-+*/^(){{}}]|\s)+")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[A-Za-z]|\\frac|[-+*/^(){}]")

Fraction = tuple[PolyElement, PolyElement]


class _Unreadable(ValueError):
    """Outside of the grammar or its limits."""


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
        (a, b), (c, d) = _Reader(left, space).read(), _Reader(right, space).read()
        whole = _named([a * d - c * b], len(names), scaled=True)
        # one equation can be brought to many forms only if something remains of it in all of them
        return whole if specific(whole) >= 2 else _named([a * d, c * b], len(names), scaled=False)
    except _Unreadable:
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
        raise _Unreadable
    return best


class _Reader:
    """expression = term (+|- term)*; term = factor ((*|/)? factor)*; factor = atom (^ digits)?"""

    def __init__(self, text: str, space: PolyRing) -> None:
        self._tokens = _TOKEN.findall(text)
        if len(self._tokens) > MAX_TOKENS:
            raise _Unreadable
        self._at, self._depth, self._space = 0, 0, space

    def read(self) -> Fraction:
        value = self._sum()
        if self._at != len(self._tokens):
            raise _Unreadable
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise _Unreadable
        self._at += 1
        return token

    def _sum(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Unreadable
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= self._take() == "-"
        a, b = self._product()
        total = (-a if negative else a, b)
        while self._peek() in ("+", "-"):
            sign = self._take()
            a, b = self._product()
            total = (total[0] * b + (a if sign == "+" else -a) * total[1], total[1] * b)
            self._check(total)
        self._depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._factor()
        while self._peek() and self._peek() not in "+-)}":
            divide = self._peek() == "/"
            if self._peek() in "*/":
                self._take()
            a, b = self._factor()
            if divide:
                a, b = b, a
            if not b:
                raise _Unreadable
            total = (total[0] * a, total[1] * b)
            self._check(total)
        return total

    def _factor(self) -> Fraction:
        a, b = self._atom()
        if self._peek() == "^":
            self._take()
            braced = self._peek() == "{"
            if braced:
                self._take()
            power = self._take()
            if braced:
                self._take("}")
            if not power.isdecimal() or not 0 < int(power[:3]) <= MAX_DEGREE:
                raise _Unreadable
            a, b = a ** int(power), b ** int(power)
            self._check((a, b))
        return a, b

    def _atom(self) -> Fraction:
        token = self._take()
        one = self._space.one
        if token in ("(", "{"):
            value = self._sum()
            self._take(")" if token == "(" else "}")
            return value
        if token == r"\frac":
            (a, b), (c, d) = self._braced(), self._braced()
            if not c:
                raise _Unreadable
            return a * d, b * c
        if token[0].isdigit():
            if len(token) > MAX_DIGITS:
                raise _Unreadable
            whole, _, fraction = token.partition(".")
            return one * QQ(int(whole + fraction), 10 ** len(fraction)), one
        if token.isalpha():
            return self._space.gens[[str(s) for s in self._space.symbols].index(token)], one
        raise _Unreadable

    def _braced(self) -> Fraction:
        self._take("{")
        value = self._sum()
        self._take("}")
        return value

    @staticmethod
    def _check(value: Fraction) -> None:
        for part in value:
            if len(part) > 200 or any(sum(exponents) > MAX_DEGREE for exponents in part.monoms()):
                raise _Unreadable
