"""Verify: re-read a version whole and say what is not as it was published.

Witnesses: the table of tags keeps a BLAKE2b digest of every log entry, the log entry one of every
data file, and both the content digest of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.datasets import annotations as marks
from storage.datasets import candidates, delta, seals, tags
from storage.datasets.audit import read_back, seal_of
from storage.datasets.digest import RowsDigest
from storage.datasets.versions import Version
from storage.errors import Corrupt, in_one_line
from storage.location import Location

SEALED_BY_RECORD = (candidates.TABLE, marks.TABLE)  # whose commits name the digests of their files


def check_log(where: Location, dataset: str) -> None:
    """Raises Corrupt naming every log entry of the dataset that is gone or altered, every false tag."""
    found = seals.check(where, dataset)
    for tag in tags.stored(where, dataset):
        number = tag["table_version"]
        path = delta.log_path(number)
        if not where.exists(dataset, path):
            found.append(f"{dataset}/{path} is missing")
        elif seal_of(where, dataset, path)[0] != tag["log_blake2b"]:
            found.append(f"{dataset}/{path} was altered")
        else:
            record = delta.record_of(where, dataset, number)
            if record is None or tags.tag_of(where, dataset, number, record) != tag:
                found.append(f"the tag {dataset}@{tag['name']} differs from {dataset}/{path}")
    if found:
        raise Corrupt(dataset, list(dict.fromkeys(found)))


def check_tables(where: Location, tables: Sequence[str] = ()) -> dict[str, list[str]]:
    """For each table that there is or should be (or of these alone), a line for each thing that is damaged.

    Of datasets the log is read, and the versions by `check_rows`; of other tables the data files too."""
    there = [name for name in where.folders() if where.exists(name, seals.LOG)]
    names = sorted(set(tables) or {*there, *seals.sealed_tables(where)})
    found: dict[str, list[str]] = {}
    for name in names:
        lines = seals.check(where, name)
        if not lines and name in SEALED_BY_RECORD:
            try:
                check_table(where, name)
            except Corrupt as error:
                lines = list(error.findings)
        found[name] = lines
    return found


def check_rows(where: Location, version: Version) -> None:
    """Raises Corrupt naming every file of the version that is missing, cut or altered."""
    found, total = _damaged(where, version.dataset, version.files)
    if not found and (total.hex() != version.digest or total.rows != version.rows):
        found.append(
            f"content digest {total.hex()[:12]} of {total.rows} rows, "
            f"not {version.digest[:12]} of {version.rows}"
        )
    table = delta.open_table(where.url(version.dataset), version.table_version)
    if table is None or set(delta.files_of(table)) != set(version.files):
        found.append(f"{version.dataset}/_delta_log lists other files than were published")
    if found:
        raise Corrupt(str(version), found)


def check_table(where: Location, name: str) -> int:
    """Raises Corrupt naming every damaged file of a table that is no dataset (the candidates); returns how
    many files were sound. Each commit's record keeps the seals of its files."""
    table = delta.open_table(where.url(name))
    if table is None:
        return 0
    there = set(delta.files_of(table))
    seals: dict[str, Any] = {}
    for _, record in delta.records(where, name, None):
        seals |= {path: facts for path, facts in record.get("files", {}).items() if path in there}
    found, _ = _damaged(where, name, seals)
    found += [f"{name}/{path} has no seal in the log" for path in sorted(there - seals.keys())]
    if found:
        raise Corrupt(f"the table {name}", found)
    return len(seals)


def _damaged(
    where: Location, table: str, files: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], RowsDigest]:
    """A line for each file that is missing, cut or altered; the digest of the rows of the others."""
    found, total = [], RowsDigest()
    for path, facts in files.items():
        name = f"{table}/{path}"
        if not where.exists(table, path):
            found.append(f"{name} is missing")
            continue
        seal, size = seal_of(where, table, path)
        if size != facts["size"]:
            found.append(f"{name} has {size} bytes, not {facts['size']}")
        elif seal != facts["blake2b"]:
            found.append(f"{name} was altered (BLAKE2b {seal[:12]}, not {facts['blake2b'][:12]})")
        else:
            try:
                total += read_back(where, table, path).digest
            except (OSError, pa.ArrowInvalid) as error:
                found.append(f"{name} cannot be read: {in_one_line(error)}")
    return found, total
