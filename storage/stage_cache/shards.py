"""The cache of stage outputs.

The output of a stage for one shard is stored under the digest of the stage's code version, its parameters and the digest of
its input, so that an output that is there is not computed again. The Parquet file is written atomically; the JSON record is
written last, and its existence means that the output is complete. Files that a killed run left have no record and are
overwritten.

The cache may be on one machine or in a shared folder. Unlike published versions it may be deleted.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.atomic import write_bytes
from storage.counting import counted
from storage.datasets.digest import digest_in_order
from storage.datasets.files import write_options
from storage.derived_files import DerivedFiles
from storage.derived_files import digest_of as digest_of_bytes
from storage.errors import Corrupt, StorageError, explained
from storage.rows import failed

_BALANCE = ("kept", "rejected", "failed")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a complete stage output, small and serialisable, which tasks pass to each other instead of rows.

    `path` is relative to the cache's folder; rows = kept + rejected + failed; `facts` are what the stage reported about the
    shard (seconds, tokens, cost) in JSON values.
    """

    digest: str
    path: str
    rows: int
    kept: int
    rejected: int
    failed: int
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Ref:
        """Return the reference of such a dictionary; other keys are ignored."""
        return cls(**{f.name: record[f.name] for f in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True)
class Unused:
    """Stage outputs that may be deleted, and their size in bytes."""

    digests: tuple[str, ...]
    size: int


def digest_of(*parts: Any) -> str:
    """Return 64 hex digits over parts (code version, parameters, input digests) that JSON can represent.

    Equal parts in the same order have the same digest on any machine. Raises TypeError or ValueError for other parts.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ShardStore:
    """The stage outputs under `<home>/shards`, in folders by the first two digits of the digest."""

    def __init__(self, home: str | os.PathLike[str]) -> None:
        self.folder = Path(home) / "shards"
        self._files = DerivedFiles(self.folder)

    def get(self, digest: str) -> Ref | None:
        """Return the output of a digest, None if it is not there or not complete.

        After a power failure a record may exist without its rows, since the two renames may reach the disk in the other
        order; such an output is not complete.
        """
        record = self._load(digest)
        if record is None:
            return None
        path = self.folder / record["path"]
        complete = path.exists() and path.stat().st_size == record["size"]
        if complete:
            os.utime(self._record(digest))  # marks it as used: see `unused`
        return Ref.from_dict(record) if complete else None

    def put(self, stage: str, digest: str, table: pa.Table, facts: Mapping[str, Any] | None = None) -> Ref:
        """Write an output and return its reference. At any moment the output is complete or absent.

        Args:
            facts: JSON values about the shard. If they contain `kept`, `rejected` and `failed`, these are the balance;
                otherwise it is counted from the columns `rejected` and `reason` (storage/reasons.py). Without the column
                `rejected` all rows count as kept.

        Raises StorageError if the balance does not add up to the rows, or if the disk is full.
        """
        facts = dict(facts or {})
        is_counted = {"kept", "rejected", "failed"} <= facts.keys()
        balance = {name: int(facts[name]) for name in _BALANCE} if is_counted else _balance(table)
        if sum(balance.values()) != table.num_rows:
            raise StorageError(
                f"stage {stage}: {counted(table.num_rows, 'row')} out, but the balance says {balance}. Fix: count every row once"
            )
        record_path = self._record(digest)
        data_path = record_path.with_suffix(".parquet")
        ref = Ref(
            digest, data_path.relative_to(self.folder).as_posix(), table.num_rows, **balance, facts=facts
        )
        with explained(str(self.folder)):
            data_path.parent.mkdir(parents=True, exist_ok=True)
            rows = _parquet(table)
            record = ref.to_dict() | {
                "stage": stage,
                "blake2b": _seal(rows),
                "size": rows.size,
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            note = _plain(record | {"seal": _seal(_plain(record))})
            with self._files.adding({data_path: digest_of_bytes(rows), record_path: digest_of_bytes(note)}):
                write_bytes(data_path, rows)
                write_bytes(record_path, note)
        return ref

    def put_content(self, stage: str, table: pa.Table) -> Ref:
        """Store rows that are not the output of a stage (seeds, a plan) under the digest of their content and order."""
        digest = digest_of(stage, "content", digest_in_order(table))
        return self.get(digest) or self.put(stage, digest, table)

    def read(self, ref: Ref | str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of an output (or of that digest) after a check of its seal.

        Raises StorageError if there is no such output, Corrupt if it is not what was written.
        """
        digest = ref if isinstance(ref, str) else ref.digest
        record = self._load(digest)
        if record is None:
            raise StorageError(f"no stage output {digest[:12]} under {self.folder}. Fix: run the stage again")
        path = self.folder / record["path"]
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        if len(data) != record["size"] or _seal(data) != record["blake2b"]:
            raise Corrupt(
                f"stage output {digest[:12]} ({record['stage']})", [f"{path} is not what was written"]
            )
        return pq.read_table(pa.BufferReader(data), columns=None if columns is None else list(columns))

    def unused(self, age: datetime.timedelta, now: datetime.datetime) -> Unused:
        """Return the outputs that no run has written or read for longer than `age`."""
        limit, digests, size = (now - age).timestamp(), [], 0
        for record in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*.json")):
            if record.stat().st_mtime < limit:
                data = record.with_suffix(".parquet")
                digests.append(record.stem)
                size += record.stat().st_size + (data.stat().st_size if data.exists() else 0)
        return Unused(tuple(digests), size)

    def check(self) -> tuple[int, list[str]]:
        """Return the number of outputs, and a line per file that is missing or altered.

        An output without a record, as after a kill, is not reported; its stage runs again. Outputs of an earlier version,
        which are not in the catalogue, are compared with their records.
        """
        findings, named = self._files.check(), self._files.names()
        records = sorted(self.folder.glob("[0-9a-f][0-9a-f]/*.json"))
        for path in records:
            if f"{path.parent.name}/{path.name}" in named:
                continue
            name = f"shards/{path.parent.name}/{path.name}"
            try:
                record = self._load(path.stem)
                if record is None or record["path"] != f"{path.parent.name}/{path.stem}.parquet":
                    findings.append(f"{name} was altered")
                    continue
                data = (self.folder / record["path"]).read_bytes()
                if len(data) != record["size"] or _seal(data) != record["blake2b"]:
                    findings.append(f"shards/{record['path']} was altered")
            except FileNotFoundError:
                findings.append(f"{name.removesuffix('.json')}.parquet is missing")
            except (Corrupt, KeyError):
                findings.append(f"{name} was altered")
        return len(records), findings

    def drop(self, digest: str) -> None:
        """Delete an output, so that its stage runs again. The record is deleted first."""
        record = self._record(digest)
        self._files.remove([record, record.with_suffix(".parquet")])

    def _load(self, digest: str) -> dict[str, Any] | None:
        path = self._record(digest)
        title = f"the record of stage output {digest[:12]}"
        try:
            data = path.read_bytes()
            record: dict[str, Any] = json.loads(data)
            sealed = _plain(record) == data
            seal = record.pop("seal", None)
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError) as error:
            raise Corrupt(title, [f"{path} is no JSON"]) from error
        # a record of an earlier version has no seal, and only known keys
        valid = record.keys() <= _RECORD if seal is None else sealed and seal == _seal(_plain(record))
        if valid:
            return record
        raise Corrupt(title, [f"{path} was altered"])

    def _record(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise StorageError(f"{digest!r} is no digest. Fix: use storage.stage_cache.shards.digest_of")
        return self.folder / digest[:2] / f"{digest}.json"


_RECORD = {field.name for field in dataclasses.fields(Ref)} | {"stage", "blake2b", "size", "created"}


def _plain(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, sort_keys=True).encode()


def _balance(table: pa.Table) -> dict[str, int]:
    if "rejected" not in table.schema.names:
        return {"kept": table.num_rows, "rejected": 0, "failed": 0}
    dropped = table.num_rows - table.column("rejected").null_count
    failures = int(pc.sum(failed(table)).as_py() or 0)
    return {"kept": table.num_rows - dropped, "rejected": dropped - failures, "failed": failures}


def _parquet(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=65_536, **write_options(table.schema))
    return sink.getvalue()


def _seal(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()
