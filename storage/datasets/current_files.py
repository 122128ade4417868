"""In which files the rows of the last version lie now.

Somebody may have compacted the table since (delta-rs, Spark): the same rows in other files, in a
commit that is no version of ours. The next version stands on those files, once they are shown to
hold the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.datasets import delta
from storage.datasets.audit import WrittenFile, read_back
from storage.datasets.digest import RowsDigest
from storage.datasets.versions import Version
from storage.errors import Corrupt
from storage.location import Location


@dataclass(frozen=True, slots=True)
class Standing:
    """Paths of the files at `base`; of them, facts of those `previous` did not have; paths it had that
    are gone."""

    paths: tuple[str, ...] = ()
    adopted: dict[str, dict[str, Any]] | None = None
    gone: tuple[str, ...] = ()


def facts_of(file: WrittenFile) -> dict[str, Any]:
    """What a record keeps of a file."""
    return {"rows": file.rows, "size": file.size, "blake2b": file.blake2b, "digest": file.digest.state()}


def standing(where: Location, dataset: str, base: int | None, previous: Version | None) -> Standing:
    """Raises Corrupt if the table at `base` has other rows than `previous` was published with."""
    if base is None or previous is None:
        return Standing()
    table = delta.open_table(where.url(dataset), base)
    there = [] if table is None else delta.files_of(table)
    known = previous.files
    if set(there) == known.keys():
        return Standing(tuple(known))
    adopted = {path: facts_of(read_back(where, dataset, path)) for path in sorted(set(there) - known.keys())}
    facts = {path: known.get(path) or adopted[path] for path in there}
    total = sum((RowsDigest.parse(one["digest"]) for one in facts.values()), RowsDigest())
    if total.hex() != previous.digest:
        raise Corrupt(
            f"the table of {dataset}",
            [f"its rows were changed after {previous} by something else than mathmill"],
        )
    kept = [path for path in known if path in facts]
    gone = tuple(path for path in known if path not in facts)
    return Standing((*kept, *adopted), adopted, gone)
