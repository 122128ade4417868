"""The replay of recorded samples gives what the stages give, and its bounds are bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.recordings import Played, Recorded, play
from benchmarks.replayed import Samples, samples_of
from benchmarks.tokens import (
    EMBEDDED,
    ORDERS,
    all_samples,
    alternated,
    best_pattern_rule,
    columns_of,
    format_counts,
    in_order,
    in_rounds,
    known_outcome,
    learnt_shares,
    pattern,
    teacher_questions,
)
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
    known, best = known_outcome(samples), best_pattern_rule(samples, plain, [calibration])
    assert plain.samples == 4
    assert 2 <= known.samples < best.samples < 4
    assert (known.rows, known.precision, known.recall) == (plain.rows, plain.precision, plain.recall)
    assert known.tokens < best.tokens < plain.tokens
    assert min(best.precision - plain.precision, best.recall - plain.recall) >= -0.01


def test_a_pattern_names_which_answers_are_the_same() -> None:
    assert pattern(np.array([5, 5, 2])) == (0, 0, 1)
    assert pattern(np.array([2, 7, 7])) == (0, 1, 1)
    assert pattern(np.array([-2, 3, -1])) == (-1, 0, -1)


def mixed(samples: Samples, questions: int, *, programs_right: float) -> Samples:
    """Return samples of which the second half are programs, right with this probability, and words that are right half of the time."""
    rng = np.random.default_rng(7)
    program = np.zeros((questions, 8), bool)
    program[:, 4:] = True
    right = np.where(rng.random((questions, 8)) < np.where(program, programs_right, 0.5), 1, -1)
    answer = np.where(right == 1, 0, rng.integers(1, 6, (questions, 8)))
    known = np.arange(questions) % 4 == 0
    return Samples(
        answer, program, right, np.ones_like(program), np.full((questions, 8), 100), [[] for _ in range(questions)],
        known, np.arange(questions) % 5,
    )  # fmt: skip


def test_orders_have_each_sample_once_and_begin_as_they_say(samples: Samples) -> None:
    questions = [
        Recorded("How many divisors does 720720 have, modulo 97?", "1"),
        Recorded("Prove that the angles of a triangle are as stated. Why?", "1"),
    ]
    both = mixed(samples, 2, programs_right=0.5)
    first = {
        order: [
            both.program[n][columns][:2].tolist()
            for n, columns in enumerate(in_order(order, questions, both))
        ]
        for order in ORDERS
    }
    for order in ORDERS:
        assert np.sort(in_order(order, questions, both)).tolist() == [list(range(8))] * 2
    assert first["programs first"] == [[True, True], [True, True]]
    assert first["all of the expected format first"] == [[True, True], [False, False]]
    assert first["expected format leads, then alternating"] == [[True, False], [False, True]]
    assert alternated([1, 2, 3], [7]) == [1, 7, 2, 3]


def test_learnt_shares_ask_for_more_of_the_better_format(
    samples: Samples, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [Recorded(f"Ben has {n} coins. How many?", "1") for n in range(200)]
    both = mixed(samples, 200, programs_right=0.9)
    rule = [["cot", "pot", "cot", "pot"]] * 200
    assert columns_of(rule, both).tolist() == [[0, 4, 1, 5]] * 200
    counted = {line["format"]: line for line in format_counts(questions, both, rule).by_range()}
    assert counted["cot"]["asked"] == counted["pot"]["asked"] == 100
    known = both.chosen(columns_of(rule, both)).right[::4]
    assert counted["pot"]["right"] == (known[:, 1::2] == 1).mean()
    lines = learnt_shares("made", questions, both, 0.05)
    assert [line.split(",")[0] for line in lines] == ["tokens per accepted row", "precision", "recall"]
    printed = capsys.readouterr().out
    assert "0.0 learnt, programs 50%" in printed
    assert "1.0 learnt, programs 75%" in printed


@pytest.mark.slow
def test_the_samples_of_the_embedded_teacher_are_counted_by_the_ledger(shared: dict[str, Any]) -> None:
    questions = [q for q in teacher_questions(12) if q.reference]
    judged = samples_of(questions, WORDS, shared, endpoint=EMBEDDED)
    assert judged.most == 4
    assert (judged.tokens > 50).all()
    assert (judged.right == 1).mean() > 0.5
