"""Cohen's kappa, and the label that several reviewers give a row."""

from __future__ import annotations

import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from tasks.review.agreement import agreements, label, newest

RIGHT, WRONG, UNCLEAR, SKIP = RowOpinion.RIGHT, RowOpinion.WRONG, RowOpinion.UNCLEAR, RowOpinion.SKIP


def pairs(*given: tuple[RowOpinion, RowOpinion]) -> list[RowJudgement]:
    return [
        RowJudgement(f"r{i}", name, one)
        for i, both in enumerate(given)
        for name, one in zip(("ada", "ben"), both, strict=True)
    ]


def test_kappa_is_that_of_the_textbook() -> None:
    # 20 both right, 5 and 10 apart, 15 both wrong: observed .70, by chance .50
    (one,) = agreements(
        pairs(*[(RIGHT, RIGHT)] * 20, *[(RIGHT, WRONG)] * 5, *[(WRONG, RIGHT)] * 10, *[(WRONG, WRONG)] * 15)
    )
    assert (one.first, one.second, one.rows, one.same) == ("ada", "ben", 50, 0.7)
    assert one.kappa == pytest.approx(0.4)


def test_skipped_rows_are_no_agreement_and_one_opinion_alone_has_no_kappa() -> None:
    assert agreements(pairs((SKIP, RIGHT), (RIGHT, SKIP))) == []
    (one,) = agreements(pairs((RIGHT, RIGHT), (RIGHT, RIGHT), (SKIP, WRONG)))
    assert (one.rows, one.same, one.kappa) == (2, 1.0, None)


def test_the_newest_judgement_of_a_reviewer_counts_and_reviewers_are_averaged() -> None:
    log = [RowJudgement("r", "ada", WRONG), RowJudgement("r", "ben", WRONG), RowJudgement("r", "ada", RIGHT)]
    of_row = newest(log)["r"]
    assert {name: one.opinion for name, one in of_row.items()} == {"ada": RIGHT, "ben": WRONG}
    assert label(of_row.values()) == 0.5
    assert label([RowJudgement("r", "ada", UNCLEAR), RowJudgement("r", "ben", WRONG)]) == 1.0
    assert label([RowJudgement("r", "ada", UNCLEAR)]) is None
