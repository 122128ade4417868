"""Reads files of rows as texts to compare: every text of a row, whatever its column is called.

Benchmark items occur in unexpected places: in the second turn of a chat, in a system prompt, in the rejected
side of a pair, in a reasoning column, in the `text` of a pre-training row. Columns therefore decide only how a
text is compared, never whether it is. A row that holds no text, or cannot be read, is counted and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.rows import Row, content_id, to_table
from tasks.decontamination.matching import QUESTION, Text
from tasks.ingestion import chats
from tasks.ingestion.column_names import QUESTIONS, REASONINGS, SOLUTIONS, plain
from tasks.ingestion.columns import Habits, habits, read
from tasks.ingestion.instructions import without_instruction
from tasks.ingestion.options import literal
from tasks.ingestion.record import Record
from tasks.ingestion.records import records
from tasks.ingestion.values import Unfit

ROWS = 8192  # rows that are compared at a time
_BEGINNING = 500  # records from which the text that a file's questions share is determined
_DEEPEST = 40  # values within values
_MOST = 5_000  # texts of a row
_ASKED = 4_000  # characters; a longer text is a passage and not a question in other words
# columns that are no text of the problem (names, places, kinds) if their value is short
_ABOUT = frozenset(
    ("id", "uuid", "row_id", "_id", "index", "idx", "problem_id", "url", "source", "dataset", "data_source", "license", "licence", "language",
     "lang", "domain", "subdomain", "subject", "model", "split", "level", "role", "from", "type", "style", "created", "date", "timestamp", "verdicts")
)  # fmt: skip
_SHORT = 80  # characters up to which a text under one of these names is left out
_ANSWERED = frozenset(
    (
        *SOLUTIONS,
        "rejected",
        *REASONINGS,
        "rejected_reasoning",
        "analysis",
        "critique",
        "answer",
        "text_output",
    )
)


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some rows of a file. `texts` refer to the rows of `table` by number; `unread` has a line per record
    that is no row.
    """

    table: pa.Table
    texts: tuple[Text, ...]
    unread: tuple[str, ...]


def parts(path: Path, rows: int = ROWS) -> Iterator[FilePart]:
    """Yield the rows of a file of any kind that tasks.ingestion.records reads, at most `rows` at a time.

    Raises IngestError as `records` does.
    """
    beginning = islice(records(path), _BEGINNING)
    common = habits([record.fields for record in beginning if record.fields is not None])
    stream = records(path)
    while chunk := list(islice(stream, rows)):
        rows_read: list[Row] = []
        texts: list[Text] = []
        unread: list[str] = []
        for record in chunk:
            try:
                record_texts = texts_of_record(record, common)
            except Unfit as error:
                unread.append(f"{path}, {record.place}: {error}")
                continue
            texts += [Text(len(rows_read), *text) for text in record_texts]
            shown = next((text for field, text, _ in record_texts if field == QUESTION), record_texts[0][1])
            name = content_id(path.name, record.place)
            rows_read.append(Row(shown, "en", id=name, problem_id=name, source=path.name))
        yield FilePart(to_table(rows_read), tuple(texts), tuple(unread))


def texts_of_record(record: Record, common: Habits) -> list[tuple[str, str, bool]]:
    """Return (field, text, whether it asks something) of every text of a record, each text once.

    Raises Unfit if there is none.
    """
    if record.fields is None:
        raise Unfit(record.error or "unreadable")
    by_text: dict[str, tuple[str, bool]] = {}
    try:
        fields = read(record.fields, common)
    except Unfit:
        pass  # no question of a known kind: its texts are compared nevertheless
    else:
        by_text[fields.question] = (QUESTION, True)
        by_text.setdefault(fields.asked, (QUESTION, True))
    for field, text, asks in _leaves(record.fields, common):
        by_text.setdefault(text, (field, asks))
    texts = [(field, text, asks) for text, (field, asks) in by_text.items() if _is_text(text)]
    if not texts:
        raise Unfit("no text to compare")
    return texts


def _is_text(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _leaves(fields: Mapping[str, Any], common: Habits) -> Iterator[tuple[str, str, bool]]:
    """Yield every text in a record with its column; chats by their turns, and JSON in a text by its values."""
    waiting: list[tuple[str, Any, int]] = [
        (plain(name), value, 0) for name, value in reversed(list(fields.items()))
    ]
    count = 0
    while waiting:
        name, value, depth = waiting.pop()
        if depth > _DEEPEST or count > _MOST:
            raise Unfit(f"more than {_DEEPEST} values within values, or more than {_MOST} texts")
        count += 1
        turns = _turns(value) if isinstance(value, (list, tuple)) else None
        if turns is not None:
            yield from _spoken(turns, common)
        elif isinstance(value, Mapping):
            waiting += [(plain(str(key)), one, depth + 1) for key, one in reversed(list(value.items()))]
        elif isinstance(value, (list, tuple)):
            waiting += [(name, one, depth + 1) for one in reversed(value)]
        elif isinstance(value, bytes):
            raise Unfit(f"the {name or 'column'} is bytes, not text")
        elif isinstance(value, str) and value.strip():
            inner = literal(value.strip()) if value.lstrip()[:1] in ("[", "{") else None
            if isinstance(inner, (list, dict)) and inner:
                waiting.append((name, inner, depth + 1))
            if name in _ABOUT and len(value) <= _SHORT:
                continue
            try:
                chat = chats.transcript(value)
            except chats.Odd:
                chat = None  # a template's mark inside another text: the text itself is compared below
            yield from _spoken(chat or (), common)
            asks = name not in _ANSWERED and len(value) <= _ASKED
            yield (QUESTION if name in QUESTIONS else name or "text", value.strip(), asks)
            bare = without_instruction(value, common.instructions) if asks else value.strip()
            if bare != value.strip():
                yield (QUESTION if name in QUESTIONS else name or "text", bare, asks)


def _turns(value: list[Any] | tuple[Any, ...]) -> list[chats.Turn] | None:
    """Return the turns of a chat, or None if the list is none or has a shape that is read part by part
    instead.
    """
    if not value or not all(isinstance(one, Mapping) for one in value):
        return None
    try:
        return chats.turns_of(value)
    except chats.Odd:
        return None


def _spoken(turns: list[chats.Turn] | tuple[()], common: Habits) -> Iterator[tuple[str, str, bool]]:
    counts: dict[str, int] = {}
    for turn in turns:
        counts[turn.role] = counts.get(turn.role, 0) + 1
        if turn.reasoning.strip():
            yield f"reasoning of {turn.role} turn {counts[turn.role]}", turn.reasoning.strip(), False
        if not turn.text.strip():
            continue
        field = f"{turn.role} turn {counts[turn.role]}"
        asks = turn.role != "assistant" and len(turn.text) <= _ASKED
        yield field, turn.text.strip(), asks
        bare = (
            without_instruction(turn.text, common.instructions) if turn.role == "user" else turn.text.strip()
        )
        if bare != turn.text.strip():
            yield field, bare, asks
