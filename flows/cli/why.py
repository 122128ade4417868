"""The command `why`: the history of a row, from its parents to why it was kept or dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow.compute as pc
from rich.markup import escape

from flows.cli import terminal
from flows.settings import load_settings
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.ledger import COMPLETION, Ledger

if TYPE_CHECKING:
    from rich.console import Console

SHORTEST = 6  # digits of an id that a user must give at least
MOST_GENERATIONS = 8


def history_of(row_id: str) -> dict[str, Any]:
    """Return the row, its ancestors, the request and raw completion that produced it, and the versions that hold it.

    `row_id` is an id or its first SHORTEST digits or more. Raises StorageError if no row, or more than one, matches.
    """
    settings = load_settings()
    store = Store(settings.tables)
    row = _row(store, row_id)
    ledger = Ledger.open(settings.ledger_url())
    try:
        return {
            "row": row,
            "completion": _completion(ledger, row),
            "ancestors": _ancestors(store, row),
            "published": _published(store, row["id"]),
        }
    finally:
        ledger.close()


def _row(store: Store, row_id: str) -> dict[str, Any]:
    """Return the candidate with that id; `also` holds the reasons why further copies of it were dropped."""
    if len(row_id) < SHORTEST:
        raise StorageError(f"{row_id!r} is too short for a row id. Fix: give {SHORTEST} digits or more")
    matches = _find(store, pc.starts_with(pc.field("id"), row_id))
    ids = sorted({row["id"] for row in matches})
    if not ids:
        raise StorageError(
            f"there is no row {row_id!r}. Fix: ./mathmill sql 'SELECT id, question FROM rows LIMIT 5'"
        )
    if len(ids) > 1:
        raise StorageError(
            f"{len(ids)} row ids begin with {row_id!r}: {', '.join(ids[:5])}. Fix: give more digits"
        )
    # a row that was produced again, in this run or a later one, is the same row: the kept copy comes first
    kept, *others = sorted(matches, key=lambda row: row["rejected"] is not None)
    return kept | {"also": [other["rejected"] for other in others if other["rejected"] is not None]}


def _find(store: Store, condition: pc.Expression) -> list[dict[str, Any]]:
    """Return the stored candidates that satisfy the condition."""
    candidates = store.candidates()
    rows: list[dict[str, Any]] = (
        [] if candidates is None else candidates.to_table(filter=condition).to_pylist()
    )
    for row in rows:
        row["verdicts"], row["scores"] = dict(row["verdicts"] or ()), dict(row["scores"] or ())
    return rows


def _published(store: Store, row_id: str) -> list[str]:
    """Return the names of the versions that hold the row."""
    versions = [version for dataset in store.datasets() for version in store.versions(dataset)]
    return [str(v) for v in versions if store.read(v, ["id"], pc.field("id") == row_id).num_rows]


def _ancestors(store: Store, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parents of a row, then their parents and so on, each once; at most MOST_GENERATIONS generations."""
    seen, ancestors = {row["id"]}, []
    parent_ids = list(row["parent_ids"] or ())
    for _ in range(MOST_GENERATIONS):
        new_ids = [parent for parent in dict.fromkeys(parent_ids) if parent not in seen]
        if not new_ids:
            break
        seen.update(new_ids)
        parents = {parent["id"]: parent for parent in _find(store, pc.field("id").isin(new_ids))}
        ancestors += [parents.get(parent, {"id": parent, "question": None}) for parent in new_ids]
        parent_ids = [above for parent in parents.values() for above in parent["parent_ids"] or ()]
    return ancestors


def _completion(ledger: Ledger, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request, raw completion, time and cost of the call that produced the row; None if there was no call."""
    key = orjson.loads(row["params"] or "{}").get("completion")
    for stored in ledger.find(key) if key else ():
        if stored.outcome == COMPLETION:
            call = stored.call
            return {
                "request": orjson.loads(call.request),
                "raw": call.raw.decode("utf-8", "replace"),
                "created": datetime.fromtimestamp(call.created, UTC).isoformat(timespec="seconds"),
                "usd": stored.cost,
            }
    return None


def print_history(history: dict[str, Any]) -> None:
    """Print what `history_of` returned."""
    # not wrapped, so that prompts and completions can be copied
    console = terminal.console(soft_wrap=True)
    row = history["row"]
    kept = (
        f"[green]kept[/] in {', '.join(history['published']) or 'no version'}"
        if row["rejected"] is None
        else f"[red]dropped[/] {escape(row['rejected'])}"
    )
    console.print(f"[bold]{row['id']}[/]  {kept}")
    for reason in row["also"]:
        console.print(f"produced again, and [red]dropped[/] {escape(reason)}")
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
    for name in ("verdicts", "scores"):
        values = ", ".join(
            f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row[name].items()
        )
        _block(console, name, values)
    _block(console, "critique", row["critique"])
    completion = history["completion"]
    if completion:
        for message in completion["request"]["messages"]:
            _block(console, f"prompt, {message['role']}", message["content"])
        _block(console, "raw completion", completion["raw"])
    for parent in history["ancestors"]:
        _block(console, f"ancestor {parent['id']}", parent["question"] or "(not stored)")


def _block(console: Console, title: str, text: str | None) -> None:
    if text:
        console.print(f"\n[bold]{escape(title)}[/]\n{escape(str(text))}")
