"""Hostile documents: each is refused with a typed code within its limits, and the next document is read."""

from __future__ import annotations

import io
import os
import signal
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pypdfium2
import pytest

from tasks.documents import reading
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadingFailed, ReadLimits, call, read_document
from tasks.sandbox import Isolation

CHAPTER = Path(__file__).parents[2] / "data" / "documents" / "chapter.pdf"
SMALL = ReadLimits(cpu_s=10, wall_s=60, memory_mb=512, output_mb=16, file_mb=64)


@pytest.fixture(params=["isolated", "plain"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both places in which a reader runs: inside bubblewrap, and as an ordinary process where there is none."""
    if request.param == "plain":
        monkeypatch.setattr(reading, "isolated", lambda: Isolation(False, "no bubblewrap"))
    elif not reading.isolated().ok:
        pytest.skip(f"no isolation here: {reading.isolated().detail}")
    return str(request.param)


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for path, data in members.items():
            target.writestr(path, data)
    return buffer.getvalue()


def pdf(*objects: bytes, root: int = 1) -> bytes:
    """Return a PDF of these objects, numbered from 1."""
    data, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj " % number + body + b" endobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % one for one in places)
    return (
        data
        + table
        + b"trailer <</Root %d 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (root, len(objects) + 1, len(data))
    )


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n" % (len(data), extra) + data + b"\nendstream"


def page_of(content: bytes, extra: bytes = b"") -> bytes:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return pdf(CATALOG, ONE_PAGE, page, stream(content, extra), font)


def bomb_pdf() -> bytes:
    content = zlib.compress(zlib.compress(b"0 0 m 1 1 l S\n" * 30_000_000, 9), 9)
    return page_of(content, b"/Filter[/FlateDecode/FlateDecode]")


CONTAINER = b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="%s"/></rootfiles></container>'
ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20))
    + b"]>"
)
WORD = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%s</w:body></w:document>'

HOSTILE: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "page tree that holds itself.pdf": (
        lambda: pdf(CATALOG, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"), ("damaged", "no_text_layer"),
    ),
    "a billion pages.pdf": (lambda: pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>", b"<</Type/Page>>"), ("too_large", "damaged", "no_text_layer", "time")),
    "objects without end.pdf": (bomb_pdf, ("memory", "crashed", "time", "no_text_layer")),
    "glyphs without end.pdf": (
        lambda: page_of(zlib.compress(b"BT /F 1 Tf (" + b"x" * 200_000_000 + b") Tj ET", 9), b"/Filter/FlateDecode"),
        ("memory", "crashed", "time", "damaged", "no_text_layer"),
    ),
    "arrays in arrays.pdf": (lambda: pdf(b"[" * 100_000 + b"]" * 100_000, CATALOG), ("damaged", "crashed")),
    "a form that draws itself.pdf": (
        lambda: pdf(
            CATALOG, ONE_PAGE, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
            stream(b"/X Do"), stream(b"/X Do /X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"),
        ), ("no_text_layer", "crashed", "time"),
    ),
    "nothing.pdf": (lambda: b"", ("damaged",)),
    "noise.pdf": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 4_000, ("damaged",)),
    "zip bomb.epub": (lambda: archive({"mimetype": b"application/epub+zip", "x": bytes(300 << 20)}), ("bomb",)),
    "zip bomb.docx": (lambda: archive({"word/document.xml": b" " * (300 << 20)}), ("bomb",)),
    "a million files.docx": (lambda: archive({f"word/{number}": b"" for number in range(20_001)}), ("bomb",)),
    "out of itself.epub": (lambda: archive({"../../etc/passwd": b"x"}), ("outside",)),
    "absolute.docx": (lambda: archive({"/etc/passwd": b"x"}), ("outside",)),
    "a page outside.epub": (
        lambda: archive({
            "META-INF/container.xml": CONTAINER % b"a.opf",
            "a.opf": b'<package><manifest><item id="p" href="../../../etc/passwd" media-type="text/html"/></manifest><spine><itemref idref="p"/></spine></package>',
        }), ("outside",),
    ),
    "entities.docx": (lambda: archive({"word/document.xml": ENTITIES + WORD % b"&u;"}), ("bomb",)),
    "entities.epub": (lambda: archive({"META-INF/container.xml": ENTITIES + CONTAINER % b"&u;"}), ("bomb",)),
    "an entity of a file.docx": (
        lambda: archive({"word/document.xml": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + WORD % b"&a;"}), ("bomb",),
    ),
    "nested.docx": (lambda: archive({"word/document.xml": WORD % (b"<w:p>" * 100_000 + b"</w:p>" * 100_000)}), ("damaged", "nesting", "crashed")),
    "no Word document.docx": (lambda: archive({"word/document.xml": WORD % b""}), ("damaged",)),
    "cut.docx": (lambda: archive({"word/document.xml": WORD % b""})[:40], ("damaged",)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_with_its_code(name: str) -> None:
    make, codes = HOSTILE[name]
    with pytest.raises(UnreadableDocument, match=" Fix: ") as refused:
        read_document(make(), name, limits=SMALL)
    assert refused.value.code in codes
    assert str(refused.value).startswith(f"{name}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_the_time_limit_is_a_refusal(place: str) -> None:
    limits = ReadLimits(cpu_s=1, wall_s=60)
    with pytest.raises(UnreadableDocument, match="CPU time") as refused:
        read_document(many_pages(), "long.pdf", limits=limits)
    assert refused.value.code == "time"
    with pytest.raises(UnreadableDocument, match="not read within") as refused:
        read_document(many_pages(), "long.pdf", limits=ReadLimits(wall_s=0.5))
    assert refused.value.code == "time"


@pytest.mark.slow
def test_the_memory_limit_is_a_refusal(place: str) -> None:
    with pytest.raises(UnreadableDocument) as refused:
        read_document(many_pages() + bytes(200 << 20), "large.pdf", limits=ReadLimits(memory_mb=300))
    assert refused.value.code in ("memory", "crashed")


def test_the_output_limit_is_a_refusal(place: str) -> None:
    with pytest.raises(UnreadableDocument, match="come out of it") as refused:
        read_document(
            (b"A sentence of words. " * 6_000 + b"\n\n") * 12, "long.txt", limits=ReadLimits(output_mb=1)
        )
    assert refused.value.code == "output"


def many_pages() -> bytes:
    chapter, long = pypdfium2.PdfDocument(CHAPTER), pypdfium2.PdfDocument.new()
    for _ in range(120):
        long.import_pages(chapter)
    buffer = io.BytesIO()
    long.save(buffer)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_reader_that_is_killed_from_outside_is_our_failure(place: str) -> None:
    """The document is not to blame, and nothing of the reader is left."""

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for child in psutil.Process().children(recursive=True):
                try:
                    line = child.cmdline()
                except psutil.Error:
                    continue
                if (
                    line[-1:] == ["tasks.documents.reader_process"]
                    and "bwrap" not in line[0]
                    and child.cpu_times().user > 0.4
                ):
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ReadingFailed, match=r"long\.pdf: its reader was ended from outside"):
        read_document(many_pages(), "long.pdf")
    killer.join()
    assert not [
        one
        for one in psutil.Process().children(recursive=True)
        if "reader_process" in " ".join(one.cmdline())
    ]


def test_a_parser_sees_no_file_of_the_host_and_no_network() -> None:
    if not reading.isolated().ok:
        pytest.skip(f"no isolation here: {reading.isolated().detail}")
    seen = call("view", b"", "x.pdf").value
    assert seen["paths"] == []
    assert seen["environment"] == []
    assert not seen["network"]


def test_the_next_document_is_read() -> None:
    assert read_document(CHAPTER.read_bytes(), "chapter.pdf", ReadOptions(), SMALL).elements


def test_a_reply_that_is_cut_is_our_failure() -> None:
    for data in (
        b"\x01",
        b"\x01" + struct.pack(">Q", 9) + b"{}",
        b"\x01" + struct.pack(">Q", 3) + b"{a}",
        b"\x01\x00",
    ):
        with pytest.raises(ReadingFailed, match="Fix: "):
            reading._reply(reading._Ended(0), io.BytesIO(data), io.BytesIO(b""), "x.pdf", SMALL)
