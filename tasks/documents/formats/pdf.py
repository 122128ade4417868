"""PDF with a text layer: glyphs with their places become lines, and lines become a document.

Pages are read one after the other, and only their lines are kept. Formulas are LaTeX as far as their places show; see
tasks/documents/printed_math.py, printed_grids.py and printed_document.py for what is not recognised. A file without text is a scan: it is refused here and read
by OCR, where that is on. Pictures, annotations, forms and attached files are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.glyphs import glyphs_of, rules_of, squares_of
from tasks.documents.printed_boxes import boxes_of
from tasks.documents.printed_document import document_of_pages
from tasks.documents.printed_heads import PrintedPage
from tasks.documents.printed_lines import lines_of

suffixes = (".pdf",)

MAX_PAGES: Final = 20_000
MAX_BOOKMARKS: Final = 20_000
LEAST_GLYPHS: Final = 20  # per page, in the mean: below, a file is a scan
_WIDE: Final = 0.6  # of the width of a page: a rule over the whole text
_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD


def sniff(head: bytes, name: str) -> bool:
    """Return whether a file is a PDF."""
    return b"%PDF-" in head[:1024]


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Return the document of a PDF. Raises UnreadableDocument."""
    with opened(data, name) as pdf:
        glyphs = [0]
        pages = list(_pages(pdf, name, glyphs))
        if not any(page.lines for page in pages) or glyphs[0] < LEAST_GLYPHS * min(len(pages), 50):
            raise UnreadableDocument(
                f"{name}: {len(pages)} pages without a text layer. Fix: read it with --ocr tesseract",
                "no_text_layer",
            )
        return document_of_pages(pages, _title(pdf, name), "pdf", _bookmarks(pdf))


def opened(data: bytes, name: str) -> Any:
    """Return an open PdfDocument, a context manager. Raises UnreadableDocument."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise UnreadableDocument(
                f"{name}: encrypted with a password. Fix: save it without one", "encrypted"
            ) from error
        raise UnreadableDocument(f"{name}: damaged, or no PDF ({error}). Fix: save it anew") from error
    count = len(pdf)
    if not 0 < count <= MAX_PAGES:
        pdf.close()
        raise UnreadableDocument(
            f"{name}: {count} pages, where 1 to {MAX_PAGES} are read. Fix: divide it",
            "too_large" if count else "damaged",
        )
    return pdf


def _pages(pdf: Any, name: str, glyphs: list[int]) -> Iterator[PrintedPage]:
    """Yield the pages, and count their glyphs in `glyphs`."""
    import pypdfium2

    unreadable = 0
    for number in range(len(pdf)):
        try:
            page = pdf[number]
        except pypdfium2.PdfiumError as error:
            unreadable += 1
            if unreadable == len(pdf):
                raise UnreadableDocument(
                    f"{name}: none of its pages can be read ({error}). Fix: save it anew"
                ) from error
            continue
        text_page = page.get_textpage()
        try:
            printed, _ = glyphs_of(page, text_page)
            glyphs[0] += len(printed)
            drawn, wide = rules_of(page), _WIDE * page.get_width()
            squares, rules = squares_of(
                [rule for rule in drawn if rule.x1 - rule.x0 < 0.75 * page.get_width()]
            )
            lines = lines_of(boxes_of([*printed, *squares]), rules, number + 1)
            across = [rule.y for rule in drawn if rule.x1 - rule.x0 > wide]
            yield PrintedPage(number + 1, page.get_height(), lines, across)
        finally:
            text_page.close()
            page.close()


def _title(pdf: Any, name: str) -> str:
    title = " ".join(str(pdf.get_metadata_dict().get("Title") or "").split())
    return title or re.sub(r"\.pdf\Z", "", name.rpartition("/")[2], flags=re.IGNORECASE)


def _bookmarks(pdf: Any) -> list[tuple[str, int]]:
    """Return (title, level from 1) of the bookmarks."""
    marks: list[tuple[str, int]] = []
    for bookmark in pdf.get_toc(max_depth=8):
        marks.append((bookmark.get_title(), bookmark.level + 1))
        if len(marks) >= MAX_BOOKMARKS:
            break
    return marks
