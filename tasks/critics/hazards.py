"""From hazards of steps to signals of a solution. The hazard of a step is the probability that it is wrong given that all before are right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats
from tasks.critics import step_checker
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import Checked

LEAST, MOST = 1e-5, 1 - 1e-5  # of a probability
HAZARDS = ("log_odds_right", "largest_hazard", "mean_hazard", "log_steps")
CHECKED = ("step_wrong", "step_right", "step_invented", "wrong_before", "invented_before", "answer_underived", "numbers_unused")  # fmt: skip


def probability(odds: Floats) -> Floats:
    """Return probabilities from log odds, none of them 0 or 1."""
    return np.asarray(np.clip(1 / (1 + np.exp(-np.clip(odds, -30, 30))), LEAST, MOST))


def first_error(hazards: Floats) -> tuple[float, Floats]:
    """Return the probability that no step is wrong, and of each step that it is the first wrong one (steps,)."""
    survival = np.cumprod(np.concatenate([[1.0], 1 - hazards]))
    return float(survival[-1]), np.asarray(hazards * survival[:-1])


def likeliest(hazards: Sequence[Floats]) -> npt.NDArray[np.int64]:
    """Return the likeliest first wrong step of each solution, int64 (solutions,)."""
    return np.array([int(np.argmax(first_error(one)[1])) for one in hazards], np.int64)


def likelihood(hazards: Sequence[Floats]) -> Floats:
    """Return the probability of the likeliest first wrong step of each solution if any step is wrong, float64 (solutions,)."""
    firsts = (first_error(one)[1] for one in hazards)
    return np.array([float(one.max() / one.sum()) for one in firsts], np.float64)


def per_solution(values: Floats, counts: Sequence[int]) -> list[Floats]:
    """Return values of steps, one below the other, as one array per solution."""
    return list(np.split(values, np.cumsum(counts)[:-1])) if counts else []


def solution_features(hazards: Sequence[Floats], checked: Sequence[Checked]) -> Floats:
    """Return the inputs of the head, float64 (solutions, HAZARDS and those of the step checker)."""
    rows = []
    for own, finding in zip(hazards, checked, strict=True):
        right = np.clip(first_error(own)[0], LEAST, MOST)
        rows.append(
            [
                np.log(right / (1 - right)),
                np.log(own.max() / (1 - own.max())),
                np.log(own.mean() / (1 - own.mean())),
                np.log(len(own)),
                *step_checker.features(finding),
            ]
        )
    return np.array(rows, np.float64).reshape(len(rows), len(HAZARDS) + len(step_checker.FEATURES))


def checked_features(checked: Checked) -> Floats:
    """Return what the step checker says about each step, float64 (steps, len(CHECKED))."""
    wrong = np.array([one == "wrong" for one in checked.verdicts], float)
    right = np.array([one == "right" for one in checked.verdicts], float)
    invented = np.array(checked.invented, float)
    last = np.arange(len(wrong)) == len(wrong) - 1
    return np.column_stack(
        [
            wrong,
            right,
            invented,
            np.cumsum(wrong) - wrong,
            np.cumsum(invented) - invented,
            last * float(checked.derived is False),
            np.full(len(wrong), checked.unused),
        ]
    )


def step_labels(
    solution: LabelledSolution, hazards: Floats | None
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Return the steps of a solution that train hazards: their numbers, their labels (1: wrong) and their weights, one entry per pair.

    A step before the first wrong one is right, later ones have no label. Where the place is unknown, each step is the first wrong one with
    the probability that `hazards` (steps,) give it, all alike without them: it then stands twice, as wrong and as right.
    """
    steps = len(solution.steps)
    if solution.correct or solution.first_error is not None:
        count = steps if solution.first_error is None else solution.first_error + 1
        labels = np.zeros(count)
        labels[-1:] = not solution.correct
        return np.arange(count), labels, np.ones(count)
    if hazards is None:
        likely: Floats = np.full(steps, 1 / steps)
    else:
        right, likely = first_error(hazards)
        likely = likely / max(1 - right, LEAST)
    every = np.arange(steps)
    weights = np.concatenate([likely, 1 - np.cumsum(likely)])
    kept = weights > _TOO_SMALL
    return (
        np.concatenate([every, every])[kept],
        np.repeat([1.0, 0.0], steps)[kept],
        weights[kept],
    )


_TOO_SMALL = 1e-3  # weight up to which a step trains nothing


def digest_of_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays with their names, types and shapes."""
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        hashed.update(f"{name} {values.dtype} {values.shape}\n".encode())
        hashed.update(values.tobytes())
    return hashed.hexdigest()
