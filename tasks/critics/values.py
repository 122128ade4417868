"""The value of an expression in one spelling, as tasks/critics/expressions.py writes it.

Values are exact fractions. Where irrational roots or pi stand, they are floating-point numbers.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Final

from tasks.text.arithmetic import number
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
    Token,
    parse,
)

ExactOrFloat = Fraction | float


@functools.lru_cache(maxsize=65536)
def value_of(expression: str) -> ExactOrFloat | None:
    """Return the value of an expression in one spelling (digits, + - * / ^ ( ) % ! √ \\pi), None if it has none.

    The value is a fraction if there are no irrational roots and no pi, otherwise a floating-point number.
    """
    if len(expression) > 400:
        return None
    irrational = "\\pi" in expression
    if not irrational and (exact := number(expression)) is not None:
        return exact
    if not irrational and "√" not in expression and "^" not in expression:
        return None
    try:
        approximate = _float(parse(expression, _IRRATIONAL))
    except (NotAnExpression, OverflowError, ZeroDivisionError, ValueError):
        return None
    return approximate if math.isfinite(approximate) else None


def _beside(before: Token, token: Token, divided: bool) -> Beside:
    return "multiply"


_IRRATIONAL: Final = Notation(
    signs={sign: sign for sign in "-+*/^(){}!%√"},
    commands={"pi": "\\pi"},
    numbers=r"\d+(?:\.\d+)?",
    letters="none",
    beside=_beside,
    minus="one",
    arguments="({",
    bare_roots=True,
    towers=True,
    tokens=400,
    depth=24,
)


def _float(tree: Sum) -> float:
    total = 0.0
    for term in tree.terms:
        product = _float_factor(term.factors[0])
        for factor in term.factors[1:]:
            value = _float_factor(factor)
            product = product / value if factor.operator == "/" else product * value
        total += -product if term.negative else product
    return total


def _float_factor(factor: Factor) -> float:
    value = _float_node(factor.value)
    return -value if factor.negative else value


def _float_node(node: Node) -> float:
    match node:
        case Digits(digits=digits):
            return float(digits)
        case Letter():
            return math.pi
        case Bracketed(inner=inner):
            return _float(inner)
        case Quotient(numerator=numerator, denominator=denominator):
            return _float(numerator.inner) / _float(denominator.inner)
        case Root(radicand=radicand):
            return math.sqrt(_float_node(radicand))
        case Power(base=base, exponent=exponent, negative=negative):
            power = _float_node(exponent)
            raised = _float_node(base) ** (-power if negative else power)
            if isinstance(raised, complex):
                raise NotAnExpression("a root of a negative number")
            return float(raised)
        case Postfix(sign="%", value=inner_value):
            return _float_node(inner_value) / 100
    raise NotAnExpression("a factorial")
