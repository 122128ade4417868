"""Printed mathematics as LaTeX: from the places and sizes of glyphs on a page.

Fractions are read by their bars, roots and overlines by theirs, scripts by size and height, limits by their place over and under
an operator, binomials and matrices between tall brackets by their rows, cases by the rows behind a tall brace that is not closed. Tall
brackets are often put together from pieces. What the place does not tell is left as it is printed, one line per row: commutative
diagrams, accents over several letters.
"""

from __future__ import annotations

import bisect
import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.documents.glyphs import PIECES, Glyph, Rule

FUNCTIONS: Final = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "lg",
        "exp",
        "lim",
        "max",
        "min",
        "sup",
        "inf",
        "det",
        "dim",
        "ker",
        "gcd",
        "deg",
        "arg",
        "Pr",
        "mod",
    ]
)
_OWN: Final = {
    "−": "-", "×": r"\times", "÷": r"\div", "·": r"\cdot", "→": r"\to", "¬": r"\neg", "…": r"\ldots", "⋯": r"\cdots",
    "∖": r"\setminus", "∅": r"\emptyset", "ϕ": r"\phi", "φ": r"\varphi", "∗": "*", "∣": r"\mid", "′": "'", "–": "-", "∘": r"\circ",
    "◦": r"\circ", "√": r"\sqrt{}", "%": r"\%", "#": r"\#", "$": r"\$", "&": r"\&", "_": r"\_", "{": r"\{", "}": r"\}",
    "\\": r"\backslash", "⟨": r"\langle", "⟩": r"\rangle", "∥": r"\|", "±": r"\pm", "∓": r"\mp", "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow",
    "↔": r"\leftrightarrow", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "µ": r"\mu", "Δ": r"\Delta", "Ω": r"\Omega", "∆": r"\Delta", "ℎ": "h",
}  # fmt: skip
_BARE: Final = re.compile(r"[A-Za-z0-9+=<>()\[\]|/!,;:.*'\"?@~^-]")
_ENSURED: Final = re.compile(r"\\ensuremath\{(.*)\}\Z")
_ACCENTS: Final = {
    "ˆ": "hat",
    "¯": "bar",
    "˜": "tilde",
    "˙": "dot",
    "¨": "ddot",
    "⃗": "vec",
    "ˇ": "check",
    "˘": "breve",
}
_TALL: Final = (
    1.25  # heights of a glyph in sizes of its font from which on its baseline is computed from its middle
)
_AXIS: Final = (
    0.25  # height over the baseline of the middle of operators and fraction bars, in sizes of the font
)
_TOPS: Final = frozenset("⎛⎞⎡⎤⎧⎫")  # the highest pieces of brackets
_TALL_SIGNS: Final = frozenset(["(", "[", "|", ")", "]", r"\{"])
_NUMBER: Final = re.compile(r"\(\d+(?:\.\d+)*[a-z]?\)")  # of an equation
_BRACKETS: Final = {"(": (")", "pmatrix"), "[": ("]", "bmatrix"), "|": ("|", "vmatrix")}
_SCRIPT_GAP: Final = 0.35  # the largest gap in a script, in sizes of its font
_LINE_GAP: Final = 0.6  # the largest gap to the next letter of a line of text, in sizes of its font
_GRID_BOXES: Final = 200  # boxes between two brackets that are looked at as a matrix


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
    baseline = (glyph.y0 + glyph.y1) / 2 - _AXIS * font.size if tall else glyph.baseline
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


def composed(boxes: list[Box], rules: Sequence[Rule]) -> list[Box]:
    """Return the boxes of a column with fractions, roots, overlines, accents, limits, matrices, cases and scripts put together."""
    boxes = _whole_brackets(boxes)
    for rule in sorted(rules, key=lambda one: one.x1 - one.x0):
        boxes = _with_rule(boxes, rule)
    boxes = _accented(boxes)
    boxes = _grids(boxes)
    boxes = _limits(boxes)
    return _scripted(boxes)


