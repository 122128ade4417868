"""The table of candidates: every row of every run, kept and dropped, with the run it came from.

`mathmill why`, the funnel, preference pairs and critic training read it. Appending is idempotent a
run (and stage, where a caller appends stage by stage): the commit carries an application id, so that
a night that died between two steps and runs again does not append twice.
"""

from __future__ import annotations

import contextlib
import json

import pyarrow as pa
import pyarrow.compute as pc

from storage import rows
from storage.datasets import delta, evolution, seals
from storage.datasets.current_files import facts_of
from storage.datasets.files import fitted, remove_files, write_files
from storage.errors import Conflict, explained
from storage.location import Location

TABLE = "_candidates"

SCHEMA = pa.schema([*rows.SCHEMA, ("run", pa.string()), ("version", pa.string()), ("stage", pa.string())])


def append(
    where: Location,
    table: pa.Table,
    *,
    run: str,
    version: str | None,
    stage: str | None = None,
    part: str = "",
) -> int:
    """Append rows (columns of rows.SCHEMA) once for this run, stage and part.

    The column `version` names the version on kept rows; `stage` is the one given, or the one that
    dropped the row (out of `reason`); `part` tells apart what one stage hands in piece by piece.
    Returns how many rows were appended: 0 where this run, stage and part are there already.
    """
    application = "candidates:" + json.dumps([run, stage, part], ensure_ascii=False)
    where.make_writable()
    url = where.url(TABLE)
    if not table.num_rows or _snapshot(url, application)[1]:
        return 0
    with explained(url):
        files = write_files(where, TABLE, [_with_origin(table, run, version, stage)], SCHEMA)
        facts = {file.path: facts_of(file) for file in files}
        record = {"run": run, "stage": stage, "part": part, "files": facts}
        try:
            while True:
                base, done = _snapshot(url, application)
                if done:
                    remove_files(where, TABLE, [file.path for file in files])
                    return 0
                # another run may be quicker: theirs and ours are both to be there
                with contextlib.suppress(Conflict):
                    base = evolution.widened(where, TABLE, base, SCHEMA, evolution.MAJOR)
                    delta.commit(url, files, SCHEMA, base=base, record=record, application=application)
                    seals.follow(where, TABLE)
                    return sum(file.rows for file in files)
        except BaseException:
            if not _snapshot(url, application)[1]:
                remove_files(where, TABLE, [file.path for file in files])
            raise


def _snapshot(url: str, application: str) -> tuple[int | None, bool]:
    """The table's version, and whether that one has the application's rows: both out of one look,
    so that a commit on top of that version cannot append them a second time."""
    table = delta.open_table(url)
    if table is None:
        return None, False
    return table.version(), table.transaction_version(application) is not None


def _with_origin(table: pa.Table, run: str, version: str | None, stage: str | None) -> pa.Table:
    table = fitted(table, rows.SCHEMA)
    count = table.num_rows
    dropped = table.column("rejected")
    versions = pc.if_else(pc.is_null(dropped), pa.scalar(version, pa.string()), pa.scalar(None, pa.string()))
    stages = (
        pa.repeat(pa.scalar(stage, pa.string()), count)
        if stage is not None
        else pc.struct_field(table.column("reason"), "stage")
    )
    return pa.table(
        [*table.columns, pa.repeat(pa.scalar(run, pa.string()), count), versions, stages], schema=SCHEMA
    )
