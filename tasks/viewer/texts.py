"""Texts of rows as HTML: formulas as MathML, programs highlighted, everything else escaped.

All texts are hostile. Nothing here passes markup, links or styles of a text on; characters that reorder or hide text are shown as
escapes; long texts are cut.
"""

from __future__ import annotations

import html
import json
from typing import Any, Final

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from storage.interleaved import TIR, parts_of
from storage.visible import visible
from tasks.reports import mathematics

SHORT: Final = 1_500  # characters of a text in a list
LONG: Final = 40_000  # characters of a text on the page of its row
_HIGHLIGHTED: Final = 20_000  # characters of a program; longer ones are plain
_PYTHON = PythonLexer(stripnl=False)
_CLASSES = HtmlFormatter(nowrap=True)


def cut(text: str, most: int) -> tuple[str, int]:
    """Return the beginning of a text and how many characters are left out."""
    return text[:most], max(0, len(text) - most)


def prose(text: str | None, most: int = SHORT) -> Markup:
    """Return a text with its formulas."""
    shown, left = cut(text or "", most)
    return Markup(mathematics.to_html(visible(shown))) + _rest(left)


def program(text: str | None, most: int = SHORT) -> Markup:
    """Return a program with its tokens marked."""
    shown, left = cut(text or "", most)
    shown = visible(shown)
    # the formatter escapes; its classes are in the style sheet
    marked = html.escape(shown) if len(shown) > _HIGHLIGHTED else highlight(shown, _PYTHON, _CLASSES)
    return Markup(f'<pre class="program"><code>{marked}</code></pre>') + _rest(left)


def plain(text: Any, most: int = SHORT) -> Markup:
    """Return a text as it is, in a block that keeps its lines."""
    shown, left = cut(str(text or ""), most)
    return Markup("<pre>{}</pre>").format(visible(shown)) + _rest(left)


def solution(text: str | None, kind: str | None, most: int = SHORT) -> Markup:
    """Return a solution by its format: words, a program, or both in turn with what was printed."""
    if kind == "pot":
        return program(text, most)
    if kind != TIR:
        return prose(text, most)
    shown, left = cut(text or "", most)
    blocks = {"words": prose, "program": program, "output": plain}
    return Markup("").join(blocks[part.kind](part.text, most) for part in parts_of(shown)) + _rest(left)


def as_json(value: Any) -> str:
    """Return a value as indented JSON for people."""
    return visible(json.dumps(value, indent=2, ensure_ascii=False, default=str), json=True)


def of_raw(raw: str) -> str:
    """Return the body of an answer: indented if it is JSON, else as it is."""
    try:
        return as_json(json.loads(raw))
    except (ValueError, RecursionError):
        return raw


def _rest(left: int) -> Markup:
    return (
        Markup('<span class="cut"> … {} more characters</span>').format(f"{left:,}") if left else Markup("")
    )
