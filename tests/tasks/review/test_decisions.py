"""What several reviewers decide, and the row that has a reviewer's texts."""

from __future__ import annotations

import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.rows import Row, to_table
from tasks.review.decisions import CORRECTED_BY, corrections, decisions, removed
from tests.row_objects import from_table

RIGHT, WRONG, UNCLEAR = RowOpinion.RIGHT, RowOpinion.WRONG, RowOpinion.UNCLEAR
ROW = Row(
    "What is 2 + 2?", "en", solution="It is 5.", answer="5", model="m", prompt="p", subdomain="sums", source="web",
    verdicts={"programs": "1/2"}, scores={"answer": 0.9}, correctness=0.8, critique="fine",
)  # fmt: skip


def given(*opinions: tuple[str, RowOpinion], row: str = "r", **texts: str) -> list[RowJudgement]:
    return [
        RowJudgement(row, name, opinion, number=number, **texts)  # type: ignore[arg-type]
        for number, (name, opinion) in enumerate(opinions)
    ]


@pytest.mark.parametrize(
    ("opinions", "goes", "disputed"),
    [
        ([("a", WRONG)], True, False),
        ([("a", RIGHT)], False, False),
        ([("a", WRONG), ("b", RIGHT)], False, True),
        ([("a", WRONG), ("b", RIGHT), ("c", WRONG)], True, False),
        ([("a", WRONG), ("b", UNCLEAR)], True, False),
        ([("a", WRONG), ("a", RIGHT)], False, False),  # the newest counts
    ],
)
def test_most_of_those_who_decided_must_call_a_row_wrong(
    opinions: list[tuple[str, RowOpinion]], goes: bool, disputed: bool
) -> None:
    (decision,) = decisions(given(*opinions)).values()
    assert (decision.goes, decision.disputed) == (goes, disputed)
    assert list(removed(given(*opinions))) == (["r"] if goes else [])


def test_unclear_rows_are_not_decided() -> None:
    assert decisions(given(("a", UNCLEAR), ("b", RowOpinion.SKIP))) == {}


def corrected(**texts: str) -> Row:
    (row,) = from_table(
        corrections(to_table([ROW]), decisions(given(("ada", WRONG), row=ROW.id, **texts)))[0]
    )
    return row


def test_a_corrected_row_has_the_new_texts_its_parent_and_nothing_that_was_said_of_the_old_one() -> None:
    row = corrected(solution="It is 4.", answer="4")
    assert (row.question, row.solution, row.answer, row.reference_answer) == (
        ROW.question,
        "It is 4.",
        "4",
        "4",
    )
    assert (row.parent_ids, row.problem_id, row.subdomain, row.source) == (
        [ROW.id],
        ROW.problem_id,
        "sums",
        "web",
    )
    assert (row.scores, row.correctness, row.critique, row.model, row.prompt) == ({}, None, None, None, None)
    assert list(row.verdicts) == [CORRECTED_BY]
    assert "ada" not in str(row)


def test_another_question_is_another_problem_and_keeps_who_wrote_the_solution() -> None:
    row = corrected(question="What is 2 + 3?")
    assert row.problem_id != ROW.problem_id
    assert (row.solution, row.answer, row.model, row.reference_answer) == ("It is 5.", "5", "m", None)


def test_an_edit_that_changes_nothing_makes_no_row_and_equal_edits_make_one() -> None:
    other = Row("What is 2 + 3?", "en", solution="It is 5.", answer="5")
    table = to_table([ROW, other])
    same = given(("a", RIGHT), row=ROW.id, solution=str(ROW.solution))
    assert corrections(table, decisions(same))[0].num_rows == 0
    both = [
        *given(("a", WRONG), row=ROW.id, question="Q?"),
        *given(("a", WRONG), row=other.id, question="Q?"),
    ]
    rows, replaces = corrections(table, decisions(both))
    assert rows.num_rows == 1
    assert list(replaces.values()) == [ROW.id]
