"""The table of candidates: every row of every run, kept or dropped, with the run that it came from.

`mathmill why`, the funnel, preference pairs and the training of critics read it. Appending is idempotent per run, stage and
part: the commit carries an application id, so that a run that was killed between two steps and is repeated does not append
twice.
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
    """Append rows (columns of rows.SCHEMA) once per run, stage and part, and return how many were appended.

    The result is 0 if rows of this run, stage and part were appended before. Kept rows get `version` in the column of that
    name. The column `stage` has the given stage or, if it is None, the stage that dropped the row (from `reason`). `part`
    separates the pieces that one stage appends.
    """
    application = "candidates:" + json.dumps([run, stage, part], ensure_ascii=False)
    where.make_writable()
    url = where.url(TABLE)
    if not table.num_rows:
        return 0
    head, done = _snapshot(url, application)
    if done:
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
                # another run may commit first; then try again, so that the rows of both are in the table
                with contextlib.suppress(Conflict):
                    base = evolution.widened(where, TABLE, base, SCHEMA, evolution.MAJOR)
                    delta.commit(url, files, SCHEMA, base=base, record=record, application=application)
                    seals.follow(where, TABLE)
                    return sum(file.rows for file in files)
        except BaseException:
            delta.discard(where, TABLE, files, after=head)
            raise


def _snapshot(url: str, application: str) -> tuple[int | None, bool]:
    """Return the table's version, and whether that version has the application's rows.

    Both come from one snapshot, so that a commit on that version cannot append the rows a second time.
    """
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
