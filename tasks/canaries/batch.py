"""Hides canaries among the rows of a batch, and decides by them whether the critic's judgements of the batch are used.

A critic fails a batch if it misjudges more of the canaries than a good critic would, which misjudges one of ten; a trained one, more than
it misjudged where it was calibrated: the
chance of as many errors or more is then at most CHANCE (binomial test). Two errors of two, three of three to five, and
four of six to nine canaries fail a batch; a single canary never does. The batch is then requested once more with other
seeds and other canaries, and if that fails too, its judgements are dropped: the rows have failed, they are not wrong. A good
critic loses a batch with a probability of at most CHANCE squared.

The judgements of all canaries, those of discarded requests included, are evidence for tasks.drift, each counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any, TypeVar

import pyarrow as pa

from storage.reasons import Code
from storage.rows import Row, column, content_id, to_table
from tasks.canaries.solutions import Canary, CanaryKind, canaries
from tasks.critics.trained import TrainedCritic
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
FREE = 64  # canaries of a batch that is judged by a trained critic, where a judgement costs no call
TRAINED = "trained_critic"  # role of a judge that was trained, in the counts
RESEEDED = "again"  # part of the seeds of a batch that is requested once more

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examined:
    """The judge of a batch: its role and model, from which score on it calls a solution right, its expected share of misjudged
    canaries, and how many canaries a batch has at least, as far as it has rows."""

    role: str
    model: str
    middle: float = MIDDLE
    error: float = GOOD_ERROR
    least: int = 0


def examined(tools: Iterable[Any]) -> Examined:
    """Return the judge among the tools of a scorer."""
    for tool in tools:
        if isinstance(tool, TrainedCritic):
            least = 0 if tool.asks else FREE
            # few calibrating solutions, all judged rightly, do not make it faultless
            error = max(GOOD_ERROR, tool.error)
            return Examined(TRAINED, tool.identity, tool.threshold, error, least)
    endpoint = next(tool.endpoint for tool in tools if isinstance(tool, Engine))
    return Examined(endpoint.role, endpoint.model)


@dataclass(frozen=True, slots=True)
class CanaryJudgement:
    """How the critic judged one canary. right: whether it judged it rightly; None where the call failed or is deferred, which says
    nothing of the critic. model: that was asked."""

    kind: CanaryKind
    model: str
    right: bool | None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One request for a batch: the scores of its rows without those of the canaries, and how the canaries were judged."""

    scores: Scored
    judgements: list[CanaryJudgement]
    error: float

    @property
    def judged(self) -> int:
        return sum(one.right is not None for one in self.judgements)

    @property
    def wrong(self) -> int:
        return sum(one.right is False for one in self.judgements)

    @property
    def fails(self) -> bool:
        return fails(self.wrong, self.judged, self.error)


