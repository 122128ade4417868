"""Decides whether rational expressions and square roots are equal, without computer algebra.

Two expressions are evaluated at the same two points of a prime field. Integers, variables, pi, + - * /, integer powers
and square roots of rationals all have a homomorphic image there, so different values prove the expressions
different, and equal ones prove them equal up to a chance of about 1e-35 (Schwartz 1980, Zippel 1979: the
identity test by evaluation). 9^{9^9} costs what 9 costs. Everything else (decimals, functions, relations, what
can be read in two ways) gives None: math-verify decides.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tasks.answers.verdicts import Judgement

# a prime of 127 bits, 7 mod 8, of which every prime below 73 is a square: their roots exist and are one power
_P = 85070591730758152407037357706047147391
_MAX_TOKENS, _MAX_DEPTH, _MAX_DIGITS = 300, 40, 200

_TOKEN = re.compile(
    r"\s+|(\d+|[a-zA-Z]|\\(?:frac|sqrt|pi|cdot|times|theta|alpha|beta|lambda)(?![a-zA-Z])|[-+*/^(){}])"
)
_TIMES = ("*", "\\cdot", "\\times")
_VARIABLE = re.compile(r"[a-zA-Z]|\\(?:pi|theta|alpha|beta|lambda)")
_COMMAND = re.compile(r"\\(?:frac|sqrt|cdot|times)")
_WORD = re.compile(r"(?<!\\)\b[a-zA-Z]{3,}")


class _Unreadable(Exception):
    """The text is outside of the language of this module."""


@dataclass(frozen=True, slots=True)
class _Value:
    """The residues at the two points, and the exact value if it is small and has neither variables nor roots."""

    residues: tuple[int, int]
    exact: Fraction | None = None


def decide_arithmetic(a: str, b: str) -> Judgement | None:
    """Return whether two canonical texts are the same expression, None if one is outside of the language."""
    try:
        x, y = _evaluate(a), _evaluate(b)
    except _Unreadable:
        return None
    if x.residues == y.residues:
        return "equal"
    if "C" in _letters(a) & _letters(b):
        return None  # antiderivatives: equal up to their constant
    # x and X may be the same variable
    return None if _letters(a) != _letters(b) and _letters(a.lower()) == _letters(b.lower()) else "different"


def _letters(text: str) -> set[str]:
    return set(_VARIABLE.findall(_COMMAND.sub(" ", text)))


def _evaluate(text: str) -> _Value:
    if _WORD.search(text):
        raise _Unreadable
    tokens = list(_tokens(text))
    if not tokens or len(tokens) > _MAX_TOKENS:
        raise _Unreadable
    reader = _Reader(tokens)
    value = reader.sum(0)
    if reader.position < len(tokens):
        raise _Unreadable
    return value


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _Unreadable
        position = match.end()
        if match.group(1):
            yield match.group(1)


class _Reader:
    """A recursive-descent parser over the tokens; each method consumes the term that it is named after."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.position = tokens, 0

    @property
    def next(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.next
        if not token or (expected and token != expected):
            raise _Unreadable
        self.position += 1
        return token

    def sum(self, depth: int) -> _Value:
        if depth > _MAX_DEPTH:
            raise _Unreadable
        value = self.product(depth, self.sign())
        while self.next in ("+", "-"):
            value = _add(value, self.product(depth, self.sign()))
        return value

    def sign(self) -> int:
        sign = 1
        while self.next in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        return sign

    def product(self, depth: int, sign: int) -> _Value:
        value = _multiply(_number(sign), self.power(depth))
        divided = False
        while True:
            token = self.next
            if token in _TIMES:
                self.take()
                value = _multiply(value, self.power(depth, self.sign()))
            elif token == "/":
                self.take()
                value, divided = _multiply(value, _inverse(self.power(depth, self.sign()))), True
            elif token and token not in ("+", "-", ")", "}"):
                before = self.tokens[self.position - 1]
                # 1/2x, 1 2, x(3), 1\\frac12 and a digit after a bracket can be read in two ways
                if divided or token.isdigit() or (token == "(" and _VARIABLE.fullmatch(before)):
                    raise _Unreadable
                if token == "\\frac" and before.isdigit():
                    raise _Unreadable
                value = _multiply(value, self.power(depth))
            else:
                return value

    def power(self, depth: int, sign: int = 1) -> _Value:
        base = self.atom(depth)
        if self.next == "^":
            self.take()
            base = self.raised(base)
            if self.next == "^":
                raise _Unreadable
        return _multiply(_number(sign), base)

    def raised(self, base: _Value) -> _Value:
        braced = self.next == "{"
        if braced:
            self.take()
        sign = self.sign() if braced else 1
        exponent = self.take()
        if not exponent.isdigit() or len(exponent) > _MAX_DIGITS:
            raise _Unreadable
        root = braced and self.next == "/"
        if root:
            self.take()
            self.take("2")
        if braced:
            self.take("}")
        value = _raise(_root(base) if root else base, int(exponent))
        return _inverse(value) if sign < 0 else value

    def atom(self, depth: int) -> _Value:
        token = self.take()
        if token.isdigit():
            if len(token) > _MAX_DIGITS:
                raise _Unreadable
            return _number(int(token))
        if _VARIABLE.fullmatch(token):
            if token in ("i", "I", "E"):
                raise _Unreadable  # the imaginary unit or an index; sympy prints E for e
            return _Value((_point(token, 0), _point(token, 1)))
        if token in ("(", "{"):
            value = self.sum(depth + 1)
            self.take(")" if token == "(" else "}")
            return value
        if token == "\\frac":
            numerator = self.group(depth)
            return _multiply(numerator, _inverse(self.group(depth)))
        if token == "\\sqrt":
            return _root(self.group(depth))
        raise _Unreadable

    def group(self, depth: int) -> _Value:
        self.take("{")
        value = self.sum(depth + 1)
        self.take("}")
        return value


@functools.cache
def _point(name: str, index: int) -> int:
    digest = hashlib.sha256(f"{name}\x1f{index}".encode()).digest()
    return int.from_bytes(digest, "big") % _P


def _number(value: int) -> _Value:
    return _Value((value % _P, value % _P), Fraction(value))


def _small(value: Fraction) -> Fraction | None:
    return value if abs(value.numerator) < 10**30 and value.denominator < 10**30 else None


def _add(x: _Value, y: _Value) -> _Value:
    residues = tuple((p + q) % _P for p, q in zip(x.residues, y.residues, strict=True))
    known = x.exact is not None and y.exact is not None
    return _Value((residues[0], residues[1]), _small(x.exact + y.exact) if known else None)  # type: ignore[operator]


def _multiply(x: _Value, y: _Value) -> _Value:
    residues = tuple(p * q % _P for p, q in zip(x.residues, y.residues, strict=True))
    known = x.exact is not None and y.exact is not None
    return _Value((residues[0], residues[1]), _small(x.exact * y.exact) if known else None)  # type: ignore[operator]


def _inverse(x: _Value) -> _Value:
    if 0 in x.residues:
        raise _Unreadable
    exact = 1 / x.exact if x.exact is not None else None
    return _Value((pow(x.residues[0], -1, _P), pow(x.residues[1], -1, _P)), exact)


def _raise(x: _Value, exponent: int) -> _Value:
    if exponent == 0 and 0 in x.residues:
        raise _Unreadable
    exact = _small(x.exact**exponent) if x.exact is not None and exponent <= 100 else None
    return _Value((pow(x.residues[0], exponent, _P), pow(x.residues[1], exponent, _P)), exact)


def _root(x: _Value) -> _Value:
    """Return the square root of a rational as the product of the roots of its primes, so that √2√3 is √6."""
    if x.exact is None or x.exact < 0:
        raise _Unreadable
    numerator, denominator = (_integer_root(part) for part in (x.exact.numerator, x.exact.denominator))
    residue = numerator * pow(denominator, -1, _P) % _P
    return _Value((residue, residue))


def _integer_root(value: int) -> int:
    if value > 10**12:
        raise _Unreadable
    residue, divisor = 1, 2
    while divisor * divisor <= value:
        while value % divisor == 0:
            residue, value = residue * _prime_root(divisor) % _P, value // divisor
        divisor += 1
        if divisor > 2000 and value > 2000:
            raise _Unreadable
    return residue * (_prime_root(value) if value > 1 else value) % _P


@functools.lru_cache(maxsize=1024)
def _prime_root(prime: int) -> int:
    root = pow(prime, (_P + 1) // 4, _P)
    if root * root % _P != prime % _P:
        raise _Unreadable  # not a square here
    return root
