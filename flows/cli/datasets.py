"""The commands that read what is stored: datasets, show, why, sql, export."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from flows.cli.options import AsJson, Name
from flows.cli.terminal import console, echo, echo_json, print_json
from storage.counting import counted

if TYPE_CHECKING:
    from storage.datasets.store import Store


class Format(StrEnum):
    """Shapes in which rows are exported, by the names that TRL uses."""

    messages = "messages"
    prompt_completion = "prompt-completion"
    prompt_only = "prompt-only"
    preference = "preference"
    unpaired_preference = "unpaired-preference"
    step_preference = "step-preference"
    stepwise_supervision = "stepwise-supervision"
    parquet = "parquet"
    packed = "packed"
    verl = "verl"
    nemo_gym = "nemo-gym"
    verifiers = "verifiers"
    trl_grpo = "trl-grpo"


class FileFormat(StrEnum):
    """Kinds of exported files."""

    jsonl = "jsonl"
    parquet = "parquet"
    csv = "csv"


ENVIRONMENTS = ("verl", "nemo-gym", "verifiers", "trl-grpo")


class Thinking(StrEnum):
    """How the thinking of reasoning models is exported."""

    field = "field"
    inline = "inline"
    none = "none"


def datasets(json: AsJson = False) -> None:
    """List the datasets and their versions, newest last."""
    store = _store()
    versions = [version for dataset in store.datasets() for version in store.versions(dataset)]
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


def show(name: Name, json: AsJson = False) -> None:
    """Show a version: schema, counts, funnel, why rows were dropped, lineage and ten sample rows."""
    import pyarrow as pa

    from flows.cli.rendering import dropped_in, print_version
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
    print_version(version, rows.schema, counts, samples, dropped, verdict)


def why(
    row: Annotated[str, typer.Argument(metavar="ROW_ID", help="A row id, or at least its first 6 digits.")],
    json: AsJson = False,
) -> None:
    """Show the history of a row: parents, prompt, raw completion, verdicts, scores, why it was kept or dropped."""
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


def export(
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    format: Annotated[
        Format,
        typer.Option(
            help="Shape of the rows, by its name in TRL; parquet keeps every column; packed is blocks of token ids for train --method cpt; verl, nemo-gym, verifiers and trl-grpo are environments with the verifier."
        ),
    ] = Format.messages,
    reasoning: Annotated[
        Thinking,
        typer.Option(
            help="How thinking is written: as a field (reasoning_content), inline in <think> tags, or not at all."
        ),
    ] = Thinking.field,
    files: Annotated[
        FileFormat | None,
        typer.Option(help="Kind of the files; by default parquet for --format parquet, else jsonl."),
    ] = None,
    where: Annotated[
        str,
        typer.Option(
            metavar="SQL", help="Rows that are written, as a condition on the columns: \"language = 'en'\"."
        ),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Further columns of the rows that each record gets: subdomain,source."
        ),
    ] = "",
    test: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share of the problems that become the split test, decontaminated against the others.",
        ),
    ] = 0.0,
    tokenizer: Annotated[
        str, typer.Option(help="Folder or name of the tokenizer; packed: of the model that is trained.")
    ] = "",
    length: Annotated[int, typer.Option(min=16, help="Most tokens of a block; packed.")] = 2048,
    window: Annotated[
        int, typer.Option(min=1, help="Tokens that are packed together, which bounds the memory; packed.")
    ] = 1 << 22,
) -> None:
    """Write the rows of a version to files for training, with a dataset card."""
    if format is Format.packed:
        _export_packed(name, directory, tokenizer, length, window)
        return
    if format.value in ENVIRONMENTS:
        from flows.settings import load_settings
        from tasks.environments.export import export_environment

        store = _store()
        version = store.resolve(name)
        count = export_environment(store, version, directory, format.value, overlay=load_settings().overlay())
        typer.echo(
            f"{version}: {counted(count, 'question')} as an environment of {format.value} in {directory}"
        )
        return
    from flows.settings import load_settings
    from storage.datasets.export import export as write
    from storage.datasets.shapes import has_thinking
    from tasks.answers import Judge
    from tasks.splits import split_by_problem

    store = _store()
    version = store.resolve(name)
    with Judge(workers=load_settings().answer_workers) as judge:
        rows = write(
            store,
            version,
            directory,
            format=format.value,
            compare=judge.equal,
            reasoning=reasoning.value,
            files=files.value if files else None,
            where=where or None,
            columns=[name.strip() for name in columns.split(",") if name.strip()],
            tested=split_by_problem(test) if test else None,
        )
    typer.echo(f"{version}: {counted(rows, 'row')} as {format.value} in {directory}")
    if reasoning is Thinking.inline and not has_thinking(store, version):
        typer.echo(f"No row of {version} has thinking, so --reasoning inline changes nothing", err=True)


def _export_packed(name: str, directory: Path, tokenizer: str, length: int, window: int) -> None:
    from flows.config.loading import ConfigError

    if not tokenizer:
        raise ConfigError(
            "--format packed writes token ids, and no tokenizer is given. Fix: --tokenizer FOLDER"
        )
    from tasks.training.models import tokenizer_of
    from tasks.training.packed import export_packed

    store = _store()
    version = store.resolve(name)
    info = export_packed(store, version, directory, tokenizer_of(tokenizer), length=length, window=window)
    full = info.tokens / (info.blocks * length)
    left = ", ".join(f"{count} {reason}" for reason, count in info.dropped.items())
    typer.echo(
        f"{version}: {counted(info.tokens, 'token')} in {counted(info.blocks, 'block')} of {length}, {full:.1%} full, in {directory}"
        + (f"; left out: {left}" if left else "")
    )


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
