"""Convert text with LaTeX to HTML: formulas become MathML, which browsers show without scripts or a network."""

from __future__ import annotations

import html
import math
import re
from xml.etree.ElementTree import Element, tostring

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

LONGEST = 1_000  # characters of one formula; longer ones are left as LaTeX
MOST = 6_000  # characters of formulas converted per text: each takes up to a tenth of a millisecond
DEEPEST = 60  # levels of nested elements
WIDEST_EM = 4.0  # width of one space or line in a formula
WIDEST_IN_ALL_EM = 12.0  # total width of the spaces and lines of a formula
# the openings of a formula, in order of preference where several match at one position
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
    """Return the escaped text with its formulas as MathML. A formula that cannot be converted is left as LaTeX.

    The time is linear in the length of the text: formulas of more than LONGEST characters are not converted, nor are any
    after MOST characters of formulas.
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
    """Finds where the formulas of a text end. Each character is read a bounded number of times."""

    def __init__(self, text: str) -> None:
        self._text = text
        # closing delimiter -> its first position at or after the last position that was searched
        self._next: dict[str, int] = {}
        self._braces: dict[int, int] | None = None

    def end(self, start: int, opening: str) -> int | None:
        """Return the position after the formula that opens at `start`, or None if there is no formula."""
        if opening == "\\boxed{":
            return self._closed().get(start + len(opening) - 1)
        inside, closing = start + len(opening), _CLOSING[opening]
        closed_at = self._find(closing, inside + 1)
        if closed_at < 0:
            return None
        end = closed_at + len(closing)
        if opening == "$":
            inner = self._text[inside : min(closed_at, inside + LONGEST)]
            # prices such as "$5 and $7" or "$5 or more" are not formulas: a formula has no line break and no space at its end
            if "\n" in inner or self._text[closed_at - 1] in " \t\\" or self._text[end : end + 1].isdigit():
                return None
        return end

    def _find(self, closing: str, start: int) -> int:
        known = self._next.get(closing)
        if known is None or 0 <= known < start:
            known = self._next[closing] = self._text.find(closing, start)
        return known

    def _closed(self) -> dict[int, int]:
        """Return, per position of an opening brace, the position after the brace that closes it."""
        if self._braces is None:
            self._braces, opened = {}, []
            for match in _BRACE.finditer(self._text):
                if match.group() == "{":
                    opened.append(match.start())
                elif opened:
                    self._braces[opened.pop()] = match.end()
        return self._braces


def _formula(latex: str, written: str, *, display: bool) -> str:
    # MathML in browsers has no frame, so the style sheet of the page draws it
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
    """A formula that is nested too deeply for a browser to lay out in reasonable time."""


def _harmless(element: Element) -> None:
    """Remove everything but known attributes, and unescape text, since the converter passes text and links through."""
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
    """Return the absolute value of a length in em, or infinity if it is not a length."""
    match = _LENGTH.fullmatch(length.strip())
    if match is None or not match[1].strip("-."):
        return math.inf
    return abs(float(match[1])) * _EM[match[2] or "em"]
