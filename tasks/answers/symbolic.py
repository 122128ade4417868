"""Judges two answers with math-verify and corrects its known wrong verdicts. Runs in the worker only.

Guarded (each proved on plain math-verify by tests/tasks/answers/test_faults.py):
- text that parses to nothing (an empty set, a truth value, nan) or only in part is not read, so never equal;
- equal after rounding to six decimals or after chopping is not equal (1/2^99 and 1/2^98): values are compared
  again by relative error;
- of an equation only the right side is compared: x + y - 1 = 0 is not 0.
- variables are taken as positive in places (|x| and x, \\sqrt{x^2} and x): equal values are required at negative, zero, equal and
  fractional points too, and at complex ones where a variable is complex by its name (z, w) or beside the imaginary unit.
What it calls different gets a second opinion from numerical identity and from other spellings of one thing
(degrees and radians, an inequality and its interval, a vector as a column and as a tuple).
i, an E of a program and the j of Python's complex numbers are the constants (`_constants`). All of it treats the two
sides alike: math-verify does not, so relations are tried both ways round.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
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
from tasks.answers.exact import decide_canonical
from tasks.answers.structure import compare_parts, elements, parts, spelled_out
from tasks.answers.verdicts import Judgement
from tasks.text.brackets import split_top

# tasks.answers.units removes units: math-verify's own removal deletes variables (the t of \cot t)
_NORMAL = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
# no ExprExtractionConfig: where the LaTeX grammar fails, it takes any number of the text (of x = 1 mod 5, the 5)
_CONFIG = (LatexExtractionConfig(normalization_config=_NORMAL),)
_EMPTY_SET = re.compile(r"\\emptyset|\\\{\s*\\\}|\{\s*\}")
# text that the grammar silently skips or misreads
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


def verdict(first: str, second: str) -> Judgement:
    """Return the verdict on two canonical texts, in either order. Any error of the algebra is "unknown", never "different"."""
    a, b = _radians(first, second), _radians(second, first)
    families = _families(a, b)
    if families is not None:
        return families
    solutions = _same_solutions(a, b)
    if solutions is not None:
        return solutions
    several = _several(a, b)
    return _whole(a, b) if several is None else several


def _several(a: str, b: str) -> Judgement | None:
    """Return the verdict on answers of several parts, None where the texts must be compared as wholes."""
    first, second = parts(a), parts(b)
    if first is not None and second is not None:
        if "\\pm" in a + b:
            one, other = spelled_out(a), spelled_out(b)
            return _matched(one, other)
        by_parts = compare_parts(first, second, _part)
        if by_parts is not None:
            return by_parts
    if (
        first is not None
        and second is not None
        and first.bracket != second.bracket
        and "" not in (first.bracket, second.bracket)
    ):
        return None
    listed = [spelled_out(text) for text in (_unbracketed(a), _unbracketed(b))]
    if "\\pm" in a + b:
        listed = [[sign for item in items for sign in _signs(item)] for items in listed]
    if len(listed[0]) == len(listed[1]) > 1:
        whole = _whole(a, b)
        matched = _matched(*listed)
        return matched if matched == "equal" or whole == "unknown" else whole
    return None


def _unbracketed(text: str) -> str:
    """Return the inside of a printed list or set, because a single \\pm on the other side has no brackets."""
    split = parts(text)
    return ", ".join(split.items) if split is not None and split.bracket in ("[", "{") else text


def _signs(text: str) -> list[str]:
    """Return both values of a plus-minus; the text alone where it has none, or more than one."""
    pieces = text.split("\\pm")
    if len(pieces) != 2 or text.startswith("("):
        return [text]
    return [
        f"{pieces[0]} {sign} {pieces[1]}" if pieces[0].strip() else f"{sign}{pieces[1].strip()}"
        for sign in "+-"
    ]


def _part(a: str, b: str) -> Judgement:
    return decide_canonical(a, b) or verdict(a, b)


def _radians(text: str, other: str) -> str:
    """Return the text with degrees as multiples of pi, where a function is applied or the other answer is in radians."""
    if "\\circ" in text and (_TRIGONOMETRIC.search(text) or ("\\pi" in other and "\\circ" not in other)):
        return _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    return text


def _matched(first: Sequence[str], second: Sequence[str]) -> Judgement:
    """Return the verdict on two lists of answers in any order: equal if all answers can be paired."""
    if len(first) != len(second):
        return "different"
    left, doubtful = list(second), False
    for part in first:
        for index, other in enumerate(left):
            compared = decide_canonical(part, other) or _whole(part, other)
            if compared == "equal":
                del left[index]
                break
            doubtful |= compared == "unknown"
        else:
            return "unknown" if doubtful else "different"
    return "equal"


_INTEGER = re.compile(
    r"(.+?)\s*(?:,\s*|\s+)\(?\s*(?:where\s+|with\s+|for\s+)?([a-zA-Z])\s*\\in\s*\\mathbb\s*\{\s*Z\s*\}\s*\)?",
    re.DOTALL,
)


def _families(a: str, b: str) -> Judgement | None:
    """Return the verdict on solution families, None where neither text declares a parameter.

    An example is "x = \\frac{\\pi}{2} + 2k\\pi, k \\in \\mathbb{Z}". The parameter may have any name and any shift.
    """
    declared = [_INTEGER.fullmatch(text) for text in (a, b)]
    if declared == [None, None]:
        return None
    lines: list[set[tuple[Any, Any]]] = []
    for text, match in zip((a, b), declared, strict=True):
        body, names = (match[1], match[2].lower()) if match else (text, "nkmlt")
        family: set[tuple[Any, Any]] = set()
        for item in elements(body):
            for signed in _signs(item.split("=", 1)[1] if re.match(r"\s*\\?[a-zA-Z]+\s*=", item) else item):
                expression = _degrees_off(signed)
                if not isinstance(expression, sympy.Expr) or len(expression.free_symbols) != 1:
                    return "unknown"
                (symbol,) = expression.free_symbols
                step = sympy.simplify(expression.diff(symbol))
                if str(symbol) not in names or step.free_symbols or not step.is_real or step == 0:
                    return "unknown"
                step = abs(step)
                start = sympy.simplify(expression.subs(symbol, 0))
                family.add((step, sympy.simplify(start - step * sympy.floor(start / step))))
        lines.append(family)
    if not all(lines):
        return "unknown"
    if lines[0] == lines[1]:
        return "equal"
    # a family of step 2s is every second member of one of step s, so both are listed at the least common step
    steps = [step for family in lines for step, _ in family]
    ratios = [sympy.nsimplify(step / steps[0]) for step in steps]
    if not all(ratio.is_Rational for ratio in ratios):
        return "different"
    common = (
        sympy.ilcm(*(ratio.p for ratio in ratios)) / sympy.igcd(*(ratio.q for ratio in ratios)) * steps[0]
    )
    whole = [
        {
            sympy.simplify(start + step * index)
            for step, start in family
            for index in range(min(int(sympy.nsimplify(common / step)), 400))
        }
        for family in lines
    ]
    return "equal" if whole[0] == whole[1] else "different"


def _degrees_off(text: str) -> Basic | MatrixBase | None:
    return read(text.replace("^\\circ", "").replace("^{\\circ}", ""))


def _whole(first: str, second: str) -> Judgement:
    try:
        compared = _compared(first, second)
        if compared != "equal":
            for one, other in ((_slashed(first), second), (first, _slashed(second))):
                if (one, other) != (first, second) and _compared(one, other) == "equal":
                    return "unknown"  # 1/2x can be read in two ways
        return compared
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - sympy raises any exception; what it cannot compare is not known to differ
        return "unknown"


_SLASH = re.compile(r"(?<![\w/.,)^}\]])(\d{1,40})/(\d{1,40})(?=\\pi|[a-zA-Z](?![a-zA-Z]))")


def _slashed(text: str) -> str:
    return _SLASH.sub(r"\\frac{\1}{\2} ", text) if "/" in text else text


def _compared(first: str, second: str) -> Judgement:
    a, b = read(first), read(second)
    if a is None or b is None:
        return "unknown"
    a, b = _constants(*_alike(a, b), first, second)
    plain = refuted(a, b) and "%" not in first + second
    if not plain and _verified(a, b):
        curve = next((side for side in (a, b) if _implicit(side, b if side is a else a)), None)
        if curve is not None:
            return "different" if curve.lhs.is_Add else "unknown"  # "only x = 0" is a product on its left
        return "equal" if agree(a, b) else "different"
    if identical(a, b):
        return "equal"
    return "unknown" if _rounded(first, b) or _rounded(second, a) else "different"


def _verified(a: Any, b: Any) -> bool:
    """Return whether math-verify calls the two equal; relations are tried in both orders, as its result depends on it."""
    ways = [(b, a)]
    if isinstance(a, (Relational, sympy.And)) or isinstance(b, (Relational, sympy.And)):
        ways.append((a, b))
    return any(
        verify(gold, target, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True)
        for gold, target in ways
    )


_PYTHON_COMPLEX = re.compile(r"\(?\s*(?:[-+]?\s*[\d.]+\s*[-+]\s*)?-?[\d.]+\s*j\s*\)?|-?j")


def _constants(a: Any, b: Any, first: str, second: str) -> tuple[Any, Any]:
    """Return both sides with the letters for the imaginary unit and Euler's number replaced by the constants.

    Symbols of one name become one symbol. i is a variable if j or k occur too (unit vectors, indices).
    """
    if not isinstance(a, Basic) or not isinstance(b, Basic):
        return a, b
    names = {str(symbol) for symbol in a.free_symbols | b.free_symbols}
    imaginary = bool({"i"} & names or a.has(S.ImaginaryUnit) or b.has(S.ImaginaryUnit))
    sides = []
    for side, text in ((a, first), (b, second)):
        replaced: dict[Any, Any] = {}
        letters = {str(symbol) for symbol in side.free_symbols}
        for symbol in side.free_symbols:
            name = str(symbol)
            vector = letters & {"j", "k"} or (name == "i" and re.search(r"_\{?i|\bi\s*=", text))
            if (name == "i" and not vector) or (name == "j" and _PYTHON_COMPLEX.fullmatch(text)):
                replaced[symbol] = S.ImaginaryUnit
            elif name == "e":
                replaced[symbol] = S.Exp1
            elif name in ("z", "w") and (imaginary or "|" in first + second):
                replaced[symbol] = sympy.Symbol(name, complex=True)
            else:
                replaced[symbol] = sympy.Symbol(name, real=True)
        side = side.xreplace(replaced)
        powers = {
            power: power.base ** sympy.Rational(str(power.exp))
            for power in side.atoms(sympy.Pow)
            if isinstance(power.exp, Float) and len(str(power.exp).rstrip("0")) <= 6
        }
        sides.append(side.xreplace(powers))
    return sides[0], sides[1]


def read(text: str) -> Basic | MatrixBase | None:
    """Return the expression that math-verify reads in a canonical text, None if it reads none, or nothing meaningful."""
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
        return None  # a relation of numbers: 1 < 2 is as true as 2 < 3
    if expression is S.EmptySet or (isinstance(expression, sympy.FiniteSet) and not expression.args):
        return expression if _EMPTY_SET.search(text) else None
    if isinstance(expression, Basic) and expression.has(S.NaN, S.ComplexInfinity):
        return None
    return expression


def _whole_text_read(text: str, expression: Basic) -> bool:
    """Return whether the grammar read the whole text.

    It stops silently at unknown text (of 2*x**3 it reads 2), and then reads the same with something added at the end.
    """
    if _HARMLESS.fullmatch(text) or expression.has(S.Infinity, S.NegativeInfinity):
        return True
    return bool(_parsed(f"{text} + 7919") != expression)


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Basic | MatrixBase | None:
    candidates = parse(f"${text}$", _CONFIG, parsing_timeout=None)
    return next((item for item in candidates if isinstance(item, (Basic, MatrixBase))), None)


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Return both sides as tuples, where one is a vector written as a column and the other is a tuple."""
    if isinstance(a, MatrixBase) == isinstance(b, MatrixBase):
        return a, b
    flat = [
        Tuple(*item.flat()) if isinstance(item, MatrixBase) and 1 in item.shape else item for item in (a, b)
    ]
    return flat[0], flat[1]


