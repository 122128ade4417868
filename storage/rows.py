"""The row: a candidate solution to a question, or a question if it has no solution; by its kind also a chat or a document.

It is a slotted dataclass in memory and an explicit pyarrow schema on the disk; the import of this module checks that the two
agree. Stages work on tables; the dataclass is for code that makes rows one by one, such as a parser of completions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import operator
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, cast, get_type_hints

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from storage.reasons import NOT_TAKEN, Reason, of_record, to_array, untyped
from storage.reasons import TYPE as REASON

# The values of `kind`; null is a solution or a question.
CHAT: Final = (
    "chat"  # a chat of any number of turns: `messages` has them, `question` the texts of the user's turns
)
TEXT: Final = "text"  # a document: `question` has its text


class ChatTurn(TypedDict):
    """One turn of a chat. `role` is system, user, assistant or tool.

    `reasoning` is the thinking before an assistant's turn. `tool_calls` are the calls that it makes, as the text of a JSON
    list of {"id", "type": "function", "function": {"name", "arguments"}}; a turn of a tool has the id of its call and the
    name of the tool. What a turn lacks is None.
    """

    role: str
    content: str | None
    reasoning: str | None
    tool_calls: str | None
    tool_call_id: str | None
    name: str | None


class DocumentBlock(TypedDict):
    """One block of a passage: a paragraph, a formula, a theorem, an exercise, its printed solution, and so on.

    `kind` is one of tasks.documents.document.KINDS; `text` is its Markdown with LaTeX formulas; `label` is what the document
    calls it ("Exercise 3.2.1"), None where it has no name. `page` counts from 1 and is None in formats without pages. `start`
    and `end` are the span in bytes of the file that was read (in a container, of its inner file `part`, which is None
    elsewhere), None where the format has no such offsets.

    A hint, an answer or a solution belongs to the nearest exercise or example before it in the passage, a proof to the nearest
    theorem before it: what is printed at the back of a book is moved there, and keeps its own span. An exercise in parts may have
    several of a kind, one per part, which begins with its mark "(a)"; they are in the order of the parts. The text of an exercise
    has the introduction that it shares with others, and the formula or table of its section that it refers to, before that of its span.
    """

    kind: str
    text: str
    label: str | None
    part: str | None
    page: int | None
    start: int | None
    end: int | None


BLOCKS: Final = pa.list_(
    pa.struct(
        [(name, pa.string()) for name in ("kind", "text", "label", "part")]
        + [(name, pa.int64()) for name in ("page", "start", "end")]
    )
)
MESSAGES: Final = pa.list_(pa.struct([(name, pa.string()) for name in ChatTurn.__annotations__]))

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("solution", pa.string()),
        ("solution_format", pa.string()),
        ("answer", pa.string()),
        ("reference_answer", pa.string()),
        ("language", pa.string()),
        ("domain", pa.string()),
        ("subdomain", pa.string()),
        ("source", pa.string()),
        ("license", pa.string()),
        ("method", pa.string()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("params", pa.string()),
        ("sample_index", pa.int32()),
        ("parent_ids", pa.list_(pa.string())),
        ("concepts", pa.list_(pa.string())),
        ("verdicts", pa.map_(pa.string(), pa.string())),
        ("scores", pa.map_(pa.string(), pa.float32())),
        ("correctness", pa.float32()),
        ("difficulty", pa.float32()),
        ("loss_weight", pa.float32()),
        ("critique", pa.string()),
        ("rejected", pa.string()),
        ("reason", REASON),
        # added later; new columns come last, as in tables that were made before them
        ("reasoning", pa.string()),
        ("kind", pa.string()),
        ("messages", MESSAGES),
        ("blocks", BLOCKS),
        ("order", pa.float32()),
    ]
)


# keys of `verdicts` that other modules read
STATED_DIFFICULTY = (
    "stated_difficulty"  # as stated by the writer of the question, from 1 (routine) to 5 (competition)
)
ABSTAINED = "abstained"  # how many completions for the question have no answer; absent if all have one
SOLUTION_BY = "solution_by"  # of a solution that no model wrote: `source` (printed there) or `procedure` (computed); it is trusted
DERIVED_FROM = "derived_from"  # problem ids, with blanks between: it is a change of these questions, and no near duplicate of them
JUDGED_BY = "judged_by"  # the trained critic that judged the solution, by its kind and digest
WRONG_STEP = "wrong_step"  # the solution's first wrong line according to a critic, counted from 1

# key of `params` that other modules read
GRAPH = "graph"  # digest of the graph of concepts (tasks/concepts) that the concepts of the question are from


@dataclass(slots=True)
class Row:
    """One candidate solution to one question, or what `kind` says.

    `reason` says why the row is not kept (storage/reasons.py) and is None for a kept row; `rejected` is the same as text for
    people. Rows that were stored before reasons had a type have the text only. `reasoning` is the thinking that a model wrote
    before the solution; None where it wrote none, and in rows that were stored before the column existed.
    `kind` is None, CHAT or TEXT; only a chat has `messages`, and only a passage of a structured document has `blocks`.
    `order` is the place of the row in a curriculum, from 0 (easy) to 1 (hard); None where the mixture wrote none.
    """

    question: str
    language: str
    id: str = ""
    problem_id: str = ""
    solution: str | None = None
    solution_format: str | None = None
    answer: str | None = None
    reference_answer: str | None = None
    domain: str | None = None
    subdomain: str | None = None
    source: str | None = None
    license: str | None = None
    method: str | None = None
    model: str | None = None
    prompt: str | None = None
    params: str | None = None
    sample_index: int | None = None
    parent_ids: list[str] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    correctness: float | None = None
    difficulty: float | None = None
    loss_weight: float | None = None
    critique: str | None = None
    rejected: str | None = None
    reason: Reason | None = None
    reasoning: str | None = None
    kind: str | None = None
    messages: list[ChatTurn] | None = None
    blocks: list[DocumentBlock] | None = None
    order: float | None = None

    def __post_init__(self) -> None:
        if self.reason is not None and self.rejected is None:
            self.rejected = self.reason.text
        if not self.problem_id:
            self.problem_id = content_id(self.language, self.question)
        if not self.id:
            self.id = content_id(self.language, self.question, self.solution or "", *self._own_parts())

    def _own_parts(self) -> list[str]:
        """Return what the id of a row of another kind than a solution or a question is hashed from in addition."""
        if self.kind is None:
            return []
        turns = [[turn[name] for name in _TURN] for turn in self.messages or ()]  # type: ignore[literal-required]
        try:
            listed = orjson.dumps(turns).decode()
        except orjson.JSONEncodeError:  # half a UTF-16 pair, which the standard library writes
            listed = json.dumps(turns, ensure_ascii=False, separators=(",", ":"))
        return [self.kind, listed]


_TURN = tuple(ChatTurn.__annotations__)
_VALUES = operator.attrgetter(*SCHEMA.names)


def content_id(*parts: str) -> str:
    """Return an id of 24 hex digits (96 bits), hashed from the parts, each NFC-normalised and length-prefixed."""
    hashed: list[bytes] = []
    for part in parts:
        normal = part if part.isascii() else unicodedata.normalize("NFC", part)
        data = normal.encode("utf-8", "surrogatepass")
        hashed += (len(data).to_bytes(8, "big"), data)
    return hashlib.sha256(b"".join(hashed)).hexdigest()[:24]


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table of SCHEMA, with maps sorted by key, so that equal rows have equal bytes."""
    records = [_VALUES(row) for row in rows]
    columns: list[pa.Array] = []
    for number, column in enumerate(SCHEMA):
        values: list[Any] = [record[number] for record in records]
        if pa.types.is_map(column.type):
            columns.append(_maps(values, column.type))
        else:
            columns.append(to_array(values) if column.type == REASON else pa.array(values, type=column.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def from_columns(count: int, **columns: Any) -> pa.Table:
    """Return a table of SCHEMA with `count` rows out of columns: arrays, or sequences of the schema's type. The other columns
    are null, or empty lists and maps where a Row has such."""
    arrays: list[pa.Array] = []
    for column in SCHEMA:
        values = columns.pop(column.name, None)
        if values is None:
            arrays.append(_absent(count, column))
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            arrays.append(values)
        elif pa.types.is_map(column.type):
            arrays.append(_maps(list(values), column.type))
        else:
            arrays.append(pa.array(list(values), column.type))
    if columns:
        raise TypeError(f"no such column: {', '.join(sorted(columns))}")
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


# the columns that no row has as null
_NEVER_NULL: Final = frozenset(("parent_ids", "concepts", "verdicts", "scores"))


def _absent(count: int, column: pa.Field) -> pa.Array:
    """Return a column of rows that lack it: nulls, or empty lists and maps."""
    if column.name not in _NEVER_NULL:
        return pa.nulls(count, column.type)
    offsets = pa.array(np.zeros(count + 1, np.int32))
    if pa.types.is_map(column.type):
        keys, items = (pa.array([], kind) for kind in (column.type.key_type, column.type.item_type))
        return pa.MapArray.from_arrays(offsets, keys, items, type=column.type)
    return pa.ListArray.from_arrays(offsets, pa.array([], column.type.value_type), type=column.type)


def _maps(values: list[dict[str, Any]], kind: pa.MapType) -> pa.Array:
    """Return dictionaries as an array of maps with sorted keys."""
    offsets = list(itertools.accumulate(map(len, values), initial=0))
    pairs = [pair for value in values for pair in sorted(value.items())]
    keys = pa.array([key for key, _ in pairs], kind.key_type)
    items = pa.array([item for _, item in pairs], kind.item_type)
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items, type=kind)


def empty() -> pa.Table:
    """Return a table of SCHEMA without rows."""
    return SCHEMA.empty_table()


def column(table: pa.Table, name: str) -> list[Any]:
    """Return a column as a Python list, with maps as lists of pairs."""
    return cast(list[Any], table.column(name).to_pylist())


def replace(table: pa.Table, **columns: Any) -> pa.Table:
    """Return the table with columns replaced. Values are arrays or sequences of the schema's type."""
    for name, values in columns.items():
        kind = SCHEMA.field(name)
        if not isinstance(values, (pa.Array, pa.ChunkedArray)):
            if pa.types.is_map(kind.type):
                values = [sorted(dict(value or {}).items()) for value in values]
            values = pa.array(values, type=kind.type)
        table = table.set_column(table.schema.get_field_index(name), kind, values)
    return table


def reject(table: pa.Table, reasons: Iterable[Reason | None]) -> pa.Table:
    """Set `reason` and `rejected` of the rows that have a reason in `reasons` (one per row or None).

    Rows that were rejected before keep their reason. Raises ValueError if the number of reasons is not that of the rows.
    """
    new_reasons = list(reasons)
    if len(new_reasons) != table.num_rows:
        raise ValueError(f"{len(new_reasons)} reasons for {table.num_rows} rows; give one per row")
    before = table.column("rejected").combine_chunks()
    new_reasons = [
        None if rejected_before else reason
        for reason, rejected_before in zip(new_reasons, before.is_valid().to_pylist(), strict=True)
    ]
    if not any(one is not None for one in new_reasons):
        return table
    texts = pa.array([None if one is None else one.text for one in new_reasons], pa.string())
    old_reasons = table.column("reason").combine_chunks()
    return replace(
        table,
        rejected=pc.coalesce(before, texts),
        reason=pc.if_else(texts.is_valid(), to_array(new_reasons), old_reasons),
    )


def unrejected(table: pa.Table) -> pa.Table:
    """Return the rows with `rejected` and `reason` cleared, as the input of a stage."""
    count = table.num_rows
    return replace(table, rejected=pa.nulls(count, pa.string()), reason=pa.nulls(count, REASON))


def reasons_of(table: pa.Table) -> list[Reason | None]:
    """Return the reason of each row, None for a kept row.

    Reads the columns `rejected`, `reason` and, if present, `stage`, which has the stage of rows that were stored before
    reasons had a type.
    """
    texts: list[str | None] = column(table, "rejected")
    count = table.num_rows
    cells = column(table, "reason") if "reason" in table.column_names else [None] * count
    stages = column(table, "stage") if "stage" in table.column_names else [None] * count
    return [
        None if text is None else of_record(cell) or untyped(stage, text)
        for text, cell, stage in zip(texts, cells, stages, strict=True)
    ]


def failed(table: pa.Table) -> pa.ChunkedArray:
    """Return, per row, whether it failed, that is, a stage could not process it (bool without nulls).

    In a table without the column `reason` (tasks of a harness) no row failed.
    """
    if "reason" not in table.column_names:
        return pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
    return pc.fill_null(pc.struct_field(table.column("reason"), "failed"), False)


def not_taken(table: pa.Table) -> pa.ChunkedArray:
    """Return, per row, whether it was dropped without being judged bad, for one of NOT_TAKEN (bool without nulls)."""
    codes = pc.struct_field(table.column("reason"), "code")
    return pc.is_in(codes, value_set=pa.array(sorted(NOT_TAKEN), pa.string()))


def kept(table: pa.Table) -> pa.Table:
    """Return the rows that are kept."""
    return table.filter(pc.is_null(table.column("rejected")))


def dropped(table: pa.Table) -> pa.Table:
    """Return the rows that were rejected or failed."""
    return table.filter(pc.is_valid(table.column("rejected")))


def _check_row_against_schema() -> None:
    names = {f.name for f in dataclasses.fields(Row)}
    if names != set(SCHEMA.names):
        raise TypeError(f"Row and SCHEMA differ: {sorted(names ^ set(SCHEMA.names))}")
    plain = {str: pa.string(), int: pa.int32(), float: pa.float32()}
    hints = get_type_hints(Row)
    for name in names:
        hint = hints[name]
        args = [a for a in getattr(hint, "__args__", ()) if a is not type(None)]
        origin = getattr(hint, "__origin__", None)
        if args == [list[ChatTurn]]:
            expected: pa.DataType = MESSAGES
        elif args == [list[DocumentBlock]]:
            expected = BLOCKS
        elif origin is list:
            expected = pa.list_(plain[args[0]])
        elif args == [Reason]:
            expected = REASON
        elif origin is dict:
            expected = pa.map_(plain[args[0]], plain[args[1]])
        else:
            expected = plain[args[0] if args else hint]
        if SCHEMA.field(name).type != expected:
            raise TypeError(f"Row.{name} is {hint}, SCHEMA says {SCHEMA.field(name).type}")


_check_row_against_schema()
