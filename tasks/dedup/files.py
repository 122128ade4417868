"""Prepares files of any kind for out-of-core deduplication, and writes them again without their duplicates.

A Parquet file that has the requested columns is read in place. Every other file (JSON Lines, CSV, Parquet
without ids or languages) is first written as Parquet into the working folder: ids are the positions of the
records, and languages are recognised by their letters. Both passes stream; only the positions of the
duplicates are held in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.atomic import replacing
from tasks.dedup.sketching import CollectionError, TextSource
from tasks.dedup.tokens import I64
from tasks.ingestion.column_names import names_question, plain
from tasks.ingestion.columns import question
from tasks.ingestion.files import kind_of
from tasks.ingestion.record import Record
from tasks.ingestion.records import NO_RECORDS, records
from tasks.ingestion.values import Unfit
from tasks.text.cleaning import language_of

RESULT = "duplicates.parquet"  # written last
_ROWS = 8192
_RECORD = b"mathmill"  # key of the record in the result's metadata


@dataclass(slots=True)
class PreparedFiles:
    """`paths`: Parquet files, one per file given, in order. `unread`: a line per record without a text."""

    paths: list[Path] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def prepare(files: Sequence[Path], folder: Path, source: TextSource) -> PreparedFiles:
    """Return the files as Parquet with the columns of `source`.

    Raises IngestError if a file cannot be read, and CollectionError if one has no text or a quality that is
    no number.
    """
    prepared = PreparedFiles()
    for number, file in enumerate(files):
        if _is_ready(file, source):
            if not pq.read_metadata(file).num_rows:
                raise CollectionError(f"{file}: {NO_RECORDS}")
            prepared.paths.append(file)
            continue
        about = file.stat()
        mark = hashlib.sha256(
            f"{file.absolute()}\0{about.st_size}\0{about.st_mtime_ns}\0{source}".encode()
        ).hexdigest()[:8]
        schema = pa.schema(
            [(name, pa.float64() if name == source.quality else pa.string()) for name in _columns(source)]
        )
        stream = _texts(number, file, source, prepared.unread)
        chunk = list(islice(stream, _ROWS))
        if not chunk:
            why = f" ({prepared.unread[-1].partition(': ')[2]})" if prepared.unread else ""
            raise CollectionError(
                f"{file} has no text under {source.text!r}{why}. Fix: name its column with --text"
            )
        path = folder / "input" / f"{number:05d}-{mark}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, pq.ParquetWriter(partial, schema) as writer:
            while chunk:
                writer.write_table(pa.Table.from_pylist([row for _, _, row in chunk], schema))
                chunk = list(islice(stream, _ROWS))
        prepared.paths.append(path)
    return prepared


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The result in a folder: `rows` compared, `duplicates` of them, and `kept` in `clean`.

    `clean` is a file or a folder of Parquet files; `unread` has a line per record without a text.
    """

    rows: int
    duplicates: int
    kept: int
    clean: Path
    unread: list[str]


def plan_of(files: Sequence[Path], source: TextSource, decisions: object, recall: float, rules: str) -> str:
    """Return a digest of everything on which the result depends: the present files, the columns, the settings and
    the code.
    """
    about = [
        (str(file.absolute()), stat.st_size, stat.st_mtime_ns)
        for file, stat in ((f, f.stat()) for f in files)
    ]
    return hashlib.sha256(f"{about}\0{source}\0{decisions}\0{recall}\0{rules}".encode()).hexdigest()


def finished(folder: Path, plan: str) -> Cleaned | None:
    """Return the result in a folder, or None if there is none yet. Raises CollectionError if it belongs to
    another plan.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        stored = (pq.read_schema(path).metadata or {}).get(_RECORD)
    except (pa.ArrowException, OSError) as error:
        raise CollectionError(f"{path} is damaged ({error}). Fix: delete it") from error
    record = orjson.loads(stored) if stored else {}
    if record.pop("plan", None) != plan:
        raise CollectionError(
            f"{path} is the result of other files, settings or another version of mathmill. "
            "Fix: give an empty folder, or delete it"
        )
    cleaned = Cleaned(**{**record, "clean": folder / record["clean"]})
    return cleaned if cleaned.clean.exists() else None


def write_results(
    files: Sequence[Path],
    folder: Path,
    source: TextSource,
    prepared: PreparedFiles,
    duplicates: Path,
    plan: str,
) -> Cleaned:
    """Write the clean set, and then the table of duplicates, which names the plan and whose existence means that the result is
    complete.

    The clean set has the records that are no duplicates, with all their fields and in order:
    `clean/*.parquet` if all files are Parquet that was read in place, or else `clean.jsonl`. `duplicates`:
    the file of tasks.dedup.outofcore, whose rows are places in the collection, the prepared files one after
    the other.
    """
    table = pq.read_table(duplicates)
    gone = table.column("row").to_numpy()
    counts = [pq.read_metadata(path).num_rows for path in prepared.paths]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if all(_is_ready(file, source) for file in files):
        clean, kept = _clean_parquet(files, folder / "clean", starts, gone)
    else:
        clean, kept = _clean_lines(files, folder / "clean.jsonl", source, starts, gone)
    cleaned = Cleaned(int(starts[-1]), table.num_rows, kept, clean, prepared.unread)
    record = {**asdict(cleaned), "clean": clean.name, "plan": plan}
    result = folder / RESULT
    with replacing(result) as partial:
        pq.write_table(table.replace_schema_metadata({_RECORD: orjson.dumps(record)}), partial)
    return cleaned


def _clean_lines(
    files: Sequence[Path], path: Path, source: TextSource, starts: I64, gone: I64
) -> tuple[Path, int]:
    rows = 0
    dropped = set(gone.tolist())
    with replacing(path) as partial, partial.open("wb") as out:
        for number, file in enumerate(files):
            ready = _is_ready(file, source)  # this number includes records without a text
            for count, (place, record, _) in enumerate(_texts(number, file, source, [])):
                if int(starts[number]) + (place if ready else count) not in dropped:
                    out.write(
                        orjson.dumps(
                            record.fields,
                            default=_spelled,
                            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS,
                        )
                    )
                    rows += 1
    return path, rows


def _clean_parquet(files: Sequence[Path], folder: Path, starts: I64, gone: I64) -> tuple[Path, int]:
    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for number, file in enumerate(files):
        path = folder / f"{number:05d}.parquet"
        start = int(starts[number])
        with (
            replacing(path) as partial,
            pq.ParquetFile(file) as inside,
            pq.ParquetWriter(partial, inside.schema_arrow) as writer,
        ):
            for batch in inside.iter_batches(batch_size=_ROWS):
                kept = batch.filter(
                    pa.array(np.isin(np.arange(start, start + len(batch)), gone, invert=True))
                )
                writer.write_batch(kept)
                rows += kept.num_rows
                start += len(batch)
    return folder, rows


def _columns(source: TextSource) -> list[str]:
    return [source.id, source.text, *(name for name in (source.language, source.quality) if name)]


def _is_ready(file: Path, source: TextSource) -> bool:
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
    number: int, file: Path, source: TextSource, unread: list[str]
) -> Iterator[tuple[int, Record, dict[str, Any]]]:
    """Yield (place in the file from 0, record, its row with the columns of `source`) of each record that
    holds a text.
    """
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
        yield place, record, row


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
