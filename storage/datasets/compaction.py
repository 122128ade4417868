"""Compaction: joins the small files of a table into few files with the same rows.

The small files are replaced in one commit that is not a version. They stay on the disk for the versions and readers that
refer to them, until retention or the removal of orphans deletes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from storage.datasets import delta, seals, tags
from storage.datasets.annotations import TABLE as MARKS
from storage.datasets.critic_scores import TABLE as CRITIC_SCORES
from storage.datasets.current_files import facts_of
from storage.datasets.files import write_files
from storage.datasets.judgements import TABLE as JUDGEMENTS
from storage.errors import Conflict, explained
from storage.location import Location

SMALL = 16 << 20  # bytes; a smaller file is worth joining with others
# tables whose seals cover their data files, besides the logs
SEALED_WITH_DATA = (tags.TABLE, MARKS, JUDGEMENTS, CRITIC_SCORES)
_BATCH = 32_768
_APPLICATION = "mathmill.compact"


@dataclass(frozen=True, slots=True)
class SmallFiles:
    """Files of a table that are worth joining."""

    table: str
    paths: tuple[str, ...]
    size: int


def small_files(where: Location, table: str, *, at_least: int = 8) -> SmallFiles | None:
    """Return the small files of the table's newest version; None if they are fewer than `at_least`."""
    delta_table = delta.open_table(where.url(table))
    if delta_table is None:
        return None
    actions = pa.table(delta_table.get_add_actions(flatten=True)).select(["path", "size_bytes"]).to_pylist()
    small = sorted((a["path"], a["size_bytes"]) for a in actions if a["size_bytes"] < SMALL)
    if len(small) < at_least:
        return None
    return SmallFiles(table, tuple(path for path, _ in small), sum(size for _, size in small))


def compact(where: Location, files: SmallFiles, schema: pa.Schema) -> int:
    """Join the files and return how many files replace them. Rows that are appended at the same time are not touched.

    Raises Conflict if another process compacted the table first.
    """
    url = where.url(files.table)
    with explained(url):
        head = delta.head_of(url)
        written = write_files(where, files.table, _rows(where, files, schema), schema)
        # other tables keep the digests of their files in such a record; in a dataset it would be read as a version
        record = (
            None if not files.table.startswith("_") else {"files": {f.path: facts_of(f) for f in written}}
        )
        try:
            while True:
                table = delta.open_table(url)
                if table is None or not set(files.paths) <= set(delta.files_of(table)):
                    raise Conflict(f"{url} was compacted by another process meanwhile. Fix: none is needed")
                with contextlib.suppress(Conflict):
                    delta.commit(
                        url,
                        written,
                        schema,
                        base=table.version(),
                        record=record,
                        application=_APPLICATION,
                        remove=files.paths,
                    )
                    seals.follow(where, files.table, data=files.table in SEALED_WITH_DATA)
                    return len(written)
        except BaseException:
            delta.discard(where, files.table, written, after=head)
            raise


def _rows(where: Location, files: SmallFiles, schema: pa.Schema) -> Iterator[pa.Table]:
    scanner = delta.scan(where, files.table, files.paths, schema).scanner(
        batch_size=_BATCH, batch_readahead=2, fragment_readahead=1
    )
    for batch in scanner.to_batches():
        yield pa.Table.from_batches([batch], schema)
