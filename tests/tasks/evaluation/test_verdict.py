"""The verdict on simulated trainings with a known truth, and the held-out problems that are used without a benchmark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from storage.rows import Row, kept
from tasks.evaluation.held_out import held_out
from tasks.evaluation.verdict import conclude, gains_of, in_a_line, to_markdown
from tasks.problems.machinery.family import recognise

ITEMS = pa.table({"id": [str(i) for i in range(300)], "subdomain": ["primes"] * 150 + ["limits"] * 150})
ABOUT = {
    "version": "sums@2026.11.20", "validated": "sums@2026.11.19", "base": "student", "weight": 0.2, "tokens": 1000,
    "benchmark": "held-out problems",
}  # fmt: skip


def trained(gain: tuple[float, float], seed: int) -> np.ndarray:
    """(5 seeds, 300 items) answered right with chance one half, and more by `gain` in each subdomain."""
    rng = np.random.default_rng(seed)
    chance = 0.5 + np.repeat(gain, 150)
    return (rng.random((5, 300)) < chance).astype(float)


@pytest.mark.parametrize(
    ("gain", "word"), [((0.1, 0.1), "effective"), ((-0.1, -0.1), "harmful"), ((0.0, 0.0), "not shown")]
)
def test_the_word(gain: tuple[float, float], word: str) -> None:
    verdict = conclude(ITEMS, trained(gain, 1), trained((0, 0), 2), usd=20.0)
    assert verdict["verdict"] == word
    assert verdict["better"] == (word == "effective")
    assert verdict["low"] < verdict["effect"] < verdict["high"]
    assert (verdict["seeds"], verdict["items"], len(verdict["by_seed"])) == (5, 300, 5)
    if word == "effective":
        assert verdict["usd_per_point"] == pytest.approx(20 / (100 * verdict["effect"]))
    else:
        assert verdict["usd_per_point"] is None


@pytest.mark.slow
def test_gains_by_subdomain_and_what_each_source_gave() -> None:
    """A gain in one subdomain that is a loss in the other, and a source that hurts."""
    candidate = trained((0.2, -0.2), 3)
    without = {
        "books": trained((0.05, -0.35), 4),
        "web": trained((0.3, 0.0), 5),
        "talk": trained((0.2, -0.2), 6),
    }
    verdict = conclude(ITEMS, candidate, trained((0, 0), 7), without=without)
    assert gains_of(verdict) == {"primes": "better", "limits": "worse"}
    assert {name: one["shown"] for name, one in verdict["sources"].items()} == {
        "books": "helped", "web": "hurt", "talk": "not shown",
    }  # fmt: skip
    text = to_markdown(verdict | ABOUT)
    assert text.startswith(f"# sums\\@2026.11.20: {verdict['verdict']}")
    for line in ("| limits | 150 |", "| web | 300 |", "| 4 |"):
        assert line in text
    assert "beside sums@2026.11.19" in in_a_line(verdict | ABOUT)


def test_one_lucky_seed_shows_nothing() -> None:
    luck = np.full((2, 300), 0.5)
    luck[0] += 0.2
    assert conclude(ITEMS, luck, np.full((2, 300), 0.5))["verdict"] == "not shown"


def test_held_out_problems_are_new_and_have_exact_answers() -> None:
    topics = [("en", "linear equations"), ("zh", "limits"), ("en", "no such thing")]
    first = held_out(topics, 20, 0, set())
    assert first.num_rows == 20
    assert kept(first).num_rows == 20
    for item in first.to_pylist():
        verdict = recognise(item["question"], item["language"])
        assert verdict is not None
        assert (verdict.subdomain, verdict.worked.answer) == (item["subdomain"], item["reference"])
    known = {Row(item["question"], item["language"]).problem_id for item in first.to_pylist()}
    again = held_out(topics, 20, 0, known)
    assert not known & {Row(item["question"], item["language"]).problem_id for item in again.to_pylist()}
    assert held_out([("en", "no such thing")], 5, 0, set()).num_rows == 0
