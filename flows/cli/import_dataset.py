"""The command `import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated

if TYPE_CHECKING:
    from flows.config.import_dataset import Import


def _columns(texts: list[str]) -> dict[str, str]:
    """Parse column=field. Raises ConfigError for another form."""
    from flows.config.loading import ConfigError

    columns = {}
    for text in texts:
        column, equals, name = text.rpartition("=")
        if not equals or not column or not name:
            raise ConfigError(f"--map {text}: must be column=field. Fix: such as --map prompt=question")
        columns[column] = name
    return columns


@configured_by(
    "flows.config.import_dataset.Import",
    Shortcut("paths", argument=True, metavar="PATH ..."),
    Shortcut("dataset"),
    Shortcut("license"),
    Shortcut("kind"),
    Shortcut("columns", "map", metavar="COLUMN=FIELD", parse=_columns),
    Shortcut("convert"),
    Shortcut("verify"),
    Shortcut("dry_run"),
)
def import_(config: Import, json: AsJson = False) -> None:
    """Publish files, folders or a data set of the Hugging Face hub as a version of a dataset.

    Questions with solutions, chats and documents are recognised by their columns; --map and --convert are for the rest.
    The same command continues an import that was interrupted, and publishes nothing if all rows are published already:
    ./mathmill import train.jsonl --dataset chat --license MIT
    """
    from flows.import_dataset import check, import_dataset, preview

    if config.dry_run:
        terminal.echo(preview(config))
        return
    check(config)  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(config.dataset) as run:
        name = run(import_dataset, config)
    from flows.cli.summary import print_published

    print_published(name, json=json)
