"""Figures of a run of rejection sampling: samples by worth, solutions and paths by the fail rate of their question, lengths of pairs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from storage.datasets.steps import WRONG
from tasks.rft.allocation import Solved, Tally

FAIL_RATE: Final = "fail rate"
RIGHT: Final = "right solutions"
PATHS: Final = "distinct paths"
STAY: Final = "stay"
COUNTS: Final = (
    FAIL_RATE,
    "questions",
    "samples",
    RIGHT,
    PATHS,
    STAY,
)  # the columns of `by_fail_rate` in a run of the flow
BINS: Final = (0.0, 0.25, 0.5, 0.75)  # upper ends of the ranges of fail rates, each included
UNSOLVED: Final = "1, unsolved"


def samples_by_worth(tallies: Iterable[Tally]) -> dict[str, int]:
    """Return how many samples there were, how many are right and wrong, and of how many that is not known."""
    every = list(tallies)
    sampled, right, wrong = (
        sum(getattr(one, name) for one in every) for name in ("sampled", "right", "wrong")
    )
    return {"sampled": sampled, "right": right, "wrong": wrong, "unknown or failed": sampled - right - wrong}


def questions_by_solved(tallies: Iterable[Tally]) -> dict[str, dict[str, int]]:
    """Return, by the values of Solved, how many questions there are and how many samples they were given."""
    counts: dict[str, dict[str, int]] = {str(one): {"questions": 0, "samples": 0} for one in Solved}
    for tally in tallies:
        own = counts[str(tally.solved)]
        own["questions"] += 1
        own["samples"] += tally.sampled
    return counts


def by_fail_rate(tallies: Mapping[str, Tally], stages: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return, per range of fail rates and in all, the questions, their samples, and the rows of each stage. stages: the problem ids of the
    rows, by what they are."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for tally in tallies.values():
        for name in (range_of(tally.fail_rate), "all"):
            counts[name].update({"questions": 1, "samples": tally.sampled})
    for stage, problems in stages.items():
        for problem in problems:
            for name in (range_of(tallies[problem].fail_rate), "all"):
                counts[name][stage] += 1
    order = [*(range_of(end) for end in (*BINS, 0.99, 1.0, None)), "all"]
    names = ("questions", "samples", *stages)
    return [{FAIL_RATE: name} | {one: counts[name][one] for one in names} for name in order if name in counts]


def range_of(fail_rate: float | None) -> str:
    """Return the name of the range of a fail rate."""
    if fail_rate is None:
        return "not known"
    if fail_rate >= 1:
        return UNSOLVED
    place = next((number for number, end in enumerate(BINS) if fail_rate <= end + 1e-9), len(BINS))
    if place == 0:
        return "0"
    return f"over {BINS[place - 1]:g} " + (f"to {BINS[place]:g}" if place < len(BINS) else "to under 1")


def pair_lengths(pairs: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """Return the number of pairs, the share whose chosen side is the longer, and the mean and the largest ratio of lengths (longer to
    shorter) of (chosen, rejected) in characters."""
    ratios = [math.log(chosen / rejected) for chosen, rejected in pairs]
    if not ratios:
        return {"pairs": 0}
    return {
        "pairs": len(ratios),
        "chosen longer": round(sum(ratio > 0 for ratio in ratios) / len(ratios), 4),
        "mean ratio": round(math.exp(sum(ratios) / len(ratios)), 4),
        "largest ratio": round(math.exp(max(map(abs, ratios))), 4),
    }


def worse_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worse side that a row of NAME-dpo keeps in its params."""
    return dict(params[WRONG][0])
