"""Images of pages: PNG, JPEG and TIFF. They have no text layer, so that they are refused here and read by OCR, where that is on."""

from __future__ import annotations

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument

suffixes = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Raise UnreadableDocument: only OCR reads an image."""
    raise UnreadableDocument(
        f"{name}: an image, without a text layer. Fix: read it with --ocr tesseract", "no_text_layer"
    )
