"""The history of a row that is stored more than once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.ledger import Ledger
from tasks.viewer.history import history_of


class Stored:
    """Candidates in memory."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = rows

    def starting_with(self, prefix: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["id"].startswith(prefix)]

    def with_ids(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["id"] in ids]

    def published(self, row_id: str) -> list[str]:
        return ["math-sft@2026.11.20"]


def copy(stage: str, rejected: str | None = None, **verdicts: str) -> dict[str, Any]:
    scores = {"heuristics": 1.0} if len(verdicts) > 1 else {}
    return {
        "id": "a1b2c3d4", "stage": stage, "rejected": rejected, "verdicts": verdicts, "scores": scores, "parent_ids": [], "params": None,
    }  # fmt: skip


def test_the_copy_that_passed_most_checks_is_shown(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    stored = Stored(
        [
            copy("dedup", "a duplicate", similarity="novel", executed="ok", equivalent="yes"),
            copy("similarity", similarity="novel"),
            copy("mix", similarity="novel", judged_by="trees:1"),
        ]
    )
    row = history_of(stored, ledger, "a1b2c3")["row"]
    assert (row["stage"], row["also"]) == ("mix", ["a duplicate"])
    dropped = history_of(Stored(stored.rows[:1]), ledger, "a1b2c3")["row"]
    assert (dropped["stage"], dropped["also"]) == ("dedup", [])
    ledger.close()
