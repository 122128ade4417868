"""What a night shows of its models: one value per question, and the classes that the tests count."""

from __future__ import annotations

import numpy as np
import pytest

from storage.rows import Row, to_table
from tasks.drift.measures import (
    CLASSES,
    LENGTHS,
    MEASURES,
    MOST_QUESTIONS,
    STEPS,
    Measured,
    counts_of,
    measure,
)


def measured(**tables: list[Row]) -> dict[str, Measured]:
    names = ("written", "verified", "scored", "weighed", "answered", "known")
    return measure(**{name: [to_table(tables.get(name, []))] for name in names}, canaries=[])


def test_measures_are_means_over_questions() -> None:
    verified = [
        Row("p", "en", solution="a" * 10, verdicts={"consistent": "2/3"}),
        Row("p", "en", solution="b" * 10, verdicts={"consistent": "2/3"}),
        Row("p", "en", solution="c" * 10, verdicts={"consistent": "0/3"}),
        Row("q", "en", solution="d" * 10, reasoning="e" * 20, verdicts={"consistent": "1/1"}),
    ]
    scored = [Row("p", "en", solution="a", scores={"answer": 0.5}), Row("q", "en", solution="d")]
    weighed = [verified[0], verified[1], Row("q", "en", solution="d", rejected="weigh: …")]
    measures = measured(verified=verified, scored=scored, weighed=weighed)
    assert "critic" not in measures  # one question has no standard error
    assert measures["acceptance"].mean.mean == pytest.approx((2 / 3 + 0) / 2)
    assert measures["agreement"].mean.mean == pytest.approx(((2 / 3 + 2 / 3 + 0) / 3 + 1) / 2)
    assert measures["length"].mean.mean == pytest.approx((np.log(11) + np.log(31)) / 2)
    assert measures["length"].mean.questions == 2
    agreement = measures["agreement"].counts
    assert agreement.sum() == 2
    assert agreement[STEPS] == 1
    assert agreement[round(STEPS * 4 / 9)] == 1


def test_the_critic_is_compared_with_known_answers_and_canaries() -> None:
    def row(question: str, score: float | None, equivalent: str) -> Row:
        scores = {} if score is None else {"answer": score}
        return Row(
            question,
            "en",
            solution=f"{score}{equivalent}",
            scores=scores,
            verdicts={"equivalent": equivalent},
        )

    known = [
        row("p", 0.9, "equal"),
        row("p", 0.9, "different"),
        row("q", 0.1, "different"),
        row("q", None, "different"),
        row("q", 0.9, "unknown"),
    ]
    records = [
        {"asked": {"right": 2, "wrong": 1}, "right": {"right": 2, "wrong": 0}},
        {"asked": {"injected": 1}, "right": {"injected": 1}},
    ]
    measures = measure(
        written=[],
        verified=[],
        scored=[],
        weighed=[],
        answered=[to_table(known)],
        known=[to_table(known)],
        canaries=records,
    )
    assert measures["known"].mean.mean == pytest.approx((0.5 + 1.0) / 2)
    assert measures["answers"].mean.mean == pytest.approx((0.5 + 0.0) / 2)
    assert measures["canaries"].mean.mean == pytest.approx(3 / 4)
    assert measures["canaries"].counts[[0, STEPS]].tolist() == [1, 3]


def test_discarded_judgements_count_like_the_others_and_once() -> None:
    """Those of a batch that was requested again, or whose scores were dropped, with the critic's scores and lengths."""

    def row(question: str, score: float | None) -> Row:
        scores = {} if score is None else {"answer": score}
        text = None if score is None else "ab"
        return Row(
            question, "en", solution="x", scores=scores, critique=text, verdicts={"equivalent": "equal"}
        )

    known, others = [row("p", 0.9), row("q", None)], [row("r", 0.8), row("s", None)]
    discarded_known = {
        "problem_id": [known[0].problem_id, known[1].problem_id, "t"],
        "score": [0.0, 0.0, 0.0],
        "characters": [9, 9, 9],
        "equivalent": ["equal", "equal", None],
    }
    discarded = {
        "problem_id": [others[1].problem_id],
        "score": [0.4],
        "characters": [7],
        "equivalent": [None],
    }
    measures = measure(
        written=[],
        verified=[],
        scored=[to_table(others)],
        weighed=[],
        answered=[],
        known=[to_table(known)],
        canaries=[{"asked": {"right": 4}, "right": {"right": 3}}],
        discarded=[discarded],
        discarded_known=[discarded_known],
    )
    assert measures["known"].mean.mean == pytest.approx((0.5 + 0.0) / 2)
    assert measures["known"].mean.questions == 2  # the truth of the third is not known
    assert measures["critic"].mean.mean == pytest.approx((0.8 + 0.4) / 2)
    assert measures["length_critiques"].mean.mean == pytest.approx((np.log(3) + np.log(8)) / 2)
    assert measures["judgements"].mean.questions == 4 + 2
    assert measures["judgements"].mean.mean == pytest.approx((3 + 0.5) / 6)


def test_a_night_without_solutions_measures_nothing() -> None:
    assert measured() == {}


def test_of_a_large_night_a_part_counts_whatever_its_order() -> None:
    rows = [Row(f"q{n}", "en", solution="x" * (n + 1)) for n in range(3 * MOST_QUESTIONS)]
    first, second = measured(verified=rows), measured(verified=rows[::-1])
    assert first["length"].mean.questions == MOST_QUESTIONS
    assert first["length"].counts.tolist() == second["length"].counts.tolist()


@pytest.mark.parametrize("name", MEASURES)
def test_every_value_has_a_class(name: str) -> None:
    values = np.array([0.0, 5.0, 400.0] if name.startswith("length") else [0.0, 0.5, 1.0])
    counts = counts_of(name, values)
    assert counts.sum() == 3
    assert len(counts) == CLASSES[name] == (LENGTHS if name.startswith("length") else STEPS + 1)
