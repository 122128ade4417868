"""What a stage returns, and the balance that is checked for it: in = kept + rejected + failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from storage.rows import failed

# called with the number of rows that were finished since the last call
Tick = Callable[[int], None]


class Imbalance(RuntimeError):
    """A stage lost or invented rows, which is a defect of the program."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every row of a shard after a stage, kept and not.

    `asked`: how many rows the stage has to return: as many as it was given (a filter), or as were requested (questions x
    samples, problems). `facts`: counts for the report (calls, tokens, USD).
    """

    rows: pa.Table
    asked: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """How many rows a stage had to return, and how many of them were kept, were rejected, and failed."""

    asked: int
    kept: int
    rejected: int
    failed: int

    def __add__(self, other: Balance) -> Balance:
        return Balance(
            self.asked + other.asked,
            self.kept + other.kept,
            self.rejected + other.rejected,
            self.failed + other.failed,
        )


def balance(stage: str, outcome: Outcome) -> Balance:
    """Count an outcome. Raises Imbalance unless asked = kept + rejected + failed."""
    kept = outcome.rows.column("rejected").null_count
    failures = int(pc.sum(failed(outcome.rows)).as_py() or 0)
    total = outcome.rows.num_rows
    if total != outcome.asked:
        raise Imbalance(
            f"stage {stage} returned {counted(total, 'row')} instead of {outcome.asked}; this is a defect, please report it"
        )
    return Balance(outcome.asked, kept, total - kept - failures, failures)


def same_rows(stage: str, before: pa.Table, after: pa.Table) -> None:
    """Raise Imbalance unless a filter returned the rows that it was given, by id and order."""
    if not before.column("id").equals(after.column("id")):
        raise Imbalance(f"stage {stage} changed, lost or reordered rows; this is a defect, please report it")
