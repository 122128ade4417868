"""Files of pages: WARC, and every file of records (Parquet, JSON Lines, CSV, Arrow) with a column of HTML or text and one of addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tasks.documents.chunks import chunks
from tasks.documents.cleaning import cleaned
from tasks.documents.web.page import Page, unfit_body
from tasks.documents.web.reading import read_pages
from tasks.documents.web.warc import SUFFIXES, warc_pages
from tasks.ingestion.column_names import QUESTIONS, SOLUTIONS, plain
from tasks.ingestion.files import kind_of
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.records import records

HTML: Final = ("html", "raw_html", "html_content", "page_html", "raw_content_html")
TEXTS: Final = ("text", "raw_content", "content", "page_content", "body", "markdown", "正文", "内容")
URLS: Final = ("url", "uri", "source_url", "target_uri", "warc_target_uri", "link", "网址")
_LICENSES: Final = ("license", "licence")
_LANGUAGES: Final = ("language", "lang")
READ: Final = frozenset((*HTML, *TEXTS, *URLS, *_LICENSES, *_LANGUAGES))


def is_page_file(path: Path) -> bool:
    """Return whether a file may hold pages, by its name."""
    return is_warc(path) or kind_of(path) is not None


def is_warc(path: Path) -> bool:
    """Return whether a file is a WARC file, by its name."""
    return path.name.lower().endswith(SUFFIXES)


def pages(path: Path) -> Iterator[Page]:
    """Yield the pages of a file in order; a record that is no page is yielded with `unfit`.

    Raises IngestError if the file is damaged, or if none of its columns is HTML or text.
    """
    if is_warc(path):
        yield from warc_pages(path)
        return
    fits = False
    for record in records(path, READ.__contains__):
        page = _page(record)
        fits = fits or page is not None
        if page is None and not fits:
            raise IngestError(
                f"{path}: {record.place}: no column of pages. Fix: name one of {', '.join((*HTML, *TEXTS))}"
            )
        yield page or Page(record.place, "", unfit="without HTML and text")


def _page(record: Record) -> Page | None:
    """Return the page of a record; None if it has none of the columns."""
    if record.fields is None:
        return Page(record.place, "", unfit=record.error or "unreadable")
    fields = {plain(name): value for name, value in record.fields.items()}
    url = _text(fields, URLS) or ""
    for names, is_plain in ((HTML, False), (TEXTS, True)):
        body = next((fields[name] for name in names if isinstance(fields.get(name), (str, bytes))), None)
        if body:
            return _with_body(record.place, url, body, is_plain, fields)
    if fields.keys() & {*HTML, *TEXTS}:
        return Page(record.place, url, unfit="empty")
    return None


def _with_body(place: str, url: str, body: str | bytes, is_plain: bool, fields: Mapping[str, Any]) -> Page:
    data = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    if why := unfit_body(data):
        return Page(place, url, unfit=why)
    return Page(
        place,
        url,
        data,
        plain=is_plain,
        encoding="utf-8" if isinstance(body, str) else None,
        license=_text(fields, _LICENSES),
        language=_text(fields, _LANGUAGES),
    )


def _text(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), None)


def texts_of_file(path: Path) -> Iterator[str]:
    """Yield the texts of a file of pages, or of a file of questions and solutions, one per record that has one.

    Raises IngestError if the file is damaged or has no such column.
    """
    if is_warc(path) or _has_pages(path):
        for text in read_pages(pages(path)):
            if text.document is not None:
                # as the rows of pages have it, so that no form of writing tells them apart
                yield "\n\n".join(chunk.text for chunk in chunks(cleaned(text.document), section=0))
        return
    names = (*QUESTIONS, *SOLUTIONS)
    for record in records(path, names.__contains__):
        fields = {plain(name): value for name, value in (record.fields or {}).items()}
        if texts := [value for name in names if isinstance(value := fields.get(name), str) and value]:
            yield "\n\n".join(texts)


def _has_pages(path: Path) -> bool:
    first = next(records(path))
    return any(plain(name) in (*HTML, *TEXTS) for name in first.fields or ())
