"""The real sandbox and the real judge, with faults injected into a share of their work by a seeded draw."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, Self

from tasks.answers import Judge
from tasks.answers.pool import WorkerError
from tasks.sandbox import Result, Sandbox


class Faults:
    """Decides per piece of work whether it fails; `share` is the average share of failures."""

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.rng = share, random.Random(seed)

    def __call__(self) -> bool:
        return self.rng.random() < self.share


class _Shared:
    """A resource that a verifier may open and close while others continue to use it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FailingSandbox(_Shared):
    """The sandbox `real`, of which some results are lost."""

    def __init__(self, real: Sandbox, fails: Faults) -> None:
        self.real, self.fails = real, fails

    def run(self, programs: Iterable[str], **settings: Any) -> list[Result]:
        results = self.real.run(programs, **settings)
        return [Result("infra", error="on purpose") if self.fails() else result for result in results]


class FailingJudge(_Shared):
    """The judge `real`, with workers that die or reach the timeout on a pair."""

    def __init__(self, real: Judge, fails: Faults) -> None:
        self.real, self.fails = real, fails

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Any]:
        if self.fails():
            raise WorkerError("on purpose")
        return ["unknown" if self.fails() else verdict for verdict in self.real.equal(pairs)]
