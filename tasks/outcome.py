"""What a stage gives back, and the balance it owes: in = kept + rejected + failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FAILED = "failed: "

# called with the number of rows that are done, as they are done
Tick = Callable[[int], None]


class Imbalance(RuntimeError):
    """A stage lost or invented rows. Never the user's fault."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every row of a shard after a stage, kept and not.

    `asked`: how many rows the stage owed: the rows it was given (a filter), or what was ordered
    (questions x samples, problems asked for). `facts`: counts for the report (calls, tokens, USD).
    """

    rows: pa.Table
    asked: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
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


def reason(stage: str, text: str, *, failed: bool = False) -> str:
    """The words of the `rejected` column: "<stage>: <why>", or "<stage>: failed: <why>"."""
    return f"{stage}: {FAILED if failed else ''}{text}"


def balance(stage: str, outcome: Outcome) -> Balance:
    """Count an outcome; Imbalance unless asked = kept + rejected + failed."""
    reasons = outcome.rows.column("rejected")
    kept = reasons.null_count
    failed = int(pc.sum(pc.match_substring(reasons, f": {FAILED}")).as_py() or 0)
    total = outcome.rows.num_rows
    if total != outcome.asked:
        raise Imbalance(
            f"stage {stage} owed {outcome.asked} rows and gave {total}; this is a defect, please report it"
        )
    return Balance(outcome.asked, kept, total - kept - failed, failed)


def same_rows(stage: str, before: pa.Table, after: pa.Table) -> None:
    """A filter gives back exactly the rows it got, by id and order; Imbalance otherwise."""
    if not before.column("id").equals(after.column("id")):
        raise Imbalance(f"stage {stage} changed, lost or reordered rows; this is a defect, please report it")
