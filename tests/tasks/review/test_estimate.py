"""The estimated error rate: known figures, its coverage in simulations, and what it must not be misled by."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest

from storage.rows import Row, to_table
from tasks.review.draw import COLUMNS, Drawn, ReviewSettings, draw
from tasks.review.estimate import ErrorEstimate, acceptance, clopper_pearson, estimate
from tasks.review.report import rates


def test_the_acceptance_statement_is_that_of_clopper_and_pearson() -> None:
    statement = acceptance(60, 0, 1_000_000)
    assert statement is not None
    assert statement.words == "60 rows, 0 wrong: at most 4.9 % wrong at 95 %"
    low, high = clopper_pearson(3, 50)  # tables give 1.25 % to 16.55 %
    assert (round(low, 4), round(high, 4)) == (0.0125, 0.1655)
    assert acceptance(0, 0, 100) is None


@pytest.mark.parametrize(("rows", "wrong", "population"), [(30, 2, 60), (30, 0, 40), (59, 3, 60), (5, 5, 9)])
def test_the_acceptance_statement_is_exact_where_a_large_part_was_judged(
    rows: int, wrong: int, population: int
) -> None:
    statement = acceptance(rows, wrong, population)
    assert statement is not None

    def seldom(bad: int) -> bool:
        """Whether a version with so many bad rows shows `wrong` or fewer in at most 5 of 100 draws, counted by combinations."""
        ways = sum(math.comb(bad, k) * math.comb(population - bad, rows - k) for k in range(wrong + 1))
        return ways / math.comb(population, rows) <= 0.05

    most = round(statement.at_most * population)
    possible = range(wrong, population - rows + wrong + 1)
    assert most == max(bad for bad in possible if not seldom(bad))
    assert statement.at_most <= clopper_pearson(wrong, rows, 0.9)[1] + 1 / population


def test_where_all_rows_were_judged_there_is_no_sampling_error() -> None:
    statement = acceptance(30, 2, 30)
    assert statement is not None
    assert statement.at_most == 2 / 30
    assert statement.words == "all 30 rows, 2 wrong: 6.7 % wrong, without sampling error"
    drawn = draw(rows_of(np.full(30, 0.9)), ReviewSettings(rows=30))
    result = estimate(drawn, {one: float(i < 2) for i, one in enumerate(drawn.ids)})
    assert rates(result)[:2] == [
        "Wrong rows     6.7 % (counted: all 30 rows were judged, so that there is no sampling error)",
        "Uniform part   all 30 rows, 2 wrong: 6.7 % wrong, without sampling error",
    ]


def rows_of(correctness: np.ndarray) -> pa.Table:
    """Return rows with these probabilities of being right; every fifth has the subdomain b."""
    rows = [
        Row(
            f"q{i}",
            "en",
            solution="s",
            answer="1",
            correctness=float(p),
            subdomain="b" if i % 5 == 0 else "a",
        )
        for i, p in enumerate(correctness)
    ]
    return to_table(rows).select(list(COLUMNS))


def _population(seed: int, kind: str) -> tuple[pa.Table, dict[str, float]]:
    """Return 2,000 rows and which are wrong (about 5 of 100). kind: how good their correctness is."""
    rng = np.random.default_rng(seed)
    wrong = np.clip(rng.beta(0.3, 5.7, 2_000), 0.0, 0.5)
    truth = rng.random(2_000) < (wrong if kind != "useless" else 0.05)
    stated = (
        wrong if kind == "calibrated" else (wrong**2 if kind == "overconfident" else rng.permutation(wrong))
    )
    table = rows_of(1 - stated)
    return table, dict(zip(table.column("id").to_pylist(), truth.astype(float), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["calibrated", "overconfident", "useless"])
def test_the_interval_covers_the_truth(kind: str) -> None:
    hit = parts = all_parts = runs = 0
    for population in range(4):
        table, truth = _population(population, kind)
        for seed in range(40):
            drawn = draw(table, ReviewSettings(rows=150, seed=seed))
            result = estimate(drawn, {one: truth[one] for one in drawn.ids})
            assert result.whole is not None
            hit += result.whole.low <= np.mean(list(truth.values())) <= result.whole.high
            for name, rate in result.subdomains.items():
                members = table.filter(pa.compute.equal(table.column("subdomain"), name)).column("id")
                parts += rate.low <= np.mean([truth[one] for one in members.to_pylist()]) <= rate.high
                all_parts += 1
            runs += 1
    assert hit / runs >= 0.92  # 95 % less three standard errors of 160 simulations
    assert parts / all_parts >= 0.92


@pytest.mark.slow
def test_rows_where_a_judgement_narrows_most_need_fewer_reviews_than_uniform_ones() -> None:
    table, truth = _population(0, "calibrated")
    errors: dict[float, list[float]] = {0.5: [], 1.0: []}
    rate = np.mean(list(truth.values()))
    for share, gaps in errors.items():
        for seed in range(80):
            drawn = draw(table, ReviewSettings(rows=200, uniform=share, seed=seed))
            result = estimate(drawn, {one: truth[one] for one in drawn.ids}).whole
            assert result is not None
            gaps.append((result.rate - rate) ** 2)
    assert np.mean(errors[0.5]) < 0.85 * np.mean(errors[1.0])


def judged(drawn: Drawn, count: int, value: float | None = 0.0) -> ErrorEstimate:
    return estimate(drawn, dict.fromkeys(drawn.ids[:count], value))


def test_rows_that_were_judged_out_of_order_do_not_count() -> None:
    drawn = draw(rows_of(np.full(400, 0.9)), ReviewSettings(rows=100))
    first, last = judged(drawn, 10), estimate(drawn, dict.fromkeys(drawn.ids[:10] + drawn.ids[20:], 0.0))
    assert first.whole is not None
    assert last == first
    wrong_at_the_end = dict.fromkeys(drawn.ids[:10], 0.0) | dict.fromkeys(drawn.ids[50:], 1.0)
    assert estimate(drawn, wrong_at_the_end) == first
    assert estimate(drawn, dict.fromkeys(drawn.ids[50:], 1.0)).whole is None


def test_no_wrong_row_still_leaves_an_upper_end_and_unclear_rows_are_counted() -> None:
    drawn = draw(rows_of(np.full(4_000, 0.97)), ReviewSettings(rows=60, uniform=1.0))
    result = judged(drawn, 60)
    assert result.whole is not None
    assert result.whole.low == 0
    assert 0.03 < result.whole.high < 0.08
    assert result.acceptance is not None
    assert result.acceptance.words.startswith("60 rows, 0 wrong: at most 4.8 %")  # of 4,000
    unclear = estimate(drawn, dict.fromkeys(drawn.ids[:50], 0.0) | dict.fromkeys(drawn.ids[50:], None))
    assert (unclear.unclear, unclear.acceptance.rows if unclear.acceptance else 0) == (10, 50)
    assert judged(drawn, 60, None).whole is None


def test_a_version_whose_rows_were_all_judged_has_no_interval() -> None:
    table = rows_of(np.full(20, 0.9))
    drawn = draw(table, ReviewSettings(rows=50))
    result = estimate(drawn, {one: float(i < 5) for i, one in enumerate(drawn.ids)}).whole
    assert result is not None
    assert (result.rate, result.low, result.high) == (0.25, 0.25, 0.25)


def test_the_queue_is_the_same_for_rows_in_any_order_and_prefers_disagreement() -> None:
    table = rows_of(np.linspace(0.5, 1.0, 1_000))
    settings = ReviewSettings(rows=200)
    drawn = draw(table, settings)
    again = draw(table.take(pa.array(np.random.default_rng(0).permutation(1_000))), settings)
    assert drawn.ids == again.ids
    assert len(set(drawn.ids)) == 200
    assert drawn.uniform.sum() == 100
    assert drawn.wrong[~drawn.uniform].mean() > drawn.wrong[drawn.uniform].mean() + 0.03
    longer = draw(table, ReviewSettings(rows=400))
    uniform = [one for one, part in zip(drawn.ids, drawn.uniform, strict=True) if part]
    assert [one for one, part in zip(longer.ids, longer.uniform, strict=True) if part][:100] == uniform
    other = draw(table, ReviewSettings(rows=200, seed=1))
    assert other.ids != drawn.ids
    assert dataclasses.replace(drawn).means[""][1] == 1_000
