"""EPUB: an archive of HTML pages, which are read one after the other in the order of the book.

`part` of an element is the path of its page in the archive, and `start` and `end` are bytes of that page. Pages that the book itself
marks as its navigation are left out. Fonts, pictures, audio and scripts are not read.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from tasks.documents.archives import Archive
from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument, reader

suffixes = (".epub",)

MAX_PAGES: Final = 5_000
_CONTAINER: Final = "META-INF/container.xml"
_HTML: Final = frozenset({"application/xhtml+xml", "text/html"})
_DC: Final = "{http://purl.org/dc/elements/1.1/}"


def sniff(head: bytes, name: str) -> bool:
    """Return whether a file is an EPUB: an archive whose first file says so."""
    return head.startswith(b"PK") and b"mimetypeapplication/epub+zip" in head[:200]


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Return the document of an EPUB. Raises UnreadableDocument."""
    archive = Archive(data, name)
    container = archive.xml(_CONTAINER)
    packages = [one.get("full-path") for one in container.iter("{*}rootfile") if one.get("full-path")]
    if not packages:
        raise archive.refused("no book in it")
    package = archive.xml(packages[0])
    if "META-INF/encryption.xml" in archive and any(
        not str(one.get("Algorithm", "")).endswith(("obfuscation", "#RC")) for one in archive.xml("META-INF/encryption.xml").iter("{*}EncryptionMethod")
    ):  # fmt: skip
        raise archive.refused("its pages are encrypted", "encrypted")
    document = Document(
        _stated(package, "title") or name,
        "epub",
        language=_stated(package, "language"),
        license=_stated(package, "rights"),
    )
    for path in _pages(package, posixpath.dirname(packages[0]), archive)[:MAX_PAGES]:
        if path not in archive:
            document.missing.append(path)
            continue
        try:
            page = reader("html").read(archive.read(path), path, options)
        except UnreadableDocument as error:
            document.missing.append(f"{path} ({error.code})")
            continue
        _append(document, page, path)
    if not document.elements:
        raise archive.refused("no page with text in it")
    return document


def _stated(package: Any, field: str) -> str | None:
    """Return a field of the metadata of a book, None if it is not stated."""
    text = " ".join(" ".join(one.itertext()) for one in package.iter(_DC + field))
    return " ".join(text.split()) or None


def _pages(package: Any, folder: str, archive: Archive) -> list[str]:
    """Return the paths of the pages in the order of the book."""
    items = {}
    for item in package.iter("{*}item"):
        if item.get("media-type") in _HTML and "nav" not in (item.get("properties") or "").split():
            items[item.get("id")] = item.get("href") or ""
    paths = []
    for reference in package.iter("{*}itemref"):
        href = items.get(reference.get("idref"))
        if href is None:
            continue
        path = posixpath.normpath(posixpath.join(folder, unquote(href.split("#")[0])))
        if path.startswith(("../", "/")):
            raise archive.refused("a page has a path that leads out of it", "outside")
        paths.append(path)
    return paths


def _append(document: Document, page: Document, path: str) -> None:
    """Add a page to the document, with its indexes moved."""
    headings, elements = len(document.headings), len(document.elements)
    before = headings - 1 if headings else None
    document.headings += page.headings
    document.missing += page.missing
    for element in page.elements:
        document.elements.append(
            replace(
                element,
                part=path,
                heading=before if element.heading is None else element.heading + headings,
                of=None if element.of is None else element.of + elements,
            )
        )
