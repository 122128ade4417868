"""EPUB: pages in the order of the book, with their places, and what is missing."""

from __future__ import annotations

import io
import zipfile

import pytest

from tasks.documents.formats import ReadOptions, UnreadableDocument, format_of, reader

PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>A short book</dc:title><dc:language>en</dc:language><dc:rights>CC BY 4.0</dc:rights></metadata>
<manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two%20pages.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="m" href="text/missing.xhtml" media-type="application/xhtml+xml"/>
</manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="m"/><itemref idref="b"/></spine></package>"""
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def book(**changed: str) -> bytes:
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": PAGE.format("<p>Contents</p>"),
        "OEBPS/text/one.xhtml": PAGE.format("<h1>One</h1><p>The first page has a number.</p>"),
        "OEBPS/text/two pages.xhtml": PAGE.format(
            "<p>Before any heading.</p><h2>Two</h2><p>Where <math xmlns='http://www.w3.org/1998/Math/MathML'>"
            "<msup><mi>x</mi><mn>2</mn></msup></math> stands.</p>"
        ),
    } | changed  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for path, text in members.items():
            target.writestr(path, text)
    return buffer.getvalue()


def test_a_book() -> None:
    document = reader("epub").read(book(), "book.epub", ReadOptions())
    assert (document.title, document.language, document.license) == ("A short book", "en", "CC BY 4.0")
    assert [(one.title, one.level) for one in document.headings] == [("One", 1), ("Two", 2)]
    texts = [(one.text, one.heading, one.part) for one in document.elements]
    assert texts[0] == ("The first page has a number.", 0, "OEBPS/text/one.xhtml")
    assert texts[1] == ("Before any heading.", 0, "OEBPS/text/two pages.xhtml")
    assert texts[2][1:] == (1, "OEBPS/text/two pages.xhtml")
    assert "x^" in texts[2][0]
    assert document.missing == ["OEBPS/text/missing.xhtml"]


def test_spans_are_bytes_of_the_page() -> None:
    document = reader("epub").read(book(), "book.epub", ReadOptions())
    page = PAGE.format("<h1>One</h1><p>The first page has a number.</p>").encode()
    first = document.elements[0]
    if first.start is not None:
        assert b"The first page has a number." in page[first.start : first.end]


def test_an_epub_is_told_by_its_first_bytes() -> None:
    assert format_of("no-suffix", book()[:4096]) == "epub"


def test_encrypted_pages_are_refused_and_obfuscated_fonts_are_not() -> None:
    entry = '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptionMethod Algorithm="{}"/></encryption>'
    secret = book(**{"META-INF/encryption.xml": entry.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")})
    with pytest.raises(UnreadableDocument, match="encrypted") as refused:
        reader("epub").read(secret, "book.epub", ReadOptions())
    assert refused.value.code == "encrypted"
    fonts = book(
        **{
            "META-INF/encryption.xml": entry.format(
                "http://www.idpf.org/2008/embedding#obfuscation".replace("#", "/")
            )
        }
    )
    assert reader("epub").read(fonts, "book.epub", ReadOptions()).elements
