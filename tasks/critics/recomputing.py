"""Recomputes a statement of a worked solution: is it right, is it wrong, or can that not be decided?

People round, leave units out, mix percentages with numbers and continue one calculation after another's "=". A statement is wrong only where
no reading of it is true.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from tasks.answers.units import UNITS, Unit
from tasks.critics.expressions import Side
from tasks.critics.statements import StepStatement, read
from tasks.critics.values import ExactOrFloat, value_of

StepVerdict = Literal["right", "wrong", "unchecked"]


_COARSE: Final = 0.05  # relative error up to which what calls itself an approximation is not called wrong
_FINE: Final = 0.005  # and up to which a decimal that is compared with roots and pi is not called wrong
_FINEST: Final = 0.0003  # and up to which decimals may come from rounded operands
_SCALED: Final = re.compile(r"\((\d+(?:\.\d+)?)\*(?:12|100|1000{1,11})\)")
_PERCENT_MORE: Final = re.compile(r"(.+)([-+])(\d+(?:\.\d+)?)%")
_BY_A_FRACTION: Final = re.compile(r"/(\d+)/(\d+)(?![\d.])")
_BY_LAST_FRACTION: Final = re.compile(r"(.+)/(\d+)/(\d+)")  # 7/12 / 1/12
_REPEATS: Final = re.compile(r"\.\d*(?:33|66|67|333|666|667|142|143|857|11|22|44|55|77|88|99)$|\.\d{3,}$")
_OPERATION: Final = re.compile(r"(?<=[\d)!%])[-+*/]")


@dataclass(frozen=True, slots=True)
class Calculation:
    """The equation `left = right` of two exact values at text[start:end]; its right side is text[right_at:end]."""

    start: int
    right_at: int
    end: int
    left: Fraction
    right: Fraction
    left_text: str
    right_text: str
    true: bool


def calculations(text: str) -> Iterator[Calculation]:
    """Yield the equations of a text that have exact values and can be read in one way only, from left to right."""
    for statement in read(text):
        left, right = value_of(statement.left.key), value_of(statement.right.key)
        if (
            statement.relation != "="
            or statement.doubtful
            or not isinstance(left, Fraction)
            or not isinstance(right, Fraction)
        ):
            continue
        judged = verdict(statement)
        if judged != "unchecked":
            yield Calculation(
                statement.start,
                statement.right.start,
                statement.end,
                left,
                right,
                statement.left_text,
                statement.right_text,
                judged == "right",
            )


def verdict(
    statement: StepStatement, rounded: frozenset[Fraction] | set[Fraction] = frozenset()
) -> StepVerdict:
    """Return whether a statement is right, wrong, or cannot be decided. `rounded`: values that the solution has rounded before."""
    if statement.left.letters or statement.right.letters:
        return "unchecked"
    left, right = value_of(statement.left.key), value_of(statement.right.key)
    if left is None or right is None:
        return "unchecked"
    if statement.relation not in "=≈":
        return _compared(statement, left, right)
    if _equal(left, right, statement):
        return "right"
    readings = _other_readings(statement, left, right)
    if readings != "wrong" or statement.doubtful:
        return readings if readings != "wrong" else "unchecked"
    if statement.left.lone and not statement.chained and _measured(statement, left, right) is None:
        return "unchecked"  # 12 socks = 6 pairs
    if _is_rounding(statement, left, right, rounded):
        return "unchecked"
    return "wrong"


def _compared(statement: StepStatement, left: ExactOrFloat, right: ExactOrFloat) -> StepVerdict:
    difference = float(left) - float(right)
    close = abs(difference) <= 1e-9 * max(abs(float(left)), abs(float(right)), 1e-9)
    true = {
        "<": difference < 0 and not close,
        ">": difference > 0 and not close,
        "≤": difference <= 0 or close,
        "≥": difference >= 0 or close,
        "≠": not close,
    }[statement.relation]
    if true:
        return "right"
    units = {_unit(noun) for noun in (*statement.left.nouns, *statement.right.nouns)} - {None}
    return (
        "unchecked"
        if statement.doubtful or len(units) > 1 or "%" in statement.left.key + statement.right.key
        else "wrong"
    )


def _equal(
    left: ExactOrFloat, right: ExactOrFloat, statement: StepStatement, *, as_number: bool = False
) -> bool:
    """Whether two values are equal, or one is the other rounded or cut to the digits that are printed. `as_number`: a percentage is
    read as the number before its sign."""
    if left == right:
        return True
    exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    if not exact and math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12):
        return True
    sides: tuple[tuple[ExactOrFloat, ExactOrFloat, Side], ...]
    sides = ((right, left, statement.right), (left, right, statement.left))
    for printed, other, side in sides:
        if side.decimals is None or (side.decimals == 0 and statement.relation == "="):
            continue
        # a percentage has two digits more
        step = Fraction(1, 10 ** (side.decimals + 2 * (side.key.endswith("%") and not as_number)))
        error = abs(Fraction(other) - Fraction(printed))
        if (
            2 * error <= step
            or (error < step and abs(float(printed)) < abs(float(other)))
            or (statement.relation == "≈" and error <= step)
        ):
            return True
    return False


def _other_readings(statement: StepStatement, left: ExactOrFloat, right: ExactOrFloat) -> StepVerdict:
    """Return the verdict by the other ways in which the two sides can be read."""
    a, b = statement.left.key, statement.right.key
    percent = "%" in a or "%" in b
    ways: list[tuple[str, str]] = []
    if percent:  # 100 - 60 = 40%; 4 / 20 * 100 = 20%; 20 + 10% = 22
        ways += [(a.replace("%", ""), b.replace("%", "")), (a.replace("%", ""), b), (a, b.replace("%", ""))]
        ways += [(f"({a})*100", b.replace("%", ""))] if "%" not in a else []
        more = _PERCENT_MORE.fullmatch(a)
        if more:
            ways.append((f"({more[1]})*(1{more[2]}{more[3]}/100)", b))
    if "*1" in a or "*1" in b:
        ways += [
            (_SCALED.sub(r"\1", a), _SCALED.sub(r"\1", b)),
            (_SCALED.sub(r"\1", a), b),
            (a, _SCALED.sub(r"\1", b)),
        ]
    if _BY_A_FRACTION.search(a):
        ways.append((_BY_A_FRACTION.sub(r"/(\1/\2)", a), b))
    by_fraction = _BY_LAST_FRACTION.fullmatch(a)
    if by_fraction:
        ways += [
            (f"({by_fraction[1]})/({by_fraction[2]}/{by_fraction[3]})", b),
            (f"({by_fraction[1]})*{by_fraction[2]}/{by_fraction[3]}", b),
        ]
    if _BY_A_FRACTION.search(b):
        ways.append((a, _BY_A_FRACTION.sub(r"/(\1/\2)", b)))
    for one, other in ways:
        x, y = value_of(one), value_of(other)
        if x is not None and y is not None and _equal(x, y, statement, as_number="%" not in other):
            return "right"
    measured = _measured(statement, left, right)
    if measured is not None:
        return measured
    if percent and ("%" in a) != ("%" in b) and statement.right.operations:
        return "unchecked"
    if _is_other_scale(statement, left, right) or _is_priced(statement):
        return "unchecked"
    if statement.right.operations and any(
        value_of(b[: sign.start()]) == left for sign in _OPERATION.finditer(b)
    ):
        return "unchecked"  # 5 + 3 = 8 * 2 = 16: a calculation that is continued
    return "wrong"


def _is_priced(statement: StepStatement) -> bool:
    """Whether the left side counts things and the right side what they cost: 5 bananas + 2 apples = 5 * $1 + 2 * $3."""
    left, right = statement.left.nouns, statement.right.nouns
    return (
        bool(statement.right.operations)
        and "$" in "".join(right)
        and all(noun and noun[0].isalpha() for noun in left)
    )


def _is_other_scale(statement: StepStatement, left: ExactOrFloat, right: ExactOrFloat) -> bool:
    """Whether the sides differ only by thousands, or by hundreds where cents or percentages may be meant: 5 * 3 = $15,000."""
    if not left or not right:
        return False
    a, b = abs(float(left)), abs(float(right))
    ratio = round(max(a / b, b / a), 9)
    if ratio in (1000, 10**6, 10**9):
        return True
    named = " ".join((*statement.left.nouns, *statement.right.nouns))
    return ratio == 100 and (
        "%" in statement.left.key + statement.right.key or "$" in named or "cent" in named
    )


@functools.lru_cache(maxsize=4096)
def _unit(noun: str) -> Unit | None:
    """Return the unit that the words behind a number name, None for counted things and for rates."""
    words = re.sub(r"\\\w+\s*\{|[{}^]", " ", noun).split()
    for word in words[:2]:
        if "/" in word or word in ("per", "a", "each"):
            return None
        unit = UNITS.get(word) or UNITS.get(word.lower())
        if unit is not None:
            return unit
    return UNITS.get(noun.removeprefix("个"))


def _measured(statement: StepStatement, left: ExactOrFloat, right: ExactOrFloat) -> StepVerdict | None:
    """Return the verdict where the sides name different units of one dimension, None where they do not."""
    named = [(_unit(noun), noun) for side in (statement.left, statement.right) for noun in side.nouns if noun]
    units = [unit for unit, _ in named if unit is not None]
    if units and right == 1:
        return "unchecked"  # 60 minutes / 1 hour = 1
    if not units or len({unit.factor for unit in units}) < 2:
        return None
    by_dimension: dict[str, set[Fraction]] = {}
    for unit in units:
        by_dimension.setdefault(unit.dimension, set()).add(unit.factor)
    if all(len(factors) < 2 for factors in by_dimension.values()):
        return None
    sides = []
    for side, value in ((statement.left, left), (statement.right, right)):
        of_side = [_unit(noun) for noun in side.nouns]
        if side.lone and len(of_side) == 1 and of_side[0] is not None:
            sides.append(
                value * of_side[0].factor
                if isinstance(value, Fraction)
                else float(value) * float(of_side[0].factor)
            )
        else:
            converted = value_of(_in_base_units(side.key, of_side))
            if converted is None:
                return "unchecked"
            sides.append(converted)
    one, other = sides
    if abs(float(one) - float(other)) <= 0.01 * abs(float(one)):
        return "right"
    dimensions = {unit.dimension for unit in units}
    both_lone = statement.left.lone and statement.right.lone and len(units) == 2 and len(dimensions) == 1
    return "wrong" if both_lone and dimensions != {"mass"} else "unchecked"


def _in_base_units(key: str, units: list[Unit | None]) -> str:
    """Return the expression with its n-th number multiplied by the factor of the n-th unit."""
    remaining = iter(units)

    def converted(match: re.Match[str]) -> str:
        unit = next(remaining, None)
        return (
            match.group()
            if unit is None
            else f"({match.group()}*{unit.factor.numerator}/{unit.factor.denominator})"
        )

    return re.sub(r"\d+(?:\.\d+)?", converted, key)


def _is_rounding(
    statement: StepStatement,
    left: ExactOrFloat,
    right: ExactOrFloat,
    rounded: frozenset[Fraction] | set[Fraction],
) -> bool:
    """Whether the difference of the sides may come from rounding: of the result to an integer, or of an operand."""
    a, b = float(left), float(right)
    error = abs(a - b)
    scale = max(abs(a), abs(b))
    if statement.relation == "≈":
        return error <= _COARSE * scale or error <= 1
    whole_left = isinstance(left, Fraction) and left.denominator == 1
    whole_right = isinstance(right, Fraction) and right.denominator == 1
    if whole_right and not whole_left and error < 1:
        return True  # 7 / 2 = 4 buses
    decimals = max(statement.left.decimals or 0, statement.right.decimals or 0)
    if decimals > 1 and error <= 1.001 * 10.0**-decimals and error <= 0.001 * scale:
        return True  # 4.20 + 9.45 + 1.35 = 14.99 by a calculator that cuts
    if not (whole_left and whole_right) and error <= (_FINE if isinstance(left, float) else _FINEST) * scale:
        return True
    operands = re.findall(r"\d+\.\d+|\d+", statement.left.key)
    for operand in operands:
        uncertain = (
            _REPEATS.search(operand)
            or ("." in operand and Fraction(operand) in rounded)
            or ("." not in operand and Fraction(int(operand)) in rounded and len(operand) < 30)
        )
        if not uncertain:
            continue
        half = Fraction(1, 10 ** len(operand.partition(".")[2]))
        pattern = re.compile(rf"(?<![\d.]){re.escape(operand)}(?![\d.])")
        for sign in "+-":
            moved = value_of(
                pattern.sub(f"({operand}{sign}{half.numerator}/{half.denominator})", statement.left.key)
            )
            if moved is not None and (
                min(float(moved), a) - 0.51 * _ulp(statement)
                <= b
                <= max(float(moved), a) + 0.51 * _ulp(statement)
            ):
                return True
    return False


def _ulp(statement: StepStatement) -> float:
    return float(10.0 ** -(statement.right.decimals or 0))
