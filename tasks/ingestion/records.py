"""Files as numbered records, read as a stream: JSON Lines, JSON, CSV, TSV (each also compressed) and Parquet.

This is the one reader of other people's files: seeds, benchmarks and rows to be compared or de-duplicated are read by
it, so that what one command takes the others take too. A record that cannot be read carries the reason instead of its
fields, and reading goes on. A file that cannot be read at all raises IngestError. What this does not do: guess a format
that neither the name nor the first line tells, or read a compressed file inside an archive (.zip, .tar).
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.counting import counted
from storage.errors import ForPeople

MAX_LINE = 16 << 20  # bytes; a longer line of JSON Lines or CSV is skipped, so that it never stands in memory
MAX_ARRAY = 256 << 20  # bytes; a JSON array must be parsed whole, so a larger one has to become JSON Lines
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
# the first bytes of each compression that text files may have
PACKED = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00", ".zst": b"\x28\xb5\x2f\xfd"}
NO_RECORDS = "no records. Fix: fill it or leave it out"
_NAMES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, pa.ArrowException, OSError)
_PARQUET = b"PAR1"


class IngestError(ForPeople, ValueError):
    """A file that cannot be taken in; each line of the message names one file and the fix."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: where it stands ("line 12" in text, "row 12" in Parquet, from 1), and its fields or the
    reason why it has none."""

    place: str
    fields: Mapping[str, Any] | None
    error: str | None = None


def plain(name: str) -> str:
    """A column's name as the conventions write it: lower case, words joined by underscores."""
    return "_".join(name.strip().lower().replace("-", " ").split())


def kind_of(path: Path) -> str | None:
    """The suffix that decides how a file is read (without that of its compression), or None if it is not one of KINDS."""
    name = path.name.lower()
    packed = _packed(path)
    if packed is not None:
        name = name.removesuffix(packed)
        return next((kind for kind in KINDS[:-1] if name.endswith(kind)), None)
    return next((kind for kind in KINDS if name.endswith(kind)), None)


def fault_of(path: Path) -> str | None:
    """What is wrong with a file as far as its name and its first bytes tell, and the fix; None if nothing is."""
    if not path.exists():
        return "no such file. Fix: check the path"
    if path.is_dir():
        return "a folder, not a file. Fix: name the files in it"
    if not path.is_file():
        return "not a regular file. Fix: copy its content into one"
    if kind_of(path) is None:
        return f"unknown kind of file. Fix: name it {', '.join(KINDS)} (text may end in {', '.join(PACKED)})"
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        return f"cannot be read ({error.strerror}). Fix: change its permissions"
    if not head:
        return "empty. Fix: fill it or leave it out"
    return _wrong_kind(path, head)


def _wrong_kind(path: Path, head: bytes) -> str | None:
    """Where the first bytes do not fit the name."""
    packed = _packed(path)
    if packed is not None:
        if not head.startswith(PACKED[packed]):
            return f"not {_NAMES[packed]}, in spite of its name. Fix: rename it or compress it"
        try:
            with _opened(path) as file:
                head = file.read(4096)
        except _DAMAGED as error:
            return _damage(path, error)
        if not head:
            return f"empty inside its {_NAMES[packed]}. Fix: fill it or leave it out"
    else:
        for suffix, magic in PACKED.items():
            if head.startswith(magic):
                return f"{_NAMES[suffix]}, in spite of its name. Fix: add {suffix} to the name"
    if kind_of(path) == ".parquet":
        if head[:4] != _PARQUET:
            return "not Parquet, in spite of its name. Fix: rename it or write it again"
    elif head[:4] == _PARQUET:
        return "Parquet, in spite of its name. Fix: rename it to .parquet"
    return None


def records(path: Path, wanted: Callable[[str], bool] | None = None) -> Iterator[Record]:
    """Every record of a file in order; of Parquet only the columns whose `plain` names are `wanted`, where it is given.

    Blank lines are no records. IngestError where the file is unreadable, and where it holds no record at all: whoever
    names a file means what is in it.
    """
    some = False
    for record in _records(path, wanted):
        some = True
        yield record
    if not some:
        raise IngestError(f"{path}: {NO_RECORDS}")


