"""Chats that are read into columns are the same rows as those that are read one by one."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.rows import to_table
from tasks.ingestion.record import Record
from tasks.stages.import_dataset import RecordReading, common_of, rows_of, table_of

TEXTS = st.sampled_from(
    ["Hi.", " 2+2? ", "", "  ", "a\r\nb", "bell\x07", "zero\u200bwidth", "e\u0301", "求和", "Привет, мир", "=\u0338", "x" * 300_000]
) | st.text(max_size=12)  # fmt: skip
ROLES = st.sampled_from(
    ["user", "assistant", "system", "human", "gpt", " User ", "tool", "function_call", "nobody", "", "用户"]
)
TURNS = (
    st.builds(lambda role, text: {"role": role, "content": text}, ROLES, TEXTS)
    | st.builds(lambda role, text: {"from": role, "value": text}, ROLES, TEXTS)
    | st.sampled_from([
        {"role": "user"}, {"role": "user", "content": None}, {"role": None, "content": "x"}, {"content": "x", "value": "y"},
        {"role": "user", "content": "x", "name": "Ann"}, {"role": "assistant", "content": [{"type": "text", "text": "part"}]},
        "a text", ["user", "x"], 7, None, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]},
    ])
)  # fmt: skip
USUAL = st.lists(
    st.builds(
        lambda question, answer: [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        TEXTS.filter(str.strip),
        TEXTS.filter(str.strip),
    ),
    min_size=1,
    max_size=3,
).map(lambda exchanges: [turn for exchange in exchanges for turn in exchange])
NAMES = st.sampled_from(["messages", "conversations", "Messages", "history", "dialog", "turns"])
EXTRA = st.dictionaries(
    st.sampled_from(
        ["id", "score", "system", "language", "license", "source", "question", "solution", "text", "chosen", "rejected", "data",
         "label", "steps", "generations", "prompt", "instruction", "output", "domain", "messages"]
    ),
    st.sampled_from(["en", "zh", "xx", "A text.", 3, None, [], ["a", "b"], [{"role": "user", "content": "Why?"}]]),
    max_size=2,
)  # fmt: skip
RECORDS = st.builds(
    lambda name, turns, extra: extra | {name: turns},
    NAMES,
    USUAL | USUAL | st.lists(TURNS, max_size=5),
    EXTRA,
)


@settings(max_examples=400)
@given(st.lists(RECORDS, min_size=1, max_size=4), st.sampled_from(["auto", "chat", "text", "solution"]))
def test_rows_are_the_same_as_one_by_one(
    fields: list[dict[str, Any]], kind: Literal["auto", "chat", "text", "solution"]
) -> None:
    reading = RecordReading(kind=kind, license="MIT")
    records = [Record(f"line {number}", one) for number, one in enumerate(fields, 1)]
    records.append(Record("line 99", None, "not JSON"))
    common = common_of(records, reading)
    one_by_one = to_table(row for record in records for row in rows_of(record, reading, "chats", common))
    assert table_of(records, reading, "chats", common).to_pylist() == one_by_one.to_pylist()


@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_the_usual_shape_needs_no_row_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would also pass if every record were read one by one."""
    speaker, text = ("role", "content") if name == "messages" else ("from", "value")
    turns = [{speaker: role, text: f"{role} speaks"} for role in ("system", "user", "assistant", "user", "assistant")]  # fmt: skip
    records = [Record(f"line {number}", {"id": number, name: turns}) for number in range(3)]
    monkeypatch.setattr("tasks.stages.import_dataset.rows_of", None)
    table = table_of(records, RecordReading(license="MIT"), "chats", common_of([], RecordReading()))
    assert table.num_rows == 3
