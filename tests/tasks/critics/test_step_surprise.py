"""How surprising a step is: the estimates are those of Witten and Bell, and a step that right solutions do not have stands out."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

from tasks.critics import step_surprise
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_surprise import (
    FEWEST,
    ORDER,
    REPEATED,
    SURPRISES,
    VOCABULARY,
    StepSurprise,
    counted_runs,
    fit_surprise,
    tokens_of,
)
from tests.tasks.critics.erring import RIGHT, erring

TEXTS = ("a b c a b d a b c\n", "a b c d", "一 加 1.5 = 2.5", "")


def by_hand(texts: list[list[int]], tokens: list[int]) -> list[float]:
    """Return the surprise of each token, by dictionaries of tuples."""
    counts: dict[tuple[int, ...], int] = defaultdict(int)
    begins: dict[tuple[int, ...], int] = defaultdict(int)
    kinds: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for text in texts:
        for length in range(ORDER):
            for at in range(length, len(text)):
                begin = tuple(text[at - length : at])
                counts[*begin, text[at]] += 1
                begins[begin] += 1
                kinds[begin].add(text[at])
    listed = []
    for at, token in enumerate(tokens):
        likely = 1 / VOCABULARY
        for length in range(min(ORDER, at + 1)):
            begin = tuple(tokens[at - length : at])
            if begins[begin]:
                kind = len(kinds[begin])
                likely = (counts[*begin, token] + kind * likely) / (begins[begin] + kind)
        if at:
            likely = (1 - REPEATED) * likely + REPEATED * tokens[:at].count(token) / at
        listed.append(-math.log(likely))
    return listed


@pytest.mark.parametrize("text", ["a b c z a b d c", "1.5 = 2.5 一 加", "z", "", "a b c d"])
def test_the_estimates_are_those_of_a_computation_by_hand(text: str) -> None:
    texts, tokens = [tokens_of(one) for one in TEXTS], tokens_of(text)
    surprise = step_surprise._surprise(counted_runs(texts), np.array(tokens, np.uint64))
    assert surprise == pytest.approx(by_hand(texts, tokens))


def solutions(count: int) -> list[LabelledSolution]:
    """Return solutions of which the wrong ones have a first wrong step that is worded in another way each time."""
    return erring(
        count,
        lambda number: (
            f"Word{chr(97 + number % 26) * 3}{chr(97 + number // 26) * 3} thing{chr(97 + number % 26)} here.",
        ),
    )


def test_a_step_that_right_solutions_do_not_have_is_told_from_the_others() -> None:
    surprise, columns = fit_surprise(solutions(FEWEST), seed=1)
    assert [table.shape for table in columns] == [(4, len(SURPRISES))] * (2 * FEWEST)
    wrong = LabelledSolution("Question?", (*RIGHT[:2], "Zebras walk around.", RIGHT[3]), False, 2)
    table = surprise.columns(wrong)
    assert int(np.argmax(table[:, SURPRISES.index("surprise_mean")])) == 2
    assert int(np.argmax(table[:, SURPRISES.index("surprising_first")])) == 2
    assert table[2, SURPRISES.index("surprising_first_rank")] == 0
    again, _ = fit_surprise(solutions(FEWEST), seed=1)
    assert all((one == again.arrays()[name]).all() for name, one in surprise.arrays().items())
    stored = StepSurprise.from_arrays(surprise.arrays())
    assert (stored.columns(wrong) == table).all()


def test_a_solution_is_read_by_a_reader_that_does_not_know_its_question() -> None:
    """The steps of each question are words of its own: who knew the question would not be surprised."""
    listed = []
    for number in range(30):
        words = [f"w{chr(97 + number)}{chr(97 + at)}" for at in range(12)]
        steps = (" ".join(words[:6]), " ".join(words[6:]))
        listed.append(LabelledSolution(f"Question {number}?", steps, True, group=str(number)))
    surprise, columns = fit_surprise(listed, seed=1)
    mean = SURPRISES.index("surprise_mean")
    for one, table in zip(listed, columns, strict=True):
        assert table[:, mean].min() > 1.5 * surprise.columns(one)[:, mean].max()


def test_too_few_known_places_and_long_or_empty_texts_are_read() -> None:
    surprise, _ = fit_surprise(solutions(FEWEST - 1), seed=1)
    assert not surprise.columns(LabelledSolution("What?", RIGHT, True))[
        :, SURPRISES.index("surprising_first")
    ].any()
    long = LabelledSolution("What?", ("word " * 5000, "behind the end", ""), True)
    table = surprise.columns(long)
    assert np.isfinite(table).all()
    assert not table[1:, SURPRISES.index("surprise_mean")].any()
    nothing, columns = fit_surprise([LabelledSolution("What?", RIGHT, False)], seed=1)
    assert np.isfinite(nothing.columns(long)).all()
    assert np.isfinite(columns[0]).all()
