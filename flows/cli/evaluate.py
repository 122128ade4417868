"""The command `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, Benchmarks, ConfigFile, Sets, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from flows.runner.environment import arrange

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


WIDE = 140  # characters, where no terminal says how many there are


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A role (student, teacher, ...), or hf:FOLDER of a checkpoint."),
    ] = "student",
    baseline: Annotated[str | None, typer.Option(help="Another one, to compare with.")] = None,
    benchmark: Benchmarks = None,
    task: Annotated[
        list[str] | None, typer.Option(help="A task of lm-evaluation-harness; may be repeated.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Answers to each item, for pass@1 and maj@k.")] = None,
    limit: Annotated[int | None, typer.Option(help="Items of a benchmark at most.")] = None,
    config: ConfigFile = None,
    set_: Sets = None,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Score a model on benchmarks, by domain and with intervals, and compare it with a baseline.

    Answers are kept in the ledger: the same evaluation again asks nobody.
    """
    from flows.settings import load_settings

    home = load_settings().home
    arrange(home, quiet=True)
    from flows.config.evaluate import Evaluate
    from flows.config.loading import as_yaml, load_as
    from flows.evaluate import evaluate as flow
    from flows.runner.evaluation import FOLDER, check

    given = {"baseline": baseline, "benchmarks": benchmark, "tasks": task, "samples": samples, "limit": limit}
    chosen = load_as(Evaluate, config, set_ or [], model=model, **given)
    if show_config:
        typer.echo(as_yaml(chosen), nl=False)
        return
    check(chosen)  # the flow looks again; here it costs nothing to be told
    with orchestrated() as run:
        name = run(flow, chosen)
    import orjson

    record = orjson.loads((home / FOLDER / name / "record.json").read_bytes())
    if json:
        print_json(record)
    else:
        print_evaluation(record, home / FOLDER / name / "report.md")


def print_evaluation(record: Mapping[str, Any], report: Path) -> None:
    """The tables of an evaluation, as the report has them."""
    from rich.markup import escape
    from rich.table import Table

    from tasks.evaluation.report import LEGEND, MANY, TITLES, rows_of, verdict_line

    console = terminal.console()
    if not console.is_terminal:
        console.width = WIDE
    for group, title in TITLES.items():
        headings, cells = rows_of(record, group)
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(title, overflow="fold")
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in cells[:MANY]:
            table.add_row(*map(escape, row), style="red" if row[-1] == "REGRESSION" else None)
        console.print(table, "")
    if record["baseline"]:
        whole = next(one for one in record["deltas"] if one["group"] == "all")
        console.print(escape(verdict_line(whole, record["model"], record["baseline"])), soft_wrap=True)
    console.print(LEGEND, soft_wrap=True)
    console.print(f"Report  {report}", soft_wrap=True)
