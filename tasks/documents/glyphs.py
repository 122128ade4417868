"""The printed marks of a page of a PDF: glyphs with their places and fonts, and the thin horizontal rules between them.

Places are in points, 1/72 inch, from the lower left corner. Glyphs that are turned, such as a watermark, and those without a size
are left out. pypdfium2 is not safe for threads; each document has a process of its own.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_GLYPHS: Final = 100_000  # of one page; a dense one has 10,000
MAX_OBJECTS: Final = 20_000  # drawn objects of one page that are looked at for rules
MAX_RULES: Final = 1_000
_RULE: Final = 1.6  # points: a rule is at most so thick

_MATH_FONT: Final = re.compile(
    r"CM(?:MI|SY|EX|BSY|MIB)\d|MS[AB]M|EU[FSR][MB]|RSFS|LM(?:Math|MI|SY|EX)|(?:rtx|ntx|npx|px|tx)(?:mi|sy|ex|b?mi)|"
    r"STIX.*Math|STIX(?:Size|Integ|NonUni)|XITS.*Math|Cambria ?-?Math|Asana-?Math|Math(?:ematical|Time|Design)|"
    r"MT(?:MI|SY|EX|EXTRA)|Euclid|Symbol|(?:Latin|TeXGyre|DejaVu|Libertinus).*Math|Fourier-?Math|zpl?m",
    re.IGNORECASE,
)
_EXTENSION: Final = re.compile(r"CMEX|LMMathExtension|LMEX|(?:tx|px|ntx)ex", re.IGNORECASE)
_CALLIGRAPHIC: Final = re.compile(r"CMSY|CMBSY|LMMathSymbols|RSFS|EUSM", re.IGNORECASE)
_BLACKBOARD: Final = re.compile(r"MSBM", re.IGNORECASE)
_FRAKTUR: Final = re.compile(r"EUF[MB]", re.IGNORECASE)
_BOLD: Final = re.compile(
    r"bold|black|heavy|CMBX|CMB\d|SFBX|ECBX|-Demi|Semibold|NimbusRomNo9L-Medi", re.IGNORECASE
)
_ITALIC: Final = re.compile(r"ital|obli|slant|CMTI|CMSL|SFTI|ECTI", re.IGNORECASE)
_BOLD_WEIGHT: Final = 600

# The extension fonts of TeX have no Unicode: what is at each place of their encoding (OMX), as LaTeX.
_PAIRS: Final = (
    "(",
    ")",
    "[",
    "]",
    r"\lfloor",
    r"\rfloor",
    r"\lceil",
    r"\rceil",
    r"\{",
    r"\}",
    r"\langle",
    r"\rangle",
)
_OPERATORS: Final = {
    0x46: "sqcup", 0x48: "oint", 0x4A: "bigodot", 0x4C: "bigoplus", 0x4E: "bigotimes", 0x60: "coprod",
}  # fmt: skip
_SUMS: Final = ("sum", "prod", "int", "bigcup", "bigcap", "biguplus", "bigwedge", "bigvee")


def _extension_symbols() -> dict[int, str]:
    symbols: dict[int, str] = {0x0C: "|", 0x0D: r"\|", 0x0E: "/", 0x0F: r"\backslash"}
    for first, pairs in ((0x00, _PAIRS), (0x10, _PAIRS[:2]), (0x12, _PAIRS), (0x20, _PAIRS)):
        symbols |= {first + place: sign for place, sign in enumerate(pairs)}
    symbols |= {
        0x1E: "/",
        0x1F: r"\backslash",
        0x2C: "/",
        0x2D: r"\backslash",
        0x2E: "/",
        0x2F: r"\backslash",
    }
    for code, name in _OPERATORS.items():
        symbols[code] = symbols[code + 1] = "\\" + name
    for place, name in enumerate(_SUMS):
        symbols[0x50 + place] = symbols[0x58 + place] = "\\" + name
    symbols |= dict.fromkeys(range(0x62, 0x65), r"\widehat")
    symbols |= dict.fromkeys(range(0x65, 0x68), r"\widetilde")
    symbols |= {0x68: "[", 0x69: "]"} | dict.fromkeys(range(0x70, 0x75), "√")
    return symbols


EXTENSION_SYMBOLS: Final = _extension_symbols()

# The pieces of tall brackets: the characters of Unicode for them, and the private ones by which fonts of PostScript name them.
PIECES: Final = {
    "⎛": "(", "⎜": "(", "⎝": "(", "⎞": ")", "⎟": ")", "⎠": ")", "⎡": "[", "⎢": "[", "⎣": "[", "⎤": "]", "⎥": "]", "⎦": "]",
    "⎧": r"\{", "⎨": r"\{", "⎩": r"\{", "⎪": "", "⎫": r"\}", "⎬": r"\}", "⎭": r"\}",
}  # fmt: skip
_PRIVATE_PIECES: Final = dict(zip(range(0xF8EB, 0xF8F5), "⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪", strict=True)) | dict(
    zip(range(0xF8F6, 0xF8FF), "⎞⎟⎠⎤⎥⎦⎫⎬⎭", strict=True)
)
_EXTENSION_PIECES: Final = dict(zip(range(0x30, 0x3F), "⎛⎞⎡⎤⎣⎦⎢⎥⎧⎫⎩⎭⎨⎬⎪", strict=True)) | dict(
    zip(range(0x40, 0x44), "⎝⎠⎜⎟", strict=True)
)


@dataclass(frozen=True, slots=True)
class PrintedFont:
    """What matters of the font of a glyph. `alphabet` is the LaTeX command of its capitals, such as \\mathbb."""

    size: float
    math: bool
    bold: bool
    italic: bool
    extension: bool = False
    alphabet: str | None = None
    turned: bool = False


@dataclass(slots=True)
class Glyph:
    """A printed character, or a ligature as its characters. `x0` and `x1` include its side bearings; `y0` and `y1` are its ink."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    font: PrintedFont


