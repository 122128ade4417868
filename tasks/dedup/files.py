"""Files of any kind made ready for out-of-core de-duplication, and written again without their duplicates.

A Parquet file that has the columns asked for is read where it lies. Everything else (JSON Lines, CSV, Parquet without ids
or languages) is first written as Parquet into the folder of the work: ids are the places of the records, languages are
told by their letters. Both passes are streams, except that the ids of the duplicates stand in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.columns import Unfit, names_question, question
from tasks.dedup.sketching import CollectionError, Source
from tasks.hygiene import language_of
from tasks.records import Record, kind_of, plain, records

_ROWS = 8192


@dataclass(slots=True)
class Prepared:
    """`paths`: Parquet files, one per file given, in order. `unread`: a line for each record without a text."""

    paths: list[Path] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def prepare(files: Sequence[Path], folder: Path, source: Source) -> Prepared:
    """The files as Parquet with the columns of `source`. IngestError for a file that cannot be read, CollectionError for
    one without a single text or with a quality that is no number."""
    prepared = Prepared()
    for number, file in enumerate(files):
        if _is_ready(file, source):
            prepared.paths.append(file)
            continue
        about = file.stat()
        mark = hashlib.sha256(
            f"{file.absolute()}\0{about.st_size}\0{about.st_mtime_ns}\0{source}".encode()
        ).hexdigest()[:8]
        path = folder / "input" / f"{number:05d}-{mark}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        schema = pa.schema(
            [(name, pa.float64() if name == source.quality else pa.string()) for name in _columns(source)]
        )
        rows = 0
        with pq.ParquetWriter(partial, schema) as writer:
            stream = _texts(number, file, source, prepared.unread)
            while chunk := list(islice(stream, _ROWS)):
                writer.write_table(pa.Table.from_pylist([row for _, row in chunk], schema))
                rows += len(chunk)
        if not rows:
            why = f" ({prepared.unread[-1].partition(': ')[2]})" if prepared.unread else ""
            raise CollectionError(
                f"{file} has no text under {source.text!r}{why}. Fix: name its column with --text"
            )
        os.replace(partial, path)
        prepared.paths.append(path)
    return prepared


def write_clean(files: Sequence[Path], folder: Path, source: Source, duplicates: Path) -> tuple[Path, int]:
    """The records that are no duplicates, with all their fields and in order: `clean/*.parquet` where all files are
    Parquet that was ready, else `clean.jsonl`. Its path and its rows."""
    gone = pq.read_table(duplicates, columns=["id"]).column("id").combine_chunks()
    if all(_is_ready(file, source) for file in files):
        return _clean_parquet(files, folder / "clean", source, gone)
    dropped = set(gone.to_pylist())
    path, rows = folder / "clean.jsonl", 0
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as out:
        for number, file in enumerate(files):
            for record, row in _texts(number, file, source, []):
                if row[source.id] not in dropped:
                    out.write(
                        orjson.dumps(
                            record.fields,
                            default=_spelled,
                            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS,
                        )
                    )
                    rows += 1
    os.replace(partial, path)
    return path, rows


def _clean_parquet(files: Sequence[Path], folder: Path, source: Source, gone: pa.Array) -> tuple[Path, int]:
    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for number, file in enumerate(files):
        path = folder / f"{number:05d}.parquet"
        partial = path.with_name(f".{path.name}.partial")
        with pq.ParquetFile(file) as inside, pq.ParquetWriter(partial, inside.schema_arrow) as writer:
            for batch in inside.iter_batches(batch_size=_ROWS):
                ids = batch.column(source.id).cast(pa.string())
                kept = batch.filter(pc.invert(pc.is_in(ids, value_set=gone)))
                writer.write_batch(kept)
                rows += kept.num_rows
        os.replace(partial, path)
    return folder, rows


def _columns(source: Source) -> list[str]:
    return [source.id, source.text, *(name for name in (source.language, source.quality) if name)]


def _is_ready(file: Path, source: Source) -> bool:
    if kind_of(file) != ".parquet":
        return False
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise CollectionError(
            f"{file} is no Parquet file ({error}). Fix: convert it, or leave it out"
        ) from error
    return set(_columns(source)) <= set(schema.names) and pa.types.is_string(schema.field(source.text).type)


def _texts(
    number: int, file: Path, source: Source, unread: list[str]
) -> Iterator[tuple[Record, dict[str, Any]]]:
    """(record, its row with the columns of `source`) of each record that holds a text."""
    for place, record in enumerate(records(file)):
        fields = record.fields
        try:
            if fields is None:
                raise Unfit(record.error or "unreadable")
            text = fields.get(source.text)
            if text is None and plain(source.text) == "question" and names_question(tuple(fields)):
                text = question(fields)
            if not isinstance(text, str) or not text.strip():
                raise Unfit(f"no text under {source.text!r}")
            row: dict[str, Any] = {source.id: _id(fields.get(source.id), number, place), source.text: text}
            if source.language:
                given = fields.get(source.language)
                row[source.language] = (
                    given if isinstance(given, str) and given else language_of(text) or "en"
                )
            if source.quality:
                row[source.quality] = _number(fields.get(source.quality))
        except Unfit as error:
            unread.append(f"{file}, {record.place}: {error}")
            continue
        yield record, row


def _id(value: Any, number: int, place: int) -> str:
    return str(value) if isinstance(value, (str, int)) and str(value) else f"{number:05d}:{place:012d}"


def _number(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise Unfit(f"the quality {str(value)[:40]!r} is no number") from error


def _spelled(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