def _records(path: Path, wanted: Callable[[str], bool] | None) -> Iterator[Record]:
    fault = fault_of(path)
    if fault is not None:
        raise IngestError(f"{path}: {fault}")
    kind = kind_of(path)
    if kind == ".parquet":
        yield from _parquet(path, wanted)
        return
    try:
        with _opened(path) as file:
            if kind in (".csv", ".tsv"):
                yield from _csv(path, file, "\t" if kind == ".tsv" else None)
            elif _is_whole(path, kind or ""):
                yield from _values(path, file)
            else:
                yield from _lines(file)
    except UnicodeDecodeError as error:
        raise IngestError(f"{path}: damaged {error.encoding.upper()}. Fix: save it as UTF-8") from error
    except _DAMAGED as error:
        raise IngestError(f"{path}: {_damage(path, error)}") from error


def _damage(path: Path, error: BaseException) -> str:
    packed = _packed(path)
    words = str(error).split(". ")[0].splitlines()[:1] or [type(error).__name__]
    if packed is None:
        return f"cannot be read ({words[0]}). Fix: copy the file again"
    return f"damaged {_NAMES[packed]} ({words[0]}). Fix: copy or compress the file again"


def _packed(path: Path) -> str | None:
    name = path.name.lower()
    return next((suffix for suffix in PACKED if name.endswith(suffix)), None)


def _opened(path: Path) -> BinaryIO:
    """The file's text as bytes of UTF-8: without its compression, and from UTF-16 where it begins with that mark."""
    file = _unpacked(path)
    head = file.peek(4)[:4]
    if head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return cast(BinaryIO, file)
    wide = "utf-32" if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") else "utf-16"
    return cast(BinaryIO, io.BufferedReader(_Recoded(file, wide)))


def _unpacked(path: Path) -> io.BufferedReader:
    raw: Any
    match _packed(path):
        case ".gz":
            raw = gzip.open(path, "rb")  # noqa: SIM115 - the reader around it closes it
        case ".bz2":
            raw = bz2.open(path, "rb")  # noqa: SIM115 - the reader around it closes it
        case ".xz":
            raw = lzma.open(path, "rb")  # noqa: SIM115 - the reader around it closes it
        case ".zst":
            raw = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        case _:
            return path.open("rb")
    return io.BufferedReader(raw)


