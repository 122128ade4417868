"""Output to the terminal, in which control and hidden characters are shown as escapes.

Control characters in the text of rows, models and errors could drive a terminal, and hidden ones make a text look like
another.
"""

from __future__ import annotations

from typing import Any

import orjson
import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from storage.visible import visible


class _Visible:
    """A renderable whose text is escaped after layout, so that the control codes of the console itself remain."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Hook(RenderHook):
    """Wraps everything that a console renders in `_Visible`."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(renderable) for renderable in renderables]


def console(*, highlight: bool = False, soft_wrap: bool = False, stderr: bool = False) -> Console:
    """Return a console that shows control and hidden characters as escapes, such as \\u001b."""
    visible_console = Console(highlight=highlight, soft_wrap=soft_wrap, stderr=stderr, emoji=False)
    visible_console.push_render_hook(_Hook())
    return visible_console


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text with its control and hidden characters as escapes."""
    typer.echo(visible(text), err=err, nl=nl)


def print_json(value: Any) -> None:
    """Print a value as JSON. Hidden characters are written as JSON escapes, so that a parser reads the same value."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=_plain).decode()
    echo_json(text)


def echo_json(text: str) -> None:
    """Print a text that is already JSON, in the same way."""
    typer.echo(visible(text, json=True))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, set)) else str(value)
