"""The tree of a search over the steps of a solution: its trajectories, the values of their steps, and where to go on.

A trajectory is a whole solution, step by step. The value of a step is the share of the trajectories through it that end in the right
answer, as in Math-Shepherd (Wang et al. 2023, arXiv:2312.08935); a step whose check failed is worth nothing, and so is what was built on it, and the
steps before it are not blamed. Which step to go on from follows from the values and from how often each was tried (UCT, Kocsis and Szepesvári 2006).
Nothing here depends on chance: equal trajectories give equal choices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

StepSequence = tuple[str, ...]

EXPLORATION: Final = 1.0  # weight of steps that were tried rarely


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A whole solution. `group`: which of the distinct answers it has, None if it has none. `failed_at`: the place of the first step
    whose check failed, from 0; None if none did."""

    steps: StepSequence
    group: int | None
    failed_at: int | None = None


@dataclass(slots=True)
class SearchTree:
    """The trajectories so far, and the beginnings that were gone on from. `right`: the group of right answers."""

    trajectories: list[Trajectory] = field(default_factory=list)
    expanded: set[StepSequence] = field(default_factory=set)
    right: int | None = None

    def outcomes(self, beginning: StepSequence) -> list[float]:
        """Return 1 or 0 for each trajectory through a beginning that says something about it."""
        depth = len(beginning)
        values = []
        for one in self.trajectories:
            if one.steps[:depth] != beginning:
                continue
            if one.failed_at is not None:
                if one.failed_at < depth:
                    values.append(0.0)
            elif one.group is not None:
                values.append(float(one.group == self.right))
        return values

    def value(self, beginning: StepSequence) -> float:
        """Return the value of the last step of a beginning, from 0 to 1; 0 if nothing is known of it."""
        values = self.outcomes(beginning)
        return sum(values) / len(values) if values else 0.0

    def following(self, beginning: StepSequence) -> list[str]:
        """Return the steps that were tried after a beginning, in the order in which they came."""
        depth = len(beginning)
        return list(
            dict.fromkeys(
                one.steps[depth]
                for one in self.trajectories
                if len(one.steps) > depth and one.steps[:depth] == beginning
            )
        )

    def next_beginning(self) -> StepSequence | None:
        """Return the beginning to go on from: down from the start, always by the most promising step, to the first that was not gone on
        from yet; None if there is none left. Whole solutions and steps that failed are not gone on from."""
        return self._open_below(())

    def _open_below(self, beginning: StepSequence) -> StepSequence | None:
        if beginning not in self.expanded:
            return beginning
        visits = max(1, len(self.outcomes(beginning)))
        ranked = sorted(
            (
                (-self._promise((*beginning, step), visits), place, step)
                for place, step in enumerate(self.following(beginning))
            ),
        )
        for _, _, step in ranked:
            below = (*beginning, step)
            if not self._ends(below) and (found_below := self._open_below(below)) is not None:
                return found_below
        return None

    def _promise(self, beginning: StepSequence, visits: int) -> float:
        values = self.outcomes(beginning)
        if not values:
            return 0.0
        return sum(values) / len(values) + EXPLORATION * math.sqrt(math.log(visits + 1) / len(values))

    def _ends(self, beginning: StepSequence) -> bool:
        """Whether a beginning is a whole solution, its last line apart, or has a step that failed."""
        depth = len(beginning)
        return all(
            len(one.steps) <= depth + 1 or (one.failed_at is not None and one.failed_at < depth)
            for one in self.trajectories
            if one.steps[:depth] == beginning
        )

    def best(self) -> Trajectory | None:
        """Return the right trajectory whose worst step has the highest value; of equal ones the shortest, then the first. None if
        none is right."""
        right = [
            one
            for one in self.trajectories
            if one.group is not None and one.group == self.right and one.failed_at is None
        ]
        return min(right, key=lambda one: (-self._worst(one.steps), len(one.steps)), default=None)

    def _worst(self, steps: StepSequence) -> float:
        return min(self.value(steps[:end]) for end in range(1, len(steps) + 1))

    def record(self, steps: StepSequence) -> list[dict[str, Any]]:
        """Return each step with its value, how many trajectories went through it, and the steps that were tried in its place."""
        return [
            self._step(steps[: end + 1])
            | {
                "others": [
                    self._step((*steps[:end], other))
                    for other in self.following(steps[:end])
                    if other != steps[end] and self.outcomes((*steps[:end], other))
                ]
            }
            for end in range(len(steps))
        ]

    def _step(self, beginning: StepSequence) -> dict[str, Any]:
        values = self.outcomes(beginning)
        return {
            "text": beginning[-1],
            "value": round(sum(values) / len(values), 4) if values else 0.0,
            "visits": len(values),
        }


def majority(groups: Sequence[int | None]) -> int | None:
    """Return the most frequent group, the first of equal ones; None if there is none."""
    counted = [group for group in groups if group is not None]
    return max(dict.fromkeys(counted), key=counted.count, default=None)
