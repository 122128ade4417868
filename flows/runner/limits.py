"""The limits of a run: where its answers come from, what it may cost, and what ends it before its target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from flows.config.loading import ConfigError
from flows.config.sections import BudgetSettings as Caps
from storage.ledger import Ledger
from tasks.llm.batch import AnswersAwaited
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.learnt_limits import LearntLimit
from tasks.points_in_time import moment

# what a stage raises when a limit is reached: everything in flight has landed by then
LIMITS = (BudgetExceeded, AnswersAwaited)
# values of `answers`: those that go through batch files, and those that ask no endpoint
BATCHED = ("batch", "files")
UNASKED = ("files", "offline")


@dataclass(frozen=True, slots=True)
class RunLimits:
    """`run` is whose calls the ledger counts; `answers` as in flows.config. `learnt` are the learnt token limits of each role
    by prompt."""

    run: str = ""
    answers: str = "online"
    budget: Budget | None = None
    learnt: Mapping[str, Mapping[str, LearntLimit]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpentWhenStopped:
    """What a run had paid, and how far it had come, when it was stopped."""

    usd: float
    tokens: int
    estimated: int  # calls whose tokens the endpoint did not state
    accepted: int
    target: int


class Stopped(RuntimeError):
    """A limit ended the run before it could publish. Nothing is lost: the same command continues from here."""

    def __init__(self, by: str, why: str, spent: SpentWhenStopped) -> None:
        super().__init__(why)
        self.by, self.why, self.spent = by, why, spent


class AsksModels(Protocol):
    """A configuration of a flow that asks models."""

    @property
    def budget(self) -> Caps: ...
    @property
    def answers(self) -> str: ...


def limits_for(config: AsksModels, run: str, since: float, ledger: Callable[[], Ledger]) -> RunLimits:
    """Return the limits of `run`. What it has paid since `since` (Unix seconds), before it was killed, counts as spent."""
    limits = config.budget
    budget = None
    if limits.usd is not None or limits.tokens is not None or limits.deadline is not None:
        now = datetime.now().astimezone()
        deadline = moment(limits.deadline, now).timestamp() if limits.deadline else None
        budget = Budget(limits.usd, limits.tokens, deadline, spent=ledger().spent(run, since))
    return RunLimits(run, config.answers, budget)


def refuse_elsewhere(runner: str, limits: RunLimits) -> None:
    """Raise ConfigError if the limits are kept in this process and the task runs would be in others."""
    if runner != "threads" and (limits.budget or limits.answers != "online" or limits.learnt):
        raise ConfigError(
            f"MATHMILL_RUNNER is {runner}, but a budget, answers other than online, and learnt token "
            "limits are kept in one process. Fix: MATHMILL_RUNNER=threads, or leave them out"
        )


HOW_TO_GO_ON = {
    "usd": "run it again to go on: the budget counts anew",
    "tokens": "run it again to go on: the budget counts anew",
    "deadline": "run it again with a later deadline to go on",
    "offline": "run it again with answers other than offline to go on",
    "files": "answer the files, then run it again to go on",
}


def limit_of(error: BaseException) -> str:
    """Return the word for the limit that ended the run: usd, tokens, deadline, files."""
    return error.state.limit if isinstance(error, BudgetExceeded) else "files"
