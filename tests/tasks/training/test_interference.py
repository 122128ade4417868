"""Sources that teach opposite answers pull apart, equal ones go together, and the same seed gives the same matrices."""

from __future__ import annotations

import pytest

from storage.rows import Row, to_table
from tasks.training.config import TrainError
from tasks.training.interference import interference

from .conftest import sums


def answered(count: int, answer: str, *, start: int = 0) -> list[Row]:
    return [
        Row(f"Is {i} lucky?", "en", solution=f"The number {i} is {answer}. {answer}", solution_format="cot")
        for i in range(start, start + count)
    ]


@pytest.mark.slow
def test_opposite_answers_interfere_and_equal_ones_help() -> None:
    samples = {
        "yes": to_table(answered(32, "lucky")),
        "too": to_table(answered(32, "lucky", start=100)),
        "no": to_table(answered(32, "not a thing that anybody would ever want")),
    }
    result = interference(samples, warmup=30, steps=6, seed=3)
    assert result.sources == ["no", "too", "yes"]
    assert result.rows == [32, 32, 32]
    no, too, yes = range(3)
    assert all(result.cosine[i][i] == pytest.approx(1, abs=1e-3) for i in range(3))
    assert result.cosine[yes][too] > result.cosine[yes][no]
    assert result.change[yes][yes] < 0
    assert result.change[yes][too] < result.change[yes][no]
    assert result.change[no][yes] > result.change[too][yes]


@pytest.mark.slow
def test_contradicting_answers_of_one_question_are_a_conflict_in_the_matrix() -> None:
    """Three sources about the same questions in the same words, of which one says the opposite."""

    def says(answer: str, start: int) -> list[Row]:
        return [
            Row(f"Is {i} lucky?", "en", solution=f"The number {i}: {answer}", solution_format="cot")
            for i in range(start, start + 32)
        ]

    samples = {
        "right": to_table(says("yes", 0)),
        "more": to_table(says("yes", 16)),
        "planted": to_table(says("no", 0)),
    }
    result = interference(samples, warmup=60, steps=6, seed=3)
    assert result.sources == ["more", "planted", "right"]
    more, planted, right = range(3)
    assert result.cosine[right][planted] < -0.3 < 0.3 < result.cosine[right][more]
    assert result.change[planted][right] > 0.3 > result.change[more][right]
    assert result.change[right][planted] > 0.3


@pytest.mark.slow
def test_the_same_rows_give_the_same_matrices() -> None:
    rows = sums(16)
    samples = {"a": to_table(rows), "b": to_table(answered(16, "lucky"))}
    turned = {"b": samples["b"], "a": to_table(rows[::-1])}
    assert interference(samples, warmup=4, steps=1) == interference(turned, warmup=4, steps=1)


def test_one_source_is_refused() -> None:
    with pytest.raises(TrainError, match="there are 1 such"):
        interference({"a": to_table(sums(16)), "b": to_table(sums(3, seed=1))}, warmup=1, steps=1)
