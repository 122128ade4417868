"""Learns from questions with known answers which format of solutions is right how often, and shares the samples out by that.

The rule of tasks/routing.py knows nothing of the models. The solutions that calibrate the votes do: each was requested in some format, and
is known to be right or not. They are counted per cell, which is a subdomain and a range of the rule's score, and per format, and the
counts of a dataset's earlier versions are carried on in the lineage.

How often a format is right in a cell is estimated from the cell's solutions, and from PRIOR solutions at the rate of the other cells of
the range; that rate is estimated in the same way from these cells and the other ranges, and theirs from the ranges and all formats
together. So a cell without solutions is what the range says, and a format without solutions is like the others.

The shares are those of the rule times the odds of being right, to the power `strength`. No format that the rule asks for gets less than
LEAST of the rule's share, so that what is learned of it can still change, and the questions that are counted are always asked by
the rule alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import column, failed
from tasks.routing import computation, in_turn
from tasks.seeding import rng_of

FORMATS = "formats"  # key of the lineage
PRIOR = 25.0  # solutions that the wider estimate weighs in the narrower one
LEAST = 0.5  # of the rule's share of a format
MOST = 2000.0  # solutions of earlier versions that are carried on: models and questions change
_EDGE = 0.15  # of the score between questions that argue, those that compute, and the others
_CERTAIN = 0.02  # smallest estimate of being right or wrong, so that no share depends on a few solutions

Shares = dict[str, float]  # format -> share of the samples; they add up to 1
Cell = tuple[str, str]  # subdomain and range of the score


def score_range(score: float) -> str:
    """Return the range of a score of tasks.routing.computation: argues, neutral or computes."""
    return "computes" if score > _EDGE else "argues" if score < -_EDGE else "neutral"


def _sum(
    one: Mapping[tuple[Cell, str], float], other: Mapping[tuple[Cell, str], float]
) -> dict[tuple[Cell, str], float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in {**one, **other}}


@dataclass(frozen=True, slots=True)
class FormatCounts:
    """How many solutions were right and how many were requested, per cell and format."""

    right: Mapping[tuple[Cell, str], float] = field(default_factory=dict)
    asked: Mapping[tuple[Cell, str], float] = field(default_factory=dict)

    def __add__(self, other: FormatCounts) -> FormatCounts:
        return FormatCounts(_sum(self.right, other.right), _sum(self.asked, other.asked))

    def faded(self, most: float = MOST) -> FormatCounts:
        """Return the counts scaled down to at most `most` solutions."""
        total = sum(self.asked.values())
        scale = min(1.0, most / total) if total else 1.0
        return FormatCounts(
            {key: count * scale for key, count in self.right.items()},
            {key: count * scale for key, count in self.asked.items()},
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Return the counts as a version's lineage stores them."""
        return [
            {
                "subdomain": subdomain,
                "score": score,
                "format": kind,
                "asked": round(float(count), 3),
                "right": round(float(self.right.get(((subdomain, score), kind), 0.0)), 3),
            }
            for ((subdomain, score), kind), count in sorted(self.asked.items())
        ]

    def by_range(self) -> list[dict[str, Any]]:
        """Return per format and range of the score the number of solutions that were requested and the share that was right."""
        sums = defaultdict[tuple[str, str], float](float), defaultdict[tuple[str, str], float](float)
        for key, count in self.asked.items():
            (_, score), kind = key
            sums[0][kind, score] += count
            sums[1][kind, score] += self.right.get(key, 0.0)
        return [
            {"format": kind, "score": score, "asked": round(count), "right": sums[1][kind, score] / count}
            for (kind, score), count in sorted(sums[0].items())
            if count
        ]

    @classmethod
    def from_list(cls, records: Iterable[Mapping[str, Any]]) -> FormatCounts:
        """Return the counts that `to_list` wrote."""
        keys = [(((str(one["subdomain"]), str(one["score"])), str(one["format"])), one) for one in records]
        return cls(
            {key: float(one["right"]) for key, one in keys}, {key: float(one["asked"]) for key, one in keys}
        )

    def rate(self, cell: Cell, kind: str) -> float:
        """Return the estimated probability that a solution of this format is right in a cell."""
        every = self._sums(lambda place, other: True)
        # each wider estimate leaves out what the narrower one counts, so that nothing is counted twice
        of_kind = self._sums(lambda place, other: other == kind and place[1] != cell[1])
        of_range = self._sums(lambda place, other: other == kind and place[1] == cell[1] and place != cell)
        estimate = (every[0] + 0.5) / (every[1] + 1)
        for right, asked in (
            of_kind,
            of_range,
            (self.right.get((cell, kind), 0.0), self.asked.get((cell, kind), 0.0)),
        ):
            estimate = (right + PRIOR * estimate) / (asked + PRIOR)
        return min(1 - _CERTAIN, max(_CERTAIN, estimate))

    def _sums(self, chosen: Callable[[Cell, str], bool]) -> tuple[float, float]:
        keys = [key for key in self.asked if chosen(*key)]
        return sum(self.right.get(key, 0.0) for key in keys), sum(self.asked[key] for key in keys)


