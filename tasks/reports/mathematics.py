"""Text with LaTeX in it as HTML: formulas become MathML, which browsers show with no script and no network."""

from __future__ import annotations

import html
import math
import re
from xml.etree.ElementTree import Element, tostring

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

LONGEST = 1_000  # characters of one formula; longer ones stay as they were written
MOST = 6_000  # characters of formulas that one text has converted: each takes up to a tenth of a millisecond
DEEPEST = 60  # elements inside one another
WIDEST_EM = 4.0  # one space or line that a formula asks for
WIDEST_IN_ALL_EM = 12.0  # all of a formula's together
# what may open a formula, in this order where several begin at one place
_OPENING = re.compile(r"\$\$|\\\[|\\\(|\\boxed\{|(?<![\\$])\$(?=\S)")
_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_BRACE = re.compile(r"[{}]")
_LENGTH = re.compile(r"(-?\d{0,9}(?:\.\d{0,9})?)\s*(em|ex|pt|px|mu|cm|mm|in|pc)?")
_EM = {
    "em": 1.0,
    "ex": 0.45,
    "pt": 0.1,
    "px": 0.0625,
    "mu": 1 / 18,
    "cm": 2.4,
    "mm": 0.24,
    "in": 6.0,
    "pc": 1.0,
}
_LENGTHS = frozenset({"width", "linethickness"})
_KEPT_ATTRIBUTES = frozenset(
    {
        "display",
        "mathvariant",
        "stretchy",
        "fence",
        "separator",
        "columnalign",
        "accent",
    }
)
# latex2mathml's own errors have no common base, and malformed LaTeX also ends in Python's plain ones
_UNREADABLE: tuple[type[Exception], ...] = (
    *(kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


def to_html(text: str) -> str:
    """Escaped text with its formulas as MathML; a formula that cannot be converted stays as it was written.

    The time is linear in the length of the text: beyond LONGEST characters of a formula, and MOST of all formulas
    together, nothing is converted.
    """
    parts, end, left = [], 0, MOST
    places = _Places(text)
    for match in _OPENING.finditer(text):
        start, opening = match.start(), match.group()
        if start < end:
            continue
        stop = places.end(start, opening)
        if stop is None or stop - start > min(LONGEST, left):
            continue
        left -= stop - start
        written = text[start:stop]
        closing = len(_CLOSING.get(opening, ""))
        latex = written if not closing else written[len(opening) : -closing]
        parts += [
            html.escape(text[end:start]),
            _formula(latex, written, display=opening in ("$$", "\\[")),
        ]
        end = stop
    parts.append(html.escape(text[end:]))
    return "".join(parts).replace("\n", "<br>")


class _Places:
    """Where the formulas that open in a text end. Each character is looked at a bounded number of times."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: dict[
            str, int
        ] = {}  # closing delimiter -> the first one at or behind the last place asked for
        self._braces: dict[int, int] | None = None

    def end(self, start: int, opening: str) -> int | None:
        """The place behind the formula that opens at `start`; None where it is none."""
        if opening == "\\boxed{":
            return self._closed().get(start + len(opening) - 1)
        inside, closing = start + len(opening), _CLOSING[opening]
        found = self._find(closing, inside + 1)
        if found < 0:
            return None
        end = found + len(closing)
        if opening == "$":
            inner = self._text[inside : min(found, inside + LONGEST)]
            # a price: "$5 and $7", "$5 or more"; no formula goes over a line, or ends in a space
            if "\n" in inner or self._text[found - 1] in " \t\\" or self._text[end : end + 1].isdigit():
                return None
        return end

    def _find(self, closing: str, start: int) -> int:
        known = self._next.get(closing)
        if known is None or 0 <= known < start:
            known = self._next[closing] = self._text.find(closing, start)
        return known

    def _closed(self) -> dict[int, int]:
        """Place of an opening brace -> the place behind the brace that closes it."""
        if self._braces is None:
            self._braces, opened = {}, []
            for match in _BRACE.finditer(self._text):
                if match.group() == "{":
                    opened.append(match.start())
                elif opened:
                    self._braces[opened.pop()] = match.end()
        return self._braces


def _formula(latex: str, written: str, *, display: bool) -> str:
    # browsers' MathML has no frame, so the page's style draws it
    boxed = latex.startswith("\\boxed{") and latex.endswith("}")
    inner = latex[len("\\boxed{") : -1] if boxed else latex
    try:
        element = convert_to_element(inner, display="block" if display else "inline")
        _harmless(element)
        markup = tostring(element, encoding="unicode")
    except _UNREADABLE:
        return html.escape(written)
    return f'<span class="boxed">{markup}</span>' if boxed else markup


class _TooDeep(ValueError):
    """A formula whose elements are nested deeper than a browser lays out in reasonable time."""


def _harmless(element: Element) -> None:
    """The converter passes text and links through as they are: keep known attributes, and let text be text."""
    _check_depth(element)
    left = WIDEST_IN_ALL_EM
    for node in element.iter():
        widths = {name: _em(value) for name, value in node.attrib.items() if name in _LENGTHS}
        left -= sum(width for width in widths.values() if width <= WIDEST_EM)
        node.attrib = {
            name: value
            for name, value in node.attrib.items()
            if name in _KEPT_ATTRIBUTES or (name in widths and widths[name] <= WIDEST_EM and left >= 0)
        }
        if node.tag == "math":
            node.set("xmlns", "http://www.w3.org/1998/Math/MathML")
        node.text = html.unescape(node.text) if node.text else node.text
        node.tail = html.unescape(node.tail) if node.tail else node.tail


def _check_depth(element: Element) -> None:
    level = [element]
    for _ in range(DEEPEST):
        level = [child for node in level for child in node]
        if not level:
            return
    raise _TooDeep


def _em(length: str) -> float:
    """A length's absolute value in em; infinity where it is none."""
    match = _LENGTH.fullmatch(length.strip())
    if match is None or not match[1].strip("-."):
        return math.inf
    return abs(float(match[1])) * _EM[match[2] or "em"]
