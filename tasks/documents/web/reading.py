"""Reads pages in batches, each batch in one limited and killable process, and finds the page that ends such a process.

A page that raises is refused by the process itself. If a page ends its process, or takes all its time or memory, the batch is read
again in halves, so that every other page is read all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from tasks.documents import reading
from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadLimits, document_of, invalid_reply, refusal_of
from tasks.documents.web.page import Page

BATCH: Final = 256  # pages of a process: its start takes as long as some twenty pages
_BATCH_BYTES: Final = 32 << 20
_PAGE_S: Final = 10.0  # CPU seconds of a page
_MEMORY_MB: Final = 2_048
_BATCH_S: Final = 60.0  # CPU seconds of a batch beside those of its pages
_USUAL_S: Final = 0.5  # CPU seconds of a page of ordinary size, with room


@dataclass(frozen=True, slots=True)
class PageText:
    """A page and its main text, or the refusal. visible, template: as in tasks.documents.web.main_text.MainText."""

    page: Page
    document: Document | None = None
    visible: int = 0
    template: str = ""
    refusal: UnreadableDocument | None = None


def read_pages(pages: Iterable[Page], *, workers: int = 1) -> Iterator[PageText]:
    """Yield the text of each page in order; a page that is `unfit` has neither a document nor a refusal.

    Raises ReadingFailed if pages cannot be read for a reason that is not in them.
    """
    with ThreadPoolExecutor(workers) as pool:
        parts = batches(pages, BATCH, _BATCH_BYTES)
        while group := list(islice(parts, workers)):
            for texts in pool.map(_read, group):
                yield from texts


def batches(pages: Iterable[Page], most: int, most_bytes: int) -> Iterator[list[Page]]:
    """Yield the pages in lists of at most so many, whose bodies have at most so many bytes; a larger page is alone in one."""
    batch: list[Page] = []
    size = 0
    for page in pages:
        if batch and (len(batch) == most or size + len(page.body) > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(page)
        size += len(page.body)
    if batch:
        yield batch


def _read(batch: Sequence[Page]) -> list[PageText]:
    fit = [page for page in batch if page.unfit is None]
    texts = iter(_texts(fit))
    return [PageText(page) if page.unfit is not None else next(texts) for page in batch]


def _texts(pages: Sequence[Page]) -> list[PageText]:
    if not pages:
        return []
    seconds = _BATCH_S + _USUAL_S * len(pages) if len(pages) > 1 else 2 * _PAGE_S
    about = [
        {"name": page.place, "encoding": page.encoding, "plain": page.plain, "url": page.url}
        for page in pages
    ]
    files = {str(number): page.body for number, page in enumerate(pages)}
    limits = ReadLimits(cpu_s=seconds, wall_s=4 * seconds, memory_mb=_MEMORY_MB)
    try:
        reply = reading.call(
            "pages", b"", pages[0].place, ReadOptions(files), limits, about=about, page_s=_PAGE_S
        )
    except UnreadableDocument as refusal:
        if len(pages) == 1:
            return [PageText(pages[0], refusal=refusal)]
        half = len(pages) // 2
        return _texts(pages[:half]) + _texts(pages[half:])
    if not (isinstance(reply.value, list) and len(reply.value) == len(pages)):
        raise invalid_reply("it does not reply once per page")
    return [_text(page, record) for page, record in zip(pages, reply.value, strict=True)]


def _text(page: Page, record: Any) -> PageText:
    if not isinstance(record, dict):
        raise invalid_reply("the reply of a page is no object")
    if "refused" in record:
        return PageText(page, refusal=refusal_of(record))
    document = document_of(record.get("document"))
    visible, template = record.get("visible"), record.get("template")
    if not (isinstance(visible, int) and isinstance(template, str)):
        raise invalid_reply("a page without its facts")
    return PageText(page, document, visible, template)
