"""The stage `corpus`: published rows of any kind become whole documents of kind `text`, without the lines that many of them share.

`documents` joins the chunks of a document and makes a text of every other row; `corpus` removes lines, measures the quality and
counts the tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
from pydantic import Field

from storage.reasons import Code, Reason, reason
from storage.rows import CHAT, TEXT, Row, column, content_id, reject, replace
from tasks.documents.lines import spilling, without_lines
from tasks.documents.quality import MIN_LEGIBLE, MIN_WHOLE, quality_of_text, refusal
from tasks.settings import Section, Share
from tasks.stages.documents import counter
from tasks.stages.outcome import Outcome, Tick

STAGE: Final = "corpus"
MEMORY: Final = "1GB"  # of the order of chunks and of the count of lines, before they spill
COLUMNS: Final = (
    "id", "kind", "question", "solution", "messages", "language", "domain", "subdomain", "source", "license", "params",
)  # fmt: skip
_OF_DOCUMENT = (
    "title",
    "path",
    "sha256",
    "record",
    "url",
    "host",
)  # params that all chunks of a document share
_PASSAGES = "key VARCHAR, chunk BIGINT, place BIGINT, record VARCHAR"


class LineSettings(Section, title="Lines"):
    """Lines that stand in many documents are removed as boilerplate."""

    min_documents: int = Field(
        10, ge=2, description="documents that a line stands in to be removed; a very large number: none is"
    )
    min_characters: int = Field(
        30, ge=1, description="characters of such a line after normalisation, at least"
    )


class CorpusSettings(Section):
    """What a document must be like, and what counts its tokens (empty: about 3.5 characters per token)."""

    lines: LineSettings = LineSettings()
    min_legible: Share = MIN_LEGIBLE
    min_whole: Share = MIN_WHOLE
    tokenizer: str = ""


def documents(batches: Iterable[pa.RecordBatch], version: str, folder: Path, *, join: bool) -> Iterator[Row]:
    """Yield the rows of a version (COLUMNS) as documents, kept or not.

    With `join` the chunks of one document are one text, in their order; they come after the other rows, ordered by document, and
    wait in a database in the folder. A chunk that stands twice, as after two readings of a file, begins a text of its own.
    """
    with spilling(folder, MEMORY) as database:
        database.execute(f"CREATE TABLE passages ({_PASSAGES})")
        place = 0
        for batch in batches:
            chunks = []
            for record in batch.to_pylist():
                params = orjson.loads(record["params"]) if record["params"] else {}
                key = _document(record, params) if join else None
                if key is None:
                    yield _row([record], version)
                else:
                    chunks.append((key, params["chunk"], place, orjson.dumps(record).decode()))
                place += 1
            if chunks:
                names = ("key", "chunk", "place", "record")
                table = pa.table(dict(zip(names, zip(*chunks, strict=True), strict=True)))
                database.from_arrow(table).insert_into("passages")
        ordered = database.execute("SELECT key, chunk, record FROM passages ORDER BY key, chunk, place")
        for _, group in groupby(_fetched(ordered), key=lambda row: row[0]):
            texts: list[list[tuple[int, dict[str, Any]]]] = []
            for _, chunk, record in group:
                own = next((one for one in texts if one[-1][0] < chunk), None)
                if own is None:
                    texts.append(own := [])
                own.append((chunk, orjson.loads(record)))
            for one in texts:
                yield _row([record for _, record in one], version)


def corpus(rows: pa.Table, *, lines: pa.Table, settings: CorpusSettings, tick: Tick) -> Outcome:
    """Remove the lines (tasks.documents.lines.LINES), and reject documents that are empty then, or garbled.

    The scores `legible` and `whole` are the shares of tasks.documents.quality; `params` gets `tokens`, and `tokenizer` unless the
    count is approximate.
    """
    frequent = frozenset(lines.column("line").to_pylist())
    count = counter(settings.tokenizer)
    before = column(rows, "question")
    cleaned = without_lines(before, frequent, settings.lines.min_characters)
    fresh: list[Row] = []
    reasons: list[Reason | None] = []
    for old, (text, _), language, given in zip(
        before, cleaned, column(rows, "language"), column(rows, "params"), strict=True
    ):
        if text:
            quality = quality_of_text(text)
            reasons.append(
                refusal(
                    quality,
                    STAGE,
                    min_legible=settings.min_legible,
                    min_whole=settings.min_whole,
                    languages=(quality.language,),  # the versions were made with a choice of languages
                )
            )
            scores = {"legible": quality.legible, "whole": quality.whole}
        else:
            reasons.append(reason(STAGE, Code.EMPTIED, threshold=settings.lines.min_documents))
            text, scores = old, {}
        params = orjson.loads(given) | {"tokens": count(text)}
        if settings.tokenizer:
            params["tokenizer"] = settings.tokenizer
        fresh.append(
            Row(text, language, kind=TEXT, scores=scores, params=orjson.dumps(params).decode())
        )  # with the ids of the text
        tick(1)
    names = ("id", "problem_id", "question", "scores", "params")
    changed = replace(rows, **{name: [getattr(row, name) for row in fresh] for name in names})
    removed = sum(number for _, number in cleaned)
    return Outcome(reject(changed, reasons), rows.num_rows, {"lines_removed": removed})


def tokens_by_version(tables: Iterable[pa.Table]) -> dict[str, dict[str, int]]:
    """Return per version the documents that were made of it and are in the tables, and their tokens."""
    totals: dict[str, dict[str, int]] = {}
    for table in tables:
        for params in map(orjson.loads, column(table, "params")):
            own = totals.setdefault(params["version"], {"documents": 0, "tokens": 0})
            own["documents"] += 1
            own["tokens"] += params["tokens"]
    return dict(sorted(totals.items()))


def _document(record: dict[str, Any], params: dict[str, Any]) -> str | None:
    """Return what the chunks of one document have in common, None for a row that is no chunk."""
    if record["kind"] != TEXT or not isinstance(params.get("chunk"), int):
        return None
    name = f"{params.get('path')}\0{params['record']}" if "record" in params else params.get("sha256")
    return None if name is None else f"{name}\0{record['license']}\0{record['language']}"


def _fetched(ordered: Any) -> Iterator[tuple[str, int, str]]:
    while rows := ordered.fetchmany(256):
        yield from rows


def _row(records: Sequence[dict[str, Any]], version: str) -> Row:
    first = records[0]
    params: dict[str, Any] = {"version": version}
    if first["kind"] == TEXT:
        every = [orjson.loads(record["params"]) if record["params"] else {} for record in records]
        params |= {name: every[0][name] for name in _OF_DOCUMENT if name in every[0]}
        text = _joined([(record["question"], one) for record, one in zip(records, every, strict=True)])
        if len(records) > 1:
            params["chunks"] = len(records)
    else:
        text = _text(first)
    row = Row(
        text,
        first["language"],
        kind=TEXT,
        domain=first["domain"],
        subdomain=first["subdomain"],
        source=first["source"],
        license=first["license"],
        params=orjson.dumps(params).decode(),
        parent_ids=[record["id"] for record in records],
    )
    if text.strip():
        return row
    name = content_id(version, first["id"])  # it has no text, and shares its id with no other
    why = reason(STAGE, Code.UNREADABLE, place=f"row {first['id']} of {version}", why="no text in it")
    return Row(
        "",
        first["language"],
        name,
        name,
        kind=TEXT,
        params=row.params,
        parent_ids=row.parent_ids,
        license=row.license,
        reason=why,
    )


def _text(record: dict[str, Any]) -> str:
    """Return a chat as the texts of its turns, a solution behind its question."""
    if record["kind"] == CHAT:
        return "\n\n".join(turn["content"] for turn in record["messages"] or () if turn["content"])
    return "\n\n".join(filter(None, (record["question"], record["solution"])))


def _joined(chunks: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return chunks as one text. Every chunk begins with its headings; those that the chunk before has too are left out."""
    parts: list[str] = []
    shown: list[str] = []
    for text, params in chunks:
        headings = params.get("headings", [])
        for own, before in zip(headings, shown, strict=False):
            line, _, rest = text.partition("\n")
            if own != before or not line.startswith("#") or line.lstrip("#").strip() != own:
                break
            text = rest.lstrip("\n")
        shown = headings
        parts.append(text)
    return "\n\n".join(filter(None, parts))
