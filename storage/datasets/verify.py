"""Verifies versions and tables: reads them again in full and reports what differs from what was published.

It compares with the BLAKE2b digest of every log entry in the table of tags, the digest of every data file in the log entry,
and the content digest of all rows in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.counting import counted
from storage.datasets import candidates, delta, seals, tags
from storage.datasets.annotations import TABLE as MARKS
from storage.datasets.audit import read_back, seal_of
from storage.datasets.critic_scores import TABLE as CRITIC_SCORES
from storage.datasets.digest import RowsDigest
from storage.datasets.judgements import TABLE as JUDGEMENTS
from storage.datasets.versions import Version
from storage.errors import Corrupt, in_one_line
from storage.location import Location

SEALED_BY_RECORD = (
    candidates.TABLE,
    MARKS,
    JUDGEMENTS,
    CRITIC_SCORES,
)  # whose commits name the digests of their files


def check_log(where: Location, dataset: str) -> None:
    """Raise Corrupt if a log entry of the dataset is missing or altered, or if the table of tags differs from the log."""
    findings = seals.check(where, dataset)
    for tag in tags.stored(where, dataset):
        number = tag["table_version"]
        path = delta.log_path(number)
        if not where.exists(dataset, path):
            findings.append(f"{dataset}/{path} is missing")
        elif seal_of(where, dataset, path)[0] != tag["log_blake2b"]:
            findings.append(f"{dataset}/{path} was altered")
        else:
            record = delta.record_of(where, dataset, number)
            if record is None or tags.tag_of(where, dataset, number, record) != tag:
                findings.append(f"the tag {dataset}@{tag['name']} differs from {dataset}/{path}")
    if findings:
        raise Corrupt(dataset, list(dict.fromkeys(findings)))


def check_tables(where: Location, tables: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return, per table that exists or should exist, or per table of `tables`, a line per damaged file.

    Of datasets only the log is read (`check_rows` reads the versions), of other tables the data files too.
    """
    present = [name for name in where.folders() if where.exists(name, seals.LOG)]
    names = sorted(set(tables) or {*present, *seals.sealed_tables(where)})
    findings: dict[str, list[str]] = {}
    for name in names:
        lines = seals.check(where, name)
        if not lines and name in SEALED_BY_RECORD:
            try:
                check_table(where, name)
            except Corrupt as error:
                lines = list(error.findings)
        findings[name] = lines
    return findings


def check_rows(where: Location, version: Version) -> None:
    """Raise Corrupt, which names every file of the version that is missing, cut or altered, if there is any."""
    findings, total = _damaged(where, version.dataset, version.files)
    if not findings and (total.hex() != version.digest or total.rows != version.rows):
        findings.append(
            f"content digest {total.hex()[:12]} of {counted(total.rows, 'row')}, "
            f"not {version.digest[:12]} of {version.rows}"
        )
    table = delta.open_table(where.url(version.dataset), version.table_version)
    if table is None or set(delta.files_of(table)) != set(version.files):
        findings.append(f"{version.dataset}/_delta_log lists other files than were published")
    if findings:
        raise Corrupt(str(version), findings)


def check_table(where: Location, name: str) -> int:
    """Check the files of a table that is not a dataset, such as the candidates, and return how many there are.

    The record of each commit has the digests of its files. Raises Corrupt, which names every damaged file.
    """
    table = delta.open_table(where.url(name))
    if table is None:
        return 0
    present = set(delta.files_of(table))
    facts_by_path: dict[str, Any] = {}
    for _, record in delta.records(where, name, None):
        facts_by_path |= {path: facts for path, facts in record.get("files", {}).items() if path in present}
    findings, _ = _damaged(where, name, facts_by_path)
    findings += [f"{name}/{path} has no seal in the log" for path in sorted(present - facts_by_path.keys())]
    if findings:
        raise Corrupt(f"the table {name}", findings)
    return len(facts_by_path)


def _damaged(
    where: Location, table: str, files: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], RowsDigest]:
    """Return a line per file that is missing, cut or altered, and the digest of the rows of the others."""
    findings, total = [], RowsDigest()
    for path, facts in files.items():
        name = f"{table}/{path}"
        if not where.exists(table, path):
            findings.append(f"{name} is missing")
            continue
        seal, size = seal_of(where, table, path)
        if size != facts["size"]:
            findings.append(f"{name} has {counted(size, 'byte')}, not {facts['size']:,}")
        elif seal != facts["blake2b"]:
            findings.append(f"{name} was altered (BLAKE2b {seal[:12]}, not {facts['blake2b'][:12]})")
        else:
            try:
                total += read_back(where, table, path).digest
            except (OSError, pa.ArrowInvalid) as error:
                findings.append(f"{name} cannot be read: {in_one_line(error)}")
    return findings, total
