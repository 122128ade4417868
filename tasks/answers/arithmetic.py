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
from dataclasses import dataclass
from fractions import Fraction

from tasks.answers.verdicts import Judgement
from tasks.text.expressions import (
    Beside,
    Bracketed,
    Digits,
    Factor,
    Letter,
    Node,
    NotAnExpression,
    Notation,
    Power,
    Quotient,
    Root,
    Sum,
    Token,
    parse,
)

# a prime of 127 bits, 7 mod 8, of which every prime below 73 is a square: their roots exist and are one power
_P = 85070591730758152407037357706047147391
_MAX_DIGITS = 200

_VARIABLE = re.compile(r"[a-zA-Z]|\\(?:pi|theta|alpha|beta|lambda)")
_COMMAND = re.compile(r"\\(?:frac|sqrt|cdot|times)")
_WORD = re.compile(r"(?<!\\)\b[a-zA-Z]{3,}")


def _beside(before: Token, token: Token, divided: bool) -> Beside:
    """1/2x, 1 2, x(3), 1\\frac12 and a digit after a bracket can be read in two ways."""
    if divided or token.kind == "number" or (token.text == "(" and before.kind == "letter"):
        return "refuse"
    return "refuse" if token.text == "frac" and before.kind == "number" else "multiply"


_NOTATION = Notation(
    signs={sign: sign for sign in "-+*/^(){}"},
    commands={"frac": "frac", "sqrt": "sqrt", "cdot": "*", "times": "*"}
    | {name: f"\\{name}" for name in ("pi", "theta", "alpha", "beta", "lambda")},
    beside=_beside,
    minus="many",
    tokens=300,
    depth=40,
)


@dataclass(frozen=True, slots=True)
class _Image:
    """The residues at the two points, and the exact value if it is small and has neither variables nor roots."""

    residues: tuple[int, int]
    exact: Fraction | None = None


def decide_arithmetic(a: str, b: str) -> Judgement | None:
    """Return whether two canonical texts are the same expression, None if one is outside of the language."""
    try:
        x, y = _evaluate(a), _evaluate(b)
    except NotAnExpression:
        return None
    if x.residues == y.residues:
        return "equal"
    if "C" in _letters(a) & _letters(b):
        return None  # antiderivatives: equal up to their constant
    # x and X may be the same variable
    return None if _letters(a) != _letters(b) and _letters(a.lower()) == _letters(b.lower()) else "different"


def _letters(text: str) -> set[str]:
    return set(_VARIABLE.findall(_COMMAND.sub(" ", text)))


def _evaluate(text: str) -> _Image:
    if _WORD.search(text):
        raise NotAnExpression(text)
    return _sum(parse(text, _NOTATION))


def _sum(tree: Sum) -> _Image:
    total: _Image | None = None
    for term in tree.terms:
        product = _factor(term.factors[0])
        for factor in term.factors[1:]:
            value = _factor(factor)
            product = _multiply(product, _inverse(value) if factor.operator == "/" else value)
        if term.negative:
            product = _multiply(_MINUS, product)
        total = product if total is None else _add(total, product)
    if total is None:
        raise NotAnExpression("empty")
    return total


def _factor(factor: Factor) -> _Image:
    value = _value(factor.value)
    return _multiply(_MINUS, value) if factor.negative else value


def _value(value: Node) -> _Image:
    match value:
        case Digits(digits=digits):
            return _number(_integer(digits))
        case Letter(name=name):
            if name in ("i", "I", "E"):
                raise NotAnExpression("the imaginary unit or an index; sympy prints E for e")
            return _Image((_point(name, 0), _point(name, 1)))
        case Bracketed(inner=inner):
            return _sum(inner)
        case Quotient(numerator=numerator, denominator=denominator):
            return _multiply(_sum(numerator.inner), _inverse(_sum(denominator.inner)))
        case Root(radicand=radicand):
            return _root(_value(radicand))
        case Power(base=base, exponent=exponent):
            return _power(_value(base), exponent)
    raise NotAnExpression("a sign behind a value")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotAnExpression("too long")
    return int(digits)


