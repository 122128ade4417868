"""Has a model judge whether two similar questions that are no certain hit are one problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import prompts
from storage.indexes.vectors import Vectors
from tasks.decontamination.planting import chinese
from tasks.llm.batch import AnswersAwaited
from tasks.llm.budget import BudgetExceeded
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.seeding import seed_of

PROMPT = "same_problem"
LIMITS = (AnswersAwaited, BudgetExceeded)

TextEncoder = Callable[[Sequence[str]], Vectors]
JudgePairs = Callable[[Sequence[tuple[str, str]]], list[bool | None]]
"""(row, item) pairs to verdicts; None where there is none."""


@dataclass(frozen=True, slots=True)
class RuleTools:
    """The tools that rules may need in addition to the items (their NEEDS)."""

    encode: TextEncoder | None = None
    judge: JudgePairs | None = None


class Critic:
    """A judge that asks the critic with prompts/same_problem. Calls go through its ledger, once per pair.

    `strict`: a limit of the run (its budget, deferred calls) is raised. Otherwise a pair that is not judged before the limit
    has no judgement, unless the ledger has it; `limit` is then the limit, and `unasked` the number of such pairs.
    """

    def __init__(self, engine: Engine, *, strict: bool = True) -> None:
        self._engine, self._strict = engine, strict
        self._costs = RoleCosts.of(engine.endpoint)
        self._counts: Counter[str] = Counter()
        self._judged: dict[tuple[str, str], bool | None] = {}  # several rules may ask about one pair
        self.limit: BudgetExceeded | AnswersAwaited | None = None
        self.unasked = 0

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._judged]
        judgements: dict[tuple[str, str], bool | None] = {}
        for pair, completion in zip(new, self._answers([self._request(*pair) for pair in new]), strict=True):
            judgements[pair] = (
                None if completion is None or completion.error is not None else verdict(completion.text or "")
            )
            self._counts[{True: "same", False: "different", None: "unanswered"}[judgements[pair]]] += 1
            if completion is not None:
                self._costs.add(completion)
                self._judged[pair] = judgements[pair]
        return [judgements[pair] if pair in judgements else self._judged[pair] for pair in pairs]

    def facts(self) -> dict[str, Any]:
        """Return the cost of the judgements, and how many there were of each kind."""
        return {**self._costs.facts(), "judged": dict(self._counts)}

    def _answers(self, requests: list[Request]) -> Iterator[Completion | None]:
        answered = 0
        try:
            for completion in self._engine.run(requests):
                answered += 1
                yield completion
            return
        except LIMITS as limit:
            if self._strict:
                raise
            self.limit = limit
        for request in requests[answered:]:
            try:
                yield next(self._engine.run([request]))
            except LIMITS:
                self.unasked += 1
                yield None

    def _request(self, first: str, second: str) -> Request:
        language = "zh" if chinese(first) and chinese(second) else "en"
        prompt = prompts.load(PROMPT, language, self._engine.endpoint.prompts)
        return Request(
            messages=prompt.messages(first=first, second=second),
            model=self._engine.endpoint.model,
            temperature=prompt.front.temperature,
            top_p=prompt.front.top_p,
            max_tokens=prompt.front.max_tokens,
            longer=prompt.front.longer or prompt.front.max_tokens,
            seed=seed_of(PROMPT, first, second),
            tag="decontaminate",
        )


def decided(
    pairs: Sequence[tuple[str, str]], sure: npt.NDArray[np.bool_], judge: JudgePairs | None
) -> npt.NDArray[np.bool_]:
    """Return the mask of the near pairs that are one problem: the sure ones, and those that the judge calls the
    same.

    A judge only adds hits: it is not asked about sure pairs, and without one only sure pairs count.
    """
    unsure = np.flatnonzero(~sure)
    if judge is None or not len(unsure):
        return sure
    same = sure.copy()
    same[unsure] = [verdict is True for verdict in judge([pairs[k] for k in unsure.tolist()])]
    return same


def verdict(text: str) -> bool | None:
    """Return whether the last line that is SAME or DIFFERENT (or the Chinese for it) says SAME; None if there is no such
    line."""
    words = re.findall(r"(?mi)^\W*(same|different|相同|不同)\W*$", text)
    return words[-1].lower() in ("same", "相同") if words else None
