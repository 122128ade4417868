"""What a rebuild says of its candidates and of its base: every number can be followed to another one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from flows.runner.rebuild_summary import OF_BASE, base_in_words, summary, target_in_words
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.reports.figures import dropped_by
from tasks.reports.funnel import CANDIDATES, cells, lines_of
from tasks.stages.rejudge import CandidateArrays

MOST = reason("mix", Code.OVER_QUESTION, most="2")
WRONG = reason("verify", Code.DIFFERENT, answer="1", reference="2")
CALL = reason("critique", Code.CALL_FAILED, error="x", kind="http")


def rebuilt() -> tuple[CandidateArrays, Any, Any]:
    """Return a pool of seven candidates, and a base with three of them and one row that has no candidate."""
    rows = to_table([Row(f"q {number}", "en", solution="s") for number in range(7)])
    ids = rows.column("id").to_pylist()
    why = np.array([None, None, MOST, WRONG, WRONG, CALL, MOST], dtype=object)
    alive = np.array([one is None for one in why])
    zeros = np.zeros(7, dtype=np.int64)
    pool = CandidateArrays(rows, [], zeros, zeros, alive, why)
    base = SimpleNamespace(rows=4, lineage={"ended": {"target": 40}})
    table = pa.table({"id": [ids[0], ids[2], ids[3], "gone"]})
    return pool, base, SimpleNamespace(read=lambda version, names: table)


def test_all_candidates_are_one_line_whose_counts_sum_and_whose_reasons_are_all_listed() -> None:
    stored = summary(*rebuilt())
    lineage = {"funnel": [], **stored}
    (line,) = lines_of(lineage)
    assert cells(line) == {"in": 7, "kept": 2, "not taken": 2, "rejected": 2, "failed": 1}
    assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    reasons = dropped_by(lineage, lambda: to_table([]))
    assert sum(one.rows for one in reasons if one.not_taken) == 2
    assert sum(one.rows for one in reasons if not one.not_taken) == 3
    assert all(one.examples for one in reasons)


def test_a_version_of_a_night_has_the_reasons_of_its_run_and_no_line_of_all_candidates() -> None:
    dropped = to_table([Row("q", "en", reason=WRONG)])
    assert [one.stage for one in dropped_by({"funnel": []}, lambda: dropped)] == ["verify"]
    assert lines_of({"funnel": [{"stage": "mix"}]}) == [{"stage": "mix"}]


def test_the_base_and_the_target_are_named_in_words() -> None:
    of_base = summary(*rebuilt())[OF_BASE]
    words = base_in_words("math@1", of_base)
    assert words.startswith("math@1: 1 of its 4 rows kept, 1 other row taken, 3 of its rows left out; ")
    assert "mix: " in words
    assert "verify: " in words
    assert words.endswith("; its runs have no candidate of them (1)")
    assert target_in_words(None, of_base).startswith("that of the night (40) does not apply: ")
    assert target_in_words(None, of_base | {"target": None}).startswith("that of a night does not apply: ")
    assert target_in_words(7, of_base) == "at most 7 rows, as the setting target says"
    assert CANDIDATES not in of_base
