"""OCR of scanned pages with tesseract: the page is rendered, straightened and read, and its lines become those of a printed page.

This module runs in the process that reads documents. tesseract is Debian's; it is given one page at a time on its standard input and
writes hOCR, which states the place and the size of each line. Formulas are not read: they stay in the text as tesseract spells
them, without fractions and raised numbers, and with wrong signs ("k < n" for k ≤ n; an integral is a letter or a stroke). Debian has
no data of tesseract for equations. Where tesseract states little confidence in a word, the word is named, so that an exercise with it
is not asked; other formulas may be wrong and are not known to be. A vision model reads them: tasks/documents/transcribing.py.
"""

from __future__ import annotations

import io
import itertools
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Final

from tasks.documents.formats import RefusalCode, UnreadableDocument
from tasks.documents.formats.image import suffixes as IMAGES
from tasks.documents.formats.pdf import opened
from tasks.documents.printed_lines import PrintedLine
from tasks.documents.printed_notes import UNREAD_MARK

TESSERACT: Final = "/usr/bin/tesseract"
LANGUAGES: Final = ("eng", "chi_sim", "equ")  # that are used where they are installed
MAX_PIXELS: Final = 60_000_000  # of one page
MAX_FRAMES: Final = 5_000
PAGE_SECONDS: Final = 240.0
_STEEPEST: Final = 3.0  # degrees by which a page is straightened at most
_PROBE: Final = 900  # pixels of the longer side of the page on which the angle is measured
_SAME_SIZE: Final = 0.2
_TITLE: Final = re.compile(r"bbox (-?\d+) (-?\d+) (-?\d+) (-?\d+)(?:.*?x_size (\d+(?:\.\d+)?))?", re.DOTALL)
_SURE: Final = re.compile(r"\bx_wconf (\d+)")
_LETTER: Final = re.compile(r"x_bboxes -?\d+ (-?\d+) -?\d+ (-?\d+)")
_LOW: Final = frozenset("aceimnorsuvwxz")  # letters without a part above or below the others
_TALL: Final = 1.2  # heights of the largest capital or digit of a line over which no such letter is
_SHORT: Final = 3  # letters of such a word
_RAISED: Final = 0.25  # heights of the largest digit of a word by which a power is raised at least
_SMALL: Final = 0.85  # of that height, which a power has at most
_UNSURE: Final = 30  # percent: below, a word is mostly a formula that was read as letters
_POWER: Final = re.compile(
    r"[!?*]°|°{2}|[A-Za-z0-9)][?!]!|\?!|(?<![*\w])\w{1,3}\*[.,;]?\Z"
)  # as powers are read: n*, 2!°°
_ASKED: Final = re.compile(r"[\w)]\?\Z")
_GOES_ON: Final = re.compile(r"[a-z=+<>—–-]")  # behind a question mark in a sentence: n? + 1 for a square
_FRAGMENT: Final = 3  # characters of a raised or lowered sign that is read as a line
_SMALLER: Final = 0.93  # sizes of the text that a footnote has at most
_APART: Final = 1.3  # space over footnotes, in distances of lines
_FOOT: Final = 0.5  # part of the height of a page that has footnotes
_MARK: Final = re.compile(r"(?:\d{1,2}|[*†‡])\s?(?=[A-Z])")
_CJK: Final = re.compile(r"(?<=[\u2e80-\u9fff\uff00-\uffef]) (?=[\u2e80-\u9fff\uff00-\uffef])")


class OcrMissing(RuntimeError):
    """tesseract or its languages are not installed."""


def page_count(data: bytes, name: str) -> int:
    """Return the number of pages of a PDF or an image. Raises UnreadableDocument."""
    if not name.lower().endswith(IMAGES):
        with opened(data, name) as pdf:
            return len(pdf)
    return min(int(getattr(_image(data, name), "n_frames", 1)), MAX_FRAMES)


def images_of(data: bytes, name: str, first: int, last: int, dpi: int) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, image in grey levels) of the pages from `first` to `last`. Raises UnreadableDocument."""
    if name.lower().endswith(IMAGES):
        image = _image(data, name)
        for number in range(first, last + 1):
            image.seek(number - 1)
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name, number)
            yield number, image.convert("L")
        return
    with opened(data, name) as pdf:
        for number in range(first, last + 1):
            page = pdf[number - 1]
            width, height = page.get_size()
            scale = dpi / 72
            if width * height * scale**2 > MAX_PIXELS:
                raise _too_large(name, number)
            yield number, page.render(scale=scale, grayscale=True).to_pil().convert("L")
            page.close()


def _image(data: bytes, name: str) -> Any:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        code: RefusalCode = "bomb" if isinstance(error, Image.DecompressionBombError) else "damaged"
        raise UnreadableDocument(
            f"{name}: no image that can be read ({error}). Fix: save it anew", code
        ) from error


def _too_large(name: str, number: int) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name}: page {number} has more than {MAX_PIXELS // 1_000_000} million pixels. Fix: make it smaller",
        "bomb",
    )


def png(image: Any, level: int = 1) -> bytes:
    """Return an image as PNG, compressed at a level from 0 to 9."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def straightened(image: Any) -> Any:
    """Return an image turned so that its lines of text are level; the angle is at most _STEEPEST degrees."""
    angle = skew_of(image)
    if abs(angle) < 0.05:
        return image
    return image.rotate(angle, resample=3, expand=False, fillcolor=255)  # bicubic