def _power(base: _Image, exponent: Node) -> _Image:
    """Raise to digits, or in braces to digits with a sign, or to halves: x^2, x^{-2}, x^{3/2}."""
    if isinstance(exponent, Digits):
        return _raise(base, _integer(exponent.digits))
    match exponent:
        case Bracketed(bracket="{", inner=Sum(terms=(term,))):
            first, *others = term.factors
            match others:
                case []:
                    halves = False
                case [Factor(operator="/", negative=False, value=Digits(digits="2"))]:
                    halves = True
                case _:
                    raise NotAnExpression("the exponent is no integer and no half")
            if isinstance(first.value, Digits):
                value = _raise(_root(base) if halves else base, _integer(first.value.digits))
                return _inverse(value) if term.negative else value
    raise NotAnExpression("the exponent is no integer and no half")


@functools.cache
def _point(name: str, index: int) -> int:
    digest = hashlib.sha256(f"{name}\x1f{index}".encode()).digest()
    return int.from_bytes(digest, "big") % _P


def _number(value: int) -> _Image:
    return _Image((value % _P, value % _P), _small(Fraction(value)))


def _small(value: Fraction) -> Fraction | None:
    return value if abs(value.numerator) < 10**30 and value.denominator < 10**30 else None


_MINUS = _number(-1)


def _add(x: _Image, y: _Image) -> _Image:
    residues = tuple((p + q) % _P for p, q in zip(x.residues, y.residues, strict=True))
    known = x.exact is not None and y.exact is not None
    return _Image((residues[0], residues[1]), _small(x.exact + y.exact) if known else None)  # type: ignore[operator]


def _multiply(x: _Image, y: _Image) -> _Image:
    residues = tuple(p * q % _P for p, q in zip(x.residues, y.residues, strict=True))
    known = x.exact is not None and y.exact is not None
    return _Image((residues[0], residues[1]), _small(x.exact * y.exact) if known else None)  # type: ignore[operator]


def _inverse(x: _Image) -> _Image:
    if 0 in x.residues:
        raise NotAnExpression("a division by zero at one of the points")
    exact = 1 / x.exact if x.exact is not None else None
    return _Image((pow(x.residues[0], -1, _P), pow(x.residues[1], -1, _P)), exact)


def _raise(x: _Image, exponent: int) -> _Image:
    if exponent == 0 and 0 in x.residues:
        raise NotAnExpression("a power 0 of 0")
    exact = _small(x.exact**exponent) if x.exact is not None and exponent <= 100 else None
    return _Image((pow(x.residues[0], exponent, _P), pow(x.residues[1], exponent, _P)), exact)


def _root(x: _Image) -> _Image:
    """Return the square root of a rational as the product of the roots of its primes, so that √2√3 is √6."""
    if x.exact is None or x.exact < 0:
        raise NotAnExpression("the root of an expression")
    numerator, denominator = (_integer_root(part) for part in (x.exact.numerator, x.exact.denominator))
    residue = numerator * pow(denominator, -1, _P) % _P
    return _Image((residue, residue))


def _integer_root(value: int) -> int:
    if value > 10**12:
        raise NotAnExpression("a root of a large number")
    residue, divisor = 1, 2
    while divisor * divisor <= value:
        while value % divisor == 0:
            residue, value = residue * _prime_root(divisor) % _P, value // divisor
        divisor += 1
        if divisor > 2000 and value > 2000:
            raise NotAnExpression("a root with a large prime")
    return residue * (_prime_root(value) if value > 1 else value) % _P


@functools.lru_cache(maxsize=1024)
def _prime_root(prime: int) -> int:
    root = pow(prime, (_P + 1) // 4, _P)
    if root * root % _P != prime % _P:
        raise NotAnExpression("no root in the field")
    return root
