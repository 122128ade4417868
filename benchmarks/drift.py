"""Measure how often the sequential test over nights raises a false alarm, and how soon it sees a change.

    python -m benchmarks.drift [--quick] [--homes 200]

Simulated nights of NIGHT_ROWS rows for the critic in eight shards with two canaries each, 30 questions with known answers and 200
questions that are counted; and small nights of 30 rows with 16 canaries and 11 known answers. Without a change, nights differ by more
than the sampling of their questions: acceptance, agreement, scores and lengths scatter between nights. Each home runs all tests
of tasks/drift on the same nights, as the flow does. The peer is a test of each night by itself against the nights before the
change: a z-test with the same chance of a false alarm in 1,000 nights (Bonferroni), which knows the true spread. Delays are those
of the first alarm after the nights without one, in rows that the critic judged, as medians. `--quick` simulates fewer homes and nights
and ends within a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from tasks.arrays import Floats
from tasks.drift.betting import NIGHTS, ChangeTest, Counts
from tasks.drift.history import tests_of
from tasks.drift.measures import CLASSES, MEASURES, STEPS, classes_of
from tasks.seeding import seed_of

CHANCE = 0.01
MOST = 400  # nights after the change that are simulated; a change that is not seen in them has no delay
SHARES = {"acceptance": 0.62, "agreement": 0.78, "critic": 0.8}
RIGHT = {"canaries": 0.94, "known": 0.9, "answers": 0.85}
LENGTHS = {"length": 5.6, "length_questions": 4.8, "length_critiques": 4.2}  # mean logarithms of characters
SPREAD = 0.4  # of the logarithm of a length, between questions
BETWEEN_SHARES, BETWEEN_LENGTHS = 0.02, 0.04  # standard deviations between nights
CONCENTRATION = 3.0  # of the share of a question
LEARNT = 10  # nights from which the peer knows the spread


@dataclass(frozen=True, slots=True)
class Night:
    """The sizes of a night. rows: that the critic judges. before: nights without a change in a home."""

    rows: int
    canaries: int
    known: int
    questions: int
    before: int


NORMAL = Night(rows=1600, canaries=16, known=30, questions=200, before=60)
SMALL = Night(rows=30, canaries=16, known=11, questions=20, before=6)


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the night of a change on, as differences of means. `most`: nights within which it is to be seen."""

    name: str
    most: int
    by: Mapping[str, float] = field(default_factory=dict)
    night: Night = NORMAL


CHANGES = (
    Change("critic wrong by 5 points more", 150, {"canaries": -0.05, "known": -0.05}),
    Change("critic wrong by 10 points more", 50, {"canaries": -0.1, "known": -0.1}),
    Change("critic wrong by 20 points more", 15, {"canaries": -0.2, "known": -0.2}),
    Change(
        "provider swaps the model",
        5,
        {
            "length": 0.3,
            "length_questions": 0.3,
            "length_critiques": 0.3,
            "acceptance": -0.1,
            "agreement": -0.08,
        },
    ),
    Change("critic wrong by 50 points more, small nights", 5, {"canaries": -0.5, "known": -0.5}, SMALL),
)


