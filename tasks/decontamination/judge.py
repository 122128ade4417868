"""A model decides whether two questions that lie near each other, and are no sure hit, are one problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import prompts
from tasks.decontamination.planting import chinese
from tasks.llm.batch import AnswersAwaited
from tasks.llm.budget import BudgetExceeded
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.retrieval.encoder import Vectors
from tasks.seeding import seed_of

PROMPT = "same_problem"
LIMITS = (AnswersAwaited, BudgetExceeded)

Encode = Callable[[Sequence[str]], Vectors]
Judge = Callable[[Sequence[tuple[str, str]]], list[bool | None]]
"""(row, item) pairs to verdicts; None where there is none."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What rules may need beside the items (their NEEDS)."""

    encode: Encode | None = None
    judge: Judge | None = None


class Critic:
    """A judge that asks the critic with prompts/same_problem; calls go through its ledger, a pair once.

    `strict`: a limit of the run (its budget, answers still to come) is raised. Else a pair beyond it has no verdict,
    unless the ledger knows it.
    """

    def __init__(self, engine: Engine, *, strict: bool = True) -> None:
        self._engine, self._strict = engine, strict
        self._bill = RoleCosts.of(engine.endpoint)
        self._said: Counter[str] = Counter()

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        distinct = list(dict.fromkeys(pairs))
        found: dict[tuple[str, str], bool | None] = {}
        asked = self._answers([self._request(*pair) for pair in distinct])
        for pair, done in zip(distinct, asked, strict=True):
            if done is not None:
                self._bill.add(done)
            found[pair] = None if done is None or done.error is not None else verdict(done.text or "")
            self._said[{True: "same", False: "different", None: "unanswered"}[found[pair]]] += 1
        return [found[pair] for pair in pairs]

    def facts(self) -> dict[str, Any]:
        """What the verdicts cost, and how many of each there were."""
        return {**self._bill.facts(), "judged": dict(self._said)}

    def _answers(self, requests: list[Request]) -> Iterator[Completion | None]:
        answered = 0
        try:
            for done in self._engine.run(requests):
                answered += 1
                yield done
            return
        except LIMITS:
            if self._strict:
                raise
        for request in requests[answered:]:
            try:
                yield next(self._engine.run([request]))
            except LIMITS:
                yield None

    def _request(self, first: str, second: str) -> Request:
        prompt = prompts.load(PROMPT, "zh" if chinese(first) and chinese(second) else "en")
        return Request(
            messages=prompt.messages(first=first, second=second),
            model=self._engine.endpoint.model,
            temperature=prompt.front.temperature,
            top_p=prompt.front.top_p,
            max_tokens=prompt.front.max_tokens,
            seed=seed_of(PROMPT, first, second),
            tag="decontaminate",
        )


def decided(
    pairs: Sequence[tuple[str, str]], sure: npt.NDArray[np.bool_], judge: Judge | None
) -> npt.NDArray[np.bool_]:
    """Which of the near pairs are one problem: the sure ones, and of the others those that the judge, where there is
    one, calls the same. A judge adds hits; it is not asked about a sure pair and takes none away."""
    asked = np.flatnonzero(~sure)
    if judge is None or not len(asked):
        return sure
    same = sure.copy()
    same[asked] = [verdict is True for verdict in judge([pairs[k] for k in asked.tolist()])]
    return same


def verdict(text: str) -> bool | None:
    """The last SAME or DIFFERENT on a line of its own; None if the words are no answer."""
    said = re.findall(r"(?mi)^\W*(same|different)\W*$", text)
    return said[-1].lower() == "same" if said else None
