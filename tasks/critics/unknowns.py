"""Follows unknowns through the steps of a solution: "let x = 3", "2x + 5 = 11", "x = 3", "y = 2x = 6".

Where an unknown gets a value, the equations that led there are checked by putting the value in, in exact arithmetic: the value of the last one
must make it true, or the step that states the value is wrong. If it makes an earlier equation false and all later ones true, the first of the later
ones does not follow. Where all unknowns of a later statement have values, the statement is recomputed with them.

Putting a value in decides every equation in one unknown whatever its degree, so nothing is solved. What may mean something else says nothing:
an unknown with two values (a case distinction, the roots of a polynomial), functions, inequalities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from tasks.critics.statements import StepStatement
from tasks.critics.values import ExactOrFloat, value_of

_LETTER: Final = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]")
_CALL: Final = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]\*\(")  # f(2), and not a product
_TOLERANCE: Final = 0.01  # relative; people round
_CONSTANTS: Final = frozenset("ei")
_MOST: Final = 400  # statements of a solution that are looked at


@dataclass(slots=True)
class _Unknown:
    """What is known of one letter: its value, None before it has one, and the equations in it alone since its last value."""

    value: Fraction | None = None
    several: bool = False
    equations: list[int] = field(default_factory=list)


def wrong_by_unknowns(statements: Sequence[StepStatement], supposed: Sequence[bool]) -> list[int]:
    """Return the numbers of the statements, in order of the solution, that are wrong because of the values of unknowns. `supposed`: of each
    statement whether it is supposed, asked or one of several cases; the unknowns in it are not followed."""
    unknowns: dict[str, _Unknown] = {}
    wrong: list[int] = []
    values = _values(statements)
    for number, one in enumerate(statements[:_MOST]):
        letters = "".join(sorted({*one.left.letters, *one.right.letters}))
        if supposed[number]:
            for letter in letters:
                unknowns.setdefault(letter, _Unknown()).several = True
            continue
        if (
            not letters
            or set(letters) & _CONSTANTS
            or one.relation != "="
            or _CALL.search(one.left.key)
            or _CALL.search(one.right.key)
        ):
            continue
        if len(one.left.key) == 1 and not one.right.letters:
            own = unknowns.setdefault(one.left.key, _Unknown())
            value = value_of(one.right.key)
            if value is None or len(values.get(one.left.key, ())) != 1:
                own.several = True
            elif not own.several and isinstance(value, Fraction):
                at_fault = _first_false(statements, own.equations, one.left.key, value)
                if at_fault is not None and not one.doubtful:
                    wrong.append(number if at_fault < 0 else at_fault)
                own.value, own.equations = value, []
            continue
        if len(letters) == 1 and not one.doubtful:
            own = unknowns.setdefault(letters, _Unknown())
            if own.value is None and not own.several:
                own.equations.append(number)
                continue
        known = {
            letter: given.value
            for letter in letters
            if (given := unknowns.get(letter)) is not None and given.value is not None and not given.several
        }
        if len(known) == len(letters) and not one.doubtful and _true(one, known) is False:
            wrong.append(number)
    return wrong


def _values(statements: Sequence[StepStatement]) -> dict[str, set[ExactOrFloat]]:
    """Return the values that each letter is given anywhere."""
    values: dict[str, set[ExactOrFloat]] = {}
    for one in statements[:_MOST]:
        if one.relation == "=" and len(one.left.key) == 1 and one.left.letters and not one.right.letters:
            value = value_of(one.right.key)
            if value is not None:
                values.setdefault(one.left.key, set()).add(value)
    return values


def _first_false(
    statements: Sequence[StepStatement], equations: Sequence[int], letter: str, value: Fraction
) -> int | None:
    """Return the equation that does not follow from those before it, -1 if the value does not follow from the last, None if all is well or
    it cannot be said."""
    truths = [_true(statements[number], {letter: value}) for number in equations]
    if not truths or None in truths or all(truths):
        return None
    switch = next((at for at, true in enumerate(truths) if true), len(truths))
    if not all(truths[switch:]):
        return None
    return equations[switch] if switch < len(truths) else -1


def _true(statement: StepStatement, known: Mapping[str, Fraction]) -> bool | None:
    """Return whether a statement holds with the values of its letters, None if it has no value then."""
    left, right = (_with_values(side.key, known) for side in (statement.left, statement.right))
    if left is None or right is None:
        return None
    if left == right:
        return True
    a, b = float(left), float(right)
    return abs(a - b) <= max(_TOLERANCE * max(abs(a), abs(b)), 1e-9)


def _with_values(key: str, known: Mapping[str, Fraction]) -> ExactOrFloat | None:
    def put(match: re.Match[str]) -> str:
        value = known[match.group()]
        return f"({value.numerator}/{value.denominator})" if value.denominator > 1 else f"({value})"

    return value_of(_LETTER.sub(put, key.replace("\\pi", "π")).replace("π", "\\pi"))
