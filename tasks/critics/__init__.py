"""Critics: what says whether a worked solution is right, and where it first goes wrong.

Every critic has one interface, `SolutionCritic`, whatever it is: a model that is asked, the step checker, or what was trained. Each kind is a
module of tasks/critics/kinds, found by its name, so that a new file adds a kind. The scorers of a night (tasks/scorers) and `critic evaluate`
know the interface only.

`steps` divides a solution into steps, `statements` reads the calculations that text states, `step_checker` recomputes them and points at
the first wrong step, `error_injection` makes right solutions wrong in a known place and way. `labelled` reads solutions with labels,
`trained` is what all trained kinds have in common, `addressed` removes what a solution says to its reader, `evaluation` and `baselines` say
what a critic is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class WorkedSolution(Protocol):
    """What a critic is shown: a question, and a solution as text and in steps.

    `answer` is the solution's final answer where it is known; else it is read from the steps. `reference` is the trusted answer of the
    question, which only the prompted critic reads; None where there is none. `id` enters the seed of what is asked about the solution.
    """

    @property
    def question(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def steps(self) -> tuple[str, ...]: ...
    @property
    def language(self) -> str: ...
    @property
    def answer(self) -> str | None: ...
    @property
    def reference(self) -> str | None: ...
    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A solution as critics are shown it."""

    question: str
    text: str
    steps: tuple[str, ...]
    language: str = "en"
    answer: str | None = None
    reference: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Why a critic has no opinion because of a failure, which is never the solution's: the error for people and, of a call that failed, its
    kind (tasks.llm.request.Failure)."""

    error: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class CriticOpinion:
    """What a critic says about one solution.

    `answer`: its score of the solution from 0 to 1, None where it has no opinion. `right`: the probability that the solution is right, where
    the critic was calibrated on labelled solutions; else None. `instruction`: its score of the question, and `parts` what that
    consists of, by name; None and empty where the critic does not judge questions. `first_wrong`: the first wrong step, from 0, None if it
    names none. `words`: why, in words. `step_scores`: per step how sure the critic is that it is right, from 0 to 1, empty where it
    judges no steps. `failure`: why there is no opinion although there should be one. `asked`: the completion of the model that was
    asked, for those who count costs; `also_asked`: the one about the solution without what it says to its reader, where there was one.
    """

    answer: float | None
    right: float | None = None
    instruction: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    first_wrong: int | None = None
    words: str | None = None
    step_scores: tuple[float, ...] = ()
    failure: Unjudged | None = None
    asked: Any = None
    also_asked: Any = None


class SolutionCritic(Protocol):
    """What judges solutions. `identity` changes whenever its opinions may."""

    @property
    def identity(self) -> str: ...
    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]: ...