class Home:
    """The nights of a home: those without a change, then `after` nights with one."""

    def __init__(self, seed: int, size: Night, before: int, after: int, by: Mapping[str, float]) -> None:
        rng = np.random.default_rng(seed)
        self.before, self._night = before, size
        self.counts: dict[str, Counts] = {}
        self.means: dict[str, Floats] = {}
        changed = np.arange(before + after) >= before
        for name, share in RIGHT.items():
            questions = size.canaries if name == "canaries" else size.known
            right = rng.binomial(questions, share + by.get(name, 0.0) * changed)
            counts = np.zeros((len(changed), STEPS + 1), dtype=np.int64)
            counts[:, STEPS], counts[:, 0] = right, questions - right
            self.counts[name], self.means[name] = counts, right / questions
        for name, share in SHARES.items():
            noise = rng.normal(0, BETWEEN_SHARES, len(changed))
            mean = np.clip(share + by.get(name, 0.0) * changed + noise, 0.02, 0.98)[:, None]
            shape = (len(changed), size.questions)
            self._add(name, rng.beta(CONCENTRATION * mean, CONCENTRATION * (1 - mean), shape))
        for name, length in LENGTHS.items():
            noise = rng.normal(0, BETWEEN_LENGTHS, len(changed))
            centre = (length + by.get(name, 0.0) * changed + noise)[:, None]
            self._add(name, np.maximum(0.0, rng.normal(centre, SPREAD, (len(changed), size.questions))))

    def _add(self, name: str, values: Floats) -> None:
        places = np.arange(len(values))[:, None] * CLASSES[name] + classes_of(name, values)
        counts = np.bincount(places.ravel(), minlength=len(values) * CLASSES[name])
        self.counts[name], self.means[name] = counts.reshape(len(values), -1), values.mean(axis=1)

    def alarm(self) -> float:
        """Return the number of nights until the first alarm of any test, infinite if there is none."""
        return min(self._first(name, which) for name in MEASURES for which in (0, 1))

    def _first(self, name: str, which: int) -> float:
        def test(nights: int) -> ChangeTest:
            return tests_of(name, lambda part: self.counts[part][:nights], CHANCE)[which]

        whole = test(len(self.counts["canaries"]))
        # the evidence is the least sum of all supposed means: a night on which that of a few is too small has no alarm
        logits = np.log(whole.pooled / (1 - whole.pooled)) + np.linspace(-0.8, 0.8, 9)[:, None]
        most = whole.sums(1 / (1 + np.exp(-logits))).min(axis=0)
        return next((n + 1 for n in np.flatnonzero(most >= whole.threshold) if test(n + 1).alarm), np.inf)

    def peer(self) -> float:
        """Return the number of nights until the first alarm of the peer."""
        reach = float(norm.ppf(1 - CHANCE / NIGHTS / len(RIGHT | SHARES | LENGTHS) / 2))
        first = np.inf
        for means in self.means.values():
            for night in range(min(LEARNT, self.before), len(means)):
                learnt = means[: min(night, self.before)]
                spread = float(np.std(learnt, ddof=1)) * (1 + 1 / len(learnt)) ** 0.5
                if abs(means[night] - float(np.mean(learnt))) > reach * spread:
                    first = min(first, night + 1)
                    break
        return first


def false_alarms(homes: int, nights: int) -> tuple[int, int]:
    """Return in how many homes the tests, and the peer, raise an alarm without a change."""
    ours = peers = 0
    for turn in range(homes):
        home = Home(seed_of("drift", "unchanged", turn), NORMAL, NORMAL.before, nights - NORMAL.before, {})
        ours, peers = ours + np.isfinite(home.alarm()), peers + np.isfinite(home.peer())
    return int(ours), int(peers)


def delays(change: Change, homes: int) -> tuple[list[float], list[float], int]:
    """Return the nights until the first alarm after the change, infinite where there is none, by home without an alarm before it,
    for the tests and for the peer, and in how many homes the tests raised one before."""
    ours: list[float] = []
    peers: list[float] = []
    early = 0
    for turn in range(homes):
        before = change.night.before
        home = Home(seed_of("drift", change.name, turn), change.night, before, MOST, change.by)
        first, peer = home.alarm(), home.peer()
        early += first <= before
        ours.append(first - before if first > before else np.inf)
        peers.append(peer - before if peer > before else np.inf)
    return ours, peers, early


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer homes and nights; ends within a minute")
    parser.add_argument("--homes", type=int, default=200, help="simulated homes of 1,000 nights each")
    given = parser.parse_args()
    homes, nights = (10, 200) if given.quick else (given.homes, NIGHTS)
    ours, peers = false_alarms(homes, nights)
    lines = [
        f"homes with a false alarm in {nights} nights: {ours / homes:.3f} share, each night by itself {peers / homes:.3f} share, "
        f"ratio {ours / max(peers, 1):.2f}, target {CHANCE}, {'ok' if ours / homes <= CHANCE else 'short'}"
    ]
    print(
        f"{homes} homes of {nights} nights without a change: {ours} with an alarm, {peers} by the peer",
        flush=True,
    )
    for change in CHANGES[2:] if given.quick else CHANGES:
        mine, theirs, early = delays(change, 5 if given.quick else max(10, homes // 4))
        middle, peer, rows = float(np.median(mine)), float(np.median(theirs)), change.night.rows
        print(
            f"{change.name}: seen after {min(mine):.0f} to {max(mine):.0f} nights, median {middle:.0f}, {sum(np.isinf(mine))} of "
            f"{len(mine)} not seen in {MOST} nights, {early} alarms before the change",
            flush=True,
        )
        lines.append(
            f"{change.name}: {middle * rows:.0f} rows, each night by itself {peer * rows:.0f} rows, "
            f"ratio {middle / peer:.2f}, target {change.most * rows}, {'ok' if middle <= change.most else 'short'}"
        )
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
