"""`mathmill diff A B`; flows/runner/artifacts.py leaves the same as an artifact after every publication."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.terminal import print_json


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version, such as math-sft@2026.11.20.")],
    after: Annotated[
        str, typer.Argument(metavar="B", help="Another one; a tag, such as math-sft@production, too.")
    ],
    html: Annotated[Path | None, typer.Option(help="Also write the comparison as an HTML page.")] = None,
    rows: Annotated[
        int, typer.Option(min=0, max=1000, help="Added, dropped and changed rows to show, at most.")
    ] = 10,
    json: AsJson = False,
) -> None:
    """What became of A's rows in B: added, dropped (and why), changed, with some of these rows; shares, cost, contamination, verdict."""
    from flows.cli.rendering import print_markdown
    from flows.settings import load_settings
    from storage.datasets.store import Store
    from tasks.reports.diff import compare, to_html, to_text

    store = Store(load_settings().tables)
    found = compare(store, store.resolve(before), store.resolve(after), rows)
    if html is not None:
        html.write_text(to_html(found), encoding="utf-8")
    if json:
        print_json(found.to_dict())
    else:
        print_markdown(to_text(found))