def skew_of(image: Any) -> float:
    """Return the angle in degrees, counter-clockwise, by which to turn an image so that its lines are level.

    The rows of a level page are either text or blank, so the variance of their darkness is greatest there.
    """
    import numpy as np

    small = image.copy()
    small.thumbnail((_PROBE, _PROBE))

    def sharpness(angle: float) -> float:
        turned = np.asarray(small.rotate(angle, resample=2, fillcolor=255), dtype=np.float32)
        return float(np.diff((255 - turned).sum(axis=1)).var())

    best = 0.0
    for step, reach in ((0.5, _STEEPEST), (0.1, 0.5), (0.05, 0.1)):
        count = round(reach / step)
        best = max(
            (best + step * number for number in range(-count, count + 1)),
            key=lambda angle: (sharpness(angle), -abs(angle)),
        )
    return max(-_STEEPEST, min(_STEEPEST, best))


def installed_languages() -> list[str]:
    """Return the languages of LANGUAGES that are installed. Raises OcrMissing if tesseract is not there."""
    try:
        done = subprocess.run([TESSERACT, "--list-langs"], capture_output=True, timeout=60, check=False)
    except OSError as error:
        raise OcrMissing(
            "tesseract is not installed. Fix: apt-get install tesseract-ocr tesseract-ocr-chi-sim"
        ) from error
    present = set(done.stdout.decode("ascii", "replace").split())
    return [language for language in LANGUAGES if language in present]


