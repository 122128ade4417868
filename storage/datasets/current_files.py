"""Finds the files that hold the rows of the latest version now.

Another program (delta-rs, Spark) may have compacted the table since its publication: the same rows in other files, in a
commit that is not a version. The next version refers to those files, after a check that they hold the same rows.
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
class CurrentFiles:
    """The files of a table at a version: `paths` are all of them.

    `adopted` maps those that the previous version did not have to their facts; `gone` are paths that only it had.
    """

    paths: tuple[str, ...] = ()
    adopted: dict[str, dict[str, Any]] | None = None
    gone: tuple[str, ...] = ()


def facts_of(file: WrittenFile) -> dict[str, Any]:
    """Return what the record of a commit stores about a file."""
    return {"rows": file.rows, "size": file.size, "blake2b": file.blake2b, "digest": file.digest.state()}


def current_files(where: Location, dataset: str, base: int | None, previous: Version | None) -> CurrentFiles:
    """Return the data files that hold the rows of `previous` in the table at version `base`.

    Raises Corrupt if the table has other rows there than `previous` was published with.
    """
    if base is None or previous is None:
        return CurrentFiles()
    table = delta.open_table(where.url(dataset), base)
    paths = [] if table is None else delta.files_of(table)
    known = previous.files
    if set(paths) == known.keys():
        return CurrentFiles(tuple(known))
    adopted = {path: facts_of(read_back(where, dataset, path)) for path in sorted(set(paths) - known.keys())}
    facts = {path: known.get(path) or adopted[path] for path in paths}
    total = sum((RowsDigest.parse(one["digest"]) for one in facts.values()), RowsDigest())
    if total.hex() != previous.digest:
        raise Corrupt(
            f"the table of {dataset}",
            [f"its rows were changed after {previous} by something else than mathmill"],
        )
    kept = [path for path in known if path in facts]
    gone = tuple(path for path in known if path not in facts)
    return CurrentFiles((*kept, *adopted), adopted, gone)
