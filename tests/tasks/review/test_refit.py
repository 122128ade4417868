"""Judgements of people refit the weights of the votes, each once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.rows import Row, to_table
from tasks.review.refit import new_truths, refitted
from tasks.voting import Calibration, from_rows
from tasks.voting.calibration import prior


def table(count: int, same: int, against: int) -> pa.Table:
    """Rows of as many questions, on each of which `same` samples agree and `against` do not."""
    return to_table(
        Row(
            f"What is {same}, {against} and {n}?", "en", solution=f"It is {n}.", answer=str(n),
            verdicts={"consistent": f"{same}/{same + against}", "programs": f"{same}/{same + against}", "worked": "0/0", "rival": str(against)},
        )
        for n in range(count)
    )  # fmt: skip


def judgements_of(rows: pa.Table, right: float, first: int = 0) -> list[RowJudgement]:
    """Judgements of all rows, of which a share is right."""
    ids = rows.column("id").to_pylist()
    return [
        RowJudgement(
            row, "ann", RowOpinion.RIGHT if at < right * len(ids) else RowOpinion.WRONG, number=first + at
        )
        for at, row in enumerate(ids)
    ]


def test_what_people_call_wrong_counts_for_less() -> None:
    rows = table(200, 3, 1)
    before = float(np.mean(prior().probability(from_rows(rows))))
    for right in (0.1, 0.95):
        truths, through = new_truths(judgements_of(rows, right), {})
        fitted, judged = refitted(rows, truths, through, {})
        after = float(np.mean(fitted.probability(from_rows(rows))))
        assert abs(after - right) < abs(before - right), (right, before, after)
        assert judged == {"rows": 200, "right": round(200 * right), "through": 199}
        assert fitted.rows == 200


def test_a_judgement_is_counted_once() -> None:
    rows = table(20, 3, 1)
    judgements = judgements_of(rows, 0.5)
    truths, through = new_truths(judgements, {})
    fitted, judged = refitted(rows, truths, through, {})
    record = fitted.to_dict() | {"judged": judged}
    assert new_truths(judgements, record) == ({}, 19)
    again, after = refitted(rows.slice(0, 0), {}, 19, record)
    assert (again, after) == (Calibration.from_dict(record), judged)
    # a reviewer who changes their mind is heard
    changed = [*judgements, RowJudgement(judgements[0].row, "ann", RowOpinion.WRONG, number=20)]
    truths, through = new_truths(changed, record)
    assert truths == {judgements[0].row: False}
    _, later = refitted(rows.slice(0, 1), truths, through, record)
    assert later == {"rows": 21, "right": 10, "through": 20}


def test_what_nobody_decided_and_what_has_no_votes_is_left_out() -> None:
    rows = table(3, 2, 0)
    one, two, three = rows.column("id").to_pylist()
    judgements = [
        RowJudgement(one, "ann", RowOpinion.RIGHT, number=0),
        RowJudgement(one, "bob", RowOpinion.WRONG, number=1),
        RowJudgement(two, "ann", RowOpinion.UNCLEAR, number=2),
        RowJudgement(three, "ann", RowOpinion.RIGHT, number=3),
    ]
    assert new_truths(judgements, {}) == ({three: True}, 3)
    imported = to_table([Row("What is 1 + 1?", "en", solution="2", answer="2")])
    (row,) = imported.column("id").to_pylist()
    fitted, judged = refitted(imported, {row: False}, 4, {})
    assert (fitted, judged) == (prior(), {"rows": 0, "right": 0, "through": 4})
