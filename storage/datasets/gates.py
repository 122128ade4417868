"""Gates: checks that written rows must pass before they become a version.

A gate is a name and a function that reads the written rows and returns in one line why they do not pass, or None. The
standard gates run on every publication; callers add others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from storage.counting import counted
from storage.datasets import delta
from storage.datasets.audit import WrittenFile
from storage.errors import GateFailed
from storage.location import Location


@dataclass(frozen=True)
class Written:
    """Rows on the disk that are not a version yet.

    `before` are the files of the previous version that stay (none if it is overwritten).
    """

    where: Location
    dataset: str
    table: str
    schema: pa.Schema
    files: Sequence[WrittenFile]
    before: Sequence[str] = ()
    rows_before: int = 0

    @property
    def rows(self) -> int:
        """The number of rows that were written."""
        return sum(file.rows for file in self.files)

    @property
    def total(self) -> int:
        """The number of rows that the version would have."""
        return self.rows_before + self.rows

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return columns of the written rows, read from the disk."""
        return self._dataset([file.path for file in self.files]).to_table(
            columns=None if columns is None else list(columns)
        )

    def batches(
        self, columns: Sequence[str] | None = None, *, before: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of the written rows or, with `before`, of the rows that stay from the previous version."""
        paths = self.before if before else [file.path for file in self.files]
        if paths:
            yield from self._dataset(paths).to_batches(
                columns=None if columns is None else list(columns), batch_size=1 << 20
            )

    def _dataset(self, paths: Sequence[str]) -> pads.Dataset:
        return delta.scan(self.where, self.table, paths, self.schema)


GateCheck = Callable[[Written], str | None]


@dataclass(frozen=True, slots=True)
class Gate:
    """A named check. It returns why the rows do not pass, or None."""

    name: str
    check: GateCheck


def run_gates(written: Written, gates: Sequence[Gate]) -> None:
    """Run the standard gates, then the caller's; all of them. Raises GateFailed with every reason."""
    failures = []
    for gate in (*STANDARD, *gates):
        reason = gate.check(written)
        if reason is not None:
            failures.append((gate.name, reason))
    if failures:
        raise GateFailed(written.dataset, failures)


def _not_empty(written: Written) -> str | None:
    return None if written.rows else "no rows were given: nothing to publish"


def _kept(written: Written) -> str | None:
    dropped = sum(len(b) - b.column("rejected").null_count for b in written.batches(["rejected"]))
    return (
        f"{counted(dropped, 'rejected row')} among them: publish storage.rows.kept(table)"
        if dropped
        else None
    )


def _ids(written: Written) -> str | None:
    if not written.rows:
        return None
    ids = written.read(["id"]).column("id")
    if ids.null_count:
        return f"{counted(ids.null_count, 'row')} without an id: make rows with storage.rows.Row"
    distinct = pc.unique(ids)
    if len(distinct) < len(ids):
        tallies = pc.value_counts(ids)
        twice = tallies.filter(pc.greater(tallies.field("counts"), 1)).field("values")
        return f"{counted(len(ids) - len(distinct), 'row')} with an id of another row, such as {twice[0]}: drop duplicates first"
    for batch in written.batches(["id"], before=True):
        known = batch.column("id").filter(pc.is_in(batch.column("id"), value_set=distinct))
        if len(known):
            return f"ids that the version before already has, such as {known[0]}: drop those rows first"
    return None


STANDARD = (
    Gate("some rows", _not_empty),
    Gate("ids", _ids),
    Gate("kept rows only", _kept),
)