def fails(wrong: int, judged: int, error: float = GOOD_ERROR) -> bool:
    """Return whether a model with this share of errors would get `wrong` or more of `judged` canaries wrong with a probability of at
    most CHANCE."""
    tail = sum(comb(judged, k) * error**k * (1 - error) ** (judged - k) for k in range(wrong, judged + 1))
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
    gold: pa.Table | None = None,
    **tools: Any,
) -> Scored:
    """Return what the scorer `name` says of the rows, with `count` canaries hidden among those that it asks its model about.

    score: the scorer's function. verdict: the name of its score that rates a solution. asked: the rows that the model is
    asked about. gold: as in `canaries`. The facts have the calls for canaries among the costs; `canaries`, how both requests judged them, one record per
    model that was asked; and `discarded`, the judgements of rows that are not used, which tasks.drift.measures counts.
    """
    batch = content_id(name, *column(rows, "id"))
    critic = examined(tools.values())
    count = max(count, critic.least)
    # a trained critic is shown solutions in words only, and all of them
    among, places = (
        (rows.take(pa.array(asked, pa.int64())), range(len(asked))) if critic.least else (rows, asked)
    )
    own = places if critic.least else ()
    hidden = canaries(among, places, count, batch, known=own, gold=gold)
    if not hidden:
        return score(rows, tick=tick, **tools)

    def attempt(hidden: list[Canary], tick: Tick, tools: dict[str, Any]) -> _Attempt:
        mixed, place = placed(rows, [canary.row for canary in hidden], asked)
        scores = score(mixed, tick=tick, **tools)
        judgements = judged(scores, hidden, place, verdict, critic.model, critic.middle)
        return _Attempt(_without(scores, set(place)), judgements, critic.error)

    attempts = [attempt(hidden, up_to(rows.num_rows, tick), tools)]
    if attempts[0].fails:
        reseeded = {key: Reseeded(tool) if isinstance(tool, Engine) else tool for key, tool in tools.items()}
        again = canaries(among, places, count, batch, RESEEDED, known=own, gold=gold)
        attempts.append(attempt(again, lambda rows: None, reseeded))
    dropped = len(attempts) > 1 and attempts[-1].fails
    used = _dropped(attempts[-1]) if dropped else attempts[-1].scores
    expected = {"error": critic.error} if critic.role == TRAINED else {}
    batches = {"again": len(attempts) - 1, "dropped": int(dropped)}
    counted = [
        {"scorer": name, "role": critic.role, **batches, **expected, **counts}
        for counts in _by_model(attempts)
    ]
    unused = attempts if dropped else attempts[:-1]
    discarded = [_discarded(rows, one.scores, verdict) for one in unused]
    facts = (
        costs_of([one.scores.facts for one in attempts])
        | {"canaries": counted}
        | ({"discarded": discarded} if discarded else {})
    )
    return replace(used, facts=facts)


def judged(
    scores: Scored,
    hidden: Sequence[Canary],
    place: Sequence[int],
    verdict: str,
    model: str,
    middle: float = MIDDLE,
) -> list[CanaryJudgement]:
    """Compare the judgements of the canaries, which are at the indexes `place` of the scores, with what is known of them.
    `model`: was asked where the scores do not say which one was. `middle`: the score from which on a solution is called right."""
    judgements = []
    for canary, i in zip(hidden, place, strict=True):
        value = scores.scores[verdict][i]
        right = None
        if value is not None and not (scores.failures and scores.failures[i]):
            right = (value >= middle) == (canary.kind is CanaryKind.RIGHT)
        asked_of = (scores.models[i] if scores.models else None) or model
        judgements.append(CanaryJudgement(canary.kind, asked_of, right))
    return judgements


def _by_model(attempts: Sequence[_Attempt]) -> list[dict[str, Any]]:
    """Return the counts of the canaries of a batch: of each kind how many a model judged, and how many of them rightly; its calls,
    and those of them that failed."""
    records: dict[str, dict[str, Any]] = {}
    for one in (one for attempt in attempts for one in attempt.judgements):
        start = {"model": one.model, "asked": {}, "right": {}, "failed": 0, "calls": 0}
        record = records.setdefault(one.model, start)
        record["calls"] += 1
        record["failed"] += one.right is None
        if one.right is not None:
            for name, number in (("asked", 1), ("right", int(one.right))):
                record[name][one.kind] = record[name].get(one.kind, 0) + number
    return [records[model] for model in sorted(records)]


def _discarded(rows: pa.Table, scores: Scored, verdict: str) -> dict[str, list[Any]]:
    """Return the judgements of the rows by column: the question, the score, the characters of the critique, and the verdict
    `equivalent` of the row, if its trusted answer is known."""
    critiques = scores.critiques or [None] * rows.num_rows
    problems, verdicts = column(rows, "problem_id"), column(rows, "verdicts")
    judged = [i for i, value in enumerate(scores.scores[verdict]) if value is not None]
    return {
        "problem_id": [problems[i] for i in judged],
        "score": [scores.scores[verdict][i] for i in judged],
        "characters": [len(critiques[i] or "") for i in judged],
        "equivalent": [dict(verdicts[i] or ()).get("equivalent") for i in judged],
    }