def _with_rule(boxes: list[Box], rule: Rule) -> list[Box]:
    near = [
        box
        for box in boxes
        if box.x0 < rule.x1 + 1 and box.x1 > rule.x0 - 25 and abs((box.y0 + box.y1) / 2 - rule.y) < 60
    ]
    within = [box for box in near if box.x0 >= rule.x0 - 1.5 and box.x1 <= rule.x1 + 1.5]
    if not within:
        return boxes
    size = max(box.size for box in within)
    root = next(
        (
            box
            for box in near
            if box.text == "√"
            and abs(box.x1 - rule.x0) < 0.2 * box.size
            and abs(box.y1 - rule.y) < 0.2 * box.size
        ),
        None,
    )
    if root is not None:
        inside = [
            box
            for box in within
            if box is not root and box.y1 <= rule.y + 1 and box.y0 >= root.y0 - 0.3 * size
        ]
        if not inside:
            return boxes
        index = [
            box
            for box in near
            if box is not root and box.size < 0.8 * size and root.x0 - 0.6 * size < box.center < root.x0 + 0.45 * size
            and box.y0 > (root.y0 + root.y1) / 2 - 0.1 * size and box.y1 < root.y1 + 0.3 * size
        ]  # fmt: skip
        order = f"[{formula(_scripted(index))}]" if index else ""
        latex = f"\\sqrt{order}{{{formula(composed(inside, []))}}}"
        return _replaced(boxes, [root, *inside, *index], latex, _main_baseline(inside), size)
    within = _without_words(within, boxes, rule)
    above = _stack(within, rule.y, size, up=True)
    below = _stack(within, rule.y, size, up=False)
    slack = 0.3 * size
    width = rule.x1 - rule.x0
    if above and below and abs(width - max(_width(above), _width(below))) <= slack:
        latex = f"\\frac{{{formula(composed(above, []))}}}{{{formula(composed(below, []))}}}"
        return _replaced(boxes, above + below, latex, rule.y - _AXIS * size, size)
    if (
        below
        and not above
        and abs(width - _width(below)) <= slack
        and rule.y - max(box.y1 for box in below) < 0.3 * size
    ):
        command = "bar" if len(below) == 1 else "overline"
        latex = f"\\{command}{{{formula(composed(below, []))}}}"
        return _replaced(boxes, below, latex, _main_baseline(below), size)
    return boxes


def _without_words(within: list[Box], boxes: list[Box], rule: Rule) -> list[Box]:
    """Return the boxes over and under a rule without those that belong to a line of text that runs on beside it."""
    beside: dict[float, list[Box]] = {}  # baseline -> letters near the ends of the rule
    for box in boxes:
        reach = _LINE_GAP * box.size
        if (
            box.text
            and box.text.isalpha()
            and not box.math
            and abs(box.baseline - rule.y) < 2 * box.size
            and (rule.x0 - reach < box.x1 <= rule.x0 + 1 or rule.x1 - 1 <= box.x0 < rule.x1 + reach)
        ):
            beside.setdefault(round(box.baseline, 1), []).append(box)
    if not beside:
        return within
    levels = [
        box
        for box in within
        if any(
            abs(level - box.baseline) < 0.05 * box.size
            and any(abs(other.size - box.size) < 0.05 * box.size for other in others)
            for level, others in beside.items()
        )
    ]
    return [box for box in within if not any(box is one for one in levels)]


def _stack(within: list[Box], y: float, size: float, *, up: bool) -> list[Box]:
    """Return the boxes that stand on a rule (or hang from it), the nearest row and what overlaps it upwards (downwards)."""
    if up:
        rest = sorted((box for box in within if box.y0 >= y - 0.08 * size), key=lambda box: box.y0)
    else:
        rest = sorted((box for box in within if box.y1 <= y + 0.08 * size), key=lambda box: -box.y1)
    taken: list[Box] = []
    reach = y + 0.6 * size if up else y - 0.6 * size
    for box in rest:
        edge = box.y0 if up else box.y1
        if edge > reach if up else edge < reach:
            break
        taken.append(box)
        reach = max(reach, box.y1 - 0.05 * size) if up else min(reach, box.y0 + 0.05 * size)
    return taken


def _width(boxes: list[Box]) -> float:
    return max(box.x1 for box in boxes) - min(box.x0 for box in boxes)


def _main_baseline(boxes: list[Box]) -> float:
    """Return the baseline of the leftmost of the largest boxes."""
    size = max(box.size for box in boxes)
    return min((box for box in boxes if box.size > 0.9 * size), key=lambda box: box.x0).baseline


def _replaced(boxes: list[Box], parts: list[Box], latex: str, baseline: float, size: float) -> list[Box]:
    gone = {id(part) for part in parts}
    whole = Box(
        latex, None, min(box.x0 for box in parts), min(box.y0 for box in parts), max(box.x1 for box in parts),
        max(box.y1 for box in parts), baseline, size, True,
    )  # fmt: skip
    return [*(box for box in boxes if id(box) not in gone), whole]


