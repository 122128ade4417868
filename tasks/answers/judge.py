"""Decides whether two answers are equal: by exact rules where possible, else by computer algebra within limits."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from tasks.answers.exact import decide, prepared
from tasks.answers.pool import WorkerPool
from tasks.answers.verdicts import Judgement


class Judge:
    """A judge of answers; a context manager that owns up to `workers` killable processes.

    `timeout_s` is the processor time per pair, `memory_mb` the address space of one worker. Threads may share a judge. Workers start with the first pair that needs
    one.
    """

    def __init__(self, workers: int = 2, timeout_s: float = 3.0, memory_mb: int = 1024) -> None:
        if workers < 1 or timeout_s <= 0 or memory_mb < 128:
            raise ValueError(
                f"Judge(workers={workers}, timeout_s={timeout_s}, memory_mb={memory_mb}): needs at least one worker, "
                "some time, and 128 MB (sympy alone takes 70)"
            )
        self._settings = (workers, timeout_s, memory_mb)
        self._pool: WorkerPool | None = None
        self._lock = threading.Lock()

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """Return one verdict per pair (candidate, gold), in order; the same for (gold, candidate).

        "unknown" is an answer that cannot be read, or a comparison that cannot be made within the limits; it
        is never evidence that the candidate is wrong. Raises WorkerError if the workers cannot run at all.
        """
        verdicts: dict[tuple[str, str], Judgement | None] = {}
        for pair in pairs:
            if pair not in verdicts:
                verdicts[pair] = decide(*pair)
        hard: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for pair, verdict in verdicts.items():
            if verdict is None:
                hard.setdefault(prepared(*pair), []).append(pair)
        if hard:
            for canonical, verdict in zip(hard, self._workers().judge(list(hard)), strict=True):
                for pair in hard[canonical]:
                    verdicts[pair] = verdict
        return [verdicts[pair] or "unknown" for pair in pairs]

    def _workers(self) -> WorkerPool:
        with self._lock:
            if self._pool is None:
                self._pool = WorkerPool(*self._settings)
            return self._pool

    def close(self) -> None:
        """End the worker processes."""
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


@dataclass(frozen=True, slots=True)
class Groups:
    """The answers to one question, sorted into classes of equal ones.

    classes: the class of each answer, 0, 1, ... in order of first appearance; None for None. incomparable: pairs of
    classes (first < second) whose comparison is "unknown". All other pairs of classes are different.
    """

    classes: list[int | None]
    incomparable: frozenset[tuple[int, int]]


def group(answers: Sequence[str | None], judge: Judge) -> Groups:
    """Return the classes of the answers to one question.

    Each distinct answer joins the first class whose head it equals; the heads are taken shortest first, so that the
    order of the answers changes the numbers of the classes and not their members.
    """
    return group_all([answers], judge)[0]


def group_all(questions: Sequence[Sequence[str | None]], judge: Judge) -> list[Groups]:
    """Return `group` of the answers to each question, in as many calls of the judge as a question has classes at most."""
    heads: list[dict[str, str]] = [{} for _ in questions]  # answer -> the head of its class
    doubts: list[set[tuple[str, str]]] = [
        set() for _ in questions
    ]  # (head, answer) that could not be compared
    waiting = [
        sorted({a for a in answers if a is not None}, key=lambda a: (len(a), a)) for answers in questions
    ]
    while any(waiting):
        pairs = [(other, answers[0]) for answers in waiting for other in answers[1:]]
        verdicts = iter(judge.equal(pairs))
        for index, answers in enumerate(waiting):
            for head in answers[:1]:
                heads[index][head] = head
            left = []
            for other in answers[1:]:
                verdict = next(verdicts)
                if verdict == "equal":
                    heads[index][other] = answers[0]
                    continue
                left.append(other)
                if verdict == "unknown":
                    doubts[index].add((answers[0], other))
            waiting[index] = left
    return [
        _numbered(answers, head, doubt) for answers, head, doubt in zip(questions, heads, doubts, strict=True)
    ]


def _numbered(
    answers: Sequence[str | None], heads: Mapping[str, str], doubts: set[tuple[str, str]]
) -> Groups:
    numbers: dict[str, int] = {}
    for answer in answers:
        if answer is not None:
            numbers.setdefault(heads[answer], len(numbers))
    pairs = {
        (min(numbers[head], numbers[other]), max(numbers[head], numbers[other]))
        for head, other in doubts
        if heads[other] == other  # one that joined a later class is as comparable as that class's head
    }
    return Groups(
        [None if answer is None else numbers[heads[answer]] for answer in answers], frozenset(pairs)
    )
