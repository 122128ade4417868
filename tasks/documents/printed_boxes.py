"""What is printed at one place: a glyph, or several that were put together, with its LaTeX in a formula and its text in words."""

from __future__ import annotations

import bisect
import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.documents.glyphs import Glyph

_OWN: Final = {
    "−": "-", "×": r"\times", "÷": r"\div", "·": r"\cdot", "→": r"\to", "¬": r"\neg", "…": r"\ldots", "⋯": r"\cdots",
    "∖": r"\setminus", "∅": r"\emptyset", "ϕ": r"\phi", "φ": r"\varphi", "∗": "*", "∣": r"\mid", "′": "'", "–": "-", "∘": r"\circ",
    "◦": r"\circ", "√": r"\sqrt{}", "%": r"\%", "#": r"\#", "$": r"\$", "&": r"\&", "_": r"\_", "{": r"\{", "}": r"\}",
    "\\": r"\backslash", "⟨": r"\langle", "⟩": r"\rangle", "∥": r"\|", "±": r"\pm", "∓": r"\mp", "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow",
    "↔": r"\leftrightarrow", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "µ": r"\mu", "Δ": r"\Delta", "Ω": r"\Omega", "∆": r"\Delta", "ℎ": "h",
}  # fmt: skip
_BARE: Final = re.compile(r"[A-Za-z0-9+=<>()\[\]|/!,;:.*'\"?@~^-]")
_ENSURED: Final = re.compile(r"\\ensuremath\{(.*)\}\Z")
_TALL: Final = (
    1.25  # heights of a glyph in sizes of its font from which on its baseline is computed from its middle
)
AXIS: Final = (
    0.25  # height over the baseline of the middle of operators and fraction bars, in sizes of the font
)


@dataclass(slots=True)
class Box:
    """A glyph, or several that are put together. `latex` is what it is in a formula, `text` what it is in words (None: it is
    nothing there). `edge` is its right side without its scripts."""

    latex: str
    text: str | None
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    size: float
    math: bool
    bold: bool = False
    italic: bool = False
    upper: str = ""
    lower: str = ""
    mark: str = ""  # of a footnote, raised behind it
    edge: float = field(init=False)

    def __post_init__(self) -> None:
        self.edge = self.x1

    @property
    def whole(self) -> str:
        """The LaTeX with its scripts."""
        base = self.latex
        primes = re.fullmatch(r"[' ]+", self.upper) if self.upper else None
        raised = self.upper.replace(" ", "") if primes else f"^{{{self.upper}}}" if self.upper else ""
        lowered = f"_{{{self.lower}}}" if self.lower else ""
        return base + lowered + raised

    @property
    def center(self) -> float:
        """The middle in x."""
        return (self.x0 + self.x1) / 2


@dataclass(slots=True)
class BoxRun:
    """Boxes of one size that stand on one baseline beside each other, in order."""

    boxes: list[Box]
    size: float  # of its largest box

    @property
    def baseline(self) -> float:
        return self.boxes[0].baseline

    @property
    def x0(self) -> float:
        return self.boxes[0].x0

    @property
    def x1(self) -> float:
        return self.boxes[-1].x1


def boxes_of(glyphs: Iterable[Glyph]) -> list[Box]:
    """Return the boxes of glyphs."""
    return [_box(glyph) for glyph in glyphs]


def _box(glyph: Glyph) -> Box:
    font = glyph.font
    tall = font.extension or glyph.y1 - glyph.y0 > _TALL * font.size
    baseline = (glyph.y0 + glyph.y1) / 2 - AXIS * font.size if tall else glyph.baseline
    known = len(glyph.text) > 1 and glyph.text.startswith("\\")
    latex = glyph.text if known else "".join(latex_of(character) for character in glyph.text)
    if font.alphabet and len(glyph.text) == 1 and glyph.text.isalpha() and glyph.text.isupper():
        latex = f"{font.alphabet}{{{glyph.text}}}"
    math = font.math or (len(glyph.text) == 1 and _is_symbol(glyph.text))
    return Box(
        latex, None if known else glyph.text, glyph.x0, glyph.y0, glyph.x1, glyph.y1, baseline, font.size,
        math, font.bold, font.italic,
    )  # fmt: skip


