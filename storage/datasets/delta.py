"""The few things asked of delta-rs: open, create or append with files that are already written, history."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from storage.datasets.audit import WrittenFile
from storage.errors import Conflict, Corrupt, StorageError, in_one_line
from storage.location import Location

RECORD = "mathmill"  # key of our JSON record in a commit's metadata

# For ever, as far as delta-rs is concerned: published versions go only by our own retention rules.
CONFIGURATION = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}


def open_table(url: str, version: int | None = None) -> DeltaTable | None:
    """The table at a version (default newest); None if there is none. Corrupt if its log cannot be read."""
    try:
        return DeltaTable(url, version=version)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise Corrupt(f"the log of {url}", [in_one_line(error)]) from error
    except OSError as error:
        raise StorageError(
            f"cannot reach {url} ({in_one_line(error)}): check the address, the keys and the rights"
        ) from error


def head_of(url: str) -> int | None:
    table = open_table(url)
    return None if table is None else table.version()


def commit(
    url: str,
    files: Sequence[WrittenFile],
    schema: pa.Schema,
    *,
    base: int | None,
    mode: str = "append",
    record: Mapping[str, Any] | None,
    application: str,
    remove: Sequence[str] = (),
) -> None:
    """Add written files to the table as version `base + 1` (None: as version 0 of a new table), without
    the files of `remove`. `record` None: the commit is no version (a compaction).

    Raises:
        Conflict: another commit made that version first. Two guards see it: the log entry of that
            number exists (no retries), or a later commit carries the same application id.
    """
    actions = [_action(file) for file in files]
    text = None if record is None else json.dumps(record, ensure_ascii=False, sort_keys=True)
    properties = CommitProperties(
        custom_metadata=None if text is None else {RECORD: text},
        max_commit_retries=0,
        app_transactions=[Transaction(application, 0 if base is None else base + 1)],
    )
    try:
        if base is None:
            create_table_with_add_actions(
                url,
                Schema.from_arrow(schema),
                actions,
                mode="error",
                configuration=CONFIGURATION,
                commit_properties=properties,
            )
        else:
            table = DeltaTable(url, version=base)
            gone = [RemoveAction(path, True, int(time.time() * 1000)) for path in remove]
            table.create_write_transaction(
                [*actions, *gone], mode, Schema.from_arrow(schema), commit_properties=properties
            )
    except (CommitFailedError, DeltaError) as error:
        latest = head_of(url)
        if latest is not None and latest != base:
            raise Conflict(
                f"{url} has version {latest} now, this was made on {base}: check against it and publish again"
            ) from error
        raise


def log_path(version: int) -> str:
    """The log entry of a table version, relative to the table's folder."""
    return f"_delta_log/{version:020d}.json"


def records(
    where: Location, table: str, after: int | None, upto: int | None = None
) -> list[tuple[int, dict[str, Any]]]:
    """(table version, our record) of the commits after `after` (None: all), oldest first; commits
    without a record of ours, such as a compaction, are left out.

    Read from the log entries themselves: delta-rs's `history` counts back from the version that was
    loaded while reading from the newest, and so gives wrong numbers while somebody publishes.
    """
    if upto is None:
        upto = head_of(where.url(table))
    found = []
    for version in range(0 if after is None else after + 1, -1 if upto is None else upto + 1):
        record = record_of(where, table, version)
        if record is not None:
            found.append((version, record))
    return found


def record_of(where: Location, table: str, version: int) -> dict[str, Any] | None:
    """Our record in the commit of that version, None if it has none."""
    path = log_path(version)
    try:
        with where.filesystem.open_input_stream(where.path(table, path)) as stream:
            for line in stream.read().splitlines():
                text = json.loads(line).get("commitInfo", {}).get(RECORD)
                if text is not None:
                    record: dict[str, Any] = json.loads(text)
                    return record
    except (ValueError, AttributeError, FileNotFoundError) as error:
        raise Corrupt(f"the log of {table}", [f"{table}/{path}: {error}"]) from error
    return None


def removed_since(where: Location, table: str, moment: datetime.datetime) -> set[str]:
    """Files that a commit after that moment took out of the table: somebody may still be reading them."""
    removed: set[str] = set()
    for version in range(head_of(where.url(table)) or 0, -1, -1):
        with where.filesystem.open_input_stream(where.path(table, log_path(version))) as stream:
            entries = [json.loads(line) for line in stream.read().splitlines()]
        made = next((e["commitInfo"]["timestamp"] for e in entries if "commitInfo" in e), 0)
        if made < moment.timestamp() * 1000:
            break
        removed |= {entry["remove"]["path"] for entry in entries if "remove" in entry}
    return removed


def _action(file: WrittenFile) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values={},
        modification_time=file.written_ms,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows, **file.bounds}),
    )


def scan(where: Location, table: str, paths: Sequence[str], schema: pa.Schema) -> pads.Dataset:
    """Files of a table as a lazy pyarrow dataset; nothing is opened or looked up until rows are read.

    Through pyarrow's own file system: delta-rs's (`to_pyarrow_dataset`) was seen to hang for ever,
    a pyarrow thread waiting in it on a busy machine (deltalake 1.6.6, pyarrow 26.0.1).
    """
    kind = pads.ParquetFileFormat()
    fragments = [kind.make_fragment(where.path(table, path), where.filesystem) for path in paths]
    return pads.FileSystemDataset(fragments, schema, kind, where.filesystem)


def files_of(table: DeltaTable) -> list[str]:
    """Paths of the table's files, relative to its folder."""
    paths: list[str] = pa.table(table.get_add_actions(flatten=True)).column("path").to_pylist()
    return paths


def ids_of(where: Location, table: str, paths: Sequence[str]) -> pa.Array:
    """The ids of the rows of these files."""
    schema = pa.schema([("id", pa.string())])
    return scan(where, table, paths, schema).to_table(columns=["id"]).column("id").combine_chunks()


def count_of(where: Location, table: str, paths: Sequence[str], ids: pa.Array) -> int:
    """How many rows of these files have one of the ids."""
    schema = pa.schema([("id", pa.string())])
    batches = scan(where, table, paths, schema).to_batches(columns=["id"])
    return sum(pc.sum(pc.is_in(batch.column("id"), value_set=ids)).as_py() or 0 for batch in batches)
