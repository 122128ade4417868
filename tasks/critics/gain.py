"""What planted errors gain: the same critic trained with and without them, on solutions of other questions, compared in pairs.

Two questions, two answers: whether the critic judges real solutions better, and whether it sees errors of known kind and place that are
planted into right solutions that it was not trained on. The second is easier and says little of real errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.critics.evaluation import (
    NOT_NAMED,
    RESAMPLES,
    Opinion,
    Truth,
    by_part,
    difference,
    measure,
)
from tasks.critics.labelled import PLANTED, LabelledSolution
from tasks.critics.planting import planted
from tasks.critics.trained import TrainedCritic

WITH, WITHOUT = "with planted errors", "without planted errors"
COMPARED = ("balanced_accuracy", "auroc", "first_error_found", "f1")


def gain(
    solutions: Sequence[LabelledSolution],
    critic: TrainedCritic,
    without: TrainedCritic | None,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the record: the measures of the critics on the solutions as they are, and on the right ones beside the same with an error each."""
    critics = {WITH: critic} | ({WITHOUT: without} if without is not None else {})
    right = [one for one in solutions if one.correct]
    spoilt = [*right, *planted(right, 1.0, seed)]
    # the measures of steps count right solutions of sets that have places
    parts = {"real": list(solutions), "planted": spoilt}
    record: dict[str, Any] = {"parts": {}, "kinds": []}
    for name, part in parts.items():
        if len({one.correct for one in part}) < 2:
            continue
        truth = Truth.of(part)
        opinions = [_named(title, one.opinion(part)) for title, one in critics.items()]
        measured = [measure(truth, one, resamples=resamples, seed=seed) for one in opinions]
        record["parts"][name] = {
            "solutions": len(part),
            "right": int(truth.right.sum()),
            "critics": [
                {
                    "name": one.name,
                    "measures": {key: value.record() for key, value in one.estimates.items()},
                }
                for one in measured
            ],
            "differences": [
                {"measure": key, **difference(measured[0], measured[1], key).record()}
                for key in COMPARED
                if len(measured) > 1
            ],
        }
        if name == "planted":
            record["kinds"] = _kinds(part, opinions)
    return record


def _named(title: str, opinion: Opinion) -> Opinion:
    return Opinion(title, opinion.right, opinion.first_wrong, opinion.threshold)


def _kinds(solutions: Sequence[LabelledSolution], opinions: Sequence[Opinion]) -> list[Mapping[str, Any]]:
    """Return, per kind of planted error, how many of them each critic calls wrong, and of how many it names the step."""
    spoilt = [one if one.by == PLANTED else None for one in solutions]
    known = [one for one in spoilt if one is not None]
    rows = [row for row, one in enumerate(spoilt) if one is not None]
    places = [NOT_NAMED if one.first_error is None else one.first_error for one in known]
    lines: list[Mapping[str, Any]] = []
    for kind, mask in by_part(known, "kind").items():
        inside = [at for at, chosen in enumerate(mask.tolist()) if chosen]
        lines.append(
            {
                "kind": kind,
                "solutions": len(inside),
                "critics": [
                    {
                        "name": one.name,
                        "called_wrong": sum(not one.says_right[rows[at]] for at in inside) / len(inside),
                        "named": sum(int(one.first_wrong[rows[at]]) == places[at] for at in inside)
                        / len(inside),
                    }
                    for one in opinions
                ],
            }
        )
    return lines