@dataclass(frozen=True, slots=True)
class LearntShares:
    """Counts, and how strongly they change the shares of the rule; at 0 they do not."""

    counts: FormatCounts
    strength: float
    _known: dict[tuple[Any, ...], Shares] = field(default_factory=dict, repr=False, compare=False)

    def shares(self, rule: Mapping[str, float], cell: Cell) -> Shares:
        """Return the shares of the formats of `rule` in a cell."""
        key = (cell, *sorted(rule.items()))
        if key not in self._known:
            self._known[key] = self._shares(rule, cell)
        return self._known[key]

    def _shares(self, rule: Mapping[str, float], cell: Cell) -> Shares:
        weights = {}
        for kind, share in rule.items():
            rate = self.counts.rate(cell, kind)
            weights[kind] = share * (rate / (1 - rate)) ** self.strength
        total = sum(weights.values())
        shares = {kind: weight / total for kind, weight in weights.items()} if total else dict(rule)
        floors = {kind: LEAST * share for kind, share in rule.items()}
        # what is over the floors is scaled so that all add up to 1 again
        over = {kind: max(0.0, share - floors[kind]) for kind, share in shares.items()}
        left = (1 - sum(floors.values())) / (sum(over.values()) or 1.0)
        return {kind: floors[kind] + over[kind] * left for kind in rule}

    @property
    def digest(self) -> str:
        """A digest of everything that decides the shares."""
        return hashlib.sha256(orjson.dumps([self.counts.to_list(), self.strength])).hexdigest()


def counts_of(solved: pa.Table, judged: pa.Table) -> FormatCounts:
    """Return the counts of solutions to questions with known answers.

    solved: every row of the stage solve, kept or not; a solution without an answer or a program is not right. judged: the same
    solutions as far as their answers were compared with the known ones. Calls that failed, and answers that could not be compared, are
    not counted.
    """
    equal = pc.map_lookup(judged.column("verdicts"), "equivalent", "first").to_pylist()
    judgement = dict(zip(column(judged, "id"), equal, strict=True))
    dropped = solved.column("rejected").is_valid().to_pylist()
    rows = zip(
        column(solved, "id"),
        column(solved, "question"),
        column(solved, "subdomain"),
        column(solved, "solution_format"),
        failed(solved).to_pylist(),
        dropped,
        strict=True,
    )
    right, asked = Counter[tuple[Cell, str]](), Counter[tuple[Cell, str]]()
    for row, question, subdomain, kind, has_failed, was_dropped in rows:
        known = "different" if was_dropped else judgement.get(row)
        if has_failed or kind is None or known not in ("equal", "different"):
            continue
        key = ((subdomain or "", score_range(computation(question, subdomain))), kind)
        asked[key] += 1
        right[key] += known == "equal"
    return FormatCounts(right, asked)


def shared_out(shares: Mapping[str, float], samples: int, problem_id: str) -> list[str]:
    """Return the format of each of `samples` solutions: the numbers are the shares, rounded so that their mean over questions is kept
    (systematic sampling); the most frequent format first, then they alternate as long as others are left."""
    start = rng_of("shares", problem_id).random()
    counts: dict[str, int] = {}
    reached, before = 0.0, 0
    for kind in sorted(shares):
        reached += shares[kind] * samples
        until = samples if kind == max(shares) else int(reached + start)
        counts[kind] = until - before
        before = until
    return in_turn(counts, shares)