def _accented(boxes: list[Box]) -> list[Box]:
    """Put accents on the letter under them."""
    accents = [box for box in boxes if box.text in _ACCENTS]
    if not accents:
        return boxes
    gone = set()
    for accent in accents:
        under = [
            box
            for box in boxes
            if box is not accent and box.text and box.text.isalpha() and abs(box.center - accent.center) < 0.3 * box.size
            and 0 <= accent.y0 - box.y0 < 1.1 * box.size
        ]  # fmt: skip
        if under:
            base = min(under, key=lambda box: abs(box.center - accent.center))
            base.latex, base.math = f"\\{_ACCENTS[accent.text or '']}{{{base.latex}}}", True
            base.text = None
            gone.add(id(accent))
    return [box for box in boxes if id(box) not in gone]


def _whole_brackets(boxes: list[Box]) -> list[Box]:
    """Put brackets together from their pieces, which stand on each other."""
    pieces = sorted((box for box in boxes if box.text in PIECES), key=lambda box: box.x0)
    columns: list[list[Box]] = []
    for box in pieces:
        if columns and box.x0 - columns[-1][0].x0 < 0.2 * box.size:
            columns[-1].append(box)
        else:
            columns.append([box])
    brackets: list[list[Box]] = []
    for column in columns:
        for number, box in enumerate(sorted(column, key=lambda box: -box.y1)):
            if number and box.text not in _TOPS and brackets[-1][-1].y0 - box.y1 < box.size:
                brackets[-1].append(box)
            else:
                brackets.append([box])
    gone = {id(box) for box in pieces}
    return [*(box for box in boxes if id(box) not in gone), *(_bracket(parts) for parts in brackets)]


def _bracket(parts: list[Box]) -> Box:
    latex = next((sign for box in parts if (sign := PIECES[box.text or ""])), r"\{")
    size = parts[0].size
    low, high = min(box.y0 for box in parts), max(box.y1 for box in parts)
    return Box(
        latex, None, min(box.x0 for box in parts), low, max(box.x1 for box in parts), high,
        (low + high) / 2 - _AXIS * size, size, True,
    )  # fmt: skip


def _grids(boxes: list[Box]) -> list[Box]:
    """Read two rows or more between tall brackets as a binomial or a matrix, and behind an open brace as cases."""
    tall = [box for box in boxes if box.y1 - box.y0 > 1.1 * box.size and box.latex in _TALL_SIGNS]
    for opening in sorted(tall, key=lambda box: -box.x0):
        if opening.latex not in _BRACKETS:
            continue
        sign, name = _BRACKETS[opening.latex]
        closing = min(
            (
                box
                for box in tall
                if box is not opening and box.latex == sign and box.x0 >= opening.x1 and abs(box.y0 - opening.y0) < 0.1 * box.size
                and abs(box.y1 - opening.y1) < 0.1 * box.size and any(box is other for other in boxes)
            ),
            key=lambda box: box.x0,
            default=None,
        )  # fmt: skip
        if closing is None or not any(opening is other for other in boxes):
            continue
        inside = [
            box
            for box in boxes
            if box is not opening and box is not closing and box.x0 >= opening.x1 - 1 and box.x1 <= closing.x0 + 1
            and opening.y0 - 1 <= (box.y0 + box.y1) / 2 <= opening.y1 + 1
        ]  # fmt: skip
        if 2 <= len(inside) <= _GRID_BOXES and (latex := _grid(inside, name, opening)):
            boxes = _replaced(boxes, [opening, closing, *inside], latex, opening.baseline, opening.size)
    for opening in sorted(tall, key=lambda box: -box.x0):
        if opening.latex == r"\{" and any(opening is box for box in boxes):
            boxes = _cases(boxes, opening)
    return boxes


def _cases(boxes: list[Box], opening: Box) -> list[Box]:
    """Read the rows behind a tall brace as cases, if nothing of its height closes it."""
    behind = [
        box
        for box in boxes
        if box is not opening and box.x0 >= opening.x1 - 1 and opening.y0 - 1 <= (box.y0 + box.y1) / 2 <= opening.y1 + 1
    ]  # fmt: skip
    closed = any(
        box.latex == r"\}" and abs(box.y0 - opening.y0) < 0.2 * box.size and abs(box.y1 - opening.y1) < 0.2 * box.size
        for box in behind
    )  # fmt: skip
    inside = behind if closed else _without_number(behind, opening)
    if closed or not 2 <= len(inside) <= _GRID_BOXES or not (latex := _grid(inside, "cases", opening)):
        return boxes
    return _replaced(boxes, [opening, *inside], latex, opening.baseline, opening.size)


