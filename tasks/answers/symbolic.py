"""math-verify as the judge of two answers, with its known wrong verdicts caught. Runs in the worker only.

Guarded (each proved on plain math-verify by tests/tasks/answers/test_faults.py):
- what is parsed to nothing (an empty set, a truth value, nan) or in part only is not read, so never equal;
- equal after rounding to six decimals or after chopping is not equal (1/2^99 and 1/2^98): values are compared
  again by relative error;
- of an equation only the right side is compared: x + y - 1 = 0 is not 0.
What it calls different gets a second opinion from numerical identity and from other spellings of one thing
(degrees and radians, an inequality and its interval, a vector as a column and as a tuple).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from math_verify import parse, verify
from math_verify.parser import LatexExtractionConfig
from sympy import Basic, Float, Interval, MatrixBase, S, Tuple
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from tasks.answers import comparison, numerals
from tasks.answers.exact import decide_canonical, elements
from tasks.answers.verdicts import Verdict

# units are taken off by tasks.answers.units: math-verify's own removal eats variables (the t of \cot t)
_NORMAL = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
# no ExprExtractionConfig: where the LaTeX grammar fails, it takes any number of the text (of x = 1 mod 5, the 5)
_CONFIG = (LatexExtractionConfig(normalization_config=_NORMAL),)
_EMPTY_SET = re.compile(r"\\emptyset|\\\{\s*\\\}|\{\s*\}")
# what the grammar skips or reads as something else, without a word
_STOPS = re.compile(
    r"\*\*|\\overline|\\dot(?![a-z])|\d_\{?\d|:[^:]*:|\\\{[^|]*\|[^|]*\\\}|\\\{.*:.*\\\}|\{.*\\mid(?![a-zA-Z])|\\[pb]?mod(?![a-zA-Z])|\\equiv|\\begin\{(?!.?matrix)|(?:Integral|Derivative|Sum|Piecewise)\(|[\u3000-\uffff]"
)
_HARMLESS = re.compile(
    r"(?:[0-9a-zA-Z+\-/^(){}=. ]|\\(?:frac|sqrt|pi|cdot|times|sin|cos|tan|ln|log|theta|alpha|beta|binom)(?![a-zA-Z]))*"
)
_RELATION = re.compile(r"[<>]|\\(?:le|ge|ne|in|cup|cap)(?![a-zA-Z])")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\s*\{?\\circ\s*\}?")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_DIGITS = 40
_PLAIN, _LOOSE, _TIGHT, _SAME = 1e-2, 1e-5, 1e-9, 1e-25


def verdict(candidate: str, gold: str) -> Verdict:
    """The verdict on two canonical texts. Any error of the algebra below is "unknown", never "different"."""
    candidate, gold = _radians(candidate, gold), _radians(gold, candidate)
    found = _whole(candidate, gold)
    if found == "equal":
        return found
    first, second = _alternatives(candidate), _alternatives(gold)
    if len(first) == len(second) and len(first) > 1:
        matched = _matched(first, second)
        if matched == "equal" or found == "unknown":
            return matched
    return found


def _radians(text: str, other: str) -> str:
    """Degrees as multiples of pi, where they stand in a function or the other answer is in radians."""
    if "\\circ" in text and (_TRIGONOMETRIC.search(text) or ("\\pi" in other and "\\circ" not in other)):
        return _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    return text


def _alternatives(text: str) -> list[str]:
    """The answers of a list, with every sign of a tuple's plus-minus written out."""
    found: list[str] = []
    for part in elements(text):
        pieces = part.split("\\pm")
        if len(pieces) > 4 or (len(pieces) > 1 and not part.startswith("(")):
            found.append(part)
            continue
        for signs in itertools.product(("+", "-"), repeat=len(pieces) - 1):
            tail = "".join(sign + piece for sign, piece in zip(signs, pieces[1:], strict=True))
            found.append((pieces[0] + tail).replace("(+", "(").replace(", +", ", ").replace(",+", ","))
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
    try:
        a, b = read(candidate), read(gold)
        if a is None or b is None:
            return "unknown"
        a, b = _alike(a, b)
        plain = refuted(a, b) and "%" not in candidate + gold
        if not plain and verify(
            b, a, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True
        ):
            return "equal" if agree(a, b) and not _implicit(a, b) else "different"
        if identical(a, b) or _same_solutions(candidate, gold):
            return "equal"
        return "unknown" if _rounded(candidate, b) or _rounded(gold, a) else "different"
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - sympy raises anything; what it cannot compare is not known to differ
        return "unknown"


def read(text: str) -> Basic | MatrixBase | None:
    """The expression math-verify reads in a canonical text; None if it reads none, or nothing meaningful."""
    if _STOPS.search(text) or any(text.count(left) > text.count(right) for left, right in ("{}", "}{")):
        return None
    if len(re.findall(r"[(\[]", text)) != len(re.findall(r"[)\]]", text)):
        return None
    expression = _parsed(text)
    if expression is None or isinstance(expression, BooleanAtom):
        return None
    if isinstance(expression, (sympy.Expr, sympy.Eq)) and not _whole_text_read(text, expression):
        return None
    if isinstance(expression, Relational) and not expression.free_symbols:
        return None  # 1 < 2 is as true as 2 < 3, and says as little
    if expression is S.EmptySet or (isinstance(expression, sympy.FiniteSet) and not expression.args):
        return expression if _EMPTY_SET.search(text) else None
    if isinstance(expression, Basic) and expression.has(S.NaN, S.ComplexInfinity):
        return None
    return expression


