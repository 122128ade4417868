"""Review by people in simulations: how often the interval of the error rate covers the truth, and how many judgements +-2 points take.

The peer is a uniform review with Clopper and Pearson's interval. Rows are drawn with an error rate of 5 %; `correctness` is
calibrated, overconfident, or says nothing. `--quick` takes fewer simulations.

    .venv/bin/python -m benchmarks.review
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pyarrow as pa

from storage.rows import Row, to_table
from tasks.review.draw import COLUMNS, ReviewSettings, draw
from tasks.review.estimate import clopper_pearson, estimate

ROWS, HALF_WIDTH, LEAST_COVERAGE = 4_000, 0.02, 0.935  # 95 % less two standard errors of 1,000 simulations
KINDS = ("calibrated", "overconfident", "useless")
COUNTS = (100, 150, 200, 250, 300, 350, 400, 450, 500, 600)


def population(seed: int, kind: str) -> tuple[pa.Table, dict[str, float]]:
    """Return rows with a `correctness`, and by id whether each is wrong."""
    rng = np.random.default_rng(seed)
    chance = np.clip(rng.beta(0.3, 5.7, ROWS), 0, 0.5)
    wrong = rng.random(ROWS) < (0.05 if kind == "useless" else chance)
    stated = {"calibrated": chance, "overconfident": chance**2, "useless": rng.permutation(chance)}[kind]
    rows = [
        Row(f"{seed} {i}", "en", solution="s", answer="1", correctness=float(1 - p))
        for i, p in enumerate(stated)
    ]
    table = to_table(rows).select(list(COLUMNS))
    return table, dict(zip([row.id for row in rows], wrong.astype(float), strict=True))


def coverage(kind: str, simulations: int, rows: int = 200) -> float:
    """Return the share of simulations whose interval covers the error rate."""
    hits = 0
    for number in range(simulations):
        if number % 50 == 0:
            table, wrong = population(number, kind)
            truth = float(np.mean(list(wrong.values())))
        drawn = draw(table, ReviewSettings(rows=rows, seed=number))
        result = estimate(drawn, {one: wrong[one] for one in drawn.ids}).whole
        assert result is not None
        hits += result.low <= truth <= result.high
    return hits / simulations


def half_width(kind: str, rows: int, runs: int) -> tuple[float, float]:
    """Return the mean half width of the interval, and that of a uniform review of as many rows."""
    ours, peer = [], []
    for seed in range(runs):
        table, wrong = population(seed % 4, kind)
        drawn = draw(table, ReviewSettings(rows=rows, seed=seed))
        result = estimate(drawn, {one: wrong[one] for one in drawn.ids}).whole
        assert result is not None
        ours.append((result.high - result.low) / 2)
        plain = draw(table, ReviewSettings(rows=rows, uniform=1.0, seed=seed)).ids
        low, high = clopper_pearson(sum(wrong[one] for one in plain), rows)
        peer.append((high - low) / 2)
    return float(np.mean(ours)), float(np.mean(peer))


def needed(kind: str, runs: int) -> tuple[float, float]:
    """Return how many judgements give +-HALF_WIDTH on average, ours and of a uniform review, interpolated between COUNTS."""
    widths = np.array([half_width(kind, count, runs) for count in COUNTS])
    ours, peer = (float(np.interp(-HALF_WIDTH, -widths[:, side], COUNTS)) for side in (0, 1))
    return ours, peer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    short = False
    for kind in KINDS:
        share = coverage(kind, 100 if quick else 1_000)
        bad = share < (0.88 if quick else LEAST_COVERAGE)
        short |= bad
        target = f"target {0.88 if quick else LEAST_COVERAGE}"
        print(
            f"coverage, {kind}: {share:.3f}, PEER 0.95, ratio {share / 0.95:.3f}, {target}, {'short' if bad else 'ok'}"
        )
    for kind in KINDS[:2]:
        ours, peer = needed(kind, 4 if quick else 20)
        bad = ours > 0.85 * peer
        short |= bad
        print(
            f"judgements for +-2 points, {kind}: {ours:.0f} rows, PEER {peer:.0f}, ratio {ours / peer:.2f}, "
            f"target 0.85, {'short' if bad else 'ok'}"
        )
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
