"""Versions, forecasts and Markdown as text for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml
from rich.cells import cell_len
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from flows.cli import terminal
from storage.counting import counted
from storage.datasets.annotations import Mark
from storage.datasets.versions import Version
from storage.reasons import shortened
from storage.visible import visible
from tasks.decontamination.certificate import Certificate
from tasks.evaluation.verdict import in_a_line
from tasks.points_in_time import spoken
from tasks.reports.funnel import cells
from tasks.taxonomy import local_name
from tasks.text.cleaning import printable
from tasks.verifier.certificate import VerifierCertificate

if TYPE_CHECKING:
    from rich.console import Console

    from flows.config.nightly import Nightly
    from storage.datasets.store import Store
    from tasks.forecast import Forecast
    from tasks.reports.figures import Dropped

REASONING_SHOWN = 300  # characters of a sample row's thinking


_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_HEADING = re.compile(r"^#{1,6} ")
_MARKS = re.compile(r"\\([!-/:-@\[-`{-~])|(`+)(.+?)\2(?!`)|\*\*|&lt;")  # escapes, code spans, bold, entities

MOST_REASONS = 10  # that are shown at the terminal; the report has more
REASON_WIDTH = 160
DETAILS = ("parameters", "service", "engines", "forecast", "calibration", "retrieval")


def print_version(
    version: Version,
    schema: pa.Schema,
    counts: dict[str, dict[str, int]],
    samples: list[dict[str, Any]],
    dropped: Sequence[Dropped],
    verdict: Mark | None,
) -> None:
    """Print counts, funnel, why rows were dropped, schema, lineage and sample rows; text of rows is never read as markup."""
    console = terminal.console()
    console.print(
        f"[bold]{version}[/]: {counted(version.rows, 'row')}, {version.added:,} added, {version.created}"
    )
    console.print(f"content digest {version.digest}")
    verdict_text = f"{in_a_line(verdict.value)} ({verdict.at})" if verdict else "none yet"
    console.print(f"[bold]verdict[/] {escape(verdict_text)}\n", soft_wrap=True)
    for name, values in counts.items():
        shown = ", ".join(f"{escape(value)} {count:,}" for value, count in values.items())
        console.print(f"[bold]{name}[/]  {shown}")
    lineage = dict(version.lineage)
    console.print()
    console.print(funnel_table(lineage.pop("funnel", [])))
    print_dropped(console, dropped)
    if certificate := lineage.pop("decontamination", None):
        console.print("\n[bold]decontamination[/]")
        for line in Certificate.from_dict(certificate).lines():
            console.print(line, soft_wrap=True, markup=False)
    if reliable := lineage.pop("verifier", None):
        console.print("\n[bold]verifier[/]")
        for line in VerifierCertificate.from_dict(reliable).lines():
            console.print(line, soft_wrap=True, markup=False)
    console.print("\n[bold]schema[/]  " + escape(", ".join(f"{field.name} {field.type}" for field in schema)))
    for name in DETAILS:
        lineage.pop(name, None)
    console.print(f"\n[bold]lineage[/]  (--json adds {', '.join(DETAILS)})")
    console.print(yaml.safe_dump(lineage, sort_keys=False, allow_unicode=True), markup=False)
    console.print(f"[bold]{counted(len(samples), 'sample row')}[/]")
    for row in samples:
        console.print(
            f"\n[dim]{row['id']}  {escape(local_name(str(row['subdomain']), row['language']))}, {row['language']}, {row['solution_format']}[/]"
        )
        console.print(row["question"], markup=False)
        if row["reasoning"]:
            console.print(shortened(row["reasoning"], REASONING_SHOWN), markup=False, style="dim")
        console.print(row["solution"] or "", markup=False)
        console.print("[bold]answer[/] ", end="")
        console.print(str(row["answer"]), markup=False)


def print_markdown(text: str) -> None:
    """Print Markdown: rendered at a terminal, as plain text if the output goes into a file or a pipe."""
    console = terminal.console()
    if console.is_terminal:
        console.print(Markdown(visible(text)))  # rendering writes link targets to the terminal too
    else:
        terminal.echo(plain_text(text))


def plain_text(text: str) -> str:
    """Return Markdown of the project (storage.markdown) as text without markup and escapes, with tables as columns."""
    lines: list[str] = []
    table: list[list[str]] = []
    right_aligned: list[bool] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        if not fenced and line.startswith("|"):
            cells = [cell.strip() for cell in _BAR.split(line.strip()[1:-1])]
            if all(_RULE.fullmatch(cell) for cell in cells):
                right_aligned = [cell.endswith(":") for cell in cells]
            else:
                table.append([_unmarked(cell) for cell in cells])
            continue
        lines += _columns(table, right_aligned)
        table = []
        if line.startswith("```"):
            fenced = not fenced
        elif not line.startswith("!["):  # plots are left out
            lines.append(line if fenced else _unmarked(_HEADING.sub("", line)))
    return "\n".join(lines).rstrip("\n")


def _columns(table: list[list[str]], right_aligned: list[bool]) -> list[str]:
    """Return the lines of a table whose columns are padded with spaces."""
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    right_aligned = right_aligned + [False] * (len(widths) - len(right_aligned))
    lines = []
    for row in table:
        cells = []
        for cell, width, is_right in zip(row, widths, right_aligned, strict=True):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if is_right else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines


def _unmarked(text: str) -> str:
    """Return a line of Markdown without its inline markup."""
    return _MARKS.sub(
        lambda match: match[1] or (match[3] or "").strip() or ("<" if match[0] == "&lt;" else ""), text
    )


def dropped_in(store: Store, version: Version) -> list[Dropped]:
    """Return the reasons for which the run that published the version dropped rows or did not take them."""
    from tasks.reports.figures import dropped_by

    return dropped_by(version.lineage, lambda: store.dropped(str(version.lineage.get("run", ""))))


def print_dropped(console: Console, dropped: Sequence[Dropped]) -> None:
    """Print the most frequent reasons for which rows were dropped, then those for which good rows were not taken, each with ids that
    `mathmill why` can show."""
    if not dropped:
        return
    for heading, is_surplus in (("why rows were dropped", False), ("why rows were not taken", True)):
        groups = [group for group in dropped if group.not_taken == is_surplus]
        if not groups:
            continue
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(heading, overflow="fold")
        table.add_column("rows", justify="right", no_wrap=True)
        table.add_column("for example", no_wrap=True)
        for group in groups[:MOST_REASONS]:
            text = escape(printable(f"{group.stage}: {group.reason}", REASON_WIDTH))
            table.add_row(text, f"{group.rows:,}", group.short())
        if further := groups[MOST_REASONS:]:
            table.add_row(
                counted(len(further), "further reason"), f"{sum(group.rows for group in further):,}", ""
            )
        console.print()
        console.print(table)
    console.print("The history of a row: ./mathmill why ID")


def funnel_table(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Return the funnel of a version's lineage as a table, with one row per stage."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for heading in ("in", "kept", "not taken", "rejected", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        counts = cells(line).values()
        table.add_row(line["title"], *(count if isinstance(count, str) else f"{count:,}" for count in counts))
    return table


def print_forecast(forecast: Forecast, config: Nightly) -> None:
    """Print the forecast of a night: likely figures with their ranges, then the calls of each stage."""
    console = terminal.console()
    basis = (
        f"{counted(forecast.history, 'call')} in the ledger and {counted(forecast.nights, 'published night')}"
    )
    console.print(
        f"[bold]{config.dataset}[/], {counted(config.target, 'accepted row')} requested; estimated from {basis}\n",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for heading in ("likely", "low", "high"):
        table.add_column(heading, justify="right")
    for name, title, format_value in FORECAST_LINES:
        low, likely, high = forecast.figures[name]
        table.add_row(title, format_value(likely), format_value(low), format_value(high))
    console.print(table)
    console.print("The actual value should lie between low and high in 8 of 10 nights.", style="dim")
    ends = ", ".join(
        f"{name} {share:.0%}" for name, share in sorted(forecast.ends.items(), key=lambda e: -e[1])
    )
    console.print(f"\nends by  {ends}")
    stages = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("role", "model", "stage"):
        stages.add_column(heading, overflow="fold", no_wrap=heading != "model")
    for heading in ("calls", "tokens in", "tokens out", "USD"):
        stages.add_column(heading, justify="right", no_wrap=True)
    calls, tokens, usd = whole_shares(forecast.stages)
    for number, line in enumerate(forecast.stages):
        prefix = "~" if line["guessed"] else ""
        counts = (f"{prefix}{value:,}" for value in (calls[number], *tokens[2 * number : 2 * number + 2]))
        names = (escape(line[name]) for name in ("role", "model", "stage"))
        stages.add_row(*names, *counts, f"{usd[number] / PARTS_OF_USD:,.4f}")
    stages.add_section()
    sums = (sum(calls), sum(tokens[::2]), sum(tokens[1::2]))
    stages.add_row("total", "", "", *(f"{value:,}" for value in sums), f"{sum(usd) / PARTS_OF_USD:,.4f}")
    console.print()
    console.print(stages)
    if forecast.guessed:
        console.print(f"\n~ guessed, since nothing was measured yet: {', '.join(forecast.guessed)}")


PARTS_OF_USD = 10_000  # of a dollar, which tables show


def whole_shares(stages: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int], list[int]]:
    """Return the calls of each line of a forecast, its tokens (sent, received, sent, ...) and its ten-thousandths of a dollar as whole numbers
    that sum to the rounded sum of the exact ones."""
    tokens = [line[name] for line in stages for name in ("prompt_tokens", "completion_tokens")]
    return (
        rounded([line["calls"] for line in stages]),
        rounded(tokens),
        rounded([line["usd"] * PARTS_OF_USD for line in stages]),
    )


def rounded(values: Sequence[float]) -> list[int]:
    """Return whole numbers that sum to the rounded sum of the values: those with the largest remainders are rounded up."""
    whole = [int(value) for value in values]
    by_remainder = sorted(range(len(values)), key=lambda place: whole[place] - values[place])
    for place in by_remainder[: round(sum(values)) - sum(whole)]:
        whole[place] += 1
    return whole


FORECAST_LINES = (
    ("accepted", "accepted rows", lambda value: f"{value:,.0f}"),
    ("questions", "questions requested", lambda value: f"{value:,.0f}"),
    ("calls", "calls", lambda value: f"{value:,.0f}"),
    ("tokens", "tokens", lambda value: f"{value:,.0f}"),
    ("usd", "price, online", lambda value: f"${value:,.2f}"),
    ("usd_batch", "price, batch", lambda value: f"${value:,.2f}"),
    ("seconds", "duration, online", spoken),
)
