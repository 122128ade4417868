"""The pages of a WARC file, read record by record in bounded memory.

The file is hostile like its pages: a line or a header without end, a record that unpacks to terabytes. Nothing longer than
MAX_PAGE is held, lines and headers are bounded, and what is skipped is not decoded. Zstandard is read as the WARC-zstd draft of the
IIPC has it: one frame per record, with a dictionary in a skippable frame at the beginning of the file where they share one.
Not read: ARC.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard

from tasks.documents.web.page import MAX_PAGE, Page, unfit_body
from tasks.ingestion.files import DAMAGED, PACKED, damage, open_text
from tasks.ingestion.record import IngestError
from tasks.text.cleaning import printable

ZSTANDARD: Final = ".warc.zst"
SUFFIXES: Final = (".warc", ".warc.gz", ZSTANDARD)
MAX_DICTIONARY: Final = 16 << 20  # bytes, compressed or not
MAX_WINDOW: Final = 128 << 20  # bytes that a frame may refer back: what zstd itself allows without --long
_FED: Final = 256  # bytes that are unpacked at once: at most 64 blocks, of 128 KiB each
_DICTIONARY: Final = b"\x5d\x2a\x4d\x18"  # magic number of the skippable frame that has the dictionary
_LINE: Final = 64 << 10  # bytes of a line of headers
_LINES: Final = 2_000  # lines of the headers of a record
_HTML: Final = ("text/html", "application/xhtml+xml")
_RECORDS: Final = (
    "response",
    "resource",
    "conversion",
)  # the others describe requests, crawls and repeated visits


def warc_pages(path: Path) -> Iterator[Page]:
    """Yield the pages of a WARC file in order. A response that is no page is yielded with `unfit`.

    Raises IngestError if the file is damaged; the pages before the damage are yielded.
    """
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    number = 0
    try:
        with _opened(path) as file:
            records = ArchiveIterator(file, no_record_parse=True)
            records.reader = reader = _bounded(file)
            for record in records:
                number += 1
                if record.rec_type in _RECORDS:
                    page = _page(record, f"record {number}")
                    if record.raw_stream.limit > 0 and not record.raw_stream.read(1):
                        raise EOFError("the file ends within the record")
                    yield page
                reader.lines = _LINES
    except (ArchiveLoadFailed, EOFError, zstandard.ZstdError, *DAMAGED) as error:
        raise IngestError(f"{path}: after record {number}: {damage(path, error)}") from error


def _opened(path: Path) -> BinaryIO:
    """Return the uncompressed records of a WARC file as a stream, in bounded memory. Raises ZstdError and EOFError."""
    if not path.name.lower().endswith(ZSTANDARD):
        return open_text(path)
    file = path.open("rb")
    try:
        return cast(BinaryIO, io.BufferedReader(_Frames(file, _dictionary(file))))
    except BaseException:
        file.close()
        raise


class _Frames(io.RawIOBase):
    """The content of the Zstandard frames of a file, one after the other. Raises EOFError if the file ends within a frame, which the
    readers of the library do not tell from its end."""

    def __init__(self, file: BinaryIO, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_WINDOW)
        self._frame: Any = None
        self._given = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            given = self._given or self._file.read(_FED)
            self._given = b""
            if not given:
                if self._frame is not None:
                    raise EOFError("the file ends within a frame")
                return 0
            if self._frame is None:
                self._frame = self._decompressor.decompressobj()
            self._plain = memoryview(self._frame.decompress(given))
            if self._frame.eof:
                self._given, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _dictionary(file: BinaryIO) -> zstandard.ZstdCompressionDict | None:
    """Return the dictionary at the beginning of a file, None if it has none. The file is left behind it, or at its beginning."""
    if file.read(4) != _DICTIONARY:
        file.seek(0)
        return None
    size = int.from_bytes(file.read(4), "little")
    if size > MAX_DICTIONARY:
        raise zstandard.ZstdError(f"a dictionary of {size >> 20} MiB, over {MAX_DICTIONARY >> 20} MiB")
    data = file.read(size)
    if len(data) < size:
        raise EOFError("the file ends within its dictionary")
    if data.startswith(PACKED[".zst"]):
        plain = (
            zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
            .stream_reader(data)
            .read(MAX_DICTIONARY + 1)
        )
        if len(plain) > MAX_DICTIONARY:
            raise zstandard.ZstdError(f"a dictionary that unpacks to more than {MAX_DICTIONARY >> 20} MiB")
        data = plain
    return zstandard.ZstdCompressionDict(data)


def _bounded(file: Any) -> Any:
    """Return the buffer of warcio around a file, whose lines are bounded in length and number."""
    from warcio.bufferedreaders import BufferedReader
    from warcio.exceptions import ArchiveLoadFailed

    class Bounded(BufferedReader):  # type: ignore[misc]
        lines = _LINES

        def readline(self, length: int | None = None) -> bytes:
            line: bytes = super().readline(min(length or _LINE, _LINE))
            self.lines -= 1
            # warcio ends a line that spans several of its blocks before its limit
            if self.lines < 0 or (len(line) > _LINE // 2 and not line.endswith(b"\n")):
                raise ArchiveLoadFailed("a header without end")
            return line

    return Bounded(file)


def _page(record: Any, place: str) -> Page:
    from warcio.bufferedreaders import ChunkedDataException

    url = record.rec_headers.get_header("WARC-Target-URI") or ""
    with_http = "application/http" in (record.rec_headers.get_header("Content-Type") or "")
    if with_http:
        record.http_headers = _http_headers(record.raw_stream)
        if record.http_headers is None:
            return Page(place, url, unfit="no response of HTTP")
        status = printable(record.http_headers.get_statuscode(), 10)
        if status != "200":
            return Page(place, url, unfit=f"status {status}")
    kind, _, parameters = (_type(record) or "").partition(";")
    kind = kind.strip().lower()
    plain = kind == "text/plain" and record.rec_type == "conversion"
    if kind not in _HTML and not plain:
        return Page(place, url, unfit=f"content of type {printable(kind, 40) or 'unknown'}")
    try:
        body = record.content_stream().read(MAX_PAGE + 1)
    except ChunkedDataException:
        return Page(place, url, unfit="damaged chunks of HTTP")
    if why := unfit_body(body):
        return Page(place, url, unfit=why)
    return Page(
        place,
        url,
        body,
        plain=plain,
        encoding=_charset(parameters),
        language=record.rec_headers.get_header("WARC-Identified-Content-Language"),
    )


def _http_headers(stream: Any) -> Any:
    """Return the headers of a response, read from the beginning of its record; None if there are none."""
    from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

    try:
        return StatusAndHeadersParser(["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0"]).parse(stream)
    except (EOFError, StatusAndHeadersParserException):
        return None


def _type(record: Any) -> str | None:
    headers = record.http_headers if record.http_headers is not None else record.rec_headers
    kind: str | None = headers.get_header("Content-Type")
    return kind


def _charset(parameters: str) -> str | None:
    for one in parameters.split(";"):
        name, _, value = one.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \"'").lower() or None
    return None