def _without_number(behind: list[Box], opening: Box) -> list[Box]:
    """Return the boxes behind a brace without the number of the equation at the end of the line."""
    level = sorted(
        (box for box in behind if abs(box.baseline - opening.baseline) < 0.2 * box.size),
        key=lambda box: box.x0,
    )
    for number in range(len(level) - 1, -1, -1):
        if number == 0 or level[number].x0 - level[number - 1].x1 > 1.8 * level[number].size:
            last = level[number:]
            text = "".join(box.text or "" for box in last)
            others = [box for box in behind if not any(box is one for one in last)]
            apart = not others or last[0].x0 - max(box.x1 for box in others) > opening.size
            return others if _NUMBER.fullmatch(text) and apart else behind
    return behind


def _grid(inside: list[Box], name: str, opening: Box) -> str | None:
    rows: list[list[Box]] = []
    for box in sorted(_scripted(inside), key=lambda box: -box.baseline):
        if rows and abs(rows[-1][0].baseline - box.baseline) < 0.3 * box.size:
            rows[-1].append(box)
        else:
            rows.append([box])
    if len(rows) < 2 or (
        any(abs(row[0].baseline - opening.baseline) < 0.25 * opening.size for row in rows) and len(rows) == 2
    ):
        return None
    cells = [_cells(sorted(row, key=lambda box: box.x0)) for row in rows]
    if name != "cases" and len({len(row) for row in cells}) != 1:
        return None
    size = max(box.size for row in rows for box in row)
    apart = rows[0][0].baseline - rows[-1][0].baseline
    if (
        len(rows) == 2
        and len(cells[0]) == 1
        and name == "pmatrix"
        and (size < 0.85 * opening.size or apart > 1.3 * size)
    ):
        return f"\\binom{{{cells[0][0]}}}{{{cells[1][0]}}}"
    return f"\\begin{{{name}}} " + r" \\ ".join(" & ".join(row) for row in cells) + f" \\end{{{name}}}"


def _cells(row: list[Box]) -> list[str]:
    cells: list[list[Box]] = []
    for box in row:
        if cells and box.x0 - cells[-1][-1].x1 < 0.85 * box.size:
            cells[-1].append(box)
        else:
            cells.append([box])
    return [formula(cell) for cell in cells]


def _limits(boxes: list[Box]) -> list[Box]:
    """Attach what stands over and under an operator to it."""
    operators = [
        box
        for box in boxes
        if re.fullmatch(r"\\(?:sum|prod|int|oint|coprod|big[a-z]+)", box.latex)
        or box.text in ("∑", "∏", "⋃", "⋂")
    ]
    if not operators:
        return boxes
    gone: set[int] = set()
    for operator in operators:
        small = [
            box
            for box in boxes
            if box.size < 0.85 * operator.size and id(box) not in gone
            and operator.y0 - 1.4 * operator.size < box.baseline < operator.y1 + 0.6 * operator.size
            and operator.x0 - 3 * operator.size < box.center < operator.x1 + 3 * operator.size
        ]  # fmt: skip
        for run in runs_of(small, _SCRIPT_GAP):
            if abs((run.x0 + run.x1) / 2 - operator.center) > 0.4 * operator.size:
                continue
            if min(box.y0 for box in run.boxes) >= operator.y1 - 0.1 * operator.size and not operator.upper:
                operator.upper = formula(run.boxes)
            elif max(box.y1 for box in run.boxes) <= operator.y0 + 0.1 * operator.size and not operator.lower:
                operator.lower = formula(run.boxes)
            else:
                continue
            operator.math = True
            gone |= {id(box) for box in run.boxes}
    return [box for box in boxes if id(box) not in gone]


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


