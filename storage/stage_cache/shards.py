"""Stage outputs, found by what they were made from.

A stage's output over one shard is addressed by the digest of (the stage's code version, its
parameters, its input's digest): a finished one is found and not made again. The Parquet file is
written under a temporary name, made durable and renamed; the JSON record is written last, and its
existence means complete. What a killed run leaves has no record and is written over.

Local to one machine or a shared folder: a cache that may be thrown away, unlike published versions.
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
from storage.datasets.digest import digest_in_order
from storage.datasets.files import write_options
from storage.errors import Corrupt, StorageError, explained
from storage.rows import failed

_BALANCE = ("kept", "rejected", "failed")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A finished stage output: small, JSON-able, what tasks hand to each other instead of rows.

    `path` is relative to the store's folder; rows = kept + rejected + failed; `facts` are what the
    stage said about the shard (seconds, tokens, cost) in plain JSON values.
    """

    digest: str
    path: str
    rows: int
    kept: int
    rejected: int
    failed: int
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Ref:
        return cls(**{f.name: record[f.name] for f in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True)
class Unused:
    """Stage outputs that may be forgotten, and their bytes."""

    digests: tuple[str, ...]
    size: int


def digest_of(*parts: Any) -> str:
    """64 hex digits over JSON-able parts (code version, parameters, input digests); equal parts, in
    the same order, give the same digest on any machine. TypeError for what JSON cannot say."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ShardStore:
    """Stage outputs under `<home>/shards`, two levels by digest."""

    def __init__(self, home: str | os.PathLike[str]) -> None:
        self.folder = Path(home) / "shards"

    def get(self, digest: str) -> Ref | None:
        """A finished output, or None.

        After a power failure a record may be there without its rows, the two renames having reached
        the disk in the other order: that is not finished.
        """
        record = self._load(digest)
        if record is None:
            return None
        path = self.folder / record["path"]
        whole = path.exists() and path.stat().st_size == record["size"]
        if whole:
            os.utime(self._record(digest))  # found is used: see `unused`
        return Ref.from_dict(record) if whole else None

    def put(self, stage: str, digest: str, table: pa.Table, facts: Mapping[str, Any] | None = None) -> Ref:
        """Write an output; complete on return, absent or complete at any moment before.

        Args:
            facts: plain JSON values about the shard; `kept`, `rejected` and `failed` among them are
                taken as the balance, else it is counted from the columns `rejected` and `reason`
                (storage/reasons.py; without the first all rows are kept).
        """
        facts = dict(facts or {})
        counted = {"kept", "rejected", "failed"} <= facts.keys()
        balance = {name: int(facts[name]) for name in _BALANCE} if counted else _balance(table)
        if sum(balance.values()) != table.num_rows:
            raise StorageError(
                f"stage {stage}: {table.num_rows} rows out, but the balance says {balance}: count every row once"
            )
        record_path = self._record(digest)
        data_path = record_path.with_suffix(".parquet")
        ref = Ref(
            digest, data_path.relative_to(self.folder).as_posix(), table.num_rows, **balance, facts=facts
        )
        with explained(str(self.folder)):
            data_path.parent.mkdir(parents=True, exist_ok=True)
            seal, size = _write(data_path, table)
            record = ref.to_dict() | {
                "stage": stage,
                "blake2b": seal,
                "size": size,
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            write_bytes(record_path, _plain(record | {"seal": _seal(_plain(record))}))
        return ref

    def put_content(self, stage: str, table: pa.Table) -> Ref:
        """Keep rows that no stage made (seeds, a plan), addressed by their content, in this order."""
        digest = digest_of(stage, "content", digest_in_order(table))
        return self.get(digest) or self.put(stage, digest, table)

    def read(self, ref: Ref | str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of an output (or of that digest), after a look at its checksum.

        StorageError if there is none, Corrupt if it is not what was written."""
        digest = ref if isinstance(ref, str) else ref.digest
        record = self._load(digest)
        if record is None:
            raise StorageError(f"no stage output {digest[:12]} under {self.folder}: run the stage again")
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
        """Outputs that nobody wrote or found for longer than `age`."""
        limit, digests, size = (now - age).timestamp(), [], 0
        for record in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*.json")):
            if record.stat().st_mtime < limit:
                data = record.with_suffix(".parquet")
                digests.append(record.stem)
                size += record.stat().st_size + (data.stat().st_size if data.exists() else 0)
        return Unused(tuple(digests), size)

    def check(self) -> tuple[int, list[str]]:
        """How many outputs there are, and a line for each file of them that is missing or altered.

        Not seen: an output whose record is gone, as after a kill. Its stage is run again."""
        found: list[str] = []
        records = sorted(self.folder.glob("[0-9a-f][0-9a-f]/*.json"))
        for path in records:
            name = f"shards/{path.parent.name}/{path.name}"
            try:
                record = self._load(path.stem)
                if record is None or record["path"] != f"{path.parent.name}/{path.stem}.parquet":
                    found.append(f"{name} was altered")
                    continue
                data = (self.folder / record["path"]).read_bytes()
                if len(data) != record["size"] or _seal(data) != record["blake2b"]:
                    found.append(f"shards/{record['path']} was altered")
            except FileNotFoundError:
                found.append(f"{name.removesuffix('.json')}.parquet is missing")
            except (Corrupt, KeyError):
                found.append(f"{name} was altered")
        return len(records), found

    def drop(self, digest: str) -> None:
        """Forget an output, so that its stage runs again; the record goes first."""
        record = self._record(digest)
        record.unlink(missing_ok=True)
        record.with_suffix(".parquet").unlink(missing_ok=True)

    def _load(self, digest: str) -> dict[str, Any] | None:
        path = self._record(digest)
        what = f"the record of stage output {digest[:12]}"
        try:
            data = path.read_bytes()
            record: dict[str, Any] = json.loads(data)
            sealed = _plain(record) == data
            seal = record.pop("seal", None)
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError) as error:
            raise Corrupt(what, [f"{path} is no JSON"]) from error
        # one of an earlier version has no seal and no name that is not known
        known = record.keys() <= _RECORD if seal is None else sealed and seal == _seal(_plain(record))
        if known:
            return record
        raise Corrupt(what, [f"{path} was altered"])

    def _record(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise StorageError(f"{digest!r} is no digest: use storage.stage_cache.shards.digest_of")
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


def _write(path: Path, table: pa.Table) -> tuple[str, int]:
    """Write Parquet to a buffer, then to the disk once, whole and durable; checksum and size."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=65_536, **write_options(table.schema))
    data = sink.getvalue()
    write_bytes(path, data)
    return _seal(data), data.size


def _seal(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()