@dataclass(frozen=True, slots=True)
class Rule:
    """A thin horizontal line."""

    x0: float
    x1: float
    y: float


def glyphs_of(page: Any, text_page: Any) -> tuple[list[Glyph], bool]:
    """Return the glyphs of a page in the order in which they are drawn, and whether there were more than MAX_GLYPHS."""
    import pypdfium2.raw as raw

    fonts: dict[int, PrintedFont] = {}
    glyphs: list[Glyph] = []
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    x, y = ctypes.c_double(), ctypes.c_double()
    loose, handle = raw.FS_RECTF(), text_page.raw
    count = min(text_page.count_chars(), 2 * MAX_GLYPHS)
    for index in range(count):
        code = raw.FPDFText_GetUnicode(handle, index)
        if code in (0x20, 0x0D, 0x0A, 0xA0) or raw.FPDFText_IsGenerated(handle, index) == 1:
            continue  # blanks are seen by their width
        target = raw.FPDFText_GetTextObject(handle, index)
        address = ctypes.cast(target, ctypes.c_void_p).value or 0
        font = fonts.get(address)
        if font is None:
            font = fonts[address] = _font(raw, handle, index)
        if font.turned:
            continue
        character = _character(code, font)
        if not character:
            continue
        raw.FPDFText_GetCharOrigin(handle, index, x, y)
        raw.FPDFText_GetLooseCharBox(handle, index, loose)
        if (
            glyphs
            and glyphs[-1].x0 == loose.left
            and glyphs[-1].baseline == y.value
            and glyphs[-1].font == font
        ):
            glyphs[-1].text += character  # a ligature, which is given as its characters at one place
            continue
        raw.FPDFText_GetCharBox(handle, index, left, right, bottom, top)
        if right.value <= left.value and not character.strip():
            continue
        ascent = top.value if top.value > bottom.value else y.value + 0.7 * font.size
        glyphs.append(
            Glyph(character, loose.left, min(bottom.value, ascent), loose.right, ascent, y.value, font)
        )
        if len(glyphs) > MAX_GLYPHS:
            return glyphs, True
    return glyphs, False


