"""Commands about published versions: rebuild, promote, rollback, restore, verify, migrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, ConfigFile, Name, Sets, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from flows.runner.environment import arrange
from storage.counting import counted

if TYPE_CHECKING:
    from storage.datasets.store import Store

Dataset = Annotated[str, typer.Argument(metavar="NAME", help="Such as math-sft.")]


def rebuild(
    dataset: Dataset = "math-sft",
    config: ConfigFile = None,
    set_: Sets = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Only count: publish nothing, ask no model.")
    ] = False,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Make a new version from stored candidates under other thresholds, sources, shares or scorers.

    Where a version has exactly these rows already, none is published, unless force=true is set.
    Nothing stored is paid for again: ./mathmill rebuild math-sft --set thresholds.answer=0.7 --set 'without.source=[web]'
    """
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    from flows.config.loading import as_yaml, load_as
    from flows.config.rebuild import Rebuild
    from flows.rebuild import rebuild as flow

    chosen = load_as(Rebuild, config, set_ or [], dataset=dataset, what_if=what_if or None)
    if show_config:
        typer.echo(as_yaml(chosen), nl=False)
        return
    from flows.runner.rebuilding import check
    from flows.runner.run_notes import notes_kept

    store = _store()[0]
    check(chosen, store)  # the flow looks again; here it costs nothing to be told
    before = {str(version) for version in store.versions(chosen.into or chosen.dataset)}

    with notes_kept():
        with orchestrated(chosen.dataset) as run:
            answer = run(flow, chosen)
        if chosen.what_if:
            from flows.cli.rendering import print_markdown

            print_markdown(answer)
            return
        from flows.cli.summary import as_json, print_summary
        from flows.runner.rebuild_publication import unchanged

        if json:
            terminal.echo_json(as_json(answer))
        elif answer in before:
            terminal.echo(unchanged(answer))
        else:
            print_summary(answer)


def promote(
    name: Name,
    tag: Annotated[str, typer.Argument(help="candidate, validated, production, or one of gates.yaml.")],
) -> None:
    """Give a version a tag, if its rows pass the tag's gates; NAME@TAG then means that version."""
    from flows.runner.gates import promote as give

    store, home = _store()
    version = store.resolve(name)
    give(store, version, tag, home)
    terminal.echo(f"{version.dataset}@{tag} is {version} now")


def rollback(
    dataset: Dataset,
    tag: Annotated[str, typer.Argument(help="The tag that goes back.")] = "production",
) -> None:
    """A tag goes back to the version that it stood for before. Versions stay as they are."""
    left, now = _store()[0].rollback(dataset, tag)
    terminal.echo(f"{dataset}@{tag} is {dataset}@{now} again (was {dataset}@{left})")


def restore(name: Name) -> None:
    """Publish an old version's rows again as the newest: the next night builds on them. No row is copied."""
    store, _ = _store()
    old = store.resolve(name)
    newest = store.resolve(old.dataset)
    version = store.restore(
        old, lineage=old.lineage | {"flow": "restore", "base": str(newest), "restored": str(old)}
    )
    terminal.echo(f"{version}: the {counted(version.rows, 'row')} of {old}")


NOT_COVERED = (
    "Not covered: the removal of what is made again when it is missing (stage outputs, indexes, encodings), batch "
    "files (their answers are in the ledger), checkpoints, Prefect's own database and logs (nothing that is published "
    "is read from them), unused bytes of a SQLite file, a whole home that is replaced by an older copy of itself."
)


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME[@VERSION]", help="Default: everything that is stored.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Read everything again and compare it with its digests. Exit code 2 names what is damaged or missing.

    Versions, the logs of all tables, candidates, marks, tags, histories, the ledger, stage outputs, encodings,
    reports and the notes of runs are covered.
    """
    from flows.runner.checks import check_everything, check_one

    found = check_one(name) if name else check_everything()
    if json:
        print_json(found)
    else:
        for what, state in found.items():
            terminal.echo(f"{what}: {state}")
        if name is None:
            terminal.echo(NOT_COVERED)
    if any(not state.startswith("sound") for state in found.values()):
        raise typer.Exit(2)


def maintain(
    config: ConfigFile = None,
    set_: Sets = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; without, only say what would be done.")
    ] = False,
    show_config: ShowConfig = False,
) -> None:
    """Retire old versions, sweep what killed runs left, join small files, give the ledger's space back."""
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    from flows.cli.rendering import print_markdown
    from flows.config.loading import as_yaml, load_as
    from flows.maintain import Maintain
    from flows.maintain import maintain as flow

    chosen = load_as(Maintain, config, set_ or [], apply=apply or None)
    if show_config:
        typer.echo(as_yaml(chosen), nl=False)
        return
    with orchestrated() as run:
        print_markdown(run(flow, chosen))


def migrate(dataset: Dataset) -> None:
    """Publish the newest version again in this program's row format; older versions stay as they are."""
    from storage.datasets.evolution import MAJOR

    store, _ = _store()
    old = store.resolve(dataset)
    if old.major == MAJOR:
        terminal.echo(f"{old} is in format {MAJOR} already: there is nothing to migrate")
        return
    version = store.migrate(dataset, lineage=old.lineage | {"flow": "migrate", "base": str(old)})
    terminal.echo(f"{version}: {counted(version.rows, 'row')} of {old}, in format {version.major}")


def _store() -> tuple[Store, Path]:
    from flows.settings import load_settings
    from storage.datasets.store import Store

    settings = load_settings()
    return Store(settings.tables), settings.home.absolute()
