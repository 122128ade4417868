"""The commands `ledger ...`: statistics of the completion ledger, and export, import and vacuum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows.cli import terminal
from flows.cli.options import AsJson
from storage.counting import counted

if TYPE_CHECKING:
    from storage.ledger import Ledger

ledger = typer.Typer(no_args_is_help=True, help="The completion ledger: every completion ever paid for.")


@ledger.command()
def stats(json: AsJson = False) -> None:
    """Show calls, tokens and cost by role, model and stage, and how many completions were unusable and why."""
    with _opened() as opened:
        statistics = opened.stats()
    if json:
        _print_json(asdict(statistics))
        return
    console = terminal.console()
    console.print(f"[bold]{escape(statistics.where)}[/]", soft_wrap=True)
    estimated = f" (of {counted(statistics.estimated, 'call')} estimated)" if statistics.estimated else ""
    console.print(
        f"{counted(statistics.calls, 'call')} for {counted(statistics.keys, 'request')}, {counted(statistics.prompt_tokens + statistics.completion_tokens, 'token')}"
        f"{estimated}, ${statistics.cost:,.2f}"
        f"{f', {statistics.unbilled:,} not read since a crash' if statistics.unbilled else ''}"
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("role", "model", "stage"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "model", min_width=10)
    for heading in ("calls", "usable", "tokens in", "tokens out", "mean s", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in statistics.groups:
        table.add_row(
            *(escape(name) for name in (group.role, group.model, group.tag)),
            f"{group.calls:,}",
            f"{group.completions:,}",
            f"{group.prompt_tokens:,}",
            f"{group.completion_tokens:,}",
            f"{group.mean_elapsed:.2f}",
            f"{group.cost:,.4f}",
        )
    console.print(table)
    unusable = {name: count for name, count in statistics.outcomes.items() if name != "completion"}
    if unusable:
        console.print(
            "not usable: " + ", ".join(f"{escape(name)} {count:,}" for name, count in unusable.items())
        )


@ledger.command("export")
def export_(
    file: Annotated[
        Path, typer.Argument(help="JSON Lines file; compressed with gzip if the name ends in .gz.")
    ],
    json: AsJson = False,
) -> None:
    """Write every call with its raw bytes and its usage, for import into another ledger."""
    with _opened() as opened:
        count = opened.export(file)
    if json:
        _print_json({"file": str(file), "calls": count})
    else:
        terminal.echo(f"{counted(count, 'call')} in {file}")


@ledger.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="Output of a Batch API, JSON Lines of messages and completion, or an export of a ledger."
        ),
    ],
    asked: Annotated[
        Path | None, typer.Option(help="Input file of the batch, if mathmill did not write it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model of lines that name none.")] = None,
    revision: Annotated[str, typer.Option(help="As in the role's settings.")] = "",
    temperature: Annotated[float | None, typer.Option(help="Value of lines that name none.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Value of lines that name none.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Value of lines that name none.")] = None,
    json: AsJson = False,
) -> None:
    """Import completions made elsewhere. A run uses one if model, parameters and messages are the same."""
    from tasks.llm.imports import take

    options = {"model": model, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    defaults = {name: value for name, value in options.items() if value is not None}
    with _opened() as opened:
        taken = take(opened, file, defaults=defaults, revision=revision, requests_file=asked)
    if json:
        _print_json(asdict(taken))
        return
    terminal.echo(f"{taken.put:,} imported, {taken.known:,} were in the ledger already")
    for reason, count in sorted(taken.skipped.items()):
        terminal.echo(f"{counted(count, 'line')} without an answer: {reason}")


@ledger.command()
def vacuum(json: AsJson = False) -> None:
    """Give unused space of the database file back. No completion is removed; not possible while a run is active."""
    with _opened() as opened:
        before, after = opened.vacuum()
    if json:
        _print_json({"before": before, "after": after})
    else:
        terminal.echo(f"{before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB after")


@contextmanager
def _opened() -> Iterator[Ledger]:
    from flows.settings import load_settings
    from storage.ledger import Ledger

    with Ledger.open(load_settings().ledger_url()) as opened:
        yield opened


def _print_json(value: Any) -> None:
    import orjson

    terminal.echo_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