def _font(raw: Any, handle: Any, index: int) -> PrintedFont:
    buffer, flags, matrix = ctypes.create_string_buffer(128), ctypes.c_int(), raw.FS_MATRIX()
    raw.FPDFText_GetFontInfo(handle, index, buffer, 128, flags)
    raw.FPDFText_GetMatrix(handle, index, matrix)
    name = buffer.value.decode("utf-8", "replace").rpartition("+")[2]
    size = raw.FPDFText_GetFontSize(handle, index) * (matrix.c**2 + matrix.d**2) ** 0.5
    alphabet = (
        r"\mathbb" if _BLACKBOARD.search(name) else r"\mathfrak" if _FRAKTUR.search(name)
        else r"\mathcal" if _CALLIGRAPHIC.search(name) else None
    )  # fmt: skip
    return PrintedFont(
        size=size,
        math=bool(_MATH_FONT.search(name)),
        bold=bool(_BOLD.search(name)) or raw.FPDFText_GetFontWeight(handle, index) >= _BOLD_WEIGHT,
        italic=bool(_ITALIC.search(name)),
        extension=bool(_EXTENSION.search(name)),
        alphabet=alphabet,
        turned=not 0.5 <= size < 1_000 or abs(matrix.b) > abs(matrix.a),
    )


def _character(code: int, font: PrintedFont) -> str:
    """Return the character of a glyph, without ligatures and width forms; empty if it has none."""
    if font.extension and code in EXTENSION_SYMBOLS:
        return EXTENSION_SYMBOLS[code]
    if font.extension and code in _EXTENSION_PIECES:
        return _EXTENSION_PIECES[code]
    if code in _PRIVATE_PIECES:
        return _PRIVATE_PIECES[code]
    if code in (0x02, 0xAD, 0x2010, 0xFFFE):
        return "-"  # pdfium's mark of a hyphen at the end of a line
    if not 0x20 < code < 0x110000 or 0xD800 <= code < 0xE000 or code == 0xFFFD:
        return "\ufffd" if code >= 0x20 else ""
    character = chr(code)
    if 0xFB00 <= code <= 0xFB06:
        return unicodedata.normalize("NFKC", character)
    if 0xE000 <= code < 0xF900:
        return "\ufffd"  # the private characters of a font
    return "" if unicodedata.category(character) in ("Cc", "Cf", "Zs", "Cn") else character


def rules_of(page: Any) -> list[Rule]:
    """Return the horizontal rules of a page."""
    import pypdfium2.raw as raw

    rules = []
    for number, target in enumerate(_objects(page, raw.FPDF_PAGEOBJ_PATH)):
        if number > MAX_OBJECTS:
            break
        x0, y0, x1, y1 = target.get_bounds()
        if y1 - y0 <= _RULE and x1 - x0 > max(2.5, 2 * (y1 - y0)):
            rules.append(Rule(x0, x1, (y0 + y1) / 2))
            if len(rules) >= MAX_RULES:
                break
    return rules


def _objects(page: Any, kind: int) -> Iterator[Any]:
    yield from page.get_objects(filter=[kind], max_depth=4)


def squares_of(rules: Sequence[Rule]) -> tuple[list[Glyph], list[Rule]]:
    """Return the squares that two rules are the upper and lower sides of, as the sign at the end of a proof is drawn, and the
    other rules."""
    squares: list[Glyph] = []
    sides: set[int] = set()
    for upper in rules:
        for lower in rules:
            width, height = upper.x1 - upper.x0, upper.y - lower.y
            if (
                4 < width < 11
                and 0.7 < height / width < 1.4
                and abs(upper.x0 - lower.x0) < 0.6 > abs(upper.x1 - lower.x1)
            ):
                font = PrintedFont(height, math=False, bold=False, italic=False)
                squares.append(Glyph("□", upper.x0, lower.y, upper.x1, upper.y, lower.y, font))
                sides |= {id(upper), id(lower)}
    return squares, [rule for rule in rules if id(rule) not in sides]
