"""What is printed at the terminal: text of rows, models and errors never reaches it raw.

Control characters drive a terminal, and hidden ones make a text look like another; both are shown as escapes.
"""

from __future__ import annotations

from typing import Any

import orjson
import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from storage.visible import visible


class _Visible:
    """A renderable whose text is made visible after it is laid out; the console's own codes are left."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(one) for one in renderables]


def console(*, highlight: bool = False, soft_wrap: bool = False, stderr: bool = False) -> Console:
    """A console that shows control and hidden characters as escapes, such as \\u001b."""
    made = Console(highlight=highlight, soft_wrap=soft_wrap, stderr=stderr)
    made.push_render_hook(_Hook())
    return made


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text, its control and hidden characters as escapes."""
    typer.echo(visible(text), err=err, nl=nl)


def print_json(value: Any) -> None:
    """Print a value as JSON. Hidden characters stand there as JSON's own escapes: a reader gets the same value."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=_plain).decode()
    echo_json(text)


def echo_json(text: str) -> None:
    """The same for a text that is JSON already."""
    typer.echo(visible(text, json=True))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, set)) else str(value)