def _implicit(a: Any, b: Any) -> bool:
    """Return whether a is the equation of a curve (F(x, y) = 0, y + 1 = x), of which only the right side would be compared."""
    return (
        isinstance(a, sympy.Eq)
        and not isinstance(b, Relational)
        and not (a.lhs.is_Symbol or a.lhs.is_Function)
    )


def agree(a: Any, b: Any) -> bool:
    """Return whether what math-verify calls equal is equal by relative error too, part by part.

    Only numbers can refute it: for other parts math-verify's verdict is kept.
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
    """Return whether two expressions differ in value so clearly that no simplification is needed.

    Symbols alone are left to math-verify, which compares them as names.
    """
    if not isinstance(a, sympy.Expr) or not isinstance(b, sympy.Expr) or a.is_Symbol or b.is_Symbol:
        return False
    return any(not _near(x, y, _PLAIN) for x, y in _values(a, b, 2))


def identical(a: Any, b: Any) -> bool:
    """Return whether two expressions agree to 25 digits at all points, although math-verify does not call them equal.

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
    values = list(_values(a, b))
    return len(values) >= (3 if a.free_symbols else 1) and all(_near(x, y, _SAME) for x, y in values)


# by index of the variable, round after round: unordered positive fractions, negative, mixed signs, zero, equal,
# whole, negative and equal; fixed, so that a verdict is the same on every machine
_POINTS: tuple[tuple[str, ...], ...] = (
    ("7/29", "11/29", "15/29", "19/29", "23/29"),
    ("-13/7", "-5/3", "-17/11", "-3/8", "-21/5"),
    ("13/25", "-17/25", "21/25", "-25/24", "29/25"),
    ("-19/21", "23/21", "-27/22", "31/21", "-35/23"),
    ("25/17", "8/17", "33/17", "5/17", "41/17"),
    ("0", "0", "0", "0", "0"),
    ("9/4", "9/4", "9/4", "9/4", "9/4"),
    ("31/13", "37/13", "43/13", "49/13", "55/13"),
    ("-11/6", "-11/6", "-11/6", "-11/6", "-11/6"),
    ("3", "2", "5", "4", "7"),
)
_COMPLEX: tuple[tuple[str, str], ...] = (("3/4", "5/3"), ("-2/3", "7/5"), ("5/4", "-1/2"))


