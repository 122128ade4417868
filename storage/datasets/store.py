"""The store: published dataset versions and the candidates from which they were made.

store = Store(".mathmill")
version = store.publish("math-sft", [table], lineage={...})
store.read("math-sft@2026.11.20", columns=["question", "solution"])
"""

from __future__ import annotations

import contextlib
import datetime
import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import xxhash

from storage.clock import now
from storage.datasets import (
    candidates,
    critic_scores,
    delta,
    evolution,
    judgements,
    promotion,
    retention,
    tags,
    verify,
)
from storage.datasets.annotations import Mark, mark, marks, marks_of_all
from storage.datasets.critic_scores import CriticScore
from storage.datasets.gates import Gate
from storage.datasets.judgements import RowJudgement
from storage.datasets.publish import LATEST, publish
from storage.datasets.restore import restore
from storage.datasets.versions import Version
from storage.errors import Corrupt, VersionNotFound, in_one_line
from storage.location import Location, checked_name, is_name
from storage.rows import SCHEMA

__all__ = ["LATEST", "Store", "Version"]


class Store:
    """The tables under a folder or an s3:// URL (`<home>/tables/<dataset>`). It is cheap to create and holds no state.

    Methods with a parameter `version` take a Version or its name: "math-sft" (the newest), "math-sft@2026.11.20", or one
    with a tag, "math-sft@production". They raise VersionNotFound if there is none of that name.
    """

    def __init__(self, home: str | os.PathLike[str]) -> None:
        self.home = Location.of(home)
        self.where = Location(self.home.url("tables"))

    def publish(
        self,
        dataset: str,
        tables: Iterable[pa.Table],
        *,
        mode: Literal["append", "overwrite"] = "append",
        expected: int | None = LATEST,
        lineage: Mapping[str, Any],
        gates: Sequence[Gate] = (),
        date: datetime.date | None = None,
    ) -> Version:
        """Publish the next version: the rows of the last one and these (append), or these alone (overwrite).

        Args:
            tables: new rows with the columns of storage.rows.SCHEMA, in pieces of any size; read once.
            expected: the version that these rows are based on, as its `table_version` or as returned by `head` (None: the
                dataset does not exist yet); LATEST for the newest when publishing starts.
            lineage: what the version was made from and with, in JSON values without secrets.
            gates: checks beside the standard ones (see storage.datasets.gates), run on the rows as written.
            date: the day from which the name is made; default today in UTC.

        Raises:
            Conflict: another process published since `expected`; check against its rows and try again.
            GateFailed: the written rows did not pass.
            StorageError: the name or the rows are invalid, or the disk is full.

        In each case nothing is published and the files are removed.
        """
        day = date or datetime.datetime.now(datetime.UTC).date()
        return publish(
            self.where,
            dataset,
            tables,
            SCHEMA,
            mode=mode,
            expected=expected,
            lineage=lineage,
            gates=gates,
            day=day,
        )

    def datasets(self) -> list[str]:
        """Return the names of the datasets that have a version, sorted. Other folders are ignored."""
        names = [name for name in self.where.folders() if is_name(name)]
        return [name for name in names if self.where.exists(name, "_delta_log")]

    def versions(self, dataset: str) -> list[Version]:
        """Return the versions of a dataset, oldest first, without retired ones; none if there is no such dataset."""
        gone = retention.retired(self.marks(dataset, "retired"))
        return [v for v in tags.versions_of(self.where, checked_name(dataset)) if v.name not in gone]

    def versions_by_dataset(self) -> dict[str, list[Version]]:
        """Return the versions of all datasets, by the name of the dataset in alphabetical order, oldest first, without retired ones. Reads the
        logs that datasets share once, so it is faster than `versions` for each of them."""
        gone = {name: retention.retired(log) for name, log in marks_of_all(self.where, "retired").items()}
        return {
            name: [v for v in versions if v.name not in gone.get(name, ())]
            for name, versions in tags.versions_of_all(self.where, self.datasets()).items()
        }

    def every_version(self) -> list[Version]:
        """Return the versions of all datasets, as `versions_by_dataset` has them, in one list."""
        return [version for own in self.versions_by_dataset().values() for version in own]

    def head(self, dataset: str) -> int | None:
        """Return the dataset's newest table version, to pass to `publish` as `expected`; None if there is none."""
        return delta.head_of(self.where.url(checked_name(dataset)))

    def resolve(self, name: Version | str) -> Version:
        """Return the version of that name. A dataset's name alone means its newest. Raises VersionNotFound."""
        if isinstance(name, Version):
            return name
        dataset, at, label = name.partition("@")
        versions = self.versions(dataset)
        if not versions:
            names = ", ".join(self.datasets())
            fix = f"name one of {names}" if names else "make the first by `./mathmill nightly`"
            raise VersionNotFound(f"there is no dataset {dataset!r}. Fix: {fix}")
        if not at:
            return versions[-1]
        if not label[:1].isdigit():
            label = self.tags(dataset).get(label, label)
        for version in versions:
            if version.name == label:
                return version
        newest = ", ".join(str(version) for version in versions[:-6:-1])
        raise VersionNotFound(f"there is no version {name!r}. Fix: name one of the newest: {newest}")

    def files(self, version: Version | str) -> list[str]:
        """Return paths or URLs of the version's Parquet files in the order of its rows, for programs such as DuckDB."""
        resolved = self.resolve(version)
        return [self.where.url(resolved.dataset, path) for path in resolved.files]

    def scan(self, version: Version | str) -> pads.Dataset:
        """Return the version as a lazy pyarrow dataset, which may be larger than memory."""
        resolved = self.resolve(version)
        evolution.require_current(str(resolved), resolved.major)
        return delta.scan(self.where, resolved.dataset, list(resolved.files), SCHEMA)

    def read(
        self,
        version: Version | str,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
    ) -> pa.Table:
        """Return the version's rows that pass `filter`, in memory. Raises Corrupt if a file cannot be read."""
        resolved = self.resolve(version)
        scanner = self.scan(resolved).scanner(
            columns=None if columns is None else list(columns), filter=filter
        )
        with _naming(resolved):
            return scanner.to_table()

    def batches(
        self,
        version: Version | str,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        *,
        size: int = 8_192,
        files: Sequence[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the version's rows that pass `filter` in batches of at most `size` rows, in bounded memory.

        If `files` are given, only rows of these files of the version are read. Raises Corrupt if a file cannot be read.
        """
        resolved = self.resolve(version)
        whole = (
            self.scan(resolved) if files is None else delta.scan(self.where, resolved.dataset, files, SCHEMA)
        )
        scanner = whole.scanner(
            columns=None if columns is None else list(columns),
            filter=filter,
            batch_size=size,
            batch_readahead=2,
            fragment_readahead=1,
        )
        with _naming(resolved):
            yield from scanner.to_batches()

    def sample(self, version: Version | str, rows: int, seed: int, columns: Sequence[str]) -> pa.Table:
        """Return at most `rows` rows of the version, in the order of the hash of their id with the random seed.

        The sample does not depend on the files of the version, and changes little when the version grows. Memory is bounded by
        the size of the sample.
        """
        key = xxhash.xxh3_64(str(seed).encode()).intdigest()
        best: list[tuple[int, str]] = []
        for batch in self.batches(version, ["id"], size=65_536):
            ids = batch.column("id").to_pylist()
            ranked = ((xxhash.xxh3_64_intdigest(row_id.encode(), key), row_id) for row_id in ids)
            best = heapq.nsmallest(rows, heapq.merge(best, sorted(ranked)))
        chosen = pa.array([row_id for _, row_id in best], pa.string())
        names = ["id", *(name for name in columns if name != "id")]
        table = self.read(version, names, filter=pc.field("id").isin(chosen))
        order = pc.index_in(chosen, value_set=table.column("id").combine_chunks())
        return table.take(order).select(list(columns))

    def added(self, version: Version | str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows whose id the version before lacks.

        If retention has deleted files of that version, the rows of files that it did not have are returned.
        """
        resolved = self.resolve(version)
        versions = tags.versions_of(self.where, resolved.dataset)
        before = [other for other in versions if other.table_version < resolved.table_version]
        if not before:
            return self.read(resolved, columns)
        new = [path for path in resolved.files if path not in before[-1].files]
        old = sorted(set(before[-1].files) - set(resolved.files))
        old = [path for path in old if self.where.exists(resolved.dataset, path)]
        rows = delta.scan(self.where, resolved.dataset, new, SCHEMA)
        if not old:  # appended: every row of a new file is new
            return rows.to_table(columns=None if columns is None else list(columns))
        known = delta.scan(self.where, resolved.dataset, old, SCHEMA).to_table(columns=["id"]).column("id")
        return rows.to_table(
            columns=None if columns is None else list(columns),
            filter=~pc.field("id").isin(known.combine_chunks()),
        )

    def added_in_pieces(self, version: Version | str, most: int) -> Iterator[pa.Table]:
        """Yield the rows that `added` returns, at most `most` at a time, in bounded memory where they were appended."""
        resolved = self.resolve(version)
        before = [
            v
            for v in tags.versions_of(self.where, resolved.dataset)
            if v.table_version < resolved.table_version
        ]
        files = [path for path in resolved.files if not before or path not in before[-1].files]
        if before and not set(before[-1].files) <= set(resolved.files):
            rows = self.added(resolved)
            yield from (rows.slice(start, most) for start in range(0, rows.num_rows, most))
            return
        waiting: list[pa.RecordBatch] = []
        for batch in self.batches(resolved, size=min(most, 8_192), files=files):
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= most:
                yield pa.Table.from_batches(waiting)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting)

    def verify(self, version: Version | str) -> None:
        """Read the whole version again and compare it with its digests. Raises Corrupt, which names each damaged file."""
        dataset = version.dataset if isinstance(version, Version) else version.partition("@")[0]
        verify.check_log(self.where, checked_name(dataset))
        verify.check_rows(self.where, self.resolve(version))

    def restore(
        self, version: Version | str, *, lineage: Mapping[str, Any], date: datetime.date | None = None
    ) -> Version:
        """Publish a version with exactly the rows of an old one; see storage.datasets.restore."""
        day = date or datetime.datetime.now(datetime.UTC).date()
        return restore(self.where, self.resolve(version), lineage=lineage, day=day)

    def migrate(
        self, dataset: str, *, lineage: Mapping[str, Any], date: datetime.date | None = None
    ) -> Version:
        """Publish the newest version, whose rows are of an older major, again in this program's format."""
        old = self.resolve(dataset)
        pieces = (
            pads.dataset(self.where.path(old.dataset, path), filesystem=self.where.filesystem).to_table()
            for path in old.files
        )
        rows = evolution.migrated(pieces, old.major)
        return self.publish(
            old.dataset, rows, mode="overwrite", expected=old.table_version, lineage=lineage, date=date
        )

    def mark(self, version: Version | str, kind: str, value: Mapping[str, Any]) -> Mark:
        """Append a mark to a version, with `value` in JSON values; see storage.datasets.annotations."""
        resolved = self.resolve(version)
        return mark(self.where, resolved.dataset, resolved.name, kind, dict(value))

    def marks(self, dataset: str, kind: str | None = None) -> list[Mark]:
        """Return the marks on versions of a dataset, oldest first; only those of `kind` if it is given."""
        return marks(self.where, checked_name(dataset), kind)

    def marks_by_dataset(self) -> dict[str, list[Mark]]:
        """Return, by dataset in alphabetical order, the marks on versions of all datasets that have any, oldest first."""
        return marks_of_all(self.where)

    def judge(self, version: Version | str, given: Sequence[RowJudgement]) -> list[RowJudgement]:
        """Append people's judgements of rows of a version, all or none; see storage.datasets.judgements."""
        resolved = self.resolve(version)
        return judgements.append(self.where, resolved.dataset, resolved.name, given)

    def judgements(self, dataset: str) -> list[RowJudgement]:
        """Return people's judgements of rows of the dataset, oldest first."""
        return judgements.judgements(self.where, checked_name(dataset))

    def keep_critic_scores(self, version: Version | str, given: Sequence[CriticScore]) -> None:
        """Append what a critic says of rows of a version or of its run, all or none; see storage.datasets.critic_scores."""
        resolved = self.resolve(version)
        critic_scores.append(self.where, resolved.dataset, resolved.name, given)

    def critic_scores(self) -> dict[str, CriticScore]:
        """Return the newest score of each row that a critic judged after it was published or dropped, by the row's id."""
        return critic_scores.newest(self.where)

    def critic_scores_head(self) -> int:
        """Return a number that grows with each addition to these scores, -1 if there are none."""
        return critic_scores.head(self.where)

    def tags(self, dataset: str) -> dict[str, str]:
        """Return, per tag (candidate, validated, production, ...), the name of the version that it points to."""
        return promotion.tags_of(self.where, checked_name(dataset))

    def promote(self, version: Version | str, tag: str) -> None:
        """Move a tag to that version."""
        resolved = self.resolve(version)
        promotion.promote(self.where, resolved.dataset, resolved.name, tag)

    def rollback(self, dataset: str, tag: str) -> tuple[str, str]:
        """Move a tag back to its version before; return (the version that it left, the version that it points to)."""
        return promotion.rollback(self.where, checked_name(dataset), tag)

    @contextlib.contextmanager
    def leased(self, version: Version | str, holder: str, hours: float = 24.0) -> Iterator[Version]:
        """Yield the version under a lease, so that retention keeps it during the block.

        The lease ends after `hours` at most, in case its holder is killed.
        """
        resolved = self.resolve(version)
        retention.lease(self.where, resolved, holder, now() + datetime.timedelta(hours=hours))
        try:
            yield resolved
        finally:
            retention.lease(self.where, resolved, holder, now())

    def append_candidates(
        self,
        table: pa.Table,
        *,
        run: str,
        version: Version | str | None = None,
        stage: str | None = None,
        part: str = "",
    ) -> int:
        """Store every row of a run, dropped ones too; see storage.datasets.candidates.append."""
        name = None if version is None else str(version)
        return candidates.append(self.where, table, run=run, version=name, stage=stage, part=part)

    def dropped(self, run: str) -> pa.Table:
        """Return the rows that a run rejected or failed on: columns id, rejected, reason and stage."""
        columns = ["id", "rejected", "reason", "stage"]
        table = self.candidates()
        if table is None:
            return candidates.SCHEMA.empty_table().select(columns)
        return table.to_table(
            columns=columns, filter=(pc.field("run") == run) & pc.field("rejected").is_valid()
        )

    def candidates(self) -> pads.Dataset | None:
        """Return all candidates as a lazy dataset (columns of candidates.SCHEMA), None before the first run."""
        table = delta.open_table(self.where.url(candidates.TABLE))
        if table is None:
            return None
        return delta.scan(self.where, candidates.TABLE, sorted(delta.files_of(table)), candidates.SCHEMA)

    def candidate_files(self) -> list[str]:
        """Return the paths of the files of the table of candidates, for `candidate_batches`; none before the first run."""
        table = delta.open_table(self.where.url(candidates.TABLE))
        return [] if table is None else sorted(delta.files_of(table))

    def candidate_batches(
        self, files: Sequence[str], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the candidates of these files in batches, in the order of the files and with the columns of candidates.SCHEMA."""
        scanner = delta.scan(self.where, candidates.TABLE, files, candidates.SCHEMA).scanner(
            columns=None if columns is None else list(columns), batch_readahead=2, fragment_readahead=1
        )
        yield from scanner.to_batches()


@contextlib.contextmanager
def _naming(version: Version) -> Iterator[None]:
    """Raise Corrupt for this version if pyarrow cannot read one of its files."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise Corrupt(str(version), [in_one_line(error)]) from error
