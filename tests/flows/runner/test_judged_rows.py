"""Judgements of people as the calibration of the votes: each is used once, and a run after that one starts from its weights."""

from __future__ import annotations

from pathlib import Path

from flows.runner.judged_rows import judged_calibration
from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.rows import Row, to_table


def test_a_run_after_all_judgements_were_used_starts_from_their_weights(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [
        Row(f"What is {n} + 1?", "en", solution=f"{n + 1}", answer=f"{n + 1}", verdicts={"consistent": "3/4"})
        for n in range(8)
    ]
    first = store.publish("d", [to_table(rows)], lineage={})
    store.judge(first, [RowJudgement(row.id, "ada", RowOpinion.RIGHT) for row in rows])
    fitted, judged, count = judged_calibration(store, first)
    assert (judged["rows"], judged["right"], count) == (8, 8, 8)
    more = [Row("What is 50 + 1?", "en", solution="51", answer="51")]
    record = {"calibration": fitted.to_dict() | {"judged": judged}}
    second = store.publish("d", [to_table(more)], lineage=record)
    again, seen, fresh = judged_calibration(store, second)
    assert again == fitted
    assert (seen, fresh) == (judged, 0)
