"""The rows of published versions that methods work on: passages of documents, and questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.config.loading import ConfigError
from flows.config.sections import MaterialSettings
from flows.runner.resources import Tools
from storage.datasets.versions import Version
from storage.rows import SCHEMA, TEXT, column, empty, failed
from tasks.methods import Takes, method, uses_up


@dataclass(slots=True)
class Material:
    """`rows` are those of the versions (storage.rows.SCHEMA). `used`: by method, the ids of the rows and passages that it has made rows
    of before."""

    versions: list[Version]
    rows: pa.Table
    used: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(
        cls, settings: MaterialSettings, methods: Sequence[str], tools: Tools, base: Version | None
    ) -> Material:
        """Read the versions. Raises VersionNotFound for one that does not exist, and ConfigError if a method that takes
        documents is given none.

        A passage or a problem of which a method has made rows for `base`, or for a version before it, is not given to that method
        again.
        """
        store = tools.store
        versions = [store.resolve(name) for name in settings.versions]
        tables = [store.sample(one, settings.most, 0, SCHEMA.names) for one in versions]
        material = cls(versions, pa.concat_tables([empty(), *tables]))
        for name in methods:
            if method(name).takes == "documents" and not material.of_kind("documents").num_rows:
                named = " and ".join(map(str, versions))
                lack = f"there is none in {named}" if named else "none is named"
                raise ConfigError(
                    f"setting material.versions: {name} takes passages of documents, and {lack}. "
                    "Fix: name a version that `mathmill documents` or `mathmill import` has made"
                )
            if uses_up(name):
                material.used[name] = _parents(tools, base, name)
        return material

    def of_kind(self, takes: Takes) -> pa.Table:
        """Return the passages of documents, or the questions (SCHEMA)."""
        kind = self.rows.column("kind")
        if takes == "documents":
            return self.rows.filter(pc.fill_null(pc.equal(kind, TEXT), False))
        return self.rows.filter(pc.is_null(kind))

    def unused(self, name: str, rows: pa.Table) -> pa.Table:
        """Return the rows of the problems, or the passages, that the method has not been given yet; all rows if it uses none up."""
        if not self.used[name]:
            return rows
        used = pc.is_in(rows.column("id"), value_set=pa.array(sorted(self.used[name]), pa.string()))
        problems = pc.unique(rows.column("problem_id").filter(used))
        return rows.filter(pc.invert(pc.is_in(rows.column("problem_id"), value_set=problems)))

    def records(self) -> list[dict[str, Any]]:
        """Return the versions as lineages store them."""
        return [{"version": str(one), "digest": one.digest, "rows": one.rows} for one in self.versions]


def _parents(tools: Tools, base: Version | None, name: str) -> set[str]:
    """Return the parents of all rows that the method has made for the versions up to `base`, kept or not. A row that failed
    does not count: its call is made again."""
    candidates = tools.store.candidates()
    if base is None or candidates is None:
        return set()
    runs = [str(one.lineage.get("run")) for one in tools.store.versions(base.dataset)]
    rows = candidates.to_table(
        columns=["parent_ids", "reason"], filter=(pc.field("method") == name) & pc.field("run").isin(runs)
    )
    judged = rows.filter(pc.invert(failed(rows)))
    return {parent for parents in column(judged, "parent_ids") for parent in parents or ()}
