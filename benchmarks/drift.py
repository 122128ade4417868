"""Measure how often the sequential test over nights raises a false alarm, and how soon it sees a change.

    python -m benchmarks.drift [--quick] [--homes 30]

Simulated nights of NIGHT_ROWS rows for the critic in eight shards with two canaries each, 30 questions with known answers and 200
questions that are counted. Without a change, nights differ by more than the sampling of their questions: acceptance, agreement,
scores and lengths scatter between nights. Each home runs all tests of tasks/drift on the same nights, as the flow does. The peer
is a test of each night by itself against the nights before the change: a z-test with the same chance of a false alarm in
1,000 nights (Bonferroni), which knows the true spread. Delays are those of the first alarm after BEFORE nights without one, in rows
that the critic judged, as medians. `--quick` simulates fewer homes and nights and ends within a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from tasks.arrays import Floats
from tasks.drift.betting import NIGHTS, ChangeTest
from tasks.drift.measures import MEASURES, counts_of
from tasks.seeding import seed_of

CHANCE = 0.01
NIGHT_ROWS = 1600
CANARIES, KNOWN, QUESTIONS = 16, 30, 200
BEFORE = 60  # nights before a change
MOST = 400  # nights after the change that are simulated; a change that is not seen in them has no delay
SHARES = {"acceptance": 0.62, "agreement": 0.78, "critic": 0.8}
RIGHT = {"canaries": 0.94, "known": 0.9, "answers": 0.85}
LENGTHS = {"length": 5.6, "length_questions": 4.8, "length_critiques": 4.2}  # mean logarithms of characters
SPREAD = 0.4  # of the logarithm of a length, between questions
BETWEEN_SHARES, BETWEEN_LENGTHS = 0.02, 0.04  # standard deviations between nights
CONCENTRATION = 3.0  # of the share of a question


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the night of a change on, as differences of means. `most`: nights within which it is to be seen."""

    name: str
    most: int
    by: Mapping[str, float] = field(default_factory=dict)


CHANGES = (
    Change("critic wrong by 5 points more", 300, {"canaries": -0.05, "known": -0.05}),
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
)


def night(rng: np.random.Generator, by: Mapping[str, float]) -> dict[str, Floats]:
    """Return the values of one night by measure."""
    values = {
        name: (rng.random(CANARIES if name == "canaries" else KNOWN) < share + by.get(name, 0.0)).astype(
            float
        )
        for name, share in RIGHT.items()
    }
    for name, share in SHARES.items():
        mean = float(np.clip(share + by.get(name, 0.0) + rng.normal(0, BETWEEN_SHARES), 0.02, 0.98))
        values[name] = rng.beta(CONCENTRATION * mean, CONCENTRATION * (1 - mean), QUESTIONS)
    for name, length in LENGTHS.items():
        centre = length + by.get(name, 0.0) + rng.normal(0, BETWEEN_LENGTHS)
        values[name] = np.maximum(0.0, rng.normal(centre, SPREAD, QUESTIONS))
    return values


class Home:
    """All tests of one home, and the peer on the same nights."""

    def __init__(self) -> None:
        both = [(name, up) for name in MEASURES for up in (True, False)]
        self.tests = {
            (name, up): ChangeTest(MEASURES[name].quantity, increase=up, chance=CHANCE, tests=len(both))
            for name, up in both
        }
        self._means: dict[str, list[float]] = {name: [] for name in MEASURES}
        self._reach = float(norm.ppf(1 - CHANCE / NIGHTS / len(MEASURES) / 2))

    def add(self, values: Mapping[str, Floats], *, learning: bool) -> tuple[bool, bool]:
        """Add a night. Returns whether the tests and whether the peer raise an alarm. The peer learns while `learning`."""
        for (name, _), test in self.tests.items():
            test.add(counts_of(name, values[name]))
        peer = False
        for name, numbers in values.items():
            mean, before = float(numbers.mean()), self._means[name]
            if len(before) >= 10:
                spread = float(np.std(before, ddof=1)) * (1 + 1 / len(before)) ** 0.5
                peer |= abs(mean - float(np.mean(before))) > self._reach * spread
            if learning:
                before.append(mean)
        return any(test.alarm for test in self.tests.values()), peer


def false_alarms(homes: int, nights: int) -> tuple[int, int]:
    """Return in how many homes the tests, and the peer, raise an alarm without a change."""
    ours = peers = 0
    for turn in range(homes):
        rng, home = np.random.default_rng(seed_of("drift", "unchanged", turn)), Home()
        alarms = [home.add(night(rng, {}), learning=number < BEFORE) for number in range(nights)]
        ours, peers = ours + any(one for one, _ in alarms), peers + any(peer for _, peer in alarms)
    return ours, peers


def delays(change: Change, homes: int) -> tuple[list[float], list[float], int]:
    """Return the nights until the first alarm after the change, infinite where there is none, by home, for the tests and for the peer, and
    in how many homes an alarm came before."""
    ours: list[float] = []
    peers: list[float] = []
    early = 0
    for turn in range(homes):
        rng, home = np.random.default_rng(seed_of("drift", change.name, turn)), Home()
        early += any(home.add(night(rng, {}), learning=True)[0] for _ in range(BEFORE))
        first: dict[int, int] = {}
        for number in range(1, MOST + 1):
            for which, alarm in enumerate(home.add(night(rng, change.by), learning=False)):
                if alarm:
                    first.setdefault(which, number)
            if 0 in first and 1 in first:
                break
        ours.append(first.get(0, np.inf))
        peers.append(first.get(1, np.inf))
    return ours, peers, early


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer homes and nights; ends within a minute")
    parser.add_argument("--homes", type=int, default=30, help="simulated homes of 1,000 nights each")
    given = parser.parse_args()
    homes, nights = (2, 200) if given.quick else (given.homes, NIGHTS)
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
        mine, theirs, early = delays(change, 2 if given.quick else max(10, homes // 3))
        middle, peer = float(np.median(mine)), float(np.median(theirs))
        print(
            f"{change.name}: seen after {min(mine):.0f} to {max(mine):.0f} nights, {sum(np.isinf(mine))} of "
            f"{len(mine)} not seen in {MOST} nights, {early} alarms before the change",
            flush=True,
        )
        lines.append(
            f"{change.name}: {middle * NIGHT_ROWS:.0f} rows, each night by itself {peer * NIGHT_ROWS:.0f} rows, "
            f"ratio {middle / peer:.2f}, target {change.most * NIGHT_ROWS}, {'ok' if middle <= change.most else 'short'}"
        )
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
