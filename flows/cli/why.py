"""The command `why`: the history of a row, from its parents to why it was kept or dropped."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from flows.cli import terminal
from flows.settings import load_settings
from storage.datasets.store import Store
from storage.ledger import Ledger
from tasks.viewer import history

if TYPE_CHECKING:
    from rich.console import Console


def history_of(row_id: str) -> dict[str, Any]:
    """Return the history of a row of this installation's store; see tasks.viewer.history."""
    settings = load_settings()
    ledger = Ledger.open(settings.ledger_url())
    try:
        return history.history_of(history.StoreRows(Store(settings.tables)), ledger, row_id)
    finally:
        ledger.close()


def print_history(record: dict[str, Any]) -> None:
    """Print what `history_of` returned."""
    # not wrapped, so that prompts and completions can be copied
    console = terminal.console(soft_wrap=True)
    row = record["row"]
    kept = (
        f"[green]kept[/] in {', '.join(record['published']) or 'no version'}"
        if row["rejected"] is None
        else f"[red]dropped[/] {escape(row['rejected'])}"
    )
    console.print(f"[bold]{row['id']}[/]  {kept}")
    for reason, times in Counter(row["also"]).items():
        again = "again" if times == 1 else f"{times:,} times more"
        console.print(f"produced {again}, and [red]dropped[/] {escape(reason)}")
    console.print(
        f"run {row['run']}, stage {row['stage']}, method {row['method']}, model {row['model']}, prompt {row['prompt']}"
    )
    if row["messages"]:
        for number, turn in enumerate(row["messages"], 1):
            _block(console, f"turn {number}, {turn['role']}", turn["content"])
            _block(console, f"turn {number}, reasoning", turn["reasoning"])
            _block(console, f"turn {number}, tool calls", turn["tool_calls"])
    else:
        _block(console, row["kind"] or "question", row["question"])
    _block(console, "reasoning", row["reasoning"])
    _block(console, f"solution ({row['solution_format']})", row["solution"])
    _block(console, "answer", row["answer"])
    if row["reference_answer"]:
        _block(console, "trusted answer", row["reference_answer"])
    if row["solution"]:
        _block(console, "correctness", _correctness(row["correctness"]))
    for name in ("verdicts", "scores"):
        values = ", ".join(
            f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row[name].items()
        )
        _block(console, name, values)
    _block(console, "critique", row["critique"])
    completion = record["completion"]
    if completion:
        for message in completion["request"]["messages"]:
            _block(console, f"prompt, {message['role']}", message["content"])
        _block(console, "raw completion", completion["raw"])
    for parent in record["ancestors"]:
        _block(console, f"ancestor {parent['id']}", parent["question"] or "(not stored)")


def _correctness(value: float | None) -> str:
    """Return the column `correctness` with what it means."""
    if value is None:
        return "unknown: the votes on this row were not combined into a probability"
    return f"{value:.2f}, the probability that the row is right, from all votes on it"


def _block(console: Console, title: str, text: str | None) -> None:
    if text:
        console.print(f"\n[bold]{escape(title)}[/]")
        console.print(str(text), markup=False)  # escaped markup would lose the backslash of "\\["
