"""Render a comparison as Markdown, for the terminal and the Prefect UI, and as one HTML file."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from storage import markdown
from storage.visible import visible
from tasks.reports.diff.figures import Diff

MOST_SHIFTS = 15
MOST_REASONS = 20
WIDTH = 300  # characters of a question


def to_text(diff: Diff) -> str:
    """Return the comparison as Markdown."""
    return _environment().get_template("diff.md").render(d=diff, most=MOST_SHIFTS, most_reasons=MOST_REASONS)


def to_html(diff: Diff) -> str:
    """Return the comparison as one HTML file without scripts; the text of rows is escaped."""
    return (
        _environment().get_template("diff.html").render(d=diff, most=MOST_SHIFTS, most_reasons=MOST_REASONS)
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["share"] = lambda number: f"{number:.1%}"
    environment.filters["points"] = lambda shift: f"{100 * (shift.share_after - shift.share_before):+.1f}"
    environment.filters["short"] = lambda text: text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    environment.filters["cell"] = markdown.inline
    return environment
