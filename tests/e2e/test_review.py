"""Judgements become a version, on a real Prefect server: wrong rows go, corrected ones are verified and replace the old."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tests.e2e.processes import Home

pytestmark = pytest.mark.e2e

# as much as a report reads
LINEAGE = {
    "flow": "import",
    "run": "first",
    "funnel": [],
    "costs": [],
    "licenses": {},
    "inputs": [],
    "parameters": {},
}
RIGHT, WRONG = RowOpinion.RIGHT, RowOpinion.WRONG


def program(number: int) -> Row:
    return Row(
        f"What is {number} + 1?", "en", solution=f"print({number} + 1)\n", solution_format="pot",
        answer=str(number + 1), correctness=0.9, subdomain="sums", license="MIT", source="web",
    )  # fmt: skip


@pytest.mark.slow
def test_corrections_are_a_version_with_lineage(home: Callable[..., Home]) -> None:
    one = home()
    store = Store(one.path)
    rows = [program(number) for number in range(8)]
    base = store.publish("d", [to_table(rows)], lineage=LINEAGE)
    assert "nobody has judged a row" in one.run("correct", "d", code=2).stderr
    wrong, tie, fixed, failing, polished = (row.id for row in rows[:5])
    store.judge(
        base,
        [
            RowJudgement(wrong, "ada", WRONG),
            RowJudgement(tie, "ada", WRONG),
            RowJudgement(tie, "ben", RIGHT),
            RowJudgement(fixed, "ada", WRONG, solution="print(3)\n", answer="3"),
            RowJudgement(failing, "ada", WRONG, solution="print(5)\n", answer="4"),
            RowJudgement(polished, "ada", RIGHT, solution="print(6)\n", answer="5"),
        ],
    )
    said = one.run("correct", "d").stdout
    assert "2 rows removed and 1 corrected, on 1 the reviewers disagree" in said
    version = store.resolve("d")
    kept = {row["id"]: row for row in store.read(version).to_pylist()}
    assert not {wrong, fixed, failing} & set(kept)
    assert {tie, polished, rows[7].id} <= set(kept)
    (new,) = [row for row in kept.values() if row["parent_ids"] == [fixed]]
    assert (new["solution"], new["answer"]) == ("print(3)\n", "3")
    assert dict(new["verdicts"])["executed"] == "ok"
    assert version.lineage["base"] == str(base)
    assert version.lineage["judgements"]["corrected"] == {fixed: new["id"]}
    assert version.rows == len(rows) - 2
    whys = {
        (one["id"], one["code"])
        for one in one.sql("SELECT id, code FROM rejected WHERE run LIKE 'corrections-%'")
    }
    assert {(wrong, "judged_wrong"), (fixed, "corrected"), (failing, "judged_wrong")} <= whys
    assert sorted(code for _, code in whys) == [
        "corrected",
        "different",
        "different",
        "judged_wrong",
        "judged_wrong",
    ]
    assert "nothing was published" in one.run("correct", "d").stdout
    assert store.resolve("d") == version
