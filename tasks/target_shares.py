"""Solve for numbers of rows that meet target shares under what is available: a linear programme over kinds of rows.

Rows of equal values in all the dimensions of the targets and limits are one kind. The first programme finds the largest number of
rows with which all shares hold, the second one the numbers by kind that are nearest to how the kinds are available, so that
no kind is left out where it need not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from storage.counting import counted
from storage.errors import ForPeople
from tasks.arrays import Floats, Mask

_NEAR = 1e-6
_STEPS = 20


class TargetsConflict(ForPeople, ValueError):
    """Target shares that cannot hold together with the rows that there are; the message names them and the nearest ones that can."""


@dataclass(frozen=True, slots=True)
class ShareRule:
    """A condition on the share of the rows that have a value: `exactly`, `at most` or `at least` `share`.

    kinds: whether each kind of rows has the value, shape (kinds,).
    """

    name: str
    relation: Literal["exactly", "at most", "at least"]
    share: float
    kinds: Mask


def numbers(
    available: Sequence[int], rules: Sequence[ShareRule], *, most: int, least: int
) -> npt.NDArray[np.int64]:
    """Return how many rows of each kind to take, shape (kinds,): as many rows as possible up to `most`, with shares that differ
    from the rules by rounding only.

    Raises TargetsConflict if the rules do not allow `least` rows.
    """
    there = np.asarray(available, dtype=np.float64)
    if not there.sum():
        return np.zeros(len(there), dtype=np.int64)
    total = _largest(there, rules, most)
    if total + _NEAR < least:
        raise _conflict(there, rules, least, int(total + _NEAR))
    # the largest total is one up to rounding errors: the rules may only hold just below it
    for part in (1.0, 1 - _NEAR, 1 - 1e-3):
        exact = _spread(there, rules, part * total)
        if exact is not None:
            return _rounded(exact, there)
    raise RuntimeError(
        f"no numbers of rows hold the shares at {counted(round(total), 'row')}; this is a defect, please report it"
    )


def _largest(there: Floats, rules: Sequence[ShareRule], most: int) -> float:
    """Return the largest total with which the rules hold."""
    upper, equal = _conditions(rules, len(there))
    sizes = csr_array(np.ones((1, len(there))))
    solved = linprog(
        -np.ones(len(there)),
        A_ub=vstack([upper, sizes]),
        b_ub=np.append(np.zeros(upper.shape[0]), most),
        A_eq=equal if equal.shape[0] else None,
        b_eq=np.zeros(equal.shape[0]) if equal.shape[0] else None,
        bounds=np.stack([np.zeros_like(there), there], axis=1),
    )
    return float(-solved.fun)


def _spread(there: Floats, rules: Sequence[ShareRule], total: float) -> Floats | None:
    """Return the numbers with this total that hold the rules and are nearest to the shares that are available; None if there are
    none.

    The farther a number is from its share, the more each further row costs, in _STEPS steps per direction, so that all kinds
    differ from what is available by about the same part.
    """
    kinds = len(there)
    expected = there * min(1.0, total / there.sum())
    upper, equal = _conditions(rules, kinds)
    # a number is what is expected, plus steps up, minus steps down
    one, steps = eye_array(kinds), 2 * kinds * _STEPS
    costs = np.tile(np.repeat(np.arange(1.0, _STEPS + 1), kinds), 2)
    widths = np.tile(np.tile(expected / _STEPS, _STEPS), 2)
    widths[(_STEPS - 1) * kinds : _STEPS * kinds] = np.inf
    solved = linprog(
        np.concatenate([np.zeros(kinds), costs]),
        A_ub=hstack([upper, csr_array((upper.shape[0], steps))]),
        b_ub=np.full(upper.shape[0], _NEAR),
        A_eq=vstack(
            [
                hstack([equal, csr_array((equal.shape[0], steps))]),
                hstack([one, *[-one] * _STEPS, *[one] * _STEPS]),
                csr_array(np.append(np.ones(kinds), np.zeros(steps))[None]),
            ]
        ),
        b_eq=np.concatenate([np.zeros(equal.shape[0]), expected, [total]]),
        bounds=np.stack([np.zeros(kinds + steps), np.append(there, widths)], axis=1),
    )
    return None if solved.x is None else np.asarray(solved.x[:kinds], dtype=np.float64)


def _conditions(rules: Sequence[ShareRule], kinds: int) -> tuple[csr_array, csr_array]:
    """Return the rules as rows of matrices: those whose product with the numbers is at most 0, and those for which it is 0."""
    upper = [rule.kinds - rule.share for rule in rules if rule.relation == "at most"]
    upper += [rule.share - rule.kinds for rule in rules if rule.relation == "at least"]
    equal = [rule.kinds - rule.share for rule in rules if rule.relation == "exactly"]
    return tuple(csr_array(np.array(rows).reshape(len(rows), kinds)) for rows in (upper, equal))


def _rounded(exact: Floats, there: Floats) -> npt.NDArray[np.int64]:
    """Return whole numbers of the same sum, rounded down or up, the largest remainders up."""
    floor = np.floor(exact + _NEAR)
    left = round(float(exact.sum() - floor.sum()))
    order = np.argsort(-(exact - floor), kind="stable")
    floor[[kind for kind in order.tolist() if floor[kind] < there[kind]][:left]] += 1
    return floor.astype(np.int64)


def _conflict(there: Floats, rules: Sequence[ShareRule], least: int, largest: int) -> TargetsConflict:
    """Return the error with the shares that are nearest to the rules, in the sum of their differences, at `least` rows."""
    kinds, count = len(there), len(rules)
    signs = {"exactly": (1.0, 1.0), "at most": (0.0, 1.0), "at least": (1.0, 0.0)}
    matrix = np.array([rule.kinds - rule.share for rule in rules]).reshape(count, kinds)
    # matrix @ numbers = over - under, and a rule that allows a difference does not count it
    solved = linprog(
        np.concatenate(
            [np.zeros(kinds), *[[signs[rule.relation][side] for rule in rules] for side in (1, 0)]]
        ),
        A_eq=vstack(
            [
                hstack([csr_array(matrix), -eye_array(count), eye_array(count)]),
                csr_array(np.append(np.ones(kinds), np.zeros(2 * count))[None]),
            ]
        ),
        b_eq=np.append(np.zeros(count), least),
        bounds=[(0.0, most) for most in there] + [(0.0, None)] * (2 * count),
    )
    chosen = solved.x[:kinds]
    lines = []
    for rule in rules:
        nearest = float(chosen[rule.kinds].sum() / least)
        over, under = nearest - rule.share, rule.share - nearest
        missed = signs[rule.relation][1] * over > _NEAR or signs[rule.relation][0] * under > _NEAR
        if missed:
            lines.append(f"{rule.name} {rule.relation} {rule.share:g} (nearest {nearest:.3g})")
    return TargetsConflict(
        f"mix: the shares cannot all hold in {counted(least, 'row')}, and hold in {largest} at most; in conflict with what there is: "
        f"{'; '.join(lines)}. Fix: set the nearest shares, lower mix.fill, or write more rows of these kinds"
    )
