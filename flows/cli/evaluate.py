"""The command `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flows.config.evaluate import Evaluate

WIDE = 140  # characters per line if the output is not a terminal


@configured_by(
    "flows.config.evaluate.Evaluate",
    Shortcut("model", argument=True, metavar="MODEL"),
    Shortcut("baseline"),
    Shortcut("benchmarks", "benchmark"),
    Shortcut("tasks", "task"),
    Shortcut("samples"),
    Shortcut("limit"),
)
def evaluate(evaluation: Evaluate, json: AsJson = False) -> None:
    """Score a model on benchmarks, by domain and with confidence intervals, and compare it with a baseline.

    Answers are stored in the ledger: repeating an evaluation calls no model.
    """
    from flows.evaluate import evaluate as flow
    from flows.runner.evaluation import FOLDER, check
    from flows.settings import load_settings

    home = load_settings().home
    check(evaluation)  # the flow checks again; here an error shows before Prefect is started
    with orchestrated() as run:
        name = run(flow, evaluation)
    import orjson

    record = orjson.loads((home / FOLDER / name / "record.json").read_bytes())
    if json:
        print_json(record)
    else:
        print_evaluation(record, home / FOLDER / name / "report.md")


def print_evaluation(record: Mapping[str, Any], report: Path) -> None:
    """Print the tables of an evaluation, as in its report."""
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
        overall = next(delta for delta in record["deltas"] if delta["group"] == "all")
        console.print(escape(verdict_line(overall, record["model"], record["baseline"])), soft_wrap=True)
    console.print(LEGEND, soft_wrap=True)
    console.print(f"Report  {report}", soft_wrap=True)