def _values(a: sympy.Expr, b: sympy.Expr, tries: int = len(_POINTS)) -> Iterator[tuple[Any, Any]]:
    """Yield both expressions evaluated at the same few points (once, where they have no variables).

    Points where a root or a logarithm of one side is not real are skipped: \\ln x^2 and 2\\ln x are equal where both are
    defined.
    """
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    guards = [_guards(side) for side in (a, b)]
    absolute = a.has(sympy.Abs) != b.has(sympy.Abs)
    for point in _points(symbols, tries):
        real = [all(_inside(guard, point) for guard in side) for side in guards]
        if absolute and real[0] != real[1]:
            yield S.Zero, S.One  # \\ln|x| is defined where \\ln x is not
        if not all(real):
            continue
        x, y = (expression.subs(point).doit().evalf(_DIGITS) for expression in (a, b))
        if x.is_number and y.is_number and x.is_finite and y.is_finite:
            yield x, y


def _points(symbols: list[Any], tries: int) -> Iterator[dict[Any, Any]]:
    if not symbols:
        yield {}
        return
    complex_ones = [symbol for symbol in symbols if not symbol.is_real]
    for row in range(tries):
        values = [sympy.Rational(_POINTS[row][index % 5]) + (index // 5) for index in range(len(symbols))]
        yield dict(zip(symbols, values, strict=True))
    for shift in range(len(_COMPLEX) if complex_ones else 0):
        point = {symbol: sympy.Rational(_POINTS[0][index % 5]) for index, symbol in enumerate(symbols)}
        for index, symbol in enumerate(complex_ones):
            real, imaginary = _COMPLEX[(shift + index) % len(_COMPLEX)]
            point[symbol] = sympy.Rational(real) + sympy.Rational(imaginary) * S.ImaginaryUnit
        yield point


def _guards(expression: sympy.Expr) -> list[sympy.Expr]:
    """Return the terms that must not be negative for the expression to be real: under roots and in logarithms."""
    if any(not symbol.is_real for symbol in expression.free_symbols) or expression.has(S.ImaginaryUnit):
        return []
    bases = [
        power.base
        for power in expression.atoms(sympy.Pow)
        if power.base.free_symbols and not power.exp.is_integer
    ]
    return bases + [call.args[0] for call in expression.atoms(sympy.log) if call.args[0].free_symbols]


def _inside(guard: sympy.Expr, point: dict[Any, Any]) -> bool:
    value = guard.subs(point).doit().evalf(20)
    return bool(value.is_real and value >= 0)


def _near(x: Any, y: Any, tolerance: float) -> bool:
    gap, size = abs(x - y), max(abs(x), abs(y))
    return bool(gap == 0 or gap <= tolerance * size)


_OR = re.compile(
    r"\s*(?:,\s*)?(?:\\(?:text|mathrm)\s*\{\s*or\s*\}|\\(?:lor|vee)(?![a-zA-Z])|(?<![a-zA-Z\\])or(?![a-zA-Z])|或者?)\s*"
)
_BOTH = re.compile(
    r"\s*(?:,\s*)?(?:\\(?:text|mathrm)\s*\{\s*and\s*\}|\\(?:land|wedge)(?![a-zA-Z])|(?<![a-zA-Z\\])and(?![a-zA-Z])|且|并且|&)\s*"
)


def _same_solutions(first: str, second: str) -> Judgement | None:
    """Return the verdict on answers in inequalities ("a <= -2 or a = 1") and sets of one real variable.

    None where one of them describes no such set.
    """
    if not _RELATION.search(first) and not _RELATION.search(second):
        return None
    try:
        (a, x), (b, y) = _solutions(first), _solutions(second)
        if a is None or b is None or not x | y or len(x | y) > 1:
            return None
        if a == b or a.symmetric_difference(b).is_empty:
            return "equal"
        # sets with parameters cannot be compared
        return None if a.free_symbols or b.free_symbols else "different"
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - sympy raises any exception; what it cannot solve is compared in other ways
        return None


def _solutions(text: str) -> tuple[sympy.Set | None, set[str]]:
    """Return the set of reals that inequalities or a set describe, None if none, and the names of the variables."""
    if not _OR.search(text) and not _BOTH.search(text):
        whole = read(text)
        if isinstance(whole, sympy.Set) and not whole.free_symbols:
            return (whole if whole.is_subset(S.Reals) else None), set()
    union: sympy.Set = sympy.EmptySet
    names: set[str] = set()
    for alternative in _OR.split(text):
        solved: list[sympy.Set] = []
        clauses = _BOTH.split(alternative)
        for clause in clauses:
            pieces = [_solved(piece) for piece in split_top(clause)]
            if not pieces or any(piece is None for piece in pieces):
                return None, names
            names |= {name for piece in pieces if piece for name in piece[1]}
            sets = [piece[0] for piece in pieces if piece]
            solved.append(_joined(sets))
        union |= sympy.Intersection(*solved)
    return (union, names) if len(names) == 1 else (None, names)


def _joined(sets: list[sympy.Set]) -> sympy.Set:
    """Return the union of sets that commas join, or their intersection if the union is all reals (x > 1, x < 4)."""
    union = sympy.Union(*sets)
    return sympy.Intersection(*sets) if len(sets) > 1 and union == S.Reals else union


def _solved(text: str) -> tuple[sympy.Set, set[str]] | None:
    relation = read(
        text.strip().removeprefix("(").removesuffix(")") if text.count("(") == 1 == text.count(")") else text
    )
    if not isinstance(relation, (Relational, sympy.And)) or len(relation.free_symbols) != 1:
        return None
    names = {str(symbol) for symbol in relation.free_symbols}
    if isinstance(relation, sympy.Eq):
        if not relation.lhs.is_Symbol or relation.rhs.free_symbols or isinstance(relation.rhs, sympy.Set):
            return None
        return sympy.FiniteSet(relation.rhs), names
    if isinstance(relation, Relational):
        return relation.as_set(), names
    return sympy.And(*relation.args).as_set(), names


def _rounded(text: str, value: Any) -> bool:
    """Return whether the text is a decimal that rounds the (irrational) value: see comparison.rounds."""
    quantity = numerals.read(text)
    if quantity is None or not isinstance(value, sympy.Expr) or not value.is_number:
        return False
    number = value.doit().evalf(_DIGITS)
    return bool(number.is_Float) and comparison.rounds(quantity, Fraction(str(number)), True)
