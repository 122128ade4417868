"""The section of figures of docs/weakness.md: it replaces the one before it, and says of each difference whether it is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.weakness_page import BEGIN, END, PAGE, PageError, of_student, with_section
from benchmarks.weakness_search import mean_interval
from benchmarks.weakness_student import SMALL


def record(seed: int, **rights: float) -> dict[str, Any]:
    """A seed with 40 items of two skills, whose arms are right with these probabilities."""
    rng = np.random.default_rng(seed)
    scores = {
        arm: {f"item {i}": int(rng.random() < right) for i in range(40)} for arm, right in rights.items()
    }
    arm = {"rows": 10, "calls": 3, "tokens": 500}
    return {
        "scores": scores, "failed": 20, "judged": 40, "weak": 0.9, "rand": 0.8 + seed / 100,
        "arms": {"math-retrieval": arm, "random": arm}, "by_skill": {"counting": [9, 10]},
    }  # fmt: skip


def test_the_section_replaces_the_one_before_it_and_nothing_else() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nrest\n"
    once = with_section(page, "new")
    assert once == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nrest\n"
    assert with_section(once, "new") == once
    with pytest.raises(PageError, match="Fix: "):
        with_section("# Title\n", "new")


def test_the_page_has_a_section_with_figures() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    for part in (
        "Clusters of planted skills",
        "Neighbours by skill",
        "Allocation by measured gain",
        "A student that learns",
        "`random-cost`",
    ):
        assert part in written


def test_a_difference_is_called_shown_only_where_it_is() -> None:
    rights = {"before": 0.4, "nothing": 0.4, "math-retrieval": 0.9, "random": 0.4}
    records = [record(seed, **rights) for seed in range(5)]
    skill_of = {f"item {i}": ("counting", "limits")[i % 2] for i in range(40)}
    text = of_student(records, skill_of, SMALL)
    lines = {tuple(line.split(" | ")[:2]): line for line in text.splitlines() if line.startswith("| `")}
    assert "not shown" not in lines["| `math-retrieval`", "`random`"]
    assert lines["| `random`", "`nothing new`"].endswith("not shown |")
    assert "| `skills` | not measured |" in text
    assert "5 seeds, 40 measuring items" in text
    assert "counting 45 of 50" in text
    assert "Arms that are shown to be worse than `nothing new`: none" in text


def test_an_interval_contains_its_mean() -> None:
    mean, low, high = mean_interval([0.8, 0.9, 1.0])
    assert low < 0.9 < high
    assert mean == pytest.approx(0.9)
