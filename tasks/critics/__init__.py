"""Critics: what says whether a worked solution is right, and where it first goes wrong.

`steps` divides a solution into steps, `statements` reads the calculations that text states, `step_checker` recomputes them and points at
the first wrong step, `error_injection` makes right solutions wrong in a known place and way. `labelled` reads solutions with labels,
`trained` is a critic that learns from them, `evaluation` and `baselines` say what a critic is worth.

Every critic has one interface, `SolutionCritic`: the prompted one (tasks/critics/prompted.py), the step checker, and those that are trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class WorkedSolution(Protocol):
    """What a critic is shown: a question, and a solution in steps."""

    @property
    def question(self) -> str: ...
    @property
    def steps(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class CriticOpinion:
    """What a critic says about one solution.

    `right`: the probability that the solution is right. `answer`: its score from 0 to 1 for the solution, `instruction` that for the
    question; None where the critic does not judge questions. `first_wrong`: the first wrong step, from 0, None if it names none. `words`: why,
    in words; None where the critic has none.
    """

    right: float
    answer: float
    instruction: float | None = None
    first_wrong: int | None = None
    words: str | None = None


class SolutionCritic(Protocol):
    """What judges solutions. `identity` changes whenever its opinions may."""

    @property
    def identity(self) -> str: ...
    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]: ...
