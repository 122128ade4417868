"""Typed reasons: they are stored and read back, shown by one text per code, and not part of a version's digest."""

from __future__ import annotations

import pyarrow as pa
import pytest

from storage.datasets.candidates import SCHEMA
from storage.datasets.digest import digest_of_rows
from storage.reasons import FAILURES, TEXTS, TYPE, Code, Reason, of_record, reason, to_array
from storage.rows import Row, reasons_of, reject, replace, to_table, unrejected
from tests.row_objects import from_table


def test_every_code_has_a_text_and_requires_its_values() -> None:
    assert set(TEXTS) == set(Code)
    assert set(Code) >= FAILURES
    with pytest.raises(ValueError, match=r"has the values \['answer', 'reference'\]"):
        reason("verify", Code.DIFFERENT, answer="3")


def test_reasons_come_back_as_they_were_stored() -> None:
    given = [
        reason("verify", Code.DIFFERENT, answer="{x} [y]", reference="4"),
        None,
        reason("solve", Code.CALL_FAILED, error="http 500"),
        Reason("later", "a_code_of_a_newer_program", values={"b": "2", "a": "1"}),
    ]
    table = reject(to_table([Row(f"q{i}", "en") for i in range(4)]), given)
    assert reasons_of(table) == given
    assert table.column("rejected").to_pylist() == [
        "verify: answer {x} [y] is not 4",
        None,
        "solve: failed: http 500",
        "later: a_code_of_a_newer_program a=1 b=2",
    ]
    assert to_table(from_table(table)).equals(table)
    assert [of_record(cell) for cell in to_array(given).to_pylist()] == given
    assert (
        unrejected(table).column("rejected").null_count == unrejected(table).column("reason").null_count == 4
    )


def test_a_failed_call_has_its_class_beside_the_text() -> None:
    failed = reason("solve", Code.CALL_FAILED, error="http 500: boom", kind="http")
    assert failed.text == "solve: failed: http 500: boom"
    assert failed.values["kind"] == "http"
    assert reasons_of(reject(to_table([Row("q", "en")]), [failed])) == [failed]
    with pytest.raises(ValueError, match="has the values"):
        reason("solve", Code.NO_ANSWER, kind="http")


def test_an_empty_clause_is_left_out() -> None:
    ran = {"verdict": "timeout"}
    assert reason("verify", Code.PROGRAM_FAILED, **ran, error="").text == "verify: program: timeout"
    assert reason("verify", Code.PROGRAM_FAILED, **ran, error="5 s").text == "verify: program: timeout: 5 s"


def test_a_published_row_is_named_with_its_version() -> None:
    assert reason("dedup", Code.EXACT, other="ab").text == "dedup: exact of ab"
    assert reason("dedup", Code.EXACT, other="ab", version="m@1").text == "dedup: exact of ab in m@1"
    assert reason("dedup", Code.REPEATED).text == "dedup: there already, word for word"
    assert reason("dedup", Code.REPEATED, version="m@1").text == "dedup: there already, word for word, in m@1"
    with pytest.raises(ValueError, match="has the values"):
        reason("dedup", Code.EXACT, version="m@1")


def test_a_row_that_was_stored_with_text_alone_has_an_unknown_reason() -> None:
    table = to_table([Row("q", "en", rejected="verify: failed: x"), Row("r", "en")])
    (why, kept) = reasons_of(table)
    assert why == Reason("unknown", Code.UNKNOWN, values={"text": "verify: failed: x"})
    assert why.text == "verify: failed: x"
    assert kept is None


def test_kept_rows_have_the_digest_that_they_had_without_reasons() -> None:
    table = to_table([Row(f"q{i}", "en", solution="s") for i in range(5)])
    assert digest_of_rows(table) == digest_of_rows(table.drop_columns(["reason"]))


def test_the_digest_sees_every_part_of_a_reason() -> None:
    base = to_table([Row("q", "en")])
    one = {"stage": "verify", "code": "different", "failed": False, "values": [("answer", "1")]}
    changes = [{}, {"stage": "weigh"}, {"code": "x"}, {"failed": True}, {"values": [("answer", "2")]}]
    digests = [
        digest_of_rows(replace(base, reason=pa.array([one | change], TYPE))).hex() for change in changes
    ]
    assert len({*digests, digest_of_rows(base).hex()}) == len(changes) + 1
    two = pa.concat_tables([replace(base, reason=pa.array([one], TYPE)), base])
    assert digest_of_rows(two) == digest_of_rows(two.slice(0, 1)) + digest_of_rows(two.slice(1))


def test_candidates_of_an_earlier_program_get_the_column(store, rows, monkeypatch) -> None:
    from storage import rows as row_module
    from storage.datasets import candidates

    before = pa.schema([field for field in SCHEMA if field.name != "reason"])
    old_rows = pa.schema([field for field in row_module.SCHEMA if field.name != "reason"])
    old = rows(0, 2).drop_columns(["reason"])
    with monkeypatch.context() as patched:
        patched.setattr(candidates, "SCHEMA", before)
        patched.setattr(row_module, "SCHEMA", old_rows)
        store.append_candidates(old, run="old", version=None, stage="verify")
    why = reason("verify", Code.NO_ANSWER)
    store.append_candidates(reject(rows(2, 4), [why, why]), run="new")
    table = store.candidates().to_table().sort_by("run")
    assert table.column("run").to_pylist() == ["new", "new", "old", "old"]
    assert reasons_of(table)[:2] == [why, why]
    assert table.column("reason").null_count == 2