def _is_symbol(character: str) -> bool:
    """Return whether a character only stands in formulas, whatever its font is."""
    code = ord(character)
    if code < 0x80:
        return False
    return (
        unicodedata.category(character) == "Sm"
        or 0x1D400 <= code < 0x1D800
        or (0x2100 <= code < 0x2150 and character not in "℃℉№℗℠™℮")
        or character in "′″∣∥⟨⟩⌊⌋⌈⌉√ˆ⋯⋮⋱"
    )


@functools.lru_cache(maxsize=4096)
def latex_of(character: str) -> str:
    """Return a character as LaTeX in a formula."""
    if _BARE.fullmatch(character):
        return character
    if character in _OWN:
        return _OWN[character]
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and len(plain) == 1 and plain.isascii() and 0x1D400 <= ord(character) < 0x1D800:
        name = unicodedata.name(character, "")
        command = next(
            (
                latex
                for word, latex in (
                    ("DOUBLE-STRUCK", "mathbb"),
                    ("SCRIPT", "mathcal"),
                    ("FRAKTUR", "mathfrak"),
                )
                if word in name
            ),
            "mathbf" if "BOLD" in name and "ITALIC" not in name else "",
        )
        return f"\\{command}{{{plain}}}" if command else plain
    if 0x1D400 <= ord(character) < 0x1D800:
        return latex_of(plain)
    if unicodedata.category(character)[0] == "L" and ord(character) >= 0x2E80:
        return character
    return _named(character)


def _named(character: str) -> str:
    latex = _encoder().unicode_to_latex(character)
    ensured = _ENSURED.fullmatch(latex)
    return ensured[1] if ensured else character if latex.startswith("\\text") else latex


@functools.cache
def _encoder() -> Any:
    from pylatexenc.latexencode import UnicodeToLatexEncoder

    return UnicodeToLatexEncoder(
        replacement_latex_protection="none", unknown_char_policy="keep", unknown_char_warning=False
    )


def replaced(boxes: list[Box], parts: list[Box], latex: str, baseline: float, size: float) -> list[Box]:
    gone = {id(part) for part in parts}
    whole = Box(
        latex, None, min(box.x0 for box in parts), min(box.y0 for box in parts), max(box.x1 for box in parts),
        max(box.y1 for box in parts), baseline, size, True,
    )  # fmt: skip
    return [*(box for box in boxes if id(box) not in gone), whole]


def runs_of(boxes: list[Box], reach: float = 0.7) -> list[BoxRun]:
    """Return the boxes as runs, in order of their left edges. `reach` is the largest gap in a run, in sizes of the font."""
    runs: list[BoxRun] = []
    by_baseline: list[list[BoxRun]] = []
    levels: list[float] = []
    for box in sorted(boxes, key=lambda box: box.x0):
        place = bisect.bisect_left(levels, box.baseline - 0.1 * box.size)
        joined = False
        while place < len(levels) and levels[place] <= box.baseline + 0.1 * box.size:
            last = by_baseline[place][-1]
            end = last.boxes[-1]
            if -0.6 * box.size < box.x0 - end.x1 < reach * box.size and 0.85 < box.size / end.size < 1.18:
                last.boxes.append(box)
                last.size = max(last.size, box.size)
                joined = True
                break
            place += 1
        if not joined:
            run = BoxRun([box], box.size)
            runs.append(run)
            at = bisect.bisect_left(levels, box.baseline)
            if at < len(levels) and levels[at] == box.baseline:
                by_baseline[at].append(run)
            else:
                levels.insert(at, box.baseline)
                by_baseline.insert(at, [run])
    return runs
