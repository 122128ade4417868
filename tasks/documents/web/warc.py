"""The pages of a WARC file, read record by record in bounded memory.

The file is hostile like its pages: a line or a header without end, a record that unpacks to terabytes. Nothing longer than
MAX_PAGE is held, lines and headers are bounded, and what is skipped is not decoded. Not read: ARC, and WARC compressed with
a Zstandard dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tasks.documents.web.page import MAX_PAGE, Page
from tasks.ingestion.files import DAMAGED, damage, open_text
from tasks.ingestion.record import IngestError
from tasks.text.cleaning import printable

SUFFIXES: Final = (".warc", ".warc.gz")
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
        with open_text(path) as file:
            records = ArchiveIterator(file, no_record_parse=True)
            records.reader = reader = _bounded(file)
            for record in records:
                number += 1
                if record.rec_type in _RECORDS:
                    yield _page(record, f"record {number}")
                reader.lines = _LINES
    except (ArchiveLoadFailed, EOFError, *DAMAGED) as error:
        raise IngestError(f"{path}: after record {number}: {damage(path, error)}") from error


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
    if len(body) > MAX_PAGE:
        return Page(place, url, unfit=f"over {MAX_PAGE >> 20} MiB")
    if not body.strip():
        return Page(place, url, unfit="empty")
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
