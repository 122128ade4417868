"""Text with LaTeX in it as HTML: formulas become MathML, which browsers show with no script and no network."""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element, tostring

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

_FORMULA = re.compile(
    r"\$\$(?P<display>.+?)\$\$|\\\[(?P<bracket>.+?)\\\]|\\\((?P<paren>.+?)\\\)|(?<![\\$])\$(?=\S)(?P<inline>[^$\n]+?)(?<=[^\s\\])\$(?!\d)"
    r"|(?P<boxed>\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})",
    re.DOTALL,
)
LONGEST = 2000  # characters of one formula; longer ones stay text
_KEPT_ATTRIBUTES = frozenset(
    {
        "display",
        "mathvariant",
        "stretchy",
        "fence",
        "separator",
        "linethickness",
        "columnalign",
        "accent",
        "width",
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
    """Escaped text with its formulas as MathML; a formula that cannot be converted stays as it was written."""
    parts, end = [], 0
    for match in _FORMULA.finditer(text):
        parts.append(html.escape(text[end : match.start()]))
        kind = match.lastgroup or ""
        parts.append(_formula(match.group(kind), match.group(0), display=kind in ("display", "bracket")))
        end = match.end()
    parts.append(html.escape(text[end:]))
    return "".join(parts).replace("\n", "<br>")


def _formula(latex: str, written: str, *, display: bool) -> str:
    if len(latex) > LONGEST:
        return html.escape(written)
    # browsers' MathML has no frame, so the page's style draws it
    boxed = latex.startswith("\\boxed{")
    inner = latex[len("\\boxed{") : -1] if boxed else latex
    try:
        element = convert_to_element(inner, display="block" if display else "inline")
    except _UNREADABLE:
        return html.escape(written)
    _harmless(element)
    markup = tostring(element, encoding="unicode")
    return f'<span class="boxed">{markup}</span>' if boxed else markup


def _harmless(element: Element) -> None:
    """The converter passes text and links through as they are: keep known attributes, and let text be text."""
    for node in element.iter():
        node.attrib = {name: value for name, value in node.attrib.items() if name in _KEPT_ATTRIBUTES}
        if node.tag == "math":
            node.set("xmlns", "http://www.w3.org/1998/Math/MathML")
        node.text = html.unescape(node.text) if node.text else node.text
        node.tail = html.unescape(node.tail) if node.tail else node.tail
