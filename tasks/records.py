"""Files as numbered records, read as a stream: JSON Lines, JSON arrays, CSV, TSV (each also .gz) and Parquet.

A record that cannot be read carries the reason instead of its fields, and reading goes on. A file
that cannot be read at all raises IngestError. What this does not do: guess a format that the name
does not tell, or read a compressed file inside an archive (.zip, .tar).
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import ForPeople

MAX_LINE = 16 << 20  # bytes; a longer line of JSON Lines or CSV is skipped, so that it never stands in memory
MAX_ARRAY = 256 << 20  # bytes; a JSON array must be parsed whole, so a larger one has to become JSON Lines
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


class IngestError(ForPeople, ValueError):
    """A file that cannot be taken in; each line of the message names one file and the mend."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: where it stands ("line 12" in text, "row 12" in Parquet, from 1), and its fields or the
    reason why it has none."""

    place: str
    fields: Mapping[str, Any] | None
    error: str | None = None


def kind_of(path: Path) -> str | None:
    """The suffix that decides how a file is read (without .gz), or None if it is not one of KINDS."""
    name = path.name.lower()
    if name.endswith(".gz"):
        name = name.removesuffix(".gz")
        return next((kind for kind in KINDS[:-1] if name.endswith(kind)), None)
    return next((kind for kind in KINDS if name.endswith(kind)), None)


def records(path: Path, columns: Container[str] | None = None) -> Iterator[Record]:
    """Every record of a file in order; of Parquet only the `columns` (lower case), where they are given.

    Blank lines are no records. IngestError where the file is unreadable.
    """
    kind = kind_of(path)
    if kind is None:
        raise IngestError(f"{path}: unknown kind of file; name it {', '.join(KINDS)} (text may end in .gz)")
    try:
        if kind == ".parquet":
            yield from _parquet(path, columns)
            return
        with _opened(path) as file:
            if kind in (".csv", ".tsv"):
                yield from _csv(path, file, "\t" if kind == ".tsv" else ",")
            elif kind == ".json" and _starts_array(path):
                yield from _array(path, file)
            else:
                yield from _lines(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IngestError(f"{path}: damaged gzip ({error}); copy or compress the file again") from error


def _opened(path: Path) -> BinaryIO:
    # gzip.open in "rb" mode is a BinaryIO in all but its type
    return cast(BinaryIO, gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")


def _starts_array(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line); a line over MAX_LINE comes back cut to MAX_LINE + 1 bytes."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        yield number, line
        while len(line) > MAX_LINE and not line.endswith(b"\n") and line:
            line = file.readline(MAX_LINE + 1)


def _lines(file: BinaryIO) -> Iterator[Record]:
    for number, line in _numbered(file):
        if line.strip():
            yield _json_line(f"line {number}", line)


def _json_line(place: str, line: bytes) -> Record:
    if len(line) > MAX_LINE:
        return Record(place, None, f"longer than {MAX_LINE >> 20} MiB")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Record(place, None, _why_not_json(line, error))
    if not isinstance(value, dict):
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    if _needs_care(line, value):
        return _careful(place, line.decode())
    return Record(place, value)


def _why_not_json(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as bad:
        return f"not UTF-8 (byte {bad.start + 1})"
    try:
        value = json.loads(text)  # what the standard library takes and orjson does not: NaN, lone surrogates
    except ValueError:
        return f"not JSON: {error.msg} at column {error.colno}"
    except RecursionError:
        return "nested too deeply"
    if "NaN" in text or "Infinity" in text:
        return "NaN or Infinity instead of a number"
    if not _is_unicode(json.dumps(value, ensure_ascii=False)):
        return "half a UTF-16 pair"
    return f"unreadable number ({error.msg})"


def _needs_care(line: bytes, value: dict[str, Any]) -> bool:
    """Whether the line may hold what orjson settles silently: a key given twice, a number past 64 bits."""
    if b"\\u00" in line:  # a key may be spelled with escapes
        return True
    for key, item in value.items():
        if line.count(b'"' + key.encode() + b'"') > 1:
            return True
        if isinstance(item, dict) or (isinstance(item, list) and item and isinstance(item[0], dict)):
            return True
        if isinstance(item, float) and len(repr(item)) > 15:
            return True
    return False


class _Duplicate(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Duplicate(f"key {next(key for key in keys if keys.count(key) > 1)!r} given twice")
    return found


def _careful(place: str, text: str) -> Record:
    """The same record, with decimals as they were written and keys given twice refused."""
    try:
        return Record(place, json.loads(text, object_pairs_hook=_once, parse_float=Decimal))
    except _Duplicate as error:
        return Record(place, None, str(error))
    except ValueError as error:  # an integer of more digits than Python converts
        return Record(place, None, f"unreadable number: {error}".split(";")[0])


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _array(path: Path, file: BinaryIO) -> Iterator[Record]:
    data = file.read(MAX_ARRAY + 1)
    if len(data) > MAX_ARRAY:
        mend = "write it as JSON Lines (one object a line)"
        raise IngestError(f"{path}: a JSON array of more than {MAX_ARRAY >> 20} MiB; {mend}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IngestError(f"{path}: not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error
    decoder = json.JSONDecoder(parse_float=Decimal)
    at, seen, line = text.index("[") + 1, 0, 1
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if text[at : at + 1] == "]":
            return
        line += text.count("\n", seen, at)
        seen, place = at, f"line {line}"
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            reason = str(error).split(":")[0]
            raise IngestError(f"{path}: line {line}: not JSON ({reason}); mend it there") from error
        if not isinstance(value, dict):
            yield Record(place, None, f"not a JSON object but {_json_kind(value)}")
        else:
            yield _json_line(place, text[seen:at].encode("utf-8", "surrogatepass"))


def _csv(path: Path, file: BinaryIO, delimiter: str) -> Iterator[Record]:
    """pyarrow's CSV reader is faster, but knows neither the line of a bad row nor how to go on after one.
    Bytes that are not UTF-8 travel as surrogates, so that only their own row is refused."""
    text = (line.decode("utf-8", "surrogateescape") for _, line in _numbered(file))
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise IngestError(f"{path}: line 1: unreadable header ({error}); mend its quotes") from error
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        raise IngestError(f"{path}: line 1: two columns of one name; rename one of them")
    while True:
        start = reader.line_num + 1
        place = f"line {start}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            swallowed = f", up to line {reader.line_num}" if reader.line_num > start else ""
            yield Record(place, None, f"unreadable CSV{swallowed}: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            yield Record(place, None, f"{len(cells)} cells, the header has {len(names)}")
        elif not _is_unicode("".join(cells)):
            yield Record(place, None, "not UTF-8")
        else:
            yield Record(place, {name: cell or None for name, cell in zip(names, cells, strict=True)})


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: Path, columns: Container[str] | None) -> Iterator[Record]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = [n for n in file.schema_arrow.names if columns is None or n.lower() in columns]
            for batch in file.iter_batches(batch_size=2048, columns=names):
                for row in _rows(batch):
                    number += 1
                    yield Record(f"row {number}", row, None if row is not None else "not UTF-8")
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split(". ")[0].splitlines()[0]
        raise IngestError(
            f"{path}: damaged Parquet after row {number} ({reason}); write the file again"
        ) from error


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """A batch as dicts; None for a row whose text is not UTF-8 (Parquet does not check)."""
    try:
        return cast(list[dict[str, Any] | None], batch.to_pylist())
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [None]
        half = batch.num_rows // 2
        return _rows(batch.slice(0, half)) + _rows(batch.slice(half))
