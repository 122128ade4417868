"""Opening other people's files: their kind by name and first bytes, their compression, encoding and lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

MAX_LINE = (
    16 << 20
)  # bytes; a longer line of JSON Lines or CSV is skipped, so that it is never held in memory
TEXT_KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")  # may be compressed
KINDS = (*TEXT_KINDS, ".parquet", ".arrow")
# suffix -> first bytes, of each compression that text files may have
PACKED = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00", ".zst": b"\x28\xb5\x2f\xfd"}
_NAMES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, pa.ArrowException, OSError)
_PARQUET = b"PAR1"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8


def kind_of(path: Path) -> str | None:
    """Return the suffix that decides how a file is read, without that of its compression; None if it is not in KINDS."""
    name = path.name.lower()
    compression = _compression(path)
    if compression is not None:
        name = name.removesuffix(compression)
        return next((kind for kind in TEXT_KINDS if name.endswith(kind)), None)
    return next((kind for kind in KINDS if name.endswith(kind)), None)


def fault_of(path: Path) -> str | None:
    """Return what is wrong with a file, and the fix, judged by its name and first bytes; None if nothing is wrong."""
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
    """Return in what the first bytes contradict the name, None if they fit."""
    compression = _compression(path)
    if compression is not None:
        if not head.startswith(PACKED[compression]):
            return f"not {_NAMES[compression]}, in spite of its name. Fix: rename it or compress it"
        try:
            with open_text(path) as file:
                head = file.read(4096)
        except DAMAGED as error:
            return damage(path, error)
        if not head:
            return f"empty inside its {_NAMES[compression]}. Fix: fill it or leave it out"
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


def damage(path: Path, error: BaseException) -> str:
    """Return what a failed read says about the file, and the fix."""
    compression = _compression(path)
    reason = str(error).split(". ")[0].splitlines()[:1] or [type(error).__name__]
    if compression is None:
        return f"cannot be read ({reason[0]}). Fix: copy the file again"
    return f"damaged {_NAMES[compression]} ({reason[0]}). Fix: copy or compress the file again"


def _compression(path: Path) -> str | None:
    name = path.name.lower()
    return next((suffix for suffix in PACKED if name.endswith(suffix)), None)


def open_text(path: Path) -> BinaryIO:
    """Return the file's text as a stream of UTF-8 bytes.

    It is decompressed, and recoded from UTF-16 or UTF-32 if it begins with a byte order mark.
    """
    file = _decompressed(path)
    head = file.peek(4)[:4]
    if head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return cast(BinaryIO, file)
    wide = "utf-32" if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") else "utf-16"
    return cast(BinaryIO, io.BufferedReader(_Recoded(file, wide)))


def _decompressed(path: Path) -> io.BufferedReader:
    raw: Any
    match _compression(path):
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
    """A stream of UTF-8 bytes that are recoded from text in another encoding."""

    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # a character has at most four bytes of UTF-8; half a UTF-16 pair is kept, so that the check of its row reports it
        data = self._text.read(max(1, len(buffer) // 4)).encode("utf-8", "surrogatepass")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._text.close()
        super().close()


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line). A line over MAX_LINE is cut to MAX_LINE + 1 bytes."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        yield number, line
        while len(line) > MAX_LINE and not line.endswith(b"\n") and line:
            line = file.readline(MAX_LINE + 1)
