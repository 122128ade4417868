"""The history of a row: its ancestors, the call that produced it, why it was kept or dropped, and the versions that hold it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.errors import StorageError
from storage.ledger import COMPLETION, Ledger

SHORTEST: Final = 6  # digits of an id that a user must give at least
MOST_GENERATIONS: Final = 8


class NoSuchRow(StorageError):
    """No stored row has the id."""


class FoundRows(Protocol):
    """Where the candidates of a store are looked up. Rows are dictionaries with `verdicts` and `scores` as dictionaries."""

    def starting_with(self, prefix: str) -> list[dict[str, Any]]:
        """Return every stored candidate whose id begins with `prefix`."""

    def with_ids(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return every stored candidate with one of the ids."""

    def published(self, row_id: str) -> list[str]:
        """Return the names of the versions that hold the row."""


class StoreRows:
    """Candidates read from the store's own tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def starting_with(self, prefix: str) -> list[dict[str, Any]]:
        """Return every stored candidate whose id begins with `prefix`."""
        return self._read(pc.starts_with(pc.field("id"), prefix))

    def with_ids(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return every stored candidate with one of the ids."""
        return self._read(pc.field("id").isin(list(ids)))

    def published(self, row_id: str) -> list[str]:
        """Return the names of the versions that hold the row."""
        versions = self._store.every_version()
        return [str(v) for v in versions if self._store.read(v, ["id"], pc.field("id") == row_id).num_rows]

    def _read(self, condition: pc.Expression) -> list[dict[str, Any]]:
        candidates = self._store.candidates()
        rows: list[dict[str, Any]] = (
            [] if candidates is None else candidates.to_table(filter=condition).to_pylist()
        )
        for row in rows:
            row["verdicts"], row["scores"] = dict(row["verdicts"] or ()), dict(row["scores"] or ())
        return rows


def history_of(rows: FoundRows, ledger: Ledger, row_id: str) -> dict[str, Any]:
    """Return the row, its ancestors, the request and raw completion that produced it, and the versions that hold it.

    `row_id` is an id or its first SHORTEST digits or more. Raises NoSuchRow if no row matches, StorageError if more than one does.
    """
    row = _row(rows, row_id)
    return {
        "row": row,
        "completion": _completion(ledger, row),
        "ancestors": _ancestors(rows, row),
        "published": rows.published(row["id"]),
    }


def _row(rows: FoundRows, row_id: str) -> dict[str, Any]:
    """Return the candidate with that id; `also` holds the reasons why further copies of it were dropped."""
    if len(row_id) < SHORTEST:
        raise StorageError(f"{row_id!r} is too short for a row id. Fix: give {SHORTEST} digits or more")
    matches = rows.starting_with(row_id)
    ids = sorted({row["id"] for row in matches})
    if not ids:
        raise NoSuchRow(
            f"there is no row {row_id!r}. Fix: ./mathmill sql 'SELECT id, question FROM rows LIMIT 5'"
        )
    if len(ids) > 1:
        raise StorageError(
            f"{len(ids)} row ids begin with {row_id!r}: {', '.join(ids[:5])}. Fix: give more digits"
        )
    # a row that was produced again, in this run or a later one, is the same row: the kept copy comes first, and of several the one that passed
    # most checks. A question that was written with its solution is kept as a question before it is kept as a solution.
    kept, *others = sorted(matches, key=_standing)
    return kept | {"also": [other["rejected"] for other in others if other["rejected"] is not None]}


def _standing(row: dict[str, Any]) -> tuple[bool, int]:
    dropped = row["rejected"] is not None
    return dropped, 0 if dropped else -len(row["verdicts"]) - len(row["scores"])


def _ancestors(rows: FoundRows, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parents of a row, then their parents and so on, each once; at most MOST_GENERATIONS generations."""
    seen, ancestors = {row["id"]}, []
    parent_ids = list(row["parent_ids"] or ())
    for _ in range(MOST_GENERATIONS):
        new_ids = [parent for parent in dict.fromkeys(parent_ids) if parent not in seen]
        if not new_ids:
            break
        seen.update(new_ids)
        parents = {parent["id"]: parent for parent in rows.with_ids(new_ids)}
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
