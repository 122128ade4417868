"""Transcribes the image of a page: tesseract reads it, in the process with limits that reads documents, and its lines become the
Markdown that a prompt asks for. Formulas come as tesseract spells them; no errors are added to its own.
"""

from __future__ import annotations

import base64
import re
from typing import Final

import orjson

from tasks.documents.document import Document
from tasks.documents.formats import UnreadableDocument
from tasks.documents.reading import ReadingFailed, call, document_of
from tasks.teacher.wire import HttpError

DPI: Final = 200  # that is taken for granted; the size of letters only decides what is a heading
_REQUESTED: Final = re.compile(r"\btranscri(?:be|ption)\b|转写|转录", re.IGNORECASE)
_MARKS: Final = re.compile(r"==(?:Page|本页)==")
_LABELS: Final = {
    "theorem": ("Theorem", "定理"), "definition": ("Definition", "定义"), "proof": ("Proof", "证明"), "example": ("Example", "例"),
    "exercise": ("Exercise", "习题"), "hint": ("Hint", "提示"), "answer": ("Answer", "答案"), "solution": ("Solution", "解"),
}  # fmt: skip


def transcription(words: str, images: tuple[str, ...]) -> str:
    """Return the transcription of an image, a data URL, as `words` ask for it. Raises HttpError."""
    if len(images) != 1 or _REQUESTED.search(words) is None:
        raise HttpError(400, "this model only transcribes the image of one page", param="messages")
    head, _, data = images[0].partition(";base64,")
    if head != "data:image/png":
        raise HttpError(400, "only PNG images in data URLs are read", param="messages")
    try:
        image = base64.b64decode(data, validate=True)
    except ValueError as error:
        raise HttpError(400, "the image is not base64", param="messages") from error
    mark = _MARKS.search(words)
    chinese = mark is not None and mark[0] == "==本页=="
    text = _text(image, chinese)
    return f"==本页==\n{text}\n==结束==" if chinese else f"==Page==\n{text}\n==End==" if mark else text


def _text(image: bytes, chinese: bool) -> str:
    """Return the text of a page as Markdown, "" if it has none."""
    try:
        pages = call("recognise", image, "page.png", first=1, last=1, languages=[], dpi=DPI).value
        document = document_of(call("printed", orjson.dumps(pages), "page.png").value)
    except UnreadableDocument as error:
        if error.code == "no_text_layer":
            return ""
        raise HttpError(400, f"the image cannot be read: {error}", param="messages") from error
    except ReadingFailed as error:
        raise HttpError(500, str(error)) from error
    return _markdown(document, chinese)


def _markdown(document: Document, chinese: bool) -> str:
    paragraphs: list[str] = []
    shown = 0
    for element in document.elements:
        for heading in document.headings[shown : (-1 if element.heading is None else element.heading) + 1]:
            paragraphs.append(
                f"{'#' * min(heading.level, 6)} {heading.number or ''} {heading.title}".replace("  ", " ")
            )
            shown += 1
        names = _LABELS.get(element.kind)
        label = f"{names[chinese]} {element.label or ''}".strip() + ". " if names else ""
        paragraphs.append(label + element.text)
    paragraphs += [f"{'#' * min(heading.level, 6)} {heading.title}" for heading in document.headings[shown:]]
    return "\n\n".join(paragraphs)