def _scripted(boxes: list[Box]) -> list[Box]:
    """Attach runs of smaller boxes to the box on whose upper or lower right they stand; return the rest."""
    runs = runs_of(boxes, _SCRIPT_GAP)
    levels = sorted(range(len(runs)), key=lambda number: runs[number].baseline)
    heights = [runs[number].baseline for number in levels]
    attached: set[int] = set()
    for number in sorted(range(len(runs)), key=lambda number: (runs[number].size, -runs[number].x0)):
        run = runs[number]
        size = run.size
        low = bisect.bisect_left(heights, run.baseline - 2.2 * size)
        high = bisect.bisect_right(heights, run.baseline + 2.2 * size)
        best: tuple[float, Box] | None = None
        for other in levels[low:high]:
            base = runs[other]
            if other == number or base.size < 1.15 * size or base.size > 3 * size or other in attached:
                continue
            for box in base.boxes:
                gap = run.x0 - box.edge
                slack = (
                    0.8 if box.latex in (r"\int", r"\oint") else 0.35
                )  # an integral leans over its lower limit
                if not -slack * box.size < gap < 0.3 * box.size or box.x0 >= run.x0:
                    continue
                raised = run.baseline - box.baseline
                # a tall box has its scripts at its corners
                most, least = (
                    max(0.75 * box.size, box.y1 - box.baseline),
                    min(-0.5 * box.size, box.y0 - box.baseline - 0.3 * size),
                )
                if least < raised < most and not -0.08 * box.size <= raised <= 0.15 * box.size:
                    score = abs(gap) + 0.1 * abs(raised)
                    if best is None or score < best[0]:
                        best = (score, box)
        if best is not None:
            box = best[1]
            latex = formula(run.boxes)
            if run.baseline > box.baseline + 0.1 * box.size:
                box.upper = f"{box.upper} {latex}".strip() if box.upper else latex
            else:
                box.lower = f"{box.lower} {latex}".strip() if box.lower else latex
            box.x1 = max(box.x1, run.x1)
            attached.add(number)
    return [box for number, run in enumerate(runs) if number not in attached for box in run.boxes]


def formula(boxes: Sequence[Box]) -> str:
    """Return boxes of one line as LaTeX."""
    parts: list[str] = []
    letters: list[Box] = []

    def words() -> None:
        text = "".join(box.latex for box in letters)
        if text in FUNCTIONS:
            text = f"\\{text}" if text != "mod" else r"\bmod"
        elif len(text) > 1:
            text = f"\\text{{{text}}}"
        if text and letters:
            last = letters[-1]
            parts.append(
                text
                + (f"_{{{last.lower}}}" if last.lower else "")
                + (f"^{{{last.upper}}}" if last.upper else "")
            )
        letters.clear()

    before: Box | None = None
    for box in sorted(boxes, key=lambda box: box.x0):
        apart = before is not None and box.x0 - before.x1 > 0.15 * box.size
        if box.text in ("/", "̸") and before is not None and parts and box.x0 < before.x1 - 0.3 * box.size:
            parts[-1] = _NEGATED.get(parts[-1], f"\\not{parts[-1]}")
            continue
        roman = not box.math and not box.italic and box.text is not None and box.text.isalpha()
        if letters and (apart or not roman or letters[-1].upper or letters[-1].lower):
            ended = apart and roman
            words()
            if (ended or (apart and not roman)) and parts and parts[-1].startswith("\\text{"):
                parts[-1] = parts[-1][:-1] + " }"
        if roman:
            letters.append(box)
        else:
            parts.append(box.whole)
        before = box
    words()
    return _spaced(parts)


def _spaced(parts: Sequence[str]) -> str:
    """Join LaTeX, with a blank where a command would run into a letter, and around relations."""
    text = ""
    for part in parts:
        if not part:
            continue
        command = re.search(r"\\[A-Za-z]+\Z", text)
        relation = part in _RELATIONS or (bool(text) and text.rsplit(" ", 1)[-1] in _RELATIONS)
        text += (
            " "
            if text and (relation or (command and part[0].isalpha()) or (command and part[0] == "\\"))
            else ""
        ) + part
    text = text.replace(r" }\text{", " ")  # words beside each other
    text = _MODULUS.sub(r"\\pmod{\1}", text)
    text = text.replace("̸=", r"\ne ").replace("̸ =", r"\ne ")
    return _DOTS.sub(_dots, text).strip()


_MODULUS: Final = re.compile(r"\(\\bmod ?([^()]+)\)")
_DOTS: Final = re.compile(r"\\cdot(?: ?\\cdot){2,}|\.\.\.|\. \. \.")


def _dots(match: re.Match[str]) -> str:
    """Return three dots of TeX as such, between multiplication signs where there are five."""
    count = match[0].count(r"\cdot")
    return {0: r"\ldots", 3: r"\cdots", 4: r"\cdots \cdot", 5: r"\cdot \cdots \cdot"}.get(count, match[0])


_NEGATED: Final = {r"\in": r"\notin", "=": r"\ne"}
_RELATIONS: Final = frozenset(
    ["=", "+", "-", "<", ">", r"\le", r"\ge", r"\ne", r"\leq", r"\geq", r"\in", r"\cap", r"\cup", r"\times", r"\cdot", r"\to", r"\mid",
     r"\subseteq", r"\subset", r"\pm", r"\equiv", r"\approx", r"\Rightarrow", r"\Leftrightarrow", r"\rightarrow", r"\wedge", r"\vee"]
)  # fmt: skip
