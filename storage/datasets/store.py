"""The store: published dataset versions and the candidates they were made from.

store = Store(".mathmill")
version = store.publish("math-sft", [table], lineage={...})
store.read("math-sft@2026.11.20", columns=["question", "solution"])
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from storage.clock import now
from storage.datasets import candidates, delta, evolution, promotion, retention, tags, verify
from storage.datasets.annotations import Mark, mark, marks
from storage.datasets.gates import Gate
from storage.datasets.publish import LATEST, publish
from storage.datasets.restore import restore
from storage.datasets.versions import Version
from storage.errors import Corrupt, VersionNotFound, in_one_line
from storage.location import Location, checked_name, is_name
from storage.rows import SCHEMA

__all__ = ["LATEST", "Store", "Version"]


class Store:
    """Tables under one folder or s3:// URL (`<home>/tables/<dataset>`). Cheap to make; holds no state.

    Everything that takes a version takes a Version or its name: "math-sft" (the newest),
    "math-sft@2026.11.20" or a tag, "math-sft@production". Reading an unknown one raises VersionNotFound.
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
        """Make the next version: the last one's rows and these (append), or these alone (overwrite).

        Args:
            tables: new rows with the columns of storage.rows.SCHEMA, in pieces of any size; read once.
            expected: the version this was made on, as its `table_version` or as `head` gave it (None: no
                dataset yet); LATEST for whatever is there at the start.
            lineage: what it was made from and with; plain JSON values, no secrets.
            gates: checks beside the standard ones (see storage.datasets.gates), run on the rows as written.
            date: the day the name is made of; default today in UTC.

        Raises:
            Conflict: somebody published since `expected`: check against their rows and try again.
            GateFailed: the written rows did not pass. StorageError: bad name, rows, disk. In every
            case nothing was published and the files are gone.
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
        """Names of the datasets that have a version, sorted; other folders beside them are left alone."""
        names = [name for name in self.where.folders() if is_name(name)]
        return [name for name in names if self.where.exists(name, "_delta_log")]

    def versions(self, dataset: str) -> list[Version]:
        """Every version of a dataset, oldest first, without the retired; none if there is no such dataset."""
        gone = retention.retired(self.marks(dataset, "retired"))
        return [v for v in tags.versions_of(self.where, checked_name(dataset)) if v.name not in gone]

    def head(self, dataset: str) -> int | None:
        """The dataset's newest table version, to pass to `publish` as `expected`; None without one."""
        return delta.head_of(self.where.url(checked_name(dataset)))

    def resolve(self, name: Version | str) -> Version:
        """The version of that name; a dataset's name alone means its newest."""
        if isinstance(name, Version):
            return name
        dataset, at, wanted = name.partition("@")
        versions = self.versions(dataset)
        if not versions:
            there = ", ".join(self.datasets()) or "none yet: `mathmill nightly` makes the first"
            raise VersionNotFound(f"no dataset {dataset!r}; there are: {there}")
        if not at:
            return versions[-1]
        if not wanted[:1].isdigit():
            wanted = self.tags(dataset).get(wanted, wanted)
        for version in versions:
            if version.name == wanted:
                return version
        newest = ", ".join(str(version) for version in versions[:-6:-1])
        raise VersionNotFound(f"no version {name!r}; the newest are: {newest}")

    def files(self, version: Version | str) -> list[str]:
        """Paths or URLs of the version's Parquet files, in the order of its rows, for DuckDB and the like."""
        found = self.resolve(version)
        return [self.where.url(found.dataset, path) for path in found.files]

    def scan(self, version: Version | str) -> pads.Dataset:
        """The version as a pyarrow dataset: lazy, larger than memory."""
        found = self.resolve(version)
        evolution.require_current(str(found), found.major)
        return delta.scan(self.where, found.dataset, list(found.files), SCHEMA)

    def read(
        self,
        version: Version | str,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
    ) -> pa.Table:
        """The version's rows (those that pass `filter`) in memory. Corrupt if a file cannot be read."""
        found = self.resolve(version)
        scanner = self.scan(found).scanner(columns=None if columns is None else list(columns), filter=filter)
        with _naming(found):
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
        """The same as a stream of batches of at most `size` rows, in bounded memory; of some `files` of the
        version alone, where these are given."""
        found = self.resolve(version)
        whole = self.scan(found) if files is None else delta.scan(self.where, found.dataset, files, SCHEMA)
        scanner = whole.scanner(
            columns=None if columns is None else list(columns),
            filter=filter,
            batch_size=size,
            batch_readahead=2,
            fragment_readahead=1,
        )
        with _naming(found):
            yield from scanner.to_batches()

    def added(self, version: Version | str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows whose id the version before did not have. Where retention took files of that one away, the
        rows of files that it did not have."""
        found = self.resolve(version)
        versions = tags.versions_of(self.where, found.dataset)
        before = [other for other in versions if other.table_version < found.table_version]
        if not before:
            return self.read(found, columns)
        new = [path for path in found.files if path not in before[-1].files]
        old = sorted(set(before[-1].files) - set(found.files))
        old = [path for path in old if self.where.exists(found.dataset, path)]
        rows = delta.scan(self.where, found.dataset, new, SCHEMA)
        if not old:  # appended: every row of a new file is new
            return rows.to_table(columns=None if columns is None else list(columns))
        known = delta.scan(self.where, found.dataset, old, SCHEMA).to_table(columns=["id"]).column("id")
        return rows.to_table(
            columns=None if columns is None else list(columns),
            filter=~pc.field("id").isin(known.combine_chunks()),
        )

    def verify(self, version: Version | str) -> None:
        """Re-read everything against its digests; raises Corrupt naming each damaged file."""
        dataset = version.dataset if isinstance(version, Version) else version.partition("@")[0]
        verify.check_log(self.where, checked_name(dataset))
        verify.check_rows(self.where, self.resolve(version))

    def verify_candidates(self) -> int:
        """The same for the candidates; returns how many files were sound."""
        return verify.check_table(self.where, candidates.TABLE)

    def restore(
        self, version: Version | str, *, lineage: Mapping[str, Any], date: datetime.date | None = None
    ) -> Version:
        """A new version with exactly the rows of an old one; see storage.datasets.restore."""
        day = date or datetime.datetime.now(datetime.UTC).date()
        return restore(self.where, self.resolve(version), lineage=lineage, day=day)

    def migrate(
        self, dataset: str, *, lineage: Mapping[str, Any], date: datetime.date | None = None
    ) -> Version:
        """The newest version, of an older major, published again in this program's format."""
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
        """Say something of a published version: `value` are plain JSON values; see storage.datasets.annotations."""
        found = self.resolve(version)
        return mark(self.where, found.dataset, found.name, kind, dict(value))

    def marks(self, dataset: str, kind: str | None = None) -> list[Mark]:
        """What was said of a dataset's versions, oldest first."""
        return marks(self.where, checked_name(dataset), kind)

    def tags(self, dataset: str) -> dict[str, str]:
        """Tag (candidate, validated, production, ...) to the name of the version that it stands for."""
        return promotion.tags_of(self.where, checked_name(dataset))

    def promote(self, version: Version | str, tag: str) -> None:
        """The tag stands for that version from now on."""
        found = self.resolve(version)
        promotion.promote(self.where, found.dataset, found.name, tag)

    def rollback(self, dataset: str, tag: str) -> tuple[str, str]:
        """The tag stands again for the version before; returns (the one it left, the one it stands for)."""
        return promotion.rollback(self.where, checked_name(dataset), tag)

    @contextlib.contextmanager
    def leased(self, version: Version | str, holder: str, hours: float = 24.0) -> Iterator[Version]:
        """The version, which retention leaves alone while the block lasts (`hours` at most: a killed holder's
        lease runs out)."""
        found = self.resolve(version)
        retention.lease(self.where, found, holder, now() + datetime.timedelta(hours=hours))
        try:
            yield found
        finally:
            retention.lease(self.where, found, holder, now())

    def append_candidates(
        self,
        table: pa.Table,
        *,
        run: str,
        version: Version | str | None = None,
        stage: str | None = None,
        part: str = "",
    ) -> int:
        """Keep every row of a run, dropped ones too; see storage.datasets.candidates.append."""
        name = None if version is None else str(version)
        return candidates.append(self.where, table, run=run, version=name, stage=stage, part=part)

    def dropped(self, run: str) -> pa.Table:
        """What a run rejected or failed on: columns id, rejected, reason and stage."""
        columns = ["id", "rejected", "reason", "stage"]
        table = self.candidates()
        if table is None:
            return candidates.SCHEMA.empty_table().select(columns)
        return table.to_table(
            columns=columns, filter=(pc.field("run") == run) & pc.field("rejected").is_valid()
        )

    def candidates(self) -> pads.Dataset | None:
        """All candidates (columns of candidates.SCHEMA), lazy; None before the first run."""
        table = delta.open_table(self.where.url(candidates.TABLE))
        if table is None:
            return None
        return delta.scan(self.where, candidates.TABLE, sorted(delta.files_of(table)), candidates.SCHEMA)


@contextlib.contextmanager
def _naming(version: Version) -> Iterator[None]:
    """What pyarrow says of an unreadable file, as damage of this version."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise Corrupt(str(version), [in_one_line(error)]) from error
