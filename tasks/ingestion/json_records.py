"""Records of JSON Lines, and of JSON files that hold one array, one object or several objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from tasks.arrays import Indexes
from tasks.ingestion.column_names import plain
from tasks.ingestion.files import BYTE_ORDER_MARK, MAX_LINE, numbered_lines, open_text
from tasks.ingestion.record import IngestError, Record, fields_of, is_unicode, without_nan

MAX_ARRAY = 256 << 20  # bytes; a JSON array must be parsed whole, so a larger one has to become JSON Lines
_BLOCK = 4 << 20  # bytes of lines that are read, and parsed, at once
_LINE_FEED = ord("\n")
_MAY_HOLD_FLOATS = frozenset((dict, list, float))
# what a number that orjson reads as a float looks like; a text may hold the same
_NUMBER = re.compile(rb"[:,\[]\s*-?(?:\d+[.eE]|\d{16})")
_DECODER = json.JSONDecoder(parse_float=Decimal)


def is_one_value(path: Path, kind: str) -> bool:
    """Return whether a JSON file is one array or object (or several, each over many lines) instead of JSON Lines.

    The name does not decide: JSON Lines are often named .json, and arrays .jsonl.
    """
    with open_text(path) as file:
        lines = (line.strip() for _, line in numbered_lines(file) if line.strip())
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
    return alone and (isinstance(value, dict) or any(fields_of(one) is not None for one in value))


def _begins_with_a_value(path: Path) -> bool:
    with open_text(path) as file:
        data = file.read(MAX_ARRAY + 1)
    try:
        _DECODER.raw_decode(data.decode("utf-8-sig").lstrip())
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class LineBatch:
    """n lines of JSON Lines that are not blank, with their numbers from 1. They are parsed when they are asked for.

    numbers, ends: (n,) int64. data: the lines one behind the other, each with its line feed; ends: where each ends in it.
    """

    numbers: Indexes
    data: bytes
    ends: Indexes

    @classmethod
    def of(cls, numbers: Sequence[int], lines: Sequence[bytes]) -> LineBatch:
        """Return lines that are given one by one as a batch."""
        ended = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
        ends = np.cumsum(np.fromiter(map(len, ended), np.int64, len(ended)))
        return cls(np.asarray(numbers, np.int64), b"".join(ended), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def lines(self, places: Iterable[int]) -> Iterator[bytes]:
        """Yield the lines at these places in the batch."""
        return (self.data[self.ends[place - 1] if place else 0 : self.ends[place]] for place in places)

    def records(self, places: Sequence[int]) -> Iterator[Record]:
        """Yield the records of the lines at these places in the batch."""
        lines = zip(places, self.lines(places), strict=True)
        return (_json_line(f"line {self.numbers[place]}", line) for place, line in lines)

    def part(self, first: int, stop: int) -> LineBatch:
        """Return the lines from `first` to before `stop`."""
        start = int(self.ends[first - 1]) if first else 0
        if start == 0 and stop == len(self):
            return self
        data = self.data[start : int(self.ends[stop - 1]) if stop else 0]
        return LineBatch(self.numbers[first:stop], data, self.ends[first:stop] - start)

    def blocks(self) -> Iterator[tuple[int, LineBatch]]:
        """Yield parts of the batch of about _BLOCK bytes, each with the place of its first line."""
        first = 0
        while first < len(self):
            start = int(self.ends[first - 1]) if first else 0
            stop = max(first + 1, int(np.searchsorted(self.ends, start + _BLOCK, "right")))
            yield first, self.part(first, stop)
            first = stop


def line_batches(file: BinaryIO, lines: int) -> Iterator[LineBatch]:
    """Yield the lines that are not blank, `lines` at a time."""
    waiting: list[LineBatch] = []
    count = 0
    for block in _line_blocks(file):
        while count + len(block) >= lines:
            stop = lines - count
            yield _joined([*waiting, block.part(0, stop)])
            block, waiting, count = block.part(stop, len(block)), [], 0
        if len(block):
            waiting.append(block)
            count += len(block)
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[LineBatch]) -> LineBatch:
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(part.data) for part in parts[:-1])])
    return LineBatch(
        np.concatenate([part.numbers for part in parts]),
        b"".join(part.data for part in parts),
        np.concatenate([part.ends + start for part, start in zip(parts, before, strict=True)]),
    )


def _line_blocks(file: BinaryIO) -> Iterator[LineBatch]:
    """Yield the lines of a file that are not blank, about _BLOCK bytes at a time.

    They are the lines of tasks.ingestion.files.numbered_lines: a byte order mark is left out, and a line over MAX_LINE is cut.
    """
    number = 1
    data = file.read(_BLOCK).removeprefix(BYTE_ORDER_MARK)
    while data:
        if not data.endswith(b"\n"):
            end = file.readline(MAX_LINE + 1)
            more = end
            while more and not more.endswith(b"\n"):  # what follows of a line that is cut
                more = file.readline(MAX_LINE + 1)
            data += end if end.endswith(b"\n") else end + b"\n"
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _LINE_FEED) + 1
        yield _usable(LineBatch(number + np.arange(len(ends)), data, ends))
        number += len(ends)
        data = file.read(_BLOCK)


def _usable(batch: LineBatch) -> LineBatch:
    """Return the lines that are not blank, without what is over MAX_LINE."""
    data = np.frombuffer(batch.data, np.uint8)
    sizes = np.diff(batch.ends, prepend=0)
    if (data[batch.ends - sizes] > ord(" ")).all() and sizes.max() <= MAX_LINE:
        return batch
    cut = (line[: MAX_LINE + 1] for line in batch.lines(range(len(batch))))
    usable = [one for one in zip(batch.numbers.tolist(), cut, strict=True) if not one[1].isspace()]
    return LineBatch.of([number for number, _ in usable], [line for _, line in usable])


def json_lines(file: BinaryIO) -> Iterator[Record]:
    """Yield a record per line that is not blank."""
    for number, line in numbered_lines(file):
        if not line.isspace():
            yield _json_line(f"line {number}", line)


def _json_line(place: str, line: bytes) -> Record:
    if len(line) > MAX_LINE:
        return Record(place, None, f"longer than {MAX_LINE >> 20} MiB")
    line = line.removesuffix(b"\n")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _lenient(place, line, error)
    fields = fields_of(value)
    if fields is None:
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    if _needs_care(line, value):
        return _careful(place, line.decode())
    return Record(place, fields)


def _lenient(place: str, line: bytes, error: orjson.JSONDecodeError) -> Record:
    """Return the record of a line that orjson refuses.

    The standard library reads NaN, which pandas writes for missing values. All other lines give the reason why they are
    no record.
    """
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
        whole = is_unicode(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return Record(place, None, "nested too deeply")
    if not whole:
        return Record(place, None, "half a UTF-16 pair")
    if "NaN" not in text:
        return Record(place, None, f"unreadable number ({error.msg})")
    if fields_of(value) is None:
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    return _careful(place, text)


class _Infinite(ValueError):
    pass


def _constant(name: str) -> None:
    """Read NaN as a missing value; refuse Infinity, which no answer can be."""
    if name != "NaN":
        raise _Infinite(name)


def _needs_care(line: bytes, value: dict[str, Any] | list[Any]) -> bool:
    """Return whether the line may hold what orjson decides silently: a key given twice, a number past 64 bits."""
    if b"\\u00" in line:  # a key or a quotation mark may be spelled with escapes
        return True
    try:
        kept = orjson.dumps(value)
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return True
    # a key that was given twice has left its quotation marks in the line, at any depth
    if line.count(b'"') != kept.count(b'"'):
        return True
    return _NUMBER.search(line) is not None and _has_long_float(value)


def _has_long_float(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return len(repr(value)) > 15
    if kind is dict:
        return any(_has_long_float(one) for one in value.values() if type(one) in _MAY_HOLD_FLOATS)
    if kind is list:
        return any(_has_long_float(one) for one in value if type(one) in _MAY_HOLD_FLOATS)
    return False


class _DuplicateKey(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKey(f"key {next(key for key in keys if keys.count(key) > 1)!r} given twice")
    return fields


def _careful(place: str, text: str) -> Record:
    """Return the same record with decimals exactly as written; a key given twice is an error."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_keys, parse_float=Decimal, parse_constant=_constant
        )
        return Record(place, fields_of(value))
    except _DuplicateKey as error:
        return Record(place, None, str(error))
    except RecursionError:
        return Record(place, None, "nested too deeply")
    except ValueError as error:  # an integer of more digits than Python converts
        return Record(place, None, f"unreadable number: {error}".split(";")[0])


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def json_values(path: Path, file: BinaryIO) -> Iterator[Record]:
    """Yield the elements of a JSON array, or the objects of a file that holds several, each over any number of lines."""
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
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            reason = str(error).split(":")[0]
            raise IngestError(f"{path}: line {line}: not JSON ({reason}). Fix: correct it there") from error
        if fields_of(value) is None:
            yield Record(place, None, f"not a JSON object but {_json_kind(value)}")
        elif not array and isinstance(value, dict) and (nested := _nested_records(value)) is not None:
            for number, one in enumerate(nested, 1):
                yield _member(f"record {number}", one)
        else:
            yield _json_line(place, text[seen:at].encode("utf-8", "surrogatepass"))


