"""Hides canaries among the rows of a batch, and decides by them whether the critic's judgements of the batch are used.

A critic fails a batch if it misjudges more of the canaries than a good critic would, which misjudges one of ten: the
chance of as many errors or more is then at most CHANCE (binomial test). Two errors of two, three of three to five, and
four of six to nine canaries fail a batch; a single canary never does. The batch is then requested once more with other
seeds and other canaries, and if that fails too, its judgements are dropped: the rows have failed, they are not wrong. A good
critic loses a batch with a probability of at most CHANCE squared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any, TypeVar

import pyarrow as pa

from storage.reasons import Code
from storage.rows import column, content_id, to_table
from tasks.canaries.solutions import Canary, CanaryKind, canaries
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import CompletionCheck
from tasks.llm.request import Completion, Request
from tasks.scorers import Scored, Unscored
from tasks.seeding import rng_of, seed_of
from tasks.stages.outcome import Tick

GOOD_ERROR = 0.1  # share of the canaries that a good critic misjudges
CHANCE = 0.01  # largest probability with which such a critic fails a batch
MIDDLE = 0.5  # score from which a solution is called right
RESEEDED = "again"  # part of the seeds of a batch that is requested once more

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """How the critic judged the canaries of a batch.

    asked: canaries of each kind that it judged. right: those of them that it judged rightly. failed: canaries whose call
    failed or is deferred, which says nothing of the critic.
    """

    asked: dict[str, int]
    right: dict[str, int]
    failed: int

    @property
    def judged(self) -> int:
        return sum(self.asked.values())

    @property
    def wrong(self) -> int:
        return self.judged - sum(self.right.values())


def fails(wrong: int, judged: int) -> bool:
    """Return whether a good critic would misjudge `wrong` or more of `judged` canaries with a probability of at most CHANCE."""
    tail = sum(
        comb(judged, k) * GOOD_ERROR**k * (1 - GOOD_ERROR) ** (judged - k) for k in range(wrong, judged + 1)
    )
    return wrong > 0 and tail <= CHANCE * (1 + 1e-9)


def scored(
    rows: pa.Table,
    score: Callable[..., Scored],
    *,
    name: str,
    verdict: str,
    asked: Sequence[int],
    count: int,
    tick: Tick,
    **tools: Any,
) -> Scored:
    """Return what the scorer `name` says of the rows, with `count` canaries hidden among those that it asks its model about.

    score: the scorer's function. verdict: the name of its score that rates a solution. asked: the rows that the model is
    asked about. The facts have the calls for canaries among the costs, and `canaries`, how the first request judged them.
    """
    batch = content_id(name, *column(rows, "id"))
    hidden = canaries(rows, asked, count, batch)
    if not hidden:
        return score(rows, tick=tick, **tools)
    mixed, place = _mixed(rows, hidden, asked)
    scores = score(mixed, tick=_up_to(rows.num_rows, tick), **tools)
    counts = judged(scores, hidden, place, verdict)
    facts, calls = scores.facts, len(hidden)
    again = dropped = 0
    if fails(counts.wrong, counts.judged):
        again = 1
        hidden = canaries(rows, asked, count, batch, RESEEDED)
        mixed, place = _mixed(rows, hidden, asked)
        calls += len(hidden)
        reseeded = {key: Reseeded(tool) if isinstance(tool, Engine) else tool for key, tool in tools.items()}
        scores = score(mixed, tick=lambda rows: None, **reseeded)
        facts = _both(facts, scores.facts)
        second = judged(scores, hidden, place, verdict)
        if fails(second.wrong, second.judged):
            scores = _dropped(scores, second)
            dropped = 1
    critic = next(tool.endpoint for tool in tools.values() if isinstance(tool, Engine))
    record = {
        "scorer": name, "role": critic.role, "model": critic.model, "asked": counts.asked, "right": counts.right,
        "failed": counts.failed, "calls": calls, "again": again, "dropped": dropped,
    }  # fmt: skip
    return _without(scores, set(place), facts | {"canaries": [record]})


def judged(scores: Scored, hidden: Sequence[Canary], place: Sequence[int], verdict: str) -> CanaryCounts:
    """Compare the judgements of the canaries, which are at the indexes `place` of the scores, with what is known of them."""
    asked: dict[str, int] = {}
    right: dict[str, int] = {}
    failed = 0
    for canary, i in zip(hidden, place, strict=True):
        value = scores.scores[verdict][i]
        if value is None or (scores.failures and scores.failures[i]):
            failed += 1
            continue
        asked[canary.kind] = asked.get(canary.kind, 0) + 1
        right[canary.kind] = right.get(canary.kind, 0) + (
            (value >= MIDDLE) == (canary.kind is CanaryKind.RIGHT)
        )
    return CanaryCounts(asked, right, failed)


class Reseeded:
    """An engine that sends every request with another seed, derived from its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def endpoint(self) -> Endpoint:
        return self._engine.endpoint

    def run(self, requests: Iterable[Request], check: CompletionCheck | None = None) -> Iterator[Completion]:
        """Yield the completions of the requests with other seeds, as Engine.run does."""
        return self._engine.run(
            (replace(request, seed=seed_of(RESEEDED, request.seed)) for request in requests), check
        )


