"""A published version as a pool to retrieve from: an index over its questions, kept beside the data and brought up to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.errors import Corrupt, StorageError
from storage.indexes.index import IndexSettings, VectorIndex
from storage.indexes.vectors import Vectors, folder_name

_BATCH = 65_536
_log = logging.getLogger(__name__)


class Encode(Protocol):
    @property
    def identity(self) -> str: ...
    def __call__(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Published:
    """One version, "math-sft@2026.11.20", under a home. A value: it holds names only. `digest`: of its content."""

    home: str
    version: str
    digest: str
    settings: IndexSettings = field(default_factory=IndexSettings)

    def index(self, encode: Encode) -> VectorIndex:
        """Its distinct questions under their problem ids. What the saved index lacks is added and saved; one
        that is damaged, of other settings or ahead of the version is made anew (from stored vectors)."""
        folder = Path(self.home, "indexes", self.version.partition("@")[0], folder_name(encode.identity))
        wanted = self._problems()
        found = self._saved(folder)
        if found is not None and not set(found.ids) <= wanted.keys():
            found = None
        there = set(found.ids) if found is not None else set()
        new = [problem for problem in wanted if problem not in there]
        if new:
            texts = self._questions(new)
            vectors = encode([texts[problem] for problem in new])
            found = found or VectorIndex(vectors.shape[1], self.settings)
            found.add(new, vectors)
            found.save(folder)
        if found is None:
            raise StorageError(f"{self.version} has no row to retrieve; name a version that has")
        return found

    def rows(self, problems: Sequence[str]) -> pa.Table:
        """The first row of each problem, in the order given."""
        chosen = pa.array(problems, pa.string())
        found = Store(self.home).read(self.version, filter=pc.field("problem_id").isin(chosen))
        return found.take(pc.index_in(chosen, value_set=found.column("problem_id").combine_chunks()))

    def _saved(self, folder: Path) -> VectorIndex | None:
        try:
            found = VectorIndex.load(folder)
        except Corrupt as error:
            _log.warning("the index is made anew from stored vectors: %s", error)
            return None
        except StorageError:
            return None
        return found if found.settings == self.settings else None

    def _problems(self) -> dict[str, None]:
        """Problem ids of the version, in its order, each once."""
        found: dict[str, None] = {}
        for batch in Store(self.home).batches(self.version, ["problem_id"], size=_BATCH):
            found.update(dict.fromkeys(batch.column("problem_id").to_pylist()))
        return found

    def _questions(self, problems: Sequence[str]) -> dict[str, str]:
        chosen = pc.field("problem_id").isin(pa.array(problems, pa.string()))
        found: dict[str, str] = {}
        for batch in Store(self.home).batches(self.version, ["problem_id", "question"], chosen, size=_BATCH):
            found.update(
                zip(batch.column("problem_id").to_pylist(), batch.column("question").to_pylist(), strict=True)
            )
        return found