def _whole_text_read(text: str, expression: Basic) -> bool:
    """Whether the grammar came to the end: it stops silently at what it does not know (of 2*x**3 it reads 2),
    and then reads the same with something added at the end."""
    if _HARMLESS.fullmatch(text) or expression.has(S.Infinity, S.NegativeInfinity):
        return True
    return bool(_parsed(f"{text} + 7919") != expression)


def _parsed(text: str) -> Basic | MatrixBase | None:
    found = parse(f"${text}$", _CONFIG, parsing_timeout=None)
    return next((item for item in found if isinstance(item, (Basic, MatrixBase))), None)


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """A vector written as a column beside the same as a tuple: both as tuples."""
    if isinstance(a, MatrixBase) == isinstance(b, MatrixBase):
        return a, b
    flat = [
        Tuple(*item.flat()) if isinstance(item, MatrixBase) and 1 in item.shape else item for item in (a, b)
    ]
    return flat[0], flat[1]


def _implicit(a: Any, b: Any) -> bool:
    """Whether a is the equation of a curve, F(x, y) = 0, whose right side alone would be taken for the answer."""
    return isinstance(a, sympy.Eq) and not isinstance(b, Relational) and a.rhs == 0 and a.lhs.is_Add


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
        tolerance = _LOOSE if a.has(Float) or b.has(Float) else _TIGHT
        return all(_near(x, y, tolerance) for x, y in _values(a, b))
    return True


def refuted(a: Any, b: Any) -> bool:
    """Whether two expressions plainly differ in value: they need no simplification to be told apart.

    Symbols alone are left to math-verify, which compares them as names.
    """
    if not isinstance(a, sympy.Expr) or not isinstance(b, sympy.Expr) or a.is_Symbol or b.is_Symbol:
        return False
    return any(not _near(x, y, _PLAIN) for x, y in _values(a, b, 2))


def identical(a: Any, b: Any) -> bool:
    """Equal although math-verify's simplification did not find it: the same to 25 digits wherever tried.

    Antiderivatives (both with a free + C) are compared by their derivatives.
    """
    if isinstance(a, sympy.Eq) and isinstance(b, sympy.Eq) and a.lhs == b.lhs:
        a, b = a.rhs, b.rhs
    if not isinstance(a, sympy.Expr) or not isinstance(b, sympy.Expr) or a.free_symbols != b.free_symbols:
        return False
    constant = next((symbol for symbol in a.free_symbols if str(symbol) in ("C", "c")), None)
    if constant is not None and a.diff(constant) == 1 == b.diff(constant):
        a, b = (sympy.nsimplify(side.doit() - constant, rational=True) for side in (a, b))
        variables = sorted(a.free_symbols | b.free_symbols, key=str)
        return bool(variables) and all(identical(a.diff(x), b.diff(x)) for x in variables)
    if a.has(Float) or b.has(Float):
        return False
    values = _values(a, b)
    return len(values) >= (3 if a.free_symbols else 1) and all(_near(x, y, _SAME) for x, y in values)


def _values(a: sympy.Expr, b: sympy.Expr, tries: int = 5) -> list[tuple[Any, Any]]:
    """Both expressions evaluated at the same few points (at once, where they have no variables)."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    points = []
    for shift in range(tries if symbols else 1):
        # fixed odd fractions, inside and outside (0, 1): no accidental zeros, the same on every machine
        point = {
            symbol: sympy.Rational(7 + 4 * index + 6 * shift, 29 - 4 * shift)
            for index, symbol in enumerate(symbols)
        }
        x, y = (expression.subs(point).doit().evalf(_DIGITS) for expression in (a, b))
        if x.is_number and y.is_number and x.is_finite and y.is_finite:
            points.append((x, y))
    return points


def _near(x: Any, y: Any, tolerance: float) -> bool:
    gap, size = abs(x - y), max(abs(x), abs(y))
    return bool(gap == 0 or gap <= tolerance * size)


def _same_solutions(candidate: str, gold: str) -> bool:
    """Whether an answer in inequalities ("a <= -2 or a = 1") describes the other's set of one real variable."""
    if not _RELATION.search(candidate) and not _RELATION.search(gold):
        return False
    (first, x), (second, y) = _solutions(candidate), _solutions(gold)
    if first is None or second is None or len(x | y) > 1:
        return False
    return bool(first == second or first.symmetric_difference(second).is_empty)


def _solutions(text: str) -> tuple[sympy.Set | None, set[sympy.Symbol]]:
    """The set of reals that a text of inequalities describes, and its variable; a set is itself."""
    whole = read(text)
    if isinstance(whole, sympy.Set) and not whole.free_symbols:
        return whole, set()
    found: sympy.Set = sympy.EmptySet
    variables: set[sympy.Symbol] = set()
    for part in elements(text):
        relation = read(part)
        if not isinstance(relation, (Relational, sympy.And)):
            return None, variables
        variables |= relation.free_symbols
        if isinstance(relation, sympy.Eq):
            found |= sympy.FiniteSet(relation.rhs)
        elif isinstance(relation, Relational):
            found |= relation.as_set()
        else:
            found |= sympy.And(*relation.args).as_set()
    return found if len(variables) == 1 else None, variables


def _rounded(text: str, value: Any) -> bool:
    """Whether the text is a decimal that rounds the (irrational) value: see comparison.rounds."""
    quantity = numerals.read(text)
    if quantity is None or not isinstance(value, sympy.Expr) or not value.is_number:
        return False
    number = value.doit().evalf(_DIGITS)
    return bool(number.is_Float) and comparison.rounds(quantity, Fraction(str(number)), True)