def _mixed(rows: pa.Table, hidden: Sequence[Canary], asked: Sequence[int]) -> tuple[pa.Table, list[int]]:
    """Return the rows with the canaries among them, and the indexes of the canaries.

    Each canary stands before an asked row, or after the last one, and each place among these rows is as likely.
    """
    starts = [*asked, rows.num_rows]
    rng = rng_of("canary places", *(canary.row.id for canary in hidden))
    before = sorted((starts[rng.randrange(len(starts))], number) for number in range(len(hidden)))
    parts: list[pa.Table] = []
    place = [0] * len(hidden)
    end = 0
    for so_far, (start, number) in enumerate(before):
        parts += [rows.slice(end, start - end), to_table([hidden[number].row])]
        place[number] = start + so_far
        end = start
    parts.append(rows.slice(end))
    return pa.concat_tables(parts), place


def _without(scores: Scored, places: set[int], facts: dict[str, Any]) -> Scored:
    """Return the scores of the other rows."""

    def ordinary(values: list[T]) -> list[T]:
        return [value for i, value in enumerate(values) if i not in places]

    return Scored(
        {name: ordinary(values) for name, values in scores.scores.items()},
        None if scores.critiques is None else ordinary(scores.critiques),
        {name: ordinary(steps) for name, steps in scores.wrong_steps.items()},
        ordinary(scores.failures),
        facts,
    )


def _dropped(scores: Scored, counts: CanaryCounts) -> Scored:
    """Return the scores without any judgement: each row that had one could not be judged."""
    count = len(next(iter(scores.scores.values())))
    failures: list[Unscored | None] = list(scores.failures) or [None] * count
    error = (
        f"the critic misjudged {counts.wrong} of {counts.judged} solutions whose judgement is known, twice; "
        "its judgements of this batch are not used"
    )
    for i in range(count):
        if failures[i] is None and any(values[i] is not None for values in scores.scores.values()):
            failures[i] = Unscored(error, code=Code.CANARIES_MISJUDGED)
    return Scored(
        {name: [None] * count for name in scores.scores},
        None if scores.critiques is None else [None] * count,
        {name: [None] * count for name in scores.wrong_steps},
        failures,
        scores.facts,
    )


def _up_to(most: int, tick: Tick) -> Tick:
    """Return a tick that counts no more than `most` rows, since canaries are not rows of the shard."""
    left = most

    def counting(rows: int) -> None:
        nonlocal left
        rows = min(rows, left)
        left -= rows
        tick(rows)

    return counting


def _both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a batch that was requested twice: the costs of both."""
    return {
        **second,
        "bills": [*first.get("bills", ()), *second.get("bills", ())],
        "deferred": first.get("deferred", 0) + second.get("deferred", 0),
    }


def totals(facts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums over many batches, one record per scorer, role and model. `facts` are those of the shards."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in (record for fact in facts for record in fact.get("canaries", ())):
        name = (record["scorer"], record["role"], record["model"])
        start = {"scorer": name[0], "role": name[1], "model": name[2], "batches": 0, "asked": {}, "right": {}}
        entry = sums.setdefault(name, start | dict.fromkeys(_COUNTS, 0))
        entry["batches"] += 1
        for count in _COUNTS:
            entry[count] += record[count]
        for by_kind in ("asked", "right"):
            for kind, number in record[by_kind].items():
                entry[by_kind][kind] = entry[by_kind].get(kind, 0) + number
    return [sums[name] for name in sorted(sums)]


_COUNTS = ("failed", "calls", "again", "dropped")
