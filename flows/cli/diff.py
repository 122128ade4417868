"""The command `diff`. flows/runner/artifacts.py stores the same comparison as an artifact after every publication."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.terminal import print_json


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version, such as math-sft@2026.11.20.")],
    after: Annotated[
        str,
        typer.Argument(metavar="B", help="Another version; a tag such as math-sft@production also works."),
    ],
    html: Annotated[Path | None, typer.Option(help="Also write the comparison as an HTML page.")] = None,
    rows: Annotated[
        int, typer.Option(min=0, max=1000, help="How many added, dropped and changed rows to show at most.")
    ] = 10,
    json: AsJson = False,
) -> None:
    """Compare version B with version A: rows added, dropped (and why) and changed, with examples; shares, cost, contamination, verdict."""
    from flows.cli.rendering import print_markdown
    from flows.settings import load_settings
    from storage.datasets.store import Store
    from tasks.reports.diff import compare, to_html, to_text

    store = Store(load_settings().tables)
    difference = compare(store, store.resolve(before), store.resolve(after), rows)
    if html is not None:
        html.write_text(to_html(difference), encoding="utf-8")
    if json:
        print_json(difference.to_dict())
    else:
        print_markdown(to_text(difference))
