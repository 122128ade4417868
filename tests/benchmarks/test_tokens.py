"""The replay of recorded samples gives what the stages give, and its bounds are bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.recordings import Played, Recorded, play
from benchmarks.replayed import Samples, samples_of
from benchmarks.tokens import all_samples, best_pattern_rule, in_rounds, known_outcome, pattern
from storage.rows import column
from tasks.answers import Judge
from tasks.seeding import rng_of
from tasks.stages.solve import SolveSettings

WORDS = SolveSettings(samples=4, pot_share=0.0)
ERROR = 0.1


def recorded() -> list[Recorded]:
    """Questions whose samples agree to different degrees; some have no answer."""
    questions = []
    for n in range(120):
        rng, right = rng_of("tokens", n), 3 * n + 1
        sure = rng.choice((0.5, 0.8, 0.95))
        answers = [right if rng.random() < sure else right + rng.randint(1, 3) for _ in range(4)]
        texts = [
            f"I add the numbers one by one, and check the sum.\nSo there are {answer}.\n\\boxed{{{answer}}}"
            if rng.random() > 0.06
            else "I do not know how to start with this."
            for answer in answers
        ]
        questions.append(
            Recorded(f"Ben has {n} coins and finds {2 * n + 1} more. How many?", str(right), texts)
        )
    return questions


@pytest.fixture(scope="module")
def shared() -> Iterator[dict[str, Any]]:
    with Judge(workers=1) as judge:
        yield {"judge": judge, "sandbox": None}


@pytest.fixture(scope="module")
def samples(shared: dict[str, Any]) -> Samples:
    return samples_of(recorded(), WORDS, shared)


def accepted(played: Played) -> set[tuple[str, int]]:
    names = zip(column(played.rows, "problem_id"), column(played.rows, "sample_index"), strict=True)
    return {name for name, kept in zip(names, played.accepted, strict=True) if kept}


@pytest.mark.slow
@pytest.mark.parametrize("adaptive", [0.0, ERROR])
def test_a_replay_accepts_what_the_stages_accept_at_the_same_cost(
    samples: Samples, shared: dict[str, Any], adaptive: float
) -> None:
    played = play(recorded(), WORDS.model_copy(update={"adaptive": adaptive}), shared)
    hidden, taken, calibration = all_samples(samples)
    if adaptive:
        taken, calibration = in_rounds(samples, adaptive)
        assert 2 < taken.mean() < 4
    assert calibration == played.calibration
    likely = samples.weighed(hidden, taken, calibration)
    questions = recorded()
    kept = {(questions[hidden[q]].problem_id, int(k)) for q, k in zip(*np.nonzero(likely), strict=True)}
    assert kept == accepted(played)
    assert taken.sum() == played.rows.num_rows
    inside = np.arange(4)[None, :] < taken[:, None]
    assert (samples.tokens[hidden] * inside).sum() == played.tokens


def test_no_rule_saves_more_than_its_bound(samples: Samples) -> None:
    hidden, fixed, calibration = all_samples(samples)
    plain = samples.cost(hidden, fixed, samples.accepted(hidden, fixed, calibration))
    known, best = known_outcome(samples), best_pattern_rule(samples, plain)
    assert plain.samples == 4
    assert 2 <= known.samples < best.samples < 4
    assert (known.rows, known.precision, known.recall) == (plain.rows, plain.precision, plain.recall)
    assert known.tokens < best.tokens < plain.tokens
    assert min(best.precision - plain.precision, best.recall - plain.recall) >= -0.01


def test_a_pattern_names_which_answers_are_the_same() -> None:
    assert pattern(np.array([5, 5, 2])) == (0, 0, 1)
    assert pattern(np.array([2, 7, 7])) == (0, 1, 1)
    assert pattern(np.array([-2, 3, -1])) == (-1, 0, -1)
