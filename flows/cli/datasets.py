"""The commands that read what is stored: datasets, show, why, sql."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from flows.cli.options import AsJson, Name
from flows.cli.terminal import console, echo, echo_json, print_json

if TYPE_CHECKING:
    from storage.datasets.store import Store


def datasets(json: AsJson = False) -> None:
    """List the datasets and their versions, newest last."""
    store = _store()
    versions = store.every_version()
    if json:
        print_json(
            [
                {
                    "version": str(v),
                    "rows": v.rows,
                    "added": v.added,
                    "created": v.created,
                    "digest": v.digest,
                }
                for v in versions
            ]
        )
        return
    if not versions:
        typer.echo("There is no dataset yet. Make one: ./mathmill nightly")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("version")
    for heading in ("rows", "added"):
        table.add_column(heading, justify="right")
    table.add_column("created")
    table.add_column("digest")
    for v in versions:
        table.add_row(str(v), f"{v.rows:,}", f"{v.added:,}", v.created, v.digest[:12])
    console().print(table)


def show(
    name: Name,
    lineage: Annotated[
        bool,
        typer.Option(
            "--lineage",
            help="Print everything: the schema, every stage, all reasons, the whole lineage and ten sample rows.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Show a version on one screen: rows, digest, parents, cost, stages, and the settings that differ from their defaults."""
    import pyarrow as pa

    from flows.cli.rendering import dropped_in, print_version
    from flows.cli.version_screen import print_screen
    from storage.datasets.annotations import newest
    from tasks.seeding import seed_of

    store = _store()
    version = store.resolve(name)
    verdict = newest(store.marks(version.dataset), version.name, "verdict")
    rows = store.read(version)
    ids = rows.column("id").to_pylist()
    sample_positions = sorted(range(len(ids)), key=lambda i: seed_of(str(version), ids[i]))[:10]
    samples = rows.take(pa.array(sample_positions, pa.int64())).to_pylist()
    counts = {
        column: _counts(rows, column) for column in ("subdomain", "solution_format", "language", "source")
    }
    dropped = dropped_in(store, version)
    if json:
        print_json(
            {
                "version": str(version),
                "rows": version.rows,
                "added": version.added,
                "digest": version.digest,
                "schema": {field.name: str(field.type) for field in rows.schema},
                "counts": counts,
                "reasons": [asdict(reason) for reason in dropped],
                "verdict": verdict.value if verdict else None,
                "lineage": version.lineage,
                "samples": samples,
            }
        )
        return
    if lineage:
        print_version(version, rows.schema, counts, samples, dropped, verdict)
    else:
        print_screen(version, counts, dropped, verdict)


def why(
    row: Annotated[str, typer.Argument(metavar="ROW_ID", help="A row id, or at least its first 6 digits.")],
    json: AsJson = False,
) -> None:
    """Show the history of a row: parents, prompt, raw completion, correctness, verdicts, scores, why it was kept or dropped."""
    from flows.cli.why import history_of, print_history

    history = history_of(row)
    if json:
        print_json(history)
    else:
        print_history(history)


def sql(
    query: Annotated[
        str, typer.Argument(help='Views: rows, rejected, and one per dataset, such as "math-sft".')
    ],
    seconds: Annotated[
        float | None, typer.Option(help="Time limit in seconds; default: MATHMILL_SQL_SECONDS.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit, such as 4GB; default: MATHMILL_SQL_MEMORY.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Run a DuckDB query over all tables."""
    from flows.settings import load_settings
    from storage.query import run_query

    settings = load_settings()
    result = run_query(
        settings.tables,
        query,
        seconds=settings.sql_seconds if seconds is None else seconds,
        memory=settings.sql_memory if memory is None else memory,
        as_json=json,
    )
    if json:
        echo_json(result)
    else:
        echo(result, nl=False)


def _store() -> Store:
    from flows.settings import load_settings
    from storage.datasets.store import Store

    return Store(load_settings().tables)


def _counts(rows: Any, column: str) -> dict[str, int]:
    """Return how often each value of a column occurs, the most frequent first."""
    counts = rows.column(column).value_counts().to_pylist()
    return {
        str(item["values"]): item["counts"]
        for item in sorted(counts, key=lambda i: (-i["counts"], str(i["values"])))
    }
