"""`mathmill why ROW`: the life of a row, from its parents to why it was kept or dropped."""

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

SHORTEST = 6  # digits of an id that are taken for one
MOST_GENERATIONS = 8


def life_of(row_id: str) -> dict[str, Any]:
    """The row, its ancestors, and the request and raw completion that made it. StorageError if there is
    no such row, or several."""
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
    if len(row_id) < SHORTEST:
        raise StorageError(f"{row_id!r} is too short for a row id. Fix: give {SHORTEST} digits or more")
    found = _find(store, pc.starts_with(pc.field("id"), row_id))
    ids = sorted({row["id"] for row in found})
    if not ids:
        raise StorageError(
            f"there is no row {row_id!r}. Fix: ./mathmill sql 'SELECT id, question FROM rows LIMIT 5'"
        )
    if len(ids) > 1:
        raise StorageError(
            f"{row_id!r} begins {len(ids)} row ids: {', '.join(ids[:5])}. Fix: give more digits"
        )
    # met again, in the same night or a later one, it is the same row: its kept life comes first
    kept, *others = sorted(found, key=lambda row: row["rejected"] is not None)
    return kept | {"also": [other["rejected"] for other in others if other["rejected"] is not None]}


def _find(store: Store, chosen: pc.Expression) -> list[dict[str, Any]]:
    candidates = store.candidates()
    found = [] if candidates is None else candidates.to_table(filter=chosen).to_pylist()
    for row in found:
        row["verdicts"], row["scores"] = dict(row["verdicts"] or ()), dict(row["scores"] or ())
    return found


def _published(store: Store, row_id: str) -> list[str]:
    versions = [version for dataset in store.datasets() for version in store.versions(dataset)]
    return [str(v) for v in versions if store.read(v, ["id"], pc.field("id") == row_id).num_rows]


def _ancestors(store: Store, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Parents first, then theirs, each once."""
    seen, found = {row["id"]}, []
    wanted = list(row["parent_ids"] or ())
    for _ in range(MOST_GENERATIONS):
        fresh = [parent for parent in dict.fromkeys(wanted) if parent not in seen]
        if not fresh:
            break
        seen.update(fresh)
        parents = {parent["id"]: parent for parent in _find(store, pc.field("id").isin(fresh))}
        found += [parents.get(parent, {"id": parent, "question": None}) for parent in fresh]
        wanted = [above for parent in parents.values() for above in parent["parent_ids"] or ()]
    return found


def _completion(ledger: Ledger, row: dict[str, Any]) -> dict[str, Any] | None:
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


def print_life(life: dict[str, Any]) -> None:
    # unwrapped: prompts and completions are to be copied as they are
    console = terminal.console(soft_wrap=True)
    row = life["row"]
    kept = (
        f"[green]kept[/] in {', '.join(life['published']) or 'no version'}"
        if row["rejected"] is None
        else f"[red]dropped[/] {escape(row['rejected'])}"
    )
    console.print(f"[bold]{row['id']}[/]  {kept}")
    for reason in row["also"]:
        console.print(f"met again, and [red]dropped[/] {escape(reason)}")
    console.print(
        f"run {row['run']}, stage {row['stage']}, method {row['method']}, model {row['model']}, prompt {row['prompt']}"
    )
    _block(console, "question", row["question"])
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
    done = life["completion"]
    if done:
        for message in done["request"]["messages"]:
            _block(console, f"prompt, {message['role']}", message["content"])
        _block(console, "raw completion", done["raw"])
    for parent in life["ancestors"]:
        _block(console, f"ancestor {parent['id']}", parent["question"] or "(not stored)")


def _block(console: Console, title: str, text: str | None) -> None:
    if text:
        console.print(f"\n[bold]{escape(title)}[/]\n{escape(str(text))}")
