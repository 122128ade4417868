"""math-verify as the judge of two answers, with its known wrong verdicts caught. Runs in the worker only.

Guarded (each proved on plain math-verify by tests/tasks/answers/test_faults.py):
- what is parsed to nothing (an empty set, a truth value, nan) is not an answer, so never equal;
- equal after rounding to six decimals or after chopping is not equal (1/2^99 and 1/2^98): values are compared
  again by relative error;
- the verdict depends on which of the two is the gold (an interval against an inequality): both ways are asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import sympy
from math_verify import parse, verify
from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig
from sympy import Basic, Float, Interval, MatrixBase, S, Tuple
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from tasks.answers.exact import decide_canonical, elements

Verdict = Literal["equal", "different", "unknown"]

_CONFIG = (LatexExtractionConfig(), ExprExtractionConfig())
_EMPTY_SET = re.compile(r"\\emptyset|\\\{\s*\\\}|\{\s*\}")
# where the grammar stops silently, and would answer for the part before it
_STOPS = re.compile(r"\*\*|\\overline|\\dot|_\{?\d|:[^:]*:|\||\\mid(?![a-zA-Z])")
_DIGITS = 30
_LOOSE, _TIGHT = 1e-5, 1e-9


def verdict(candidate: str, gold: str) -> Verdict:
    """The verdict on two canonical texts. Any error of the algebra below is "unknown", never "different"."""
    found = _whole(candidate, gold)
    if found == "equal":
        return found
    first, second = elements(candidate), elements(gold)
    if len(first) == len(second) and len(first) > 1:
        matched = _matched(first, second)
        if matched == "equal" or found == "unknown":
            return matched
    return found


def _matched(first: Sequence[str], second: Sequence[str]) -> Verdict:
    """Two lists of answers, in any order: equal if every answer finds its own partner."""
    left, doubtful = list(second), False
    for part in first:
        for index, other in enumerate(left):
            found = decide_canonical(part, other) or _whole(part, other)
            if found == "equal":
                del left[index]
                break
            doubtful |= found == "unknown"
        else:
            return "unknown" if doubtful else "different"
    return "equal"


def _whole(candidate: str, gold: str) -> Verdict:
    a, b = read(candidate), read(gold)
    if a is None or b is None:
        return "unknown"
    try:
        same = verify(b, a, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True)
        same = same or verify(a, b, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True)
        if same:
            return "equal" if agree(a, b) else "different"
        return "equal" if _identical(a, b) else "different"
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - sympy raises anything; what it cannot compare is not known to differ
        return "unknown"


def read(text: str) -> Basic | MatrixBase | None:
    """The expression math-verify reads in a canonical text; None if it reads none, or nothing meaningful."""
    if _STOPS.search(text):
        return None
    found = parse(f"${text}$", _CONFIG, parsing_timeout=None)
    expression = next((item for item in found if isinstance(item, (Basic, MatrixBase))), None)
    if expression is None or isinstance(expression, BooleanAtom):
        return None
    if expression is S.EmptySet or (isinstance(expression, sympy.FiniteSet) and not expression.args):
        return expression if _EMPTY_SET.search(text) else None
    if isinstance(expression, Basic) and expression.has(S.NaN, S.ComplexInfinity):
        return None
    return expression


def agree(a: Any, b: Any) -> bool:
    """Whether what math-verify calls equal survives comparison by relative error, part by part.

    Only numbers can refute: parts that are no numbers keep math-verify's verdict.
    """
    if isinstance(a, MatrixBase) and isinstance(b, MatrixBase):
        return a.shape != b.shape or all(agree(p, q) for p, q in zip(a.flat(), b.flat(), strict=True))
    if isinstance(a, Interval) and isinstance(b, Interval):
        return agree(a.start, b.start) and agree(a.end, b.end)
    if isinstance(a, Relational) and isinstance(b, Relational) and a.lhs == b.lhs:
        return agree(a.rhs, b.rhs)
    if isinstance(a, (sympy.FiniteSet, Tuple)) and isinstance(b, (sympy.FiniteSet, Tuple)):
        if len(a.args) != len(b.args):
            return True
        return all(any(agree(p, q) for q in b.args) for p in a.args)
    if isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr) and a.free_symbols == b.free_symbols:
        return all(_near(x, y, _tolerance(a, b)) for x, y in _values(a, b))
    return True


def _identical(a: Any, b: Any) -> bool:
    """Equal although math-verify's simplification did not find it: the same to 25 digits wherever tried."""
    if not isinstance(a, sympy.Expr) or not isinstance(b, sympy.Expr) or a.free_symbols != b.free_symbols:
        return False
    if a.has(Float) or b.has(Float):
        return False
    values = _values(a, b)
    enough = 3 if a.free_symbols else 1
    return len(values) >= enough and all(_near(x, y, 1e-25) for x, y in values)


def _tolerance(a: sympy.Expr, b: sympy.Expr) -> float:
    return _LOOSE if a.has(Float) or b.has(Float) else _TIGHT


def _values(a: sympy.Expr, b: sympy.Expr) -> list[tuple[Any, Any]]:
    """Both expressions evaluated at the same few points (at once, where they have no variables)."""
    symbols = sorted(a.free_symbols, key=str)
    points = []
    for shift in range(4 if symbols else 1):
        # fixed odd fractions: no accidental zeros, the same on every machine
        point = {
            symbol: sympy.Rational(7 + 4 * index + 6 * shift, 11 + 2 * shift)
            for index, symbol in enumerate(symbols)
        }
        x, y = (expression.subs(point).doit().evalf(_DIGITS) for expression in (a, b))
        if x.is_number and y.is_number and x.is_finite and y.is_finite:
            points.append((x, y))
    return points


def _near(x: Any, y: Any, tolerance: float) -> bool:
    gap, size = abs(x - y), max(abs(x), abs(y))
    return bool(gap == 0 or gap <= tolerance * size)
