"""Chats that are read into columns are the same rows as those that are read one by one."""

from __future__ import annotations

import io
import json
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.rows import to_table
from tasks.ingestion import files, json_records
from tasks.ingestion.files import numbered_lines
from tasks.ingestion.json_columns import _are_objects, column_of
from tasks.ingestion.json_records import LineBatch, json_lines, line_batches
from tasks.ingestion.record import Record
from tasks.stages.import_dataset import RecordReading, common_of, rows_of, table_of

TEXTS = st.sampled_from(
    ["Hi.", " 2+2? ", "", "  ", "a\r\nb", "bell\x07", "zero\u200bwidth", "e\u0301", "求和", "Привет, мир", "=\u0338", "x" * 300_000,
     "<think>Add.</think>\nIt is 9.", "Add.\n</think>\n\nIt is 9.", "<think>cut", "+", "- ", "[x]", "◁think▷a◁/think▷b", "“9”", "Q. Step 1: add"]
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


@pytest.mark.slow
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


def same_as_one_by_one(data: bytes, kind: Literal["auto", "chat", "text", "solution"] = "chat") -> int:
    """Compare the rows of lines that are parsed at once with those of lines that are parsed one by one, and return their number."""
    reading = RecordReading(kind=kind, license="MIT")
    records = list(json_lines(io.BytesIO(data)))
    common = common_of(records, reading)
    one_by_one = to_table(row for record in records for row in rows_of(record, reading, "chats", common))
    tables = [table_of(lines, reading, "chats", common) for lines in line_batches(io.BytesIO(data), 1000)]
    assert pa.concat_tables(tables).to_pylist() == one_by_one.to_pylist()
    return one_by_one.num_rows


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.lists(RECORDS, min_size=1, max_size=4),
    st.sampled_from(["auto", "chat", "text", "solution"]),
    st.booleans(),
)
def test_lines_that_are_parsed_at_once_are_the_same_rows(
    fields: list[dict[str, Any]], kind: Literal["auto", "chat", "text", "solution"], escaped: bool
) -> None:
    lines = [json.dumps(one, ensure_ascii=escaped) for one in fields]
    same_as_one_by_one("\n".join(lines).encode("utf-8", "surrogatepass"), kind)


