"""The power of the test of the proof, simulated from the variances that a pilot has shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.arrays import Floats
from tasks.evaluation.statistics import paired
from tasks.seeding import seed_of

DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of paired differences: of seeds, of items, and of what is left."""

    seeds: float
    items: float
    rest: float


def components(difference: Floats) -> Components:
    """Estimate the variances of differences of shape (seeds, items), by a two-way analysis of variance without replications. An estimate below
    0 counts as 0."""
    seeds, items = difference.shape
    by_seed, by_item, mean = difference.mean(axis=1), difference.mean(axis=0), difference.mean()
    rest = difference - by_seed[:, None] - by_item[None, :] + mean
    left = float((rest**2).sum() / ((seeds - 1) * (items - 1)))
    return Components(
        max(0.0, float(by_seed.var(ddof=1)) - left / items),
        max(0.0, float(by_item.var(ddof=1)) - left / seeds),
        left,
    )


def power(
    of: Components, effect: float, *, seeds: int, items: int, alpha: float, margin: float | None = None
) -> float:
    """Return the share of simulated runs in which the test of seeds and items shows a difference of this size at the level `alpha`: two-sided, or
    with a margin one-sided, that it is below the margin."""
    rng = np.random.default_rng(seed_of("proof", "power", effect, seeds, items))
    shown = 0
    for _ in range(DRAWS):
        drawn = (
            effect
            - (margin or 0.0)
            + rng.normal(0, of.seeds**0.5, (seeds, 1))
            + rng.normal(0, of.items**0.5, (1, items))
            + rng.normal(0, of.rest**0.5, (seeds, items))
        )
        result = paired(drawn, np.zeros_like(drawn))
        p = result.p if margin is None else result.p / 2
        shown += p < alpha and (result.delta > 0) == (margin is None)
    return shown / DRAWS
