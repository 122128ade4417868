"""Scanned documents and images: their pages are read by OCR in groups, each in a process of its own, and put together.

With `tesseract` nothing leaves the machine. With `endpoint` the images of the pages are made in that process, a model transcribes them,
and the process makes the document of what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import orjson

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadLimits, call, document_of, invalid_reply, read_document

DPI: Final = 300
FOREIGN: Final = 0.1  # share of the letters of a page that may be mistakes for letters of the other language
GROUP: Final = 4  # pages that one process reads
IMAGE_DPI: Final = 200  # of the images that a model is sent
LONGEST_SIDE: Final = 2_400  # pixels of such an image


class TranscribesPages(Protocol):
    """What reads the images of pages (tasks/documents/transcribing.py)."""

    def pages(self, name: str, images: Iterable[bytes]) -> list[str]:
        """Return the Markdown of each page of the document `name`, whose images are PNG files. Raises ReadingFailed."""
        ...


def read_with_ocr(
    data: bytes,
    name: str,
    options: ReadOptions,
    limits: ReadLimits,
    transcriber: TranscribesPages | None = None,
) -> Document:
    """Return the document of a file; one without a text layer is read as `options.ocr` says. Raises as read_document.

    transcriber: what the engine `endpoint` asks; without one, such a file is refused as if OCR were off.
    """
    try:
        return read_document(data, name, options, limits)
    except UnreadableDocument as error:
        if (
            error.code != "no_text_layer"
            or options.ocr == "off"
            or (options.ocr == "endpoint" and not transcriber)
        ):
            raise
    if options.ocr == "endpoint" and transcriber is not None:
        return read_transcribed(data, name, transcriber, limits)
    return read_scan(data, name, limits=limits)


def read_transcribed(
    data: bytes, name: str, transcriber: TranscribesPages, limits: ReadLimits | None = None
) -> Document:
    """Return the document of a scanned PDF or an image, whose pages `transcriber` reads. Raises as read_scan."""
    texts = transcriber.pages(name, page_images(data, name, limits))
    return document_of(call("transcribed", orjson.dumps(texts), name, None, limits).value)


def page_images(data: bytes, name: str, limits: ReadLimits | None = None) -> Iterator[bytes]:
    """Yield the pages of a PDF or an image as PNG files in grey levels, straightened. Raises as read_scan."""
    for first, last in _groups(pages_in(data, name, limits)):
        arguments = {"first": first, "last": last, "dpi": IMAGE_DPI, "longest": LONGEST_SIDE}
        images = call("page_images", data, name, None, limits, **arguments).blobs
        if len(images) != last - first + 1:
            raise invalid_reply("it gave another number of pages than was asked for")
        yield from images


def read_scan(
    data: bytes,
    name: str,
    *,
    languages: Sequence[str] = (),
    dpi: int = DPI,
    workers: int = 1,
    limits: ReadLimits | None = None,
) -> Document:
    """Return the document of a scanned PDF or an image, read by tesseract.

    languages: of tesseract, such as "eng" (default: English, Simplified Chinese and equations, as far as they are installed).
    limits: of each process, which reads GROUP pages. Raises UnreadableDocument, and ReadingFailed where tesseract is missing.
    """
    count = pages_in(data, name, limits)
    chosen = list(languages)

    def read(group: tuple[int, int]) -> list[dict[str, Any]]:
        value = call(
            "recognise", data, name, None, limits, first=group[0], last=group[1], languages=chosen, dpi=dpi
        ).value
        if not isinstance(value, list):
            raise invalid_reply("OCR gave no pages")
        return value

    if not chosen:
        chosen = _languages(read((1, 1)))
    with ThreadPoolExecutor(workers, thread_name_prefix="ocr") as threads:
        pages = [page for group in threads.map(read, _groups(count)) for page in group]
    return document_of(call("printed", orjson.dumps(pages), name, None, limits).value)


def _groups(count: int) -> list[tuple[int, int]]:
    """Return (first, last) page of each process, from 1."""
    return [(first, min(first + GROUP - 1, count)) for first in range(1, count + 1, GROUP)]


def _languages(pages: list[dict[str, Any]]) -> list[str]:
    """Return the languages for a document of which one page was read in all languages: one language alone where nearly all letters
    are of it, because each makes mistakes with the signs of the other. Empty: all that are installed."""
    text = "".join(line["text"] for page in pages for line in page["lines"])
    letters = [character for character in text if character.isalpha()]
    share = sum(character >= "\u2e80" for character in letters) / max(1, len(letters))
    return ["eng"] if letters and share < FOREIGN else ["chi_sim"] if share > 1 - 3 * FOREIGN else []


def pages_in(data: bytes, name: str, limits: ReadLimits | None = None) -> int:
    """Return the number of pages of a PDF or an image. Raises as read_scan."""
    value = call("page_count", data, name, None, limits).value
    if not isinstance(value, int):
        raise invalid_reply("the number of pages is none")
    return value