USUAL_LINE = json.dumps({"id": 1, "messages": [
    {"role": "user", "content": 'What is "2 + 2"?\n\tA number \\ a word'}, {"role": "assistant", "content": "4"},
]}).encode()  # fmt: skip
CHINESE_LINE = json.dumps({"id": 2, "messages": [
    {"role": "user", "content": "求和: 2 + 2"}, {"role": "assistant", "content": "\u0301=\u0338 \n\u0301"},
]}, ensure_ascii=False).encode()  # fmt: skip
LINES = {
    "a name twice": b'{"messages": [], "id": 1, "id": 2}',
    "a name twice by an escape": b'{"id": 1, "\\u0069d": 2}',
    "a name twice in a turn": b'{"messages": [{"role": "user", "role": "system", "content": "x"}]}',
    "two objects": b'{"id": 1}{"id": 2}',
    "two objects, as the parser is given them": b'{"id": 1}} {"record": {"id": 2}',
    "another record, as the parser is given it": b'{"id": 1}, "other": {"id": 2}',
    "an object that does not end": b'{"id": 1, "messages": [{"role": "user"',
    "half an object": b'"messages": []}',
    "an array": b"[1, 2]",
    "null": b"null",
    "NaN": b'{"id": NaN, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}',
    "infinity": b'{"id": Infinity, "messages": []}',
    "a number of many digits": b'{"id": ' + b"9" * 5000 + b"}",
    "a number in place of a text": b'{"messages": [{"role": "user", "content": 7}]}',
    "no turns": b'{"messages": []}',
    "a null turn": b'{"messages": [null]}',
    "half a pair": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "no UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "a control character": b'{"messages": [{"role": "user", "content": "\x01"}]}',
    "an escaped control character": b'{"messages": [{"role": "user", "content": "a\\u0000b\\u007f"}, {"role": "assistant", "content": "x"}]}',
    "a date in another column": b'{"id": "2024-01-01", "messages": [{"role": "user", "content": "2024-01-01"}, {"role": "assistant", "content": "x"}]}',
    "lists in lists": b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects in objects": b'{"id": ' + b'{"a": ' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "a field more, which is empty": b'{"messages": [{"role": "user", "content": "x", "name": null}, {"role": "assistant", "content": "y"}]}',
    "another layout": b'{"messages": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]}',
    "a system prompt beside it": b'{"system": "Be short.", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}',
    "blank": b"   ",
    "another end of the line": USUAL_LINE + b"\r",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("around", [USUAL_LINE, CHINESE_LINE], ids=["ascii", "chinese"])
def test_an_odd_line_among_usual_ones_becomes_the_same_rows(line: bytes, around: bytes) -> None:
    assert same_as_one_by_one(b"\n".join([around, line, around])) >= 2
    assert same_as_one_by_one(b"\n".join([line, around, b""])) >= 1


@pytest.mark.parametrize("place", [0, 31, 32, 63, 64, 99])
def test_one_line_of_many_brackets_is_recognised_among_many_of_few(place: int) -> None:
    """The parser is not given it; it recurses into what is nested."""
    lines = [USUAL_LINE] * 100
    batch = LineBatch.of(range(1, 101), lines)
    assert column_of(batch, "messages", pa.list_(pa.struct([("role", pa.string())]))) is not None
    for deep, few in ((b"[" * 400 + b"]" * 400, False), (b"[" * 300 + b"]" * 300, True)):
        lines[place] = b'{"deep": ' + deep + b"}"
        assert _are_objects(LineBatch.of(range(1, 101), lines)) is few


def test_lines_are_given_to_the_parser_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is refused leaves only its block to the other reader."""
    monkeypatch.setattr(json_records, "_BLOCK", 10_000)
    lines = [USUAL_LINE.replace(b"2 + 2", b"%d + 2" % number) for number in range(500)]
    lines[7] = b"not JSON"
    batch = LineBatch.of(range(1, 501), lines)
    blocks = list(batch.blocks())
    assert len(blocks) > 1
    assert [line.rstrip() for _, block in blocks for line in block.lines(range(len(block)))] == lines
    assert [first for first, _ in blocks] == [block.numbers[0] - 1 for _, block in blocks]
    assert same_as_one_by_one(b"\n".join(lines)) == 500


PIECES = st.sampled_from([b"a", b"bb", b"\n", b" ", b"\r\n", b"{}", b"xyz"])


@settings(max_examples=300)
@given(
    st.lists(PIECES, max_size=30),
    st.sampled_from([1, 7, 1000]),
    st.sampled_from([3, 5, 100]),
    st.integers(1, 5),
)
def test_lines_that_are_read_in_blocks_are_those_that_are_read_one_by_one(
    pieces: list[bytes], block: int, longest: int, size: int
) -> None:
    data = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_BLOCK", block)
        patch.setattr(json_records, "MAX_LINE", longest)
        patch.setattr(files, "MAX_LINE", longest)
        one_by_one = [
            (number, line.rstrip(b"\n"))
            for number, line in numbered_lines(io.BytesIO(data))
            if not line.isspace()
        ]
        batches = list(line_batches(io.BytesIO(data), size))
    assert [
        (int(number), line[:-1])
        for batch in batches
        for number, line in zip(batch.numbers, batch.lines(range(len(batch))), strict=True)
    ] == one_by_one
    assert all(len(batch) == size for batch in batches[:-1])


@pytest.mark.parametrize("lines", [False, True], ids=["records", "lines"])
@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_the_usual_shape_needs_no_row_of_its_own(
    name: str, lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would also pass if every record were read one by one."""
    speaker, text = ("role", "content") if name == "messages" else ("from", "value")
    turns = [{speaker: role, text: f"{role} speaks"} for role in ("system", "user", "assistant", "user", "assistant")]  # fmt: skip
    fields = [{"id": number, name: turns} for number in range(3)]
    records = (
        LineBatch.of(range(3), [json.dumps(one).encode() for one in fields])
        if lines
        else [Record(f"line {number}", one) for number, one in enumerate(fields)]
    )
    monkeypatch.setattr("tasks.stages.import_dataset.rows_of", None)
    table = table_of(records, RecordReading(license="MIT"), "chats", common_of([], RecordReading()))
    assert table.num_rows == 3
