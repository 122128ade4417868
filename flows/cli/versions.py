"""The commands about published versions: rebuild, diff, promote, rollback, restore, verify, maintain, migrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, Name, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from storage.counting import counted

if TYPE_CHECKING:
    from flows.config.corrections import Corrections
    from flows.config.maintain import Maintain
    from flows.config.rebuild import Rebuild
    from storage.datasets.store import Store
    from storage.datasets.versions import Version

Dataset = Annotated[str, typer.Argument(metavar="NAME", help="A dataset, such as math-sft.")]


@configured_by(
    "flows.config.rebuild.Rebuild",
    Shortcut("dataset", argument=True, metavar="NAME"),
    Shortcut("what_if"),
)
def rebuild(settings: Rebuild, json: AsJson = False) -> None:
    """Make a new version from stored candidates under other thresholds, sources, shares or scorers.

    If a version has exactly these rows already, none is published unless force=true is set.
    Nothing that is stored is paid for again: ./mathmill rebuild math-sft --set thresholds.answer=0.7 --set 'without.source=[web]'
    """
    from flows.rebuild import check
    from flows.rebuild import rebuild as flow
    from flows.runner.run_notes import notes_kept

    store = _store()[0]
    check(settings, store)  # the flow checks again; here an error shows before Prefect is started
    existing = {str(version) for version in store.versions(settings.into or settings.dataset)}

    with notes_kept():
        with orchestrated(settings.dataset) as run:
            result = run(flow, settings)
        if settings.what_if:
            from flows.cli.rendering import print_markdown

            print_markdown(result)
            return
        from flows.cli.summary import as_json, print_summary
        from flows.runner.rebuild_publication import unchanged

        if json:
            terminal.echo_json(as_json(result))
        elif result in existing:
            terminal.echo(unchanged(result))
        else:
            print_summary(result)


@configured_by("flows.config.corrections.Corrections", Shortcut("dataset", argument=True, metavar="NAME"))
def correct(settings: Corrections, json: AsJson = False) -> None:
    """Make a new version from what reviewers said: wrong rows go, edited rows are verified and replace the old ones.

    No model is called. See ./mathmill review.
    """
    from flows.cli.summary import as_json
    from flows.corrections import check
    from flows.corrections import correct as flow

    store = _store()[0]
    base, _ = check(settings, store)  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(settings.dataset) as run:
        result = run(flow, settings)
    if json:
        terminal.echo_json(as_json(result))
        return
    version = store.resolve(result)
    if str(version) == str(base):
        terminal.echo(f"The judgements change no row of {base}: nothing was published")
        return
    judged = version.lineage["judgements"]
    terminal.echo(
        f"{version}: {counted(version.rows, 'row')}; of {base}, {counted(len(judged['removed']), 'row')} removed and "
        f"{len(judged['corrected']):,} corrected, on {judged['disputed']:,} the reviewers disagree"
    )


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


def promote(
    name: Name,
    tag: Annotated[
        str, typer.Argument(help="A tag: candidate, validated, production, or one of gates.yaml.")
    ],
) -> None:
    """Give a version a tag if its rows pass the gates of the tag; NAME@TAG then means that version."""
    from flows.runner.gates import promote as promote_version

    store, home = _store()
    version = store.resolve(name)
    promote_version(store, version, tag, home)
    terminal.echo(f"{version.dataset}@{tag} is {version} now")


def rollback(
    dataset: Dataset,
    tag: Annotated[str, typer.Argument(help="The tag to move back.")] = "production",
) -> None:
    """Move a tag back to the version that it named before. No version is changed."""
    previous, current = _store()[0].rollback(dataset, tag)
    terminal.echo(f"{dataset}@{tag} is {dataset}@{current} again (was {dataset}@{previous})")


def restore(name: Name) -> None:
    """Publish the rows of an old version as the newest one, on which the next night builds. No row is copied."""
    store, _ = _store()
    old = store.resolve(name)
    newest = store.resolve(old.dataset)
    version = store.restore(
        old, lineage=old.lineage | {"flow": "restore", "base": str(newest), "restored": str(old)}
    )
    _state(store, version)
    terminal.echo(f"{version}: the {counted(version.rows, 'row')} of {old}")


NOT_COVERED = (
    "Not covered: batch files (their completions are in the ledger), checkpoints, Prefect's database and logs (nothing that is "
    "published is read from them), unused bytes of a SQLite file, a home that was replaced by an older copy of itself."
)


def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME[@VERSION]",
            help="A version, or the folder of an export; default: everything that is stored.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Public key of the publisher (ed25519, PEM or OpenSSH): the statement must be signed by it."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Read stored files again and compare them with their digests. Exit code 2 if one is damaged or missing.

    Covers versions, the logs of all tables, candidates, marks, tags, histories, the ledger, reports and the records of runs;
    and derived data, which the next run makes again: stage outputs, encodings and indexes. Of a version and of an export also the
    in-toto statement: what it says and, where MATHMILL_SIGNING_KEY is set at publication, its signature.
    """
    from flows.config.loading import ConfigError
    from flows.runner.checks import check_everything, check_folder, check_one
    from storage.datasets.statements import FILE as PROVENANCE
    from storage.signing import trusted

    if key is not None and name is None:
        raise ConfigError("--key is for one version or folder. Fix: name it")
    trust = (trusted(key),) if key is not None else ()
    if name is None:
        states = check_everything()
    else:
        folder = Path(name).expanduser()
        is_folder = folder.is_dir() and (folder / PROVENANCE).is_file()
        states = check_folder(folder, trust) if is_folder else check_one(name, trust)
    if json:
        print_json(states)
    else:
        for checked, state in states.items():
            terminal.echo(f"{checked}: {state}")
        if name is None:
            terminal.echo(NOT_COVERED)
    if any(not state.startswith("sound") for state in states.values()):
        raise typer.Exit(2)


@configured_by("flows.config.maintain.Maintain", Shortcut("apply"))
def maintain(settings: Maintain) -> None:
    """Retire old versions, delete files that killed runs left, join small files, free unused space of the ledger."""
    from flows.cli.rendering import print_markdown
    from flows.maintain import maintain as flow

    with orchestrated() as run:
        print_markdown(run(flow, settings))


def migrate(dataset: Dataset) -> None:
    """Publish the newest version again in the current row format. Older versions are not changed."""
    from storage.datasets.evolution import MAJOR

    store, _ = _store()
    old = store.resolve(dataset)
    if old.major == MAJOR:
        terminal.echo(f"{old} is in format {MAJOR} already: there is nothing to migrate")
        return
    version = store.migrate(dataset, lineage=old.lineage | {"flow": "migrate", "base": str(old)})
    _state(store, version)
    terminal.echo(f"{version}: {counted(version.rows, 'row')} of {old}, in format {version.major}")


def _state(store: Store, version: Version) -> None:
    """Write the statement of a version that a command has published."""
    from flows.settings import load_settings
    from storage.datasets.statements import state

    state(store.where, version, load_settings().signer())


def _store() -> tuple[Store, Path]:
    from flows.settings import load_settings
    from storage.datasets.store import Store

    settings = load_settings()
    return Store(settings.tables), settings.home.absolute()
