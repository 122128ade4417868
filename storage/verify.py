"""Verify: re-read a version whole and say what is not as it was published."""

from __future__ import annotations

import json

import pyarrow as pa

from storage import delta, tags
from storage.digest import RowsDigest
from storage.errors import Corrupt
from storage.files import read_back, seal_of
from storage.location import Location
from storage.versions import Version


def findings(where: Location, version: Version) -> list[str]:
    """One line a damaged thing: a log entry, a tag, a missing, cut or altered file, the content digest."""
    return [*_log(where, version), *_data(where, version)]


def check(where: Location, version: Version) -> None:
    """Raises Corrupt naming everything that is wrong with the version."""
    found = findings(where, version)
    if found:
        raise Corrupt(str(version), found)


def _log(where: Location, version: Version) -> list[str]:
    found = []
    for row in tags.stored(where, version.dataset):
        if row["table_version"] > version.table_version:
            break
        path = delta.log_path(row["table_version"])
        if not where.exists(version.dataset, path):
            found.append(f"{version.dataset}/{path} is missing")
            continue
        seal, _ = seal_of(where, version.dataset, path)
        if seal != row["log_blake2b"]:
            found.append(f"{version.dataset}/{path} was altered")
        elif row["table_version"] == version.table_version:
            logged = delta.record_of(where, version.dataset, version.table_version)
            if logged != json.loads(row["record"]):
                found.append(f"the tag of {version} differs from its log entry {path}")
    return found


def _data(where: Location, version: Version) -> list[str]:
    found = []
    total = RowsDigest()
    for path, facts in sorted(version.files.items()):
        name = f"{version.dataset}/{path}"
        if not where.exists(version.dataset, path):
            found.append(f"{name} is missing")
            continue
        seal, size = seal_of(where, version.dataset, path)
        if size != facts["size"]:
            found.append(f"{name} has {size} bytes, not {facts['size']}")
        elif seal != facts["blake2b"]:
            found.append(f"{name} was altered (BLAKE2b {seal[:12]}, not {facts['blake2b'][:12]})")
        else:
            try:
                total += read_back(where, version.dataset, path).digest
            except (OSError, pa.ArrowInvalid) as error:
                found.append(f"{name} cannot be read: {str(error).splitlines()[0]}")
    if not found and (total.hex() != version.digest or total.rows != version.rows):
        found.append(
            f"content digest {total.hex()[:12]} of {total.rows} rows, not {version.digest[:12]} of {version.rows}"
        )
    return found
