"""The command `documents`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated

if TYPE_CHECKING:
    from flows.config.documents import Documents


@configured_by(
    "flows.config.documents.Documents",
    Shortcut("paths", argument=True, metavar="PATH ..."),
    Shortcut("dataset"),
    Shortcut("license"),
    Shortcut("max_tokens"),
    Shortcut("tokenizer"),
    Shortcut("ocr"),
    Shortcut("budget.usd"),
    Shortcut("budget.tokens"),
    Shortcut("budget.deadline", "deadline"),
    Shortcut("dry_run"),
)
def documents(config: Documents, json: AsJson = False) -> None:
    """Publish books, lecture notes and pages as a version of a dataset, one row per chunk.

    Exercises keep their printed hints, answers and solutions, also those from the back of the book. The same command continues a
    run that was interrupted, and publishes nothing if all rows are published already:
    ./mathmill documents book/ --dataset textbooks --license CC-BY-SA-4.0
    """
    from flows.documents import check, preview
    from flows.documents import documents as flow

    if config.dry_run:
        terminal.echo(preview(config))
        return
    check(config)  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(config.dataset) as run:
        name = run(flow, config)
    from flows.cli.summary import print_published

    print_published(name, json=json)
