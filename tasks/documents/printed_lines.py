"""The lines of a printed page in reading order: columns by the space between them, words by the gaps between glyphs, and the
formulas in each line between \\( and \\).

Two columns are recognised by a strip without text in the middle of the page; lines that cross it, such as titles, stand before
what is under them. The rows of a table, and those of a displayed equation of several lines, are one line. Three columns and text
around figures are not distinguished: their lines come as they are printed from left to right.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal

from tasks.documents.glyphs import Rule
from tasks.documents.printed_boxes import Box, runs_of
from tasks.documents.printed_displays import aligned, begins_with_relation, common_sign, is_below
from tasks.documents.printed_latex import FUNCTIONS, formula
from tasks.documents.printed_math import composed
from tasks.documents.printed_tables import (
    LEAST_ROWS,
    PrintedTable,
    cells_of,
    ruled_parts,
    sides,
    table_of,
    unruled_tables,
)

_WORD_GAP: Final = 0.15  # in sizes of the font
_BLANK: Final = 0.22  # the least blank after a comma of a sentence; in a formula it is smaller
_SAME_LINE: Final = (
    0.25  # difference of baselines in a line, in sizes of its largest letter; the E of TeX is lowered by 0.22
)
_CURRENCIES: Final = "$€£¥"
_NUMBER_OR_PRICE = re.compile(rf"[{_CURRENCIES}]?\d+(?:[.,]\d+)*[.,]?")
_NEUTRAL = re.compile(rf"[{_CURRENCIES}]|(?:[{_CURRENCIES}](?=\d))?[\d.,+\-=<>()\[\]{{}}|/!:;*'%]+")
_ARITHMETIC = re.compile(rf"\d!?\s*[+=<>]\s*[({_CURRENCIES}\d-]")
_PUNCTUATION: Final = frozenset(".,;:!?'\"")
_OPERATOR: Final = frozenset("+-=<>/*^|!([{")
_EQUATION_NUMBER = re.compile(r"\(?\d+(?:\.\d+)*[a-z]?\)?")
_NOTE_MARK = re.compile(r"\d{1,3}|[*†‡§¶]{1,3}|(?:\\(?:dagger|ddagger|S|P|ast)\s?){1,3}")
_RAISED_SIZE: Final = 0.85  # of the font, that a raised mark has at most
_BEFORE_MARK: Final = frozenset(".,;:?!'\"’”")
_LONG_WORD = re.compile(r"[A-Za-z]{4}")
_UNITS: Final = frozenset(
    ["mm", "cm", "dm", "km", "ft", "in", "yd", "mi", "inches", "feet", "units", "meters", "miles"]
)
_SHORT_RULE: Final = (
    0.15,
    0.6,
)  # of the width of a column: the least and the greatest length of a rule over footnotes
_AT_THE_LEFT: Final = 2.0  # points
_LEAN: Final = 0.2  # by which letters beside each other may overlap, in sizes of the font
_LONG: Final = 8  # boxes of a run that counts as a line of text
_LEAST_LINES: Final = 5  # of each of two columns


@dataclass(slots=True)
class PrintedLine:
    """A line. Places are in points from the lower left corner of the page.

    text: with formulas between \\( and \\). latex: the whole line as a formula. share: the part of its width that is formulas.
    tag: the number of an equation at its right end. lead: the words at its beginning that are printed in another style than the rest.
    left, right: the edges of its column. table: it is a table, and its text is Markdown. cells: left side, right side and text of
    what stands apart in one of the first lines of a column; of a table the sides of its columns. note: the raised mark at its beginning,
    which a footnote has. marks: the marks of footnotes in it, each with its place in the text. ruled: a short rule at the left edge
    stands over it, as over footnotes. unsure: the words that OCR is not sure of.
    """

    text: str
    x0: float
    x1: float
    y0: float
    y1: float
    baseline: float
    size: float
    page: int
    left: float
    right: float
    latex: str = ""
    share: float = 0.0
    tag: str | None = None
    lead: str = ""
    bold: bool = False
    italic: bool = False
    table: bool = False
    cells: Sequence[tuple[float, float, str]] = ()
    note: str = ""
    marks: Sequence[tuple[str, int]] = ()
    ruled: bool = False
    unsure: Sequence[str] = ()


def lines_of(boxes: list[Box], rules: Sequence[Rule], page: int) -> list[PrintedLine]:
    """Return the lines of a page in reading order. `page` counts from 1."""
    lines: list[PrintedLine] = []
    for column in columns_of(boxes):
        x0, x1 = min(box.x0 for box in column), max(box.x1 for box in column)
        y0, y1 = min(box.y0 for box in column), max(box.y1 for box in column)
        inside = [
            rule for rule in rules if x0 - 5 <= rule.x0 and rule.x1 <= x1 + 5 and y0 <= rule.y <= y1 + 5
        ]
        parts, rest, rules_left = ruled_parts(column, inside)
        printed: list[PrintedLine] = []
        for part in parts:
            rows = _rows(composed(part.boxes, part.rules))
            ruled = table_of(rows)
            printed += [_table(ruled, page, x0, x1)] if ruled else _lines(rows, page, x0, x1)
        printed += _lines(_rows(composed(rest, rules_left)), page, x0, x1)
        if parts:
            printed.sort(key=lambda line: -line.baseline)
        _mark_ruled(printed, rules_left, x1 - x0)
        lines.extend(line for line in printed if line.text or line.latex)
    return lines


def _mark_ruled(lines: Sequence[PrintedLine], rules: Sequence[Rule], width: float) -> None:
    """Mark the first line under a short rule that begins at the left edge of the column and stands between two lines."""
    for above, line in itertools.pairwise(lines):
        line.ruled = any(
            abs(rule.x0 - line.left) < _AT_THE_LEFT
            and _SHORT_RULE[0] * width < rule.x1 - rule.x0 < _SHORT_RULE[1] * width
            and line.y1 - 1 < rule.y < above.y0 + 1
            for rule in rules
        )


def _lines(rows: list[list[Box]], page: int, left: float, right: float) -> list[PrintedLine]:
    """Return rows from top to bottom as lines; those of a table, or of one display, as one."""
    lines: list[PrintedLine] = []
    single = [_line(row, page, left, right) for row in rows]
    for line, row in zip(single[:LEAST_ROWS], rows, strict=False):  # they may be the last rows of a table
        cells = cells_of(row)
        if len(cells) > 1:
            line.cells = [(*sides(cell), _line(cell, page, left, right).text) for cell in cells]
    tables = {first: (stop, one) for first, stop, one in unruled_tables(rows)}
    number = 0
    while number < len(rows):
        stop, table = tables.get(number, (0, None))
        if table is not None and not _is_shown(single[number], rows[number]):
            lines.append(_table(table, page, left, right))
            number = stop
            continue
        display, stop = _display(rows, single, number)
        lines.append(display or single[number])
        number = stop if display else number + 1
    return lines


def _is_shown(line: PrintedLine, row: list[Box]) -> bool:
    """Return whether a line may be one of a displayed equation."""
    mathematical = line.share > 0.5 or begins_with_relation(row)
    return mathematical and line.x0 - line.left > 1.2 * line.size


def _display(rows: list[list[Box]], lines: list[PrintedLine], first: int) -> tuple[PrintedLine | None, int]:
    """Return the displayed equation of several rows that begins with a row, None if there is none, and the row after it. `lines`
    are the rows as single lines."""
    parts: list[list[Box]] = []
    tags: list[str | None] = []
    whole_tag: str | None = None  # of all rows; it stands between two of them
    place: float | None = None
    number, stop = first, first
    while number < len(rows):
        line = lines[number]
        alone = _EQUATION_NUMBER.fullmatch(line.text) if parts else None
        if alone and line.text.startswith("(") and whole_tag is None and is_below(rows[number], parts[-1]):
            whole_tag, number = line.text[1:-1], number + 1
            continue
        if not _is_shown(line, rows[number]):
            break
        tag, row = _tag(rows[number], line.size)
        if parts:
            at = common_sign(row, parts[-1], place)
            if at is None or not is_below(row, parts[-1]):
                break
            place = at
        parts.append(row)
        tags.append(tag)
        number += 1
        stop = number
    if len(parts) < 2 or place is None:
        return None, first + 1
    boxes = [box for row in parts for box in row]
    size = _size(boxes)
    latex = aligned(parts, place, tags)
    line = lines[first]
    return PrintedLine(
        f"\\({latex}\\)", min(box.x0 for box in boxes), max(box.x1 for box in boxes), min(box.y0 for box in boxes),
        max(box.y1 for box in boxes), _baseline(parts[0]), size, line.page, line.left, line.right, latex, 1.0, whole_tag,
    ), stop  # fmt: skip


def _table(table: PrintedTable, page: int, left: float, right: float) -> PrintedLine:
    boxes = [box for row in table.rows for box in row]
    text = table.markdown(lambda cell: _line(cell, page, left, right).text)
    return PrintedLine(
        text, min(box.x0 for box in boxes), max(box.x1 for box in boxes), min(box.y0 for box in boxes),
        max(box.y1 for box in boxes), _baseline(table.rows[0]), _size(boxes), page, left, right, table=True,
        cells=[(*column, "") for column in table.columns],
    )  # fmt: skip


def columns_of(boxes: list[Box]) -> list[list[Box]]:
    """Return the boxes of a page as parts that are read one after the other."""
    if not boxes:
        return []
    runs = [run for run in runs_of(boxes) if len(run.boxes) >= _LONG]
    gutter = _gutter([(run.x0, run.x1) for run in runs])
    if gutter is None:
        return [boxes]
    across = sorted(
        ((run.baseline - 0.35 * run.size, run.baseline + 0.95 * run.size) for run in runs if run.x0 < gutter - 3 and run.x1 > gutter + 3),
        reverse=True,
    )  # fmt: skip
    bands: list[tuple[float, float]] = []
    for low, high in across:
        if bands and bands[-1][0] - high < 0.6 * (high - low):
            bands[-1] = (min(low, bands[-1][0]), bands[-1][1])
        else:
            bands.append((low, high))
    columns: list[list[Box]] = [[] for _ in range(3 * len(bands) + 3)]
    for box in boxes:
        middle = (box.y0 + box.y1) / 2
        number = sum(middle < low for low, _ in bands)  # of the bands above
        if number < len(bands) and bands[number][0] <= middle <= bands[number][1]:
            columns[3 * number + 2].append(box)
        else:
            columns[3 * number + (box.center > gutter)].append(box)
    return [column for column in columns if column]


def _gutter(runs: Sequence[tuple[float, float]]) -> float | None:
    """Return the x of the strip between two columns, None if there is one column."""
    if len(runs) < 2 * _LEAST_LINES:
        return None
    left, right = min(x0 for x0, _ in runs), max(x1 for _, x1 in runs)
    middle = (left + right) / 2
    best: tuple[int, float] | None = None
    for step in range(35, 66):
        x = left + (right - left) * step / 100
        crossing = sum(x0 < x - 3 and x1 > x + 3 for x0, x1 in runs)
        if (
            best is None
            or crossing < best[0]
            or (crossing == best[0] and abs(x - middle) < abs(best[1] - middle))
        ):
            best = (crossing, x)
    assert best is not None
    crossing, x = best
    before = [x1 - x0 for x0, x1 in runs if x1 <= x + 3]
    after = [x1 - x0 for x0, x1 in runs if x0 >= x - 3]
    if min(len(before), len(after)) < _LEAST_LINES or crossing > 0.6 * (len(before) + len(after)):
        return None
    wide = 0.25 * (right - left)
    starts = sorted(x0 for x0, _ in runs if x0 >= x - 3)
    aligned = sum(abs(start - starts[len(starts) // 4]) < 12 for start in starts)
    return x if median(before) > wide and median(after) > wide and aligned >= 0.5 * len(starts) else None


def _rows(boxes: list[Box]) -> list[list[Box]]:
    """Return the boxes of a column by lines, from top to bottom."""
    rows: list[list[Box]] = []
    largest: list[Box] = []  # of each row
    for box in sorted(boxes, key=lambda box: (-box.baseline, box.x0)):
        if rows and abs(largest[-1].baseline - box.baseline) < _SAME_LINE * max(box.size, largest[-1].size):
            rows[-1].append(box)
            if box.size > largest[-1].size:
                largest[-1] = box
        else:
            rows.append([box])
            largest.append(box)
    rows = [sorted(row, key=lambda box: box.x0) for row in rows]
    joined: list[list[Box]] = []
    for number, row in enumerate(rows):
        around = [
            other
            for other in (
                joined[-1] if joined else None,
                rows[number + 1] if number + 1 < len(rows) else None,
            )
            if other
        ]
        host = next((other for other in around if len(row) <= 3 < len(other) and _fits(row, other)), None)
        if host is None:
            joined.append(row)
        else:
            host.extend(row)
            host.sort(key=lambda box: box.x0)
    return joined


def _fits(row: list[Box], line: list[Box]) -> bool:
    """Return whether the few boxes of a row stand in a gap of a line: a raised mark, an operator between tall brackets."""
    low, high = min(box.y0 for box in line), max(box.y1 for box in line)
    return all(
        low - 1 <= (box.y0 + box.y1) / 2 <= high + 1
        and not any(
            box.x0 < other.x1 - _LEAN * box.size and other.x0 < box.x1 - _LEAN * box.size for other in line
        )
        for box in row
    )


TokenKind = Literal["math", "word", "neutral", "function"]


@dataclass(slots=True)
class _Token:
    """A word, a number or a price, a sign, or a box of mathematics. `gap` is the space before it, in sizes of the font."""

    kind: TokenKind
    text: str
    boxes: list[Box] = field(default_factory=list)
    gap: float = 0.0
    mark: str = ""  # of a footnote, behind it

    @property
    def apart(self) -> bool:
        return self.gap > _WORD_GAP


def _line(row: list[Box], page: int, left: float, right: float) -> PrintedLine:
    size = _size(row)
    letters = [box for box in row if box.text and box.text.isalpha() and not box.math]
    italic = sum(box.italic for box in letters) > 0.6 * len(letters)
    tag, row = _tag(row, size)
    note, row = _note(row, size)
    tokens = _tokens(row, italic)
    parts = _formulas(tokens)
    text, inside, marks = _text(tokens, parts)
    width = sum(box.x1 - box.x0 for box in row) or 1.0
    return PrintedLine(
        text, row[0].x0, max(box.x1 for box in row), min(box.y0 for box in row), max(box.y1 for box in row), _baseline(row),
        size, page, left, right, formula(row), inside / width, tag, _lead(row),
        bool(letters) and all(box.bold for box in letters), italic, note=note, marks=marks,
    )  # fmt: skip


def _size(row: list[Box]) -> float:
    """Return the size of most boxes, the larger of two."""
    counts = Counter(box.size for box in row)
    return max(counts, key=lambda size: (counts[size], size))


def _baseline(row: list[Box]) -> float:
    return median(box.baseline for box in row)


def _tag(row: list[Box], size: float) -> tuple[str | None, list[Box]]:
    """Return the number of an equation that stands at the right end of a line, and the rest of the line."""
    for number in range(len(row) - 1, 0, -1):
        if row[number].x0 - row[number - 1].x1 > 1.8 * size:
            text = "".join(box.text or "" for box in row[number:])
            if len(text) > 2 and text[0] == "(" and text[-1] == ")" and _EQUATION_NUMBER.fullmatch(text):
                return text[1:-1], row[:number]
            return None, row
    return None, row


def _note(row: list[Box], size: float) -> tuple[str, list[Box]]:
    """Return the raised mark with which a line begins, empty without one, and the rest of the line."""
    number = 0
    while (
        number < min(len(row) - 1, 3)
        and row[number].size < _RAISED_SIZE * size
        and row[number].baseline > _baseline(row[3:] or row) + 0.15 * size
        and not (row[number].upper or row[number].lower)
    ):
        number += 1
    mark = "".join(box.latex for box in row[:number])
    return (mark, row[number:]) if _NOTE_MARK.fullmatch(mark) else ("", row)


def _lead(row: list[Box]) -> str:
    """Return the words at the beginning that are bold or italic where the rest is not."""
    first = row[0]
    if not (first.bold or first.italic) or first.math:
        return ""
    text, before = "", first
    for box in row:
        if box.text is None or ((box.bold, box.italic) != (first.bold, first.italic) and box.text.isalnum()):
            return text
        text += (" " if box.x0 - before.x1 > _WORD_GAP * box.size else "") + box.text
        before = box
    return text


def _tokens(row: list[Box], italic: bool) -> list[_Token]:
    tokens: list[_Token] = []
    before: Box | None = None
    for place, box in enumerate(row):
        gap = (box.x0 - before.x1) / max(box.size, 1.0) if before is not None else 0.0
        apart = gap > _WORD_GAP
        mark = box.upper if _has_note_mark(row, place) else ""
        if mark:  # it is no power
            box.upper = ""
        scripts = bool(box.upper or box.lower)
        last = tokens[-1] if tokens else None
        if box.math or box.text is None or scripts:
            tokens.append(_Token("math", box.text or box.latex, [box], gap))
        elif box.text.isalpha():
            if (
                last
                and last.kind == "word"
                and not apart
                and before is not None
                and not (before.upper or before.lower)
            ):
                last.text += box.text
                last.boxes.append(box)
            else:
                tokens.append(_Token("word", box.text, [box], gap))
        elif (
            last and last.kind == "neutral" and not apart and _NUMBER_OR_PRICE.fullmatch(last.text + box.text)
        ):
            last.text += box.text
            last.boxes.append(box)
        else:
            tokens.append(_Token("neutral", box.text, [box], gap))
        tokens[-1].mark += mark
        before = box
    tokens = [part for token in tokens for part in _without_stop(token)]
    for number, token in enumerate(tokens):
        if token.kind != "word":
            continue
        after = tokens[number + 1] if number + 1 < len(tokens) else None
        previous = tokens[number - 1] if number else None
        if (
            len(token.text) == 1
            and token.boxes[0].italic
            and not italic
            and token.text not in "aAI"
            and token.text.isascii()
        ):
            token.kind = "math"
        elif token.text in FUNCTIONS and not token.boxes[0].italic:
            beside = (previous, after)
            if any(
                other is not None and (other.kind == "math" or other.text in "([=" or other.text.isdigit())
                for other in beside
            ):
                token.kind = "function"
    return _with_last_letters(tokens)


def _with_last_letters(tokens: list[_Token]) -> list[_Token]:
    """Return the tokens with the last letter of a word, which has a script or is a formula by its style, in its word.

    "x-axis" keeps its x, a script on a word is a mark on it, and one on the name of a function or of a unit belongs to that.
    """
    joined: list[_Token] = []
    for token in tokens:
        last = joined[-1] if joined else None
        box = token.boxes[0]
        if (
            last is None
            or token.kind != "math"
            or last.kind != "word"
            or token.apart
            or (len(last.text) < 2 and f"{last.text}{box.text}" not in _UNITS)
            or not box.text
            or box.math
        ):
            joined.append(token)
            continue
        last.text += box.text
        last.boxes.append(box)
        last.mark += token.mark
        if last.text in (FUNCTIONS | _UNITS) and (box.upper or box.lower):
            last.kind = "math"
    return joined


def _without_stop(token: _Token) -> list[_Token]:
    """Return a number, and the stop or comma after it as a token of its own."""
    if token.kind != "neutral" or len(token.text) < 2 or token.text[-1] not in ".,":
        return [token]
    return [
        _Token("neutral", token.text[:-1], token.boxes[:-1], token.gap),
        _Token("neutral", token.text[-1], token.boxes[-1:], mark=token.mark),
    ]


def _has_note_mark(row: list[Box], place: int) -> bool:
    """Return whether what stands raised behind a box is the mark of a footnote: behind a word, a stop, or a bracket around words.
    Behind a formula or a number it is a power."""
    box = row[place]
    if not box.text or box.math or box.lower or not _NOTE_MARK.fullmatch(box.upper):
        return False
    if box.text in _BEFORE_MARK:
        return True
    if box.text == ")":
        first = next((one for one in range(place, -1, -1) if row[one].text == "("), place)
        return (
            _LONG_WORD.search("".join(one.text or " " for one in row[first:place] if not one.math))
            is not None
        )
    before = row[place - 1] if place else None
    if before is None or not box.text.isalpha() or not before.text or not before.text.isalpha():
        return False
    first = place
    while first and _is_beside(row[first - 1], row[first]):
        first -= 1
    word = "".join(one.text or "" for one in row[first : place + 1])
    return first < place and not (word in FUNCTIONS or (word in _UNITS and box.upper in ("2", "3")))


def _is_beside(box: Box, after: Box) -> bool:
    """Return whether two boxes are letters of one word."""
    return (
        bool(box.text and box.text.isalpha() and not box.math and not box.upper and not box.lower)
        and after.x0 - box.x1 < _WORD_GAP * after.size
    )


def _formulas(tokens: list[_Token]) -> list[tuple[int, int]]:
    """Return the parts of a line that are formulas, as (first, after the last) token."""
    parts: list[tuple[int, int]] = []
    number = 0
    while number < len(tokens):
        end = number
        while end < len(tokens) and _may_be_formula(tokens[end]):
            end += 1
        if end > number:
            for begin, stop in _items(tokens, number, end):
                first, last = _trimmed(tokens, begin, stop)
                if begin < first < last and tokens[first - 1].text in _CURRENCIES and not tokens[first].apart:
                    first -= 1  # the price $x
                if first < last and (
                    any(token.kind == "math" for token in tokens[first:last])
                    or _ARITHMETIC.search("".join(token.text for token in tokens[first:last]))
                ):
                    parts.append((first, last))
        number = max(end, number + 1)
    return parts


def _items(tokens: list[_Token], first: int, last: int) -> list[tuple[int, int]]:
    """Return the parts between commas and stops of the sentence: those outside of brackets that a blank follows."""
    parts, depth, begin = [], 0, first
    for number in range(first, last):
        text = tokens[number].text
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        after = tokens[number + 1] if number + 1 < last else None
        if text in ",;." and depth <= 0 and after is not None and after.gap > _BLANK:
            parts.append((begin, number))
            begin = number + 1
    return [*parts, (begin, last)]


def _may_be_formula(token: _Token) -> bool:
    return token.kind in ("math", "function") or (
        token.kind == "neutral" and _NEUTRAL.fullmatch(token.text) is not None
    )


def _trimmed(tokens: list[_Token], first: int, last: int) -> tuple[int, int]:
    """Return the part without the punctuation, brackets and numbers at its ends that belong to the sentence."""
    changed = True
    while changed and first < last:
        changed = False
        head, tail = tokens[first], tokens[last - 1]
        after = tokens[first + 1] if first + 1 < last else None
        if head.kind == "neutral" and (
            head.text in _PUNCTUATION
            or head.text in _CURRENCIES
            or (head.text in (")", "]", "-")
            and head.text != "-")
            or (head.text in "([" and not _closes(tokens, first, last))
            or (first == 0 and head.text == "(" and last > 2 and tokens[2].text == ")" and last > 3 and tokens[3].apart)
            or (head.text.lstrip(_CURRENCIES)[:1].isdigit() and after is not None and after.apart and after.text not in _OPERATOR and after.kind == "math" and not _relation(after))
            or (head.text[0].isdigit() and after is not None and after.text in ".)" and (last == first + 2 or tokens[first + 2].apart))
        ):  # fmt: skip
            first += (
                3
                if head.text == "(" and first == 0 and last > 3 and tokens[2].text == ")" and tokens[3].apart
                else 1
            )
            changed = True
        elif tail.kind == "neutral" and (
            (tail.text in _PUNCTUATION and not (tail.text == "!" and not tail.apart) and not (tail.text == "'" and not tail.apart))
            or tail.text in "(["
            or (tail.text == "-" and last < len(tokens) and tokens[last].kind == "word" and not tokens[last].apart)
            or (tail.text in ")]" and not _opens(tokens, first, last))
            or (tail.text[0].isdigit() and tail.apart and last - 2 >= first and tokens[last - 2].text in _PUNCTUATION)
        ):  # fmt: skip
            last -= 1
            changed = True
    return first, last


def _relation(token: _Token) -> bool:
    """Return whether a token is a sign between two sides."""
    latex = token.boxes[0].latex
    return latex in ("+", "-", "=", "<", ">", "*", "/", "|") or (
        latex.startswith("\\") and not latex[1:2].isupper()
    )


def _closes(tokens: list[_Token], first: int, last: int) -> bool:
    """Return whether the bracket at `first` is closed before `last`."""
    depth = 0
    for token in tokens[first:last]:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0:
            return True
    return False


def _opens(tokens: list[_Token], first: int, last: int) -> bool:
    """Return whether the bracket before `last` is opened at or after `first`."""
    depth = 0
    for token in reversed(tokens[first:last]):
        depth += (token.text in (")", "]")) - (token.text in ("(", "["))
        if depth == 0:
            return True
    return False


def _text(tokens: list[_Token], parts: list[tuple[int, int]]) -> tuple[str, float, list[tuple[str, int]]]:
    """Return the text of a line, the width of its formulas, and the marks of footnotes with their places in the text."""
    text, width, number = "", 0.0, 0
    marks: list[tuple[str, int]] = []
    starts = dict(parts)
    while number < len(tokens):
        token = tokens[number]
        text += " " if token.apart and text else ""
        if number in starts:
            boxes = [box for one in tokens[number : starts[number]] for box in one.boxes]
            text += f"\\({formula(boxes)}\\)"
            width += sum(box.x1 - box.x0 for box in boxes)
            marks += [(one.mark, len(text)) for one in tokens[number : starts[number]] if one.mark]
            number = starts[number]
        else:
            text += token.text
            marks += [(token.mark, len(text))] if token.mark else []
            number += 1
    return text.strip(), width, marks
