"""Are two answers the same? Exactly where that is certain, by bounded computer algebra where it is not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

from tasks.answers.exact import decide, prepared
from tasks.answers.pool import Pool
from tasks.answers.verdicts import Verdict


class Judge:
    """A judge of answers; a context manager that owns up to `workers` killable processes.

    `timeout_s` is wall time for one pair (up to three times that for a worker that the machine leaves without
    the processor), `memory_mb` the address space of one worker. Threads may share a judge. Workers start with
    the first pair that needs one.
    """

    def __init__(self, workers: int = 2, timeout_s: float = 3.0, memory_mb: int = 1024) -> None:
        if workers < 1 or timeout_s <= 0 or memory_mb < 128:
            raise ValueError(
                f"Judge(workers={workers}, timeout_s={timeout_s}, memory_mb={memory_mb}): needs at least one worker, "
                "some time, and 128 MB (sympy alone takes 70)"
            )
        self._settings = (workers, timeout_s, memory_mb)
        self._pool: Pool | None = None
        self._lock = threading.Lock()

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """One verdict per pair (candidate, gold), in order; the same for (gold, candidate).

        "unknown" is an answer that cannot be read, or a comparison that cannot be made within the limits; it
        is never evidence that the candidate is wrong. WorkerError if the workers cannot run at all.
        """
        seen: dict[tuple[str, str], Verdict | None] = {}
        for pair in pairs:
            if pair not in seen:
                seen[pair] = decide(*pair)
        hard: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for pair, verdict in seen.items():
            if verdict is None:
                hard.setdefault(prepared(*pair), []).append(pair)
        if hard:
            for spelled, verdict in zip(hard, self._workers().judge(list(hard)), strict=True):
                for pair in hard[spelled]:
                    seen[pair] = verdict
        return [seen[pair] or "unknown" for pair in pairs]

    def _workers(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool(*self._settings)
            return self._pool

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def group(answers: Sequence[str | None], judge: Judge) -> list[int | None]:
    """The class of each answer among its equals: 0, 1, ... in order of first appearance; None for None.

    An answer joins the first class whose first member it equals, so the classes do not depend on which
    later spellings there are. Unreadable answers stand alone.
    """
    return group_all([answers], judge)[0]


def group_all(questions: Sequence[Sequence[str | None]], judge: Judge) -> list[list[int | None]]:
    """`group` for the answers to each of many questions, in as many calls of the judge as one question has classes."""
    classes: list[dict[str, int]] = [{} for _ in questions]
    waiting = [list(dict.fromkeys(a for a in answers if a is not None)) for answers in questions]
    rounds = 0
    while any(waiting):
        # the first one left of each question heads a class; whoever equals it joins
        pairs = [(other, answers[0]) for answers in waiting for other in answers[1:]]
        verdicts = iter(judge.equal(pairs))
        for index, answers in enumerate(waiting):
            if answers:
                classes[index][answers[0]] = rounds
            left = []
            for other in answers[1:]:
                if next(verdicts) == "equal":
                    classes[index][other] = rounds
                else:
                    left.append(other)
            waiting[index] = left
        rounds += 1
    return [
        [None if answer is None else found[answer] for answer in answers]
        for answers, found in zip(questions, classes, strict=True)
    ]
