"""Scanned pages: a typeset chapter is printed to images, blurred and turned by one degree, and read back by tesseract."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tasks.documents import ocr
from tasks.documents.formats import ReadOptions, UnreadableDocument, reader
from tasks.documents.reading import ReadingFailed, ReadLimits
from tasks.documents.scans import pages_in, read_scan, read_with_ocr
from tests.tasks.documents.typesetting import compared, pdflatex, texts_of, typeset_elements

DATA = Path(__file__).parents[2] / "data" / "documents"
BOOK = Path(__file__).parents[4] / "shared" / "data" / "textbooks" / "discrete_math_open_intro"
needs_tesseract = pytest.mark.skipif(
    not Path(ocr.TESSERACT).exists(), reason="tesseract is missing: apt-get install tesseract-ocr"
)


def scanned(data: bytes, turned: float = 1.0, blurred: float = 0.8, pages: int = 20) -> list[Image.Image]:
    pdf = pypdfium2.PdfDocument(data)
    images = []
    for number in range(min(pages, len(pdf))):
        image = pdf[number].render(scale=200 / 72, grayscale=True).to_pil().convert("L")
        image = image.rotate(turned, resample=Image.Resampling.BICUBIC, fillcolor=255)
        images.append(image.filter(ImageFilter.GaussianBlur(blurred)))
    return images


def file_of(images: list[Image.Image], kind: str) -> bytes:
    buffer = io.BytesIO()
    first, *others = [image.copy() for image in images]  # an image keeps the settings of its last saving
    several = {"save_all": True, "append_images": others} if others else {}
    first.save(buffer, kind, resolution=200, **several)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chapter() -> list[Image.Image]:
    return scanned((DATA / "chapter.pdf").read_bytes())


@pytest.mark.slow
@needs_tesseract
def test_a_scan_is_read_with_its_structure(chapter: list[Image.Image]) -> None:
    document = read_with_ocr(file_of(chapter, "PDF"), "scan.pdf", ReadOptions(ocr="tesseract"), ReadLimits())
    text = " ".join(" ".join(texts_of(document)).split())
    assert "An efficient way of counting is to find the different ways in which a whole is divided." in text
    assert "for which the two are bound together." in text
    labels = {(element.kind, element.label) for element in document.elements}
    assert {
        ("definition", "1.1"),
        ("theorem", "1.2"),
        ("example", "1.3"),
        ("exercise", "1.4"),
        ("solution", "1"),
    } <= labels
    assert {"Sums and products", "Estimates", "Exercises", "Solutions"} <= {
        one.title for one in document.headings
    }
    assert {element.page for element in document.elements} == {1, 2, 3}
    assert not re.search(r"CHAPTER|ESTIMATES", text)


@pytest.mark.slow
@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_an_image_is_read(chapter: list[Image.Image], kind: str) -> None:
    several = chapter[:2] if kind == "TIFF" else chapter[:1]
    name = f"page.{'jpg' if kind == 'JPEG' else kind.lower()}"
    assert pages_in(file_of(several, kind), name) == len(several)
    document = read_scan(file_of(several, kind), name, languages=["eng"], dpi=200)
    assert "multiplication principle" in " ".join(texts_of(document))


@pytest.mark.slow
@needs_tesseract
@pytest.mark.skipif(not BOOK.exists(), reason="the textbooks of ../shared/data are not here")
def test_a_scan_of_a_real_book(tmp_path: Path) -> None:
    files = {str(path.relative_to(BOOK)): path.read_bytes() for path in BOOK.rglob("*.ptx")}
    name = "sec_counting-combperm.ptx"
    book = reader("pretext").read(files[name], name, ReadOptions(files))
    elements = [
        one
        for one in book.elements
        if one.kind in ("text", "exercise", "example") and not re.search(r"\\|\|", one.text)
    ]
    head = "\\documentclass[11pt]{article}\n\\usepackage[margin=1in]{geometry}\n"
    data = file_of(scanned(pdflatex(typeset_elements(elements, head), tmp_path), pages=3), "PDF")
    document = read_scan(data, "scan.pdf", languages=["eng"])
    plain = " ".join(re.sub(r"[*`]|(?m:^\s*-\s)", "", one.text) for one in elements)
    words = set(re.findall(r"[a-z]{4,}", plain.lower()))
    read = re.findall(r"[a-z]{4,}", " ".join(texts_of(document)).lower())
    assert len(read) > 500
    assert sum(word in words for word in read) > 0.95 * len(read)
    assert compared([plain], document).characters > 5_000


@pytest.mark.slow
@needs_tesseract
def test_chinese_is_read_where_its_language_is_installed() -> None:
    font = Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")
    if "chi_sim" not in ocr.installed_languages() or not font.exists():
        pytest.skip("tesseract-ocr-chi-sim or a Chinese font is missing")
    from PIL import ImageFont

    image = Image.new("L", (1600, 700), 255)
    draw, letters = ImageDraw.Draw(image), ImageFont.truetype(str(font), 48)
    for place, line in enumerate(
        ("例 3 求下列函数的定义域和值域。", "解：函数的定义域是全体实数，", "所以它的值域也是全体实数。")
    ):
        draw.text((100, 100 + 120 * place), line, font=letters, fill=0)
    document = read_scan(file_of([image], "PNG"), "page.png", dpi=300)
    assert "函数的定义域" in "".join(texts_of(document))
    assert {"example", "solution"} <= {element.kind for element in document.elements}


@pytest.mark.slow
@pytest.mark.parametrize("angle", [-2.5, -1.0, 0.0, 0.6, 2.0])
def test_a_page_is_straightened(angle: float) -> None:
    (page,) = scanned((DATA / "chapter.pdf").read_bytes(), turned=angle, pages=1)
    assert ocr.skew_of(page) == pytest.approx(-angle, abs=0.15)


@pytest.mark.slow
def test_without_ocr_a_scan_is_refused(chapter: list[Image.Image]) -> None:
    for kind, name in (("PDF", "scan.pdf"), ("PNG", "scan.png")):
        with pytest.raises(UnreadableDocument, match="--ocr tesseract") as refused:
            read_with_ocr(file_of(chapter[:1], kind), name, ReadOptions(), ReadLimits())
        assert refused.value.code == "no_text_layer"


@needs_tesseract
def test_a_missing_language_is_our_failure_with_its_fix(chapter: list[Image.Image]) -> None:
    with pytest.raises(ReadingFailed, match="Fix: apt-get install tesseract-ocr"):
        read_scan(file_of(chapter[:1], "PNG"), "page.png", languages=["xyz"])


def test_missing_tesseract_is_said_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "TESSERACT", "/nonexistent/tesseract")
    with pytest.raises(ocr.OcrMissing, match="Fix: apt-get install tesseract-ocr"):
        ocr.installed_languages()


@pytest.mark.slow
@needs_tesseract
def test_a_blank_page_has_no_text() -> None:
    with pytest.raises(UnreadableDocument, match="no text on its 1 pages") as refused:
        read_scan(file_of([Image.new("L", (800, 800), 255)], "PNG"), "blank.png", languages=["eng"])
    assert refused.value.code == "no_text_layer"


def test_hostile_images_are_refused() -> None:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x00\x00\x00\x00"
    for name, data, codes in (
        ("bomb.png", header + bytes(4), ("bomb", "damaged")),
        ("noise.jpg", bytes(range(256)) * 10, ("damaged",)),
        ("empty.tif", b"", ("damaged",)),
    ):
        with pytest.raises(UnreadableDocument) as refused:
            read_scan(data, name, languages=["eng"])
        assert refused.value.code in codes


def test_a_page_of_a_billion_points_is_refused() -> None:
    pdf = pypdfium2.PdfDocument.new()
    pdf.new_page(14_400, 14_400)
    buffer = io.BytesIO()
    pdf.save(buffer)
    with pytest.raises(UnreadableDocument, match="million pixels") as refused:
        read_scan(buffer.getvalue(), "poster.pdf", languages=["eng"])
    assert refused.value.code == "bomb"


def hocr(*lines: tuple[tuple[int, int, int, int], float, list[tuple[str, int]]]) -> bytes:
    """Return what tesseract writes of lines: (x0, y0, x1, y1) in pixels from the top, the size, and words with their confidence."""
    spans = "".join(
        f'<span class="ocr_line" title="bbox {x0} {y0} {x1} {y1}; x_size {size}">'
        + " ".join(
            f'<span class="ocrx_word" title="bbox 0 0 1 1; x_wconf {sure}">{word}</span>'
            for word, sure in words
        )
        + "</span>"
        for (x0, y0, x1, y1), size, words in lines
    )
    return (
        f'<html><body><div class="ocr_carea" title="bbox 50 0 900 1000">{spans}</div></body></html>'.encode()
    )


def line(
    y: int, words: str, size: float = 20.0, sure: int = 95, x1: int = 850
) -> tuple[tuple[int, int, int, int], float, list[tuple[str, int]]]:
    return (60, y, x1, y + 20), size, [(word, sure) for word in words.split()]


def test_words_that_may_be_formulas_are_named() -> None:
    (read,) = ocr._lines(
        hocr(
            (
                (60, 0, 850, 20),
                20.0,
                [("Compute", 96), ("rE", 17), ("n*", 85), ("for", 96), ("n?", 90), ("+", 90), ("1.", 90)],
            )
        ),
        1,
        1000,
        1.0,
    )
    assert list(read.unsure) == ["rE", "n*", "n?"]
    (asked,) = ocr._lines(hocr(line(0, "How many are 5! of them? Explain 30° and 2 * 3.")), 1, 1000, 1.0)
    assert list(asked.unsure) == []


def test_a_raised_sign_that_is_read_as_a_line_makes_the_word_beside_it_unsure() -> None:
    raised = ((852, 195, 858, 203), 7.0, [("2", 89)])
    first, second = ocr._lines(
        hocr(line(200, "under the parabola y = x"), line(224, "between 0 and 3."), raised), 1, 1000, 1.0
    )
    assert (list(first.unsure), list(second.unsure)) == (["x"], [])


def test_footnotes_of_a_scanned_page_are_marked() -> None:
    text = [line(y, "The text of the page goes on here.") for y in range(0, 700, 24)]
    notes = [line(900, "2Use no formulas.", 15.0), line(918, "They are long.", 14.5)]
    every = ocr._lines(hocr(*text, *notes, line(980, "12", 20.0)), 1, 1000, 1.0)
    marked = [(one.text, one.note, one.ruled) for one in every if one.note or one.ruled]
    assert marked == [("Use no formulas.", "?", True)]
    plain = ocr._lines(hocr(*text, line(700, "It ends.", 15.0)), 1, 1000, 1.0)
    assert not any(one.note for one in plain)


def letters(word: str, boxes: list[tuple[int, int]]) -> str:
    """Return a word with the upper and the lower edge of each of its letters, as hOCR states them."""
    spans = "".join(
        f'<span class="ocrx_cinfo" title="x_bboxes 0 {top} 9 {bottom}; x_conf 99">{letter}</span>'
        for letter, (top, bottom) in zip(word, boxes, strict=True)
    )
    return f'<span class="ocrx_word" title="bbox 0 0 1 1; x_wconf 96">{spans}</span>'


@pytest.mark.parametrize(
    ("word", "boxes", "unsure"),
    [
        ("306", [(70, 100), (70, 100), (63, 83)], ["306"]),  # the mark of a footnote, or a power
        ("306", [(70, 100), (70, 100), (70, 100)], []),
        ("ea", [(60, 113), (60, 113)], ["ea"]),  # the sign of a sum
        ("as", [(81, 100), (81, 100)], []),
        ("is", [(70, 100), (81, 100)], []),
        ("means", [(81, 100), (60, 113), (60, 113), (81, 100), (81, 100)], []),
    ],
)
def test_words_with_letters_out_of_line_are_unsure(
    word: str, boxes: list[tuple[int, int]], unsure: list[str]
) -> None:
    first = letters("Compute", [(70, 100), *[(81, 100)] * 6])
    line = (
        f'<span class="ocr_line" title="bbox 100 60 900 113; x_size 30">{first} {letters(word, boxes)}</span>'
    )
    page = f'<html><body><div class="ocr_carea" title="bbox 100 60 900 113">{line}</div></body></html>'
    (one,) = ocr._lines(page.encode(), 1, 1000, 1.0)
    assert (one.text, list(one.unsure)) == (f"Compute {word}", unsure)
