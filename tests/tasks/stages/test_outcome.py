"""The balance: in = kept + rejected + failed, and a filter returns the rows that it was given."""

from __future__ import annotations

import pytest

from storage.reasons import Code, reason
from storage.rows import Row, reject, to_table
from tasks.stages.outcome import Balance, Imbalance, Outcome, balance, same_rows


def test_kept_rejected_and_failed_are_counted_apart() -> None:
    table = to_table([Row(f"q{i}", "en") for i in range(4)])
    table = reject(
        table,
        [None, reason("solve", Code.NO_ANSWER), reason("solve", Code.CALL_FAILED, error="http 500"), None],
    )
    assert balance("solve", Outcome(table, asked=4)) == Balance(asked=4, kept=2, rejected=1, failed=1)


def test_a_reason_that_speaks_of_failure_is_no_failure() -> None:
    table = reject(
        to_table([Row("q", "en")]),
        [reason("verify", Code.PROGRAM_FAILED, verdict="failed", error="failed: x")],
    )
    assert balance("verify", Outcome(table, asked=1)).rejected == 1


@pytest.mark.parametrize("asked", [1, 3])
def test_lost_and_invented_rows_fail_the_stage(asked: int) -> None:
    table = to_table([Row("a", "en"), Row("b", "en")])
    with pytest.raises(Imbalance, match="solve returned"):
        balance("solve", Outcome(table, asked=asked))


def test_a_filter_that_swaps_a_row_is_found_though_the_count_is_right() -> None:
    before = to_table([Row("a", "en"), Row("b", "en")])
    after = to_table([Row("a", "en"), Row("c", "en")])
    same_rows("dedup", before, before)
    with pytest.raises(Imbalance):
        same_rows("dedup", before, after)


def test_the_first_reason_stays() -> None:
    table = reject(to_table([Row("a", "en")]), [reason("one", Code.NO_ANSWER)])
    assert reject(table, [reason("two", Code.NO_PROGRAM)]).column("rejected").to_pylist() == [
        "one: no final answer in the completion"
    ]