class _Recoded(io.RawIOBase):
    """Text of another encoding as bytes of UTF-8."""

    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # a character has at most four bytes of UTF-8; half a pair stays one, for the row's own check
        data = self._text.read(max(1, len(buffer) // 4)).encode("utf-8", "surrogatepass")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._text.close()
        super().close()


def _is_whole(path: Path, kind: str) -> bool:
    """Whether a JSON file is one array or object (or several, each over many lines) instead of JSON Lines.

    The name does not decide: JSON Lines are often named .json, and arrays .jsonl.
    """
    with _opened(path) as file:
        lines = (line.strip() for _, line in _numbered(file) if line.strip())
        first = next(lines, b"")
        alone = next(lines, None) is None
    if first[:1] not in (b"[", b"{") or len(first) > MAX_LINE:
        return False
    if first[:1] == b"[" and kind == ".json":
        return True
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        if first[:1] == b"[":
            return first == b"[" or first.startswith(b"[{")
        return first == b"{" or (kind == ".json" and _begins_with_a_value(path))
    return alone and (isinstance(value, dict) or any(isinstance(one, dict) for one in value))


def _begins_with_a_value(path: Path) -> bool:
    with _opened(path) as file:
        data = file.read(MAX_ARRAY + 1)
    try:
        _ANY.raw_decode(data.decode("utf-8-sig").lstrip())
    except (ValueError, RecursionError):
        return False
    return True


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
        return _lenient(place, line, error)
    if not isinstance(value, dict):
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    if _needs_care(line, value):
        return _careful(place, line.decode())
    return Record(place, value)


def _lenient(place: str, line: bytes, error: orjson.JSONDecodeError) -> Record:
    """What the standard library takes and orjson does not: NaN, which pandas writes where a value is missing. Else the
    reason why the line is no record."""
    try:
        text = line.decode()
    except UnicodeDecodeError as bad:
        return Record(place, None, f"not UTF-8 (byte {bad.start + 1})")
    try:
        value = json.loads(text, parse_constant=_constant)
    except _Infinite:
        return Record(place, None, "Infinity instead of a number")
    except ValueError:
        return Record(place, None, f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return Record(place, None, "nested too deeply")
    try:
        whole = _is_unicode(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return Record(place, None, "nested too deeply")
    if not whole:
        return Record(place, None, "half a UTF-16 pair")
    if "NaN" not in text:
        return Record(place, None, f"unreadable number ({error.msg})")
    if not isinstance(value, dict):
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    return _careful(place, text)


class _Infinite(ValueError):
    pass


def _constant(name: str) -> None:
    """NaN is a missing value; Infinity is no number that an answer could be."""
    if name != "NaN":
        raise _Infinite(name)


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
        value = json.loads(text, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_constant)
        return Record(place, value)
    except _Duplicate as error:
        return Record(place, None, str(error))
    except RecursionError:
        return Record(place, None, "nested too deeply")
    except ValueError as error:  # an integer of more digits than Python converts
        return Record(place, None, f"unreadable number: {error}".split(";")[0])


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


_ANY = json.JSONDecoder(parse_float=Decimal)


def _values(path: Path, file: BinaryIO) -> Iterator[Record]:
    """A JSON array's elements, or the objects of a file one after another, each over as many lines as it has."""
    data = file.read(MAX_ARRAY + 1)
    if len(data) > MAX_ARRAY:
        fix = "write it as JSON Lines (one object per line)"
        raise IngestError(f"{path}: JSON of more than {MAX_ARRAY >> 20} MiB in one piece. Fix: {fix}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IngestError(f"{path}: not UTF-8 (byte {error.start + 1}). Fix: save it as UTF-8") from error
    at, seen, line = len(text) - len(text.lstrip()), 0, 1
    array = text[at : at + 1] == "["
    at += array
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if text[at : at + 1] == "]" if array else at >= len(text):
            return
        line += text.count("\n", seen, at)
        seen, place = at, f"line {line}"
        try:
            value, at = _ANY.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            reason = str(error).split(":")[0]
            raise IngestError(f"{path}: line {line}: not JSON ({reason}). Fix: correct it there") from error
        if not isinstance(value, dict):
            yield Record(place, None, f"not a JSON object but {_json_kind(value)}")
        elif not array and (inside := _inside(value)) is not None:
            for number, one in enumerate(inside, 1):
                yield _member(f"record {number}", one)
        else:
            yield _json_line(place, text[seen:at].encode("utf-8", "surrogatepass"))


_ANY = json.JSONDecoder(parse_float=Decimal)


def _member(place: str, value: Any) -> Record:
    """A record out of a larger object, parsed with it."""
    if not isinstance(value, dict):
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    if not _is_unicode(json.dumps(value, ensure_ascii=False, default=str)):
        return Record(place, None, "half a UTF-16 pair")
    return Record(place, _present(value))


def _inside(value: dict[str, Any]) -> list[Any] | None:
    """The records that one object holds: `{"data": [...]}`, `{"train": [...], "test": [...]}`, `{"id": {...}, ...}`,
    or columns (`{"question": [...], "answer": [...]}`, pandas' `{"question": {"0": ...}, ...}`). None where the object
    is a record itself."""
    lists = [part for part in value.values() if isinstance(part, list)]
    of_records = [part for part in lists if part and all(isinstance(one, dict) for one in part)]
    chats = {
        "messages",
        "conversations",
        "conversation",
        "prompt",
        "completion",
        "chosen",
        "rejected",
        "options",
        "choices",
    }
    if of_records and not any(plain(name) in chats for name in value):
        texts = sum(isinstance(part, str) and len(part) > 20 for part in value.values())
        if len(of_records) == len(lists) and texts <= 3 and not _asks(value):
            rows = list(chain.from_iterable(of_records))
            if all(
                set(row) <= {"row_idx", "row", "truncated_cells"} and isinstance(row.get("row"), dict)
                for row in rows
            ):
                return [row["row"] for row in rows]
            return rows
    if (
        len(value) > 1
        and len(lists) == len(value)
        and len({len(part) for part in lists}) == 1
        and _asks(value)
    ):
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    dicts = [part for part in value.values() if isinstance(part, dict)]
    if dicts and len(dicts) == len(value):
        if _asks(value) and len({tuple(part) for part in dicts}) == 1:
            return [{name: part[key] for name, part in value.items()} for key in dicts[0]]
        if not _asks(value):
            return dicts
    return None


def _asks(value: Mapping[str, Any]) -> bool:
    return any(
        plain(name) in ("question", "problem", "query", "instruction", "input", "prompt") for name in value
    )


def _csv(path: Path, file: BinaryIO, delimiter: str | None) -> Iterator[Record]:
    """pyarrow's CSV reader is faster, but knows neither the line of a bad row nor how to go on after one.
    Bytes that are not UTF-8 travel as surrogates, so that only their own row is refused."""
    text = (line.decode("utf-8", "surrogateescape") for _, line in _numbered(file))
    first = next(text, "")
    if delimiter is None:  # a spreadsheet set to a decimal comma writes semicolons
        delimiter = next((mark for mark in ";\t|" if "," not in first and mark in first), ",")
    reader = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise IngestError(f"{path}: line 1: unreadable header ({error}). Fix: correct its quotes") from error
    names = [name.strip() for name in header]
    _once_each(path, "line 1", [name for name in names if name])
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
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(names):
            yield Record(place, None, f"{counted(len(cells), 'cell')}, the header has {len(names)}")
        elif not _is_unicode("".join(cells)):
            yield Record(place, None, "not UTF-8")
        else:
            # a column without a name is an index or a spreadsheet's empty edge
            yield Record(place, {name: cell or None for name, cell in zip(names, cells, strict=True) if name})


def _once_each(path: Path, place: str, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise IngestError(f"{path}: {place}: two columns of one name ({twice[0]!r}). Fix: rename one of them")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: Path, wanted: Callable[[str], bool] | None) -> Iterator[Record]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            _once_each(path, "its schema", file.schema_arrow.names)
            names = [n for n in file.schema_arrow.names if wanted is None or wanted(plain(n))]
            if not names:
                yield from (Record(f"row {row}", {}) for row in range(1, file.metadata.num_rows + 1))
                return
            for batch in file.iter_batches(batch_size=2048, columns=names):
                batch = batch.select([name for name in names if name in batch.schema.names])
                for row, error in _rows(_readable(batch)):
                    number += 1
                    yield Record(f"row {number}", row, error)
    except (pa.ArrowException, OSError, NotImplementedError) as error:
        reason = str(error).split(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise IngestError(
            f"{path}: damaged Parquet after row {number} ({reason}). Fix: write the file again"
        ) from error


def _readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dates and times as text: Python knows neither all years nor all time zones that Parquet does."""
    columns = []
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp(column.type.unit))
        if pa.types.is_temporal(column.type):
            column = _as_text(column)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _as_text(column: pa.Array) -> pa.Array:
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException:  # a year that has no spelling: its count of units is all there is
        return pc.cast(pc.cast(column, pa.int64()), pa.string())


def _rows(batch: pa.RecordBatch) -> list[tuple[dict[str, Any] | None, str | None]]:
    """A batch as (fields, None) for each row; (None, reason) where a value cannot become one of Python's: text that is
    not UTF-8 (Parquet does not check), a time out of range, a time zone that is not known here."""
    try:
        return [({name: _present(value) for name, value in row.items()}, None) for row in batch.to_pylist()]
    except UnicodeDecodeError:
        reason = "not UTF-8"
    except (
        ValueError,
        OverflowError,
        ArithmeticError,
        LookupError,
        TypeError,
        OSError,
        pa.ArrowException,
    ) as error:
        reason = f"unreadable value ({(str(error).splitlines() or [type(error).__name__])[0][:100]})"
    except RecursionError:
        reason = "nested too deeply"
    if batch.num_rows == 1:
        return [(None, reason)]
    half = batch.num_rows // 2
    return _rows(batch.slice(0, half)) + _rows(batch.slice(half))


def _present(value: Any) -> Any:
    """None for NaN: pandas writes a missing value so, and nobody's answer is one."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list):
        return [_present(one) for one in value]
    if isinstance(value, dict):
        return {name: _present(one) for name, one in value.items()}
    return value
