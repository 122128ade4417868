"""The decision on rows by all votes, and the calibration behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from storage.rows import Row, column, to_table
from tasks.answers import Judge
from tasks.problems.machinery.family import recognise
from tasks.seeding import rng_of
from tasks.stages.calibrate import calibrate, known_questions
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import Calibration, prior


def decided(
    answers: list[str | None],
    judge: Judge,
    critic: list[float | None] | None = None,
    reference: str | None = None,
    **settings: Any,
) -> list[str | None]:
    """Why each of a question's samples is dropped (None: kept); worked solutions and programs in turn."""
    rows = [
        Row("q", "en", solution=f"s{i}", solution_format="cot", answer=answer, reference_answer=reference)
        for i, answer in enumerate(answers)
    ]
    table = verify(
        to_table(rows), sandbox=None, judge=judge, calibration=prior(), settings=VerifySettings(), tick=_done
    )
    if critic is not None:
        scores = [{} if score is None else {"answer": score} for score in critic]
        table = table.set_column(
            table.schema.get_field_index("scores"),
            "scores",
            to_table(Row("q", "en", scores=by_name) for by_name in scores).column("scores"),
        )
    out = weigh(table, calibration=prior(), tick=_done, settings=WeighSettings(**settings))
    rejected: list[str | None] = column(out, "rejected")
    return rejected


def _done(rows: int) -> None:
    pass


@pytest.mark.parametrize(
    ("answers", "critic", "kept"),
    [
        (["5"] * 4, None, [True] * 4),
        (["5", "5", "5", "6"], None, [True, True, True, False]),
        (["5", "5", "6", "6"], None, [False] * 4),  # a tie decides nothing
        (["5", "5", "6", "6"], [1.0, 1.0, 0.0, 0.0], [True, True, False, False]),  # the critic does
        (["5", "6", "7", "8"], None, [False] * 4),
        (["5", None, None, None], [1.0, None, None, None], [False] * 4),  # one sample agrees with no other
        (["5"] * 4, [0.0] + [None] * 3, [True] * 4),  # one critic against four samples
    ],
)
def test_what_is_kept(
    judge: Judge, answers: list[str | None], critic: list[float | None] | None, kept: list[bool]
) -> None:
    assert [why is None for why in decided(answers, judge, critic)] == kept


def test_reasons_say_what_was_missing(judge: Judge) -> None:
    rejected = decided(["5", "5", "5", "6"], judge)
    assert rejected[3] is not None
    assert rejected[3].startswith("weigh: correctness 0.")
    assert rejected[3].endswith(" is under 0.70; 1/4 samples agree")
    assert decided(["5", "5"], judge, [1.0, 1.0], min_agreement=3) == ["weigh: 2/2 samples agree"] * 2


def test_a_trusted_answer_needs_no_second_sample(judge: Judge) -> None:
    assert decided(["5"], judge, reference="5") == [None]


def solved(questions: int, right: float, judge: Judge) -> Any:
    """Blindly verified samples of questions with known answers; samples are right at this rate, and err apart."""
    rows = []
    for question in range(questions):
        for sample in range(4):
            rng = rng_of("solved", right, question, sample)
            answer = "1" if rng.random() < right else str(rng.randrange(2, 9))
            rows.append(
                Row(
                    f"q{question}",
                    "en",
                    solution=str(sample),
                    solution_format="cot",
                    answer=answer,
                    reference_answer="1",
                )
            )
    return verify(
        to_table(rows),
        sandbox=None,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        blind=True,
        tick=_done,
    )


def test_a_calibration_learns_how_good_the_samples_are(judge: Judge) -> None:
    fits = {}
    for right in (0.3, 0.9):
        rows = solved(150, right, judge)
        outcome = calibrate(rows, base=prior(), tick=_done)
        facts = outcome.facts["calibration"]
        assert outcome.asked == outcome.rows.num_rows == rows.num_rows
        assert set(column(outcome.rows, "rejected")) == {
            "calibrate: its answer was known: it was solved to calibrate"
        }
        assert facts["labelled"] == 600
        assert facts["ece"] <= 0.05
        assert facts["accuracy"] >= 0.85
        assert sum(count for *_, count in facts["bins"]) == 600
        fits[right] = Calibration.from_dict(facts)
        assert calibrate(rows, base=prior(), tick=_done).facts == outcome.facts
    from tasks.voting import collect

    alone = collect(["p"] * 4, [0, 1, 2, 3])
    assert fits[0.3].probability(alone)[0] < fits[0.9].probability(alone)[0]


def test_without_labels_the_calibration_stays(judge: Judge) -> None:
    base = Calibration(tuple(np.linspace(-1, 1, len(prior().weights)).tolist()), 7)
    facts = calibrate(to_table([]), base=base, tick=_done).facts["calibration"]
    assert Calibration.from_dict(facts) == base
    assert facts["labelled"] == 0
    assert "ece" not in facts


def test_known_questions_come_from_seeds_and_families() -> None:
    seeds = to_table([Row(f"seed {i}", "en", reference_answer="1" if i % 2 else None) for i in range(40)])
    quota = {("en", "linear equations"): 9, ("zh", "determinants"): 8, ("en", "no such subdomain"): 3}
    known = known_questions(seeds, quota, seed=1)
    assert column(known, "reference_answer").count(None) == 0
    questions = list(
        zip(
            column(known, "question"),
            column(known, "language"),
            column(known, "reference_answer"),
            strict=True,
        )
    )
    drawn = [(answer, p) for text, language, answer in questions if (p := recognise(text, language))]
    assert 10 > len(drawn) >= math.floor(10 * 17 / 20) - 3
    assert all(problem.worked.answer == answer for answer, problem in drawn)
    assert {p.subdomain for _, p in drawn} == {"linear equations", "determinants"}
    assert sum(text.startswith("seed") for text, _, _ in questions) == 10
    assert known.equals(known_questions(seeds, quota, seed=1))
    assert not known.equals(known_questions(seeds, quota, seed=2))
    # no seed with an answer: all are drawn
    assert known_questions(to_table([]), {("en", "limits"): 4}, seed=1).num_rows == 4
    assert known_questions(seeds, {}, seed=1).num_rows == 0
