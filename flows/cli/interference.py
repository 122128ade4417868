"""`mathmill interference`: how the sources of a version work on each other in training."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from flows.cli import terminal
from flows.cli.options import AsJson
from storage.counting import counted

MARK = "interference"


def interference(
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A version of a dataset.")],
    by: Annotated[
        Literal["source", "method", "domain", "language", "solution_format"],
        typer.Option(help="The column whose values are compared."),
    ] = "source",
    rows: Annotated[int, typer.Option(min=16, help="Rows of each value at most, chosen by a hash.")] = 64,
    most: Annotated[int, typer.Option(min=2, help="Values at most, those with the most rows.")] = 8,
    base: Annotated[
        str,
        typer.Option(help="Checkpoint that learns, such as hf:smollm2; empty: a small student made for it."),
    ] = "",
    json: AsJson = False,
) -> None:
    """Measure how much the sources of a version help or disturb each other, on a small student.

    Prints the cosines of their gradients and the change of each one's loss after a few steps on another, keeps both as a mark of the
    version, and adds them to its report. The time is bounded by the rows and values: about a minute on a CPU by default.
    """
    from flows.runner.artifacts import figures_of, report_path
    from flows.runner.resources import opened
    from flows.settings import load_settings
    from storage.sealed_files import HomeFiles
    from tasks.llm.model_files import located, require
    from tasks.reports import Report
    from tasks.training.groups import samples
    from tasks.training.interference import interference as measure

    settings = load_settings()
    folder = located(base, settings.home) if base else None
    if folder is not None:
        require(folder, "--base")
    with opened(settings) as tools:
        resolved = tools.store.resolve(version)
        result = measure(samples(tools.store, resolved, by, rows, most), base=folder)
        value = {"by": by, "base": base or "student", **result.record()}
        tools.store.mark(resolved, MARK, value)
        page = report_path(tools.home, str(resolved))
        if page.exists():
            HomeFiles(tools.home).write(page, Report(figures_of(tools, resolved)).html().encode())
    if json:
        terminal.print_json(value)
        return
    for source, number in zip(value["sources"], value["rows"], strict=True):
        terminal.echo(f"{source[:24]:<24} {counted(number, 'row')}, half of them held out")
    if any(line[place] > 0 for place, line in enumerate(value["change"])):
        terminal.echo(
            "The loss of a source rises after learning that source itself: it has too few rows for this measurement"
        )
    for title, name in (
        ("Cosine of the gradients", "cosine"),
        ("Change of the loss, nats per token", "change"),
    ):
        terminal.echo(f"{title}{' (row learned, column measured)' if name == 'change' else ''}")
        for source, line in zip(value["sources"], value[name], strict=True):
            terminal.echo(f"  {source[:24]:<24} {' '.join(f'{number:+7.3f}' for number in line)}")
