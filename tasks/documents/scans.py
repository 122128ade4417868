"""Scanned documents and images: their pages are read by OCR in groups, each in a process of its own, and put together.

Nothing leaves the machine. A vision model behind an endpoint cannot be used for this yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadLimits, call, document_of, invalid_reply, read_document

DPI: Final = 300
FOREIGN: Final = 0.1  # share of the letters of a page that may be mistakes for letters of the other language
GROUP: Final = 4  # pages that one process reads


def read_with_ocr(data: bytes, name: str, options: ReadOptions, limits: ReadLimits) -> Document:
    """Return the document of a file; one without a text layer is read as `options.ocr` says. Raises as read_document."""
    try:
        return read_document(data, name, options, limits)
    except UnreadableDocument as error:
        if error.code != "no_text_layer" or options.ocr == "off":
            raise
    return read_scan(data, name, limits=limits)


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
    groups = [(first, min(first + GROUP - 1, count)) for first in range(1, count + 1, GROUP)]
    with ThreadPoolExecutor(workers, thread_name_prefix="ocr") as threads:
        pages = [page for group in threads.map(read, groups) for page in group]
    return document_of(call("printed", orjson.dumps(pages), name, None, limits).value)


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