def recognised(
    image: Any, number: int, languages: Sequence[str], dpi: int, name: str
) -> tuple[float, list[PrintedLine]]:
    """Return the height in points of a page and its lines in reading order. Raises UnreadableDocument, OcrMissing."""
    level = straightened(image)
    command = [
        TESSERACT,
        "-",
        "-",
        "-l",
        "+".join(languages),
        "--psm",
        "3",
        "--dpi",
        str(dpi),
        "-c",
        "tessedit_create_hocr=1",
        "-c",
        "hocr_char_boxes=1",
    ]
    try:
        done = subprocess.run(
            command, input=png(level), capture_output=True, timeout=PAGE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableDocument(
            f"{name}: page {number} is not read within {PAGE_SECONDS:g} s. Fix: leave it out", "time"
        ) from error
    if done.returncode:
        why = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
        if b"loading" in done.stderr or b"tessdata" in done.stderr:
            raise OcrMissing(f"tesseract: {why}. Fix: apt-get install tesseract-ocr tesseract-ocr-chi-sim")
        raise UnreadableDocument(
            f"{name}: tesseract fails on page {number} ({why}). Fix: leave it out", "crashed"
        )
    return level.height * 72 / dpi, _lines(done.stdout, number, level.height, 72 / dpi)


def _lines(hocr: bytes, page: int, height: int, scale: float) -> list[PrintedLine]:
    from lxml import etree

    root = etree.fromstring(
        hocr, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    )
    lines: list[PrintedLine] = []
    for area in root.iter("{*}div"):
        if area.get("class") != "ocr_carea" or (place := _place(area)) is None:
            continue
        left, right = place[0] * scale, place[2] * scale
        for line in area.iter("{*}span"):
            if (
                line.get("class") not in ("ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat")
                or (box := _place(line)) is None
            ):
                continue
            parts = [word for word in line.iter("{*}span") if word.get("class") == "ocrx_word"]
            words = ["".join("".join(word.itertext()).split()) for word in parts]
            unsure = (
                [
                    word
                    for word, part in zip(words, parts, strict=True)
                    if word and (sure := _SURE.search(part.get("title") or "")) and int(sure[1]) < _UNSURE
                ]
                + [
                    word
                    for word, after in zip(words, [*words[1:], ""], strict=True)
                    if _POWER.search(word) or (_ASKED.search(word) and _GOES_ON.match(after))
                ]
                + _of_odd_letters(words, parts)
            )
            text = _CJK.sub("", " ".join(word for word in words if word))
            if not text or not any(character.isalnum() for character in text):
                continue
            x0, y0, x1, y1, size = box
            lines.append(
                PrintedLine(
                    text, x0 * scale, x1 * scale, (height - y1) * scale, (height - y0) * scale,
                    (height - y1) * scale, (size or y1 - y0) * scale, page, left, right, unsure=unsure,
                )
            )  # fmt: skip
    usual = median(line.size for line in lines) if lines else 0.0
    lines = _without_fragments(lines, usual)
    _widen(lines)
    notes = _notes(lines, usual, height * scale)
    for line in lines:
        if line not in notes and abs(line.size - usual) < _SAME_SIZE * usual:
            line.size = usual  # tesseract measures it anew on each line
    return lines


def _of_odd_letters(words: Sequence[str], parts: Sequence[Any]) -> list[str]:
    """Return the words of a line with a digit that is raised beside another one, which is a power or the mark of a footnote (30 with the
    mark 6 is read as 306), or of few letters that are too tall for the line, which is the sign of a sum or an integral."""
    letters = [_letters(part) for part in parts]
    capitals = [
        top - bottom for word in letters for one, bottom, top in word if one.isupper() or one.isdigit()
    ]
    tall = _TALL * max(capitals, default=0)
    odd = []
    for word, own in zip(words, letters, strict=True):
        digits = [(bottom, top - bottom) for one, bottom, top in own if one.isdigit()]
        height = max((size for _, size in digits), default=0)
        lowest = min((bottom for bottom, _ in digits), default=0)
        raised = any(bottom - lowest > _RAISED * height and size < _SMALL * height for bottom, size in digits)
        # in longer words tesseract often states one place for two letters beside each other
        short = len(own) <= _SHORT and all(
            one in _LOW and top - bottom > tall > 0 for one, bottom, top in own
        )
        if raised or (own and short):
            odd.append(word)
    return odd


def _letters(word: Any) -> list[tuple[str, int, int]]:
    """Return (letter, bottom, top), in pixels from below, of each letter of a word for which tesseract states its place."""
    letters = []
    for part in word.iter("{*}span"):
        if part.get("class") == "ocrx_cinfo" and (match := _LETTER.match(part.get("title") or "")):
            letters.append(("".join(part.itertext()).strip(), -int(match[2]), -int(match[1])))
    return [one for one in letters if len(one[0]) == 1]


def _without_fragments(lines: list[PrintedLine], usual: float) -> list[PrintedLine]:
    """Return the lines without raised and lowered signs that tesseract reads as lines of their own; the words beside them are not
    sure."""
    whole: list[PrintedLine] = []
    fragments: list[PrintedLine] = []
    for line in lines:
        (fragments if len(line.text) <= _FRAGMENT and line.size < 0.85 * usual else whole).append(line)
    for fragment in fragments:
        beside = [
            line
            for line in whole
            if abs(line.baseline - fragment.baseline) < 2 * usual
            and line.x0 - 3 <= fragment.x0 <= line.x1 + usual
        ]
        if not beside:
            whole.append(fragment)
            continue
        nearest = min(beside, key=lambda line: abs(line.baseline - fragment.baseline))
        words = nearest.text.split()
        nearest.unsure = [*nearest.unsure, *(words[-1:] if fragment.x0 > nearest.x1 - 3 else words)]
    return [line for line in lines if any(line is one for one in whole)]


def _widen(lines: Sequence[PrintedLine]) -> None:
    """Give each line the edges of its column: those of the largest area that it is inside of."""
    areas = Counter((line.left, line.right) for line in lines)
    for line in lines:
        around = [
            area for area in areas if area[0] <= line.left + line.size and line.right <= area[1] + line.size
        ]
        line.left, line.right = max(around, key=lambda area: (areas[area], area[1] - area[0]))


def _notes(lines: Sequence[PrintedLine], usual: float, height: float) -> list[PrintedLine]:
    """Return the footnotes of a page, lines at its foot that are smaller than its text and set apart from it, and mark them.

    The raised marks in the text are mostly read as other signs, so that the marks of the notes are UNREAD_MARK."""
    order = sorted(
        (line for line in lines if not line.text.strip(" -–—|").isdigit()), key=lambda line: line.baseline
    )
    first = next((place for place, line in enumerate(order) if line.size > _SMALLER * usual), len(order))
    notes, rest = order[:first][::-1], order[first:]
    if not notes or len(rest) < 2 or notes[0].baseline > _FOOT * height:
        return []
    spaces = sorted(abs(one.baseline - two.baseline) for one, two in itertools.pairwise(rest))
    leading = spaces[len(spaces) // 4]
    if rest[0].baseline - notes[0].baseline < _APART * leading:
        return []
    edge = min(line.x0 for line in rest)
    for place, line in enumerate(notes):
        match = _MARK.match(line.text)
        if match or not place or line.x0 > edge + 0.5 * line.size:
            line.note, line.text = UNREAD_MARK, line.text[match.end() :] if match else line.text
    notes[0].ruled = True
    return notes


def _place(element: Any) -> tuple[int, int, int, int, float] | None:
    match = _TITLE.match(element.get("title") or "")
    return (
        None
        if match is None
        else (int(match[1]), int(match[2]), int(match[3]), int(match[4]), float(match[5] or 0))
    )
