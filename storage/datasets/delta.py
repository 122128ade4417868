"""Wraps delta-rs: opens tables, commits files that are already written, reads records and files of a table."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from storage.datasets.audit import WrittenFile
from storage.datasets.files import remove_files
from storage.errors import Conflict, Corrupt, StorageError, in_one_line
from storage.location import Location

RECORD = "mathmill"  # key of our JSON record in a commit's metadata

# In effect for ever: only storage.datasets.retention deletes published versions, never delta-rs.
CONFIGURATION = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}


def open_table(url: str, version: int | None = None) -> DeltaTable | None:
    """Return the table at a version (default: the newest), None if there is no table.

    Raises Corrupt if its log cannot be read, and StorageError if the place cannot be reached.
    """
    try:
        return DeltaTable(url, version=version)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise Corrupt(f"the log of {url}", [in_one_line(error)]) from error
    except OSError as error:
        raise StorageError(
            f"cannot reach {url} ({in_one_line(error)}). Fix: check the address, the keys and the rights"
        ) from error


def head_of(url: str) -> int | None:
    """Return the newest version of the table, None if there is no table."""
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
    """Commit written files as version `base + 1` of the table (None: as version 0 of a new table).

    Args:
        record: our record for the commit; None for a commit that is not a version, such as a compaction.
        application: the id under which Delta counts the commits of this kind.
        remove: files that the commit takes out of the table.

    Raises:
        Conflict: another commit made that version first. Two guards detect it: the log entry of that number exists (there
            are no retries), or a later commit carries the same application id.
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
                f"{url} has version {latest} now, this was made on {base}. Fix: check against it and publish again"
            ) from error
        raise


def log_path(version: int) -> str:
    """Return the path of the log entry of a table version, relative to the table's folder."""
    return f"_delta_log/{version:020d}.json"


def records(
    where: Location, table: str, after: int | None, upto: int | None = None
) -> list[tuple[int, dict[str, Any]]]:
    """Return (table version, our record) of the commits after `after` (None: of all), oldest first.

    Commits without a record, such as a compaction, are left out. The log entries are read directly, since the `history` of
    delta-rs counts back from the version that was loaded but reads from the newest, and so returns wrong numbers while
    another process publishes. Raises Corrupt if an entry cannot be read.
    """
    if upto is None:
        upto = head_of(where.url(table))
    numbered = []
    for version in range(0 if after is None else after + 1, -1 if upto is None else upto + 1):
        record = record_of(where, table, version)
        if record is not None:
            numbered.append((version, record))
    return numbered


def record_of(where: Location, table: str, version: int) -> dict[str, Any] | None:
    """Return our record in the commit of that version, None if it has none. Raises Corrupt if it cannot be read."""
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


def discard(where: Location, table: str, files: Sequence[WrittenFile], *, after: int | None) -> None:
    """Remove written files that no commit after the table's version `after` (None: no commit at all) added.

    For the cleanup after an error or an interrupt, which may come when the commit is already made. If the log cannot be read,
    this raises, and the files stay as orphans.
    """
    head = head_of(where.url(table))
    added: set[str] = set()
    for version in range(0 if after is None else after + 1, 0 if head is None else head + 1):
        added |= {
            unquote(entry["add"]["path"]) for entry in _entries(where, table, version) if "add" in entry
        }
    remove_files(where, table, [file.path for file in files if file.path not in added])


def _entries(where: Location, table: str, version: int) -> list[dict[str, Any]]:
    """Return the actions of one commit, as the protocol of Delta names them."""
    with where.filesystem.open_input_stream(where.path(table, log_path(version))) as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def removed_since(where: Location, table: str, moment: datetime.datetime) -> set[str]:
    """Return the files that commits after that moment took out of the table, which readers may still have open."""
    removed: set[str] = set()
    for version in range(head_of(where.url(table)) or 0, -1, -1):
        entries = _entries(where, table, version)
        committed_ms = next((e["commitInfo"]["timestamp"] for e in entries if "commitInfo" in e), 0)
        if committed_ms < moment.timestamp() * 1000:
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
    """Return files of a table as a lazy pyarrow dataset; no file is opened before rows are read.

    It uses the file system of pyarrow: with that of delta-rs (`to_pyarrow_dataset`) reads were seen to hang for ever on a
    busy machine, a pyarrow thread waiting inside it (deltalake 1.6.6, pyarrow 26.0.1).
    """
    kind = pads.ParquetFileFormat()
    fragments = [kind.make_fragment(where.path(table, path), where.filesystem) for path in paths]
    return pads.FileSystemDataset(fragments, schema, kind, where.filesystem)


def files_of(table: DeltaTable) -> list[str]:
    """Return the paths of the table's files, relative to its folder."""
    paths: list[str] = pa.table(table.get_add_actions(flatten=True)).column("path").to_pylist()
    return paths


def ids_of(where: Location, table: str, paths: Sequence[str]) -> pa.Array:
    """Return the ids of the rows in these files."""
    schema = pa.schema([("id", pa.string())])
    return scan(where, table, paths, schema).to_table(columns=["id"]).column("id").combine_chunks()


def count_of(where: Location, table: str, paths: Sequence[str], ids: pa.Array) -> int:
    """Return how many rows in these files have one of the ids."""
    schema = pa.schema([("id", pa.string())])
    batches = scan(where, table, paths, schema).to_batches(columns=["id"])
    return sum(pc.sum(pc.is_in(batch.column("id"), value_set=ids)).as_py() or 0 for batch in batches)