def _member(place: str, value: Any) -> Record:
    """Return a record that was parsed as a part of a larger object."""
    fields = fields_of(value)
    if fields is None:
        return Record(place, None, f"not a JSON object but {_json_kind(value)}")
    if not is_unicode(json.dumps(value, ensure_ascii=False, default=str)):
        return Record(place, None, "half a UTF-16 pair")
    return Record(place, without_nan(fields))


def _nested_records(value: dict[str, Any]) -> list[Any] | None:
    """Return the records that one object holds, None where the object is a record itself.

    Shapes: `{"data": [...]}`, `{"train": [...], "test": [...]}`, `{"id": {...}, ...}`, and columns
    (`{"question": [...], "answer": [...]}`, pandas' `{"question": {"0": ...}, ...}`).
    """
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
        if len(of_records) == len(lists) and texts <= 3 and not _has_question_column(value):
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
        and _has_question_column(value)
    ):
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    dicts = [part for part in value.values() if isinstance(part, dict)]
    if dicts and len(dicts) == len(value):
        if _has_question_column(value) and len({tuple(part) for part in dicts}) == 1:
            return [{name: part[key] for name, part in value.items()} for key in dicts[0]]
        if not _has_question_column(value):
            return dicts
    return None


def _has_question_column(value: Mapping[str, Any]) -> bool:
    return any(
        plain(name) in ("question", "problem", "query", "instruction", "input", "prompt") for name in value
    )