class Reseeded:
    """An engine that sends every request with another seed, derived from its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def endpoint(self) -> Endpoint:
        return self._engine.endpoint

    def asked_of(self, completion: Completion) -> Endpoint:
        return self._engine.asked_of(completion)

    def run(self, requests: Iterable[Request], check: CompletionCheck | None = None) -> Iterator[Completion]:
        """Yield the completions of the requests with other seeds, as Engine.run does."""
        return self._engine.run(
            (replace(request, seed=seed_of(RESEEDED, request.seed)) for request in requests), check
        )


def placed(rows: pa.Table, hidden: Sequence[Row], among: Sequence[int]) -> tuple[pa.Table, list[int]]:
    """Return the rows with the hidden ones among them, and the indexes of these.

    Each stands before a row of `among`, or after the last row, and each of these places is as likely.
    """
    starts = [*among, rows.num_rows]
    rng = rng_of("canary places", *(row.id for row in hidden))
    before = sorted((starts[rng.randrange(len(starts))], number) for number in range(len(hidden)))
    parts: list[pa.Table] = []
    place = [0] * len(hidden)
    end = 0
    for so_far, (start, number) in enumerate(before):
        parts += [rows.slice(end, start - end), to_table([hidden[number]])]
        place[number] = start + so_far
        end = start
    parts.append(rows.slice(end))
    return pa.concat_tables(parts), place


def _without(scores: Scored, places: set[int]) -> Scored:
    """Return the scores of the other rows."""

    def ordinary(values: list[T]) -> list[T]:
        return [value for i, value in enumerate(values) if i not in places]

    return Scored(
        {name: ordinary(values) for name, values in scores.scores.items()},
        None if scores.critiques is None else ordinary(scores.critiques),
        {name: ordinary(steps) for name, steps in scores.wrong_steps.items()},
        ordinary(scores.failures),
        ordinary(scores.models),
        scores.facts,
        ordinary(scores.critics),
    )


def _dropped(attempt: _Attempt) -> Scored:
    """Return the scores without any judgement: each row that had one could not be judged."""
    scores = attempt.scores
    count = len(next(iter(scores.scores.values())))
    failures: list[Unscored | None] = list(scores.failures) or [None] * count
    error = (
        f"the critic misjudged {attempt.wrong} of {attempt.judged} solutions whose judgement is known, twice; "
        "its judgements of this batch are not used"
    )
    for i in range(count):
        if failures[i] is None and any(values[i] is not None for values in scores.scores.values()):
            failures[i] = Unscored(error, code=Code.CANARIES_MISJUDGED)
    return replace(
        scores,
        scores={name: [None] * count for name in scores.scores},
        critiques=None if scores.critiques is None else [None] * count,
        wrong_steps={name: [None] * count for name in scores.wrong_steps},
        failures=failures,
        critics=[],
    )


def up_to(most: int, tick: Tick) -> Tick:
    """Return a tick that counts no more than `most` rows, since canaries are not rows of the shard."""
    left = most

    def counting(rows: int) -> None:
        nonlocal left
        rows = min(rows, left)
        left -= rows
        tick(rows)

    return counting


def costs_of(facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of a batch that was requested once or twice: of the last request, with the costs of all."""
    return {
        **facts[-1],
        "bills": [bill for fact in facts for bill in fact.get("bills", ())],
        "deferred": sum(fact.get("deferred", 0) for fact in facts),
    }


def records(facts: Iterable[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the records of this name that shards stored beside their rows. `facts` are those of the shards."""
    return [record for fact in facts for record in fact.get(name, ())]


def totals(facts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums over many batches, one record per scorer, role and model. `facts` are those of the shards."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in records(facts, "canaries"):
        name = (record["scorer"], record["role"], record["model"])
        start = {"scorer": name[0], "role": name[1], "model": name[2], "batches": 0, "asked": {}, "right": {}}
        entry = sums.setdefault(name, start | dict.fromkeys(_COUNTS, 0))
        entry["batches"] += 1
        if "error" in record:
            entry["error"] = record["error"]
        for count in _COUNTS:
            entry[count] += record[count]
        for by_kind in ("asked", "right"):
            for kind, number in record[by_kind].items():
                entry[by_kind][kind] = entry[by_kind].get(kind, 0) + number
    return [sums[name] for name in sorted(sums)]


_COUNTS = ("failed", "calls", "again", "dropped")
