"""A published version as a pool to retrieve from, with an index over its questions that is stored and kept
up to date.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.derived_files import DerivedFiles
from storage.errors import Corrupt, StorageError
from storage.indexes.index import IndexSettings, VectorIndex
from storage.indexes.vectors import Encode, folder_name

_BATCH = 65_536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """One version, such as "math-sft@2026.11.20", in a home. It holds names only. `digest`: of the
    version's content.
    """

    home: str
    version: str
    digest: str
    settings: IndexSettings = field(default_factory=IndexSettings)

    def index(self, encode: Encode) -> VectorIndex:
        """Return an index of the version's distinct questions under their problem ids.

        Questions that the stored index lacks are added, and it is stored again. An index that is damaged,
        has other settings or holds questions that the version lacks is rebuilt from stored vectors. Raises
        StorageError if the version is empty.
        """
        folder = Path(self.home, "indexes", self.version.partition("@")[0], folder_name(encode.identity))
        problem_ids = self._problems()
        index = self._saved(folder)
        if index is not None and not set(index.ids) <= problem_ids.keys():
            index = None
        indexed = set(index.ids) if index is not None else set()
        missing = [problem for problem in problem_ids if problem not in indexed]
        if missing:
            texts = self._questions(missing)
            vectors = encode([texts[problem] for problem in missing])
            index = index or VectorIndex(vectors.shape[1], self.settings)
            index.add(missing, vectors)
            index.save(folder, DerivedFiles(Path(self.home, "indexes")))
        if index is None:
            raise StorageError(f"{self.version} has no row to retrieve. Fix: name a version that has rows")
        return index

    def rows(self, problems: Sequence[str]) -> pa.Table:
        """Return the first row of each problem, in the order given."""
        problem_ids = pa.array(problems, pa.string())
        rows = Store(self.home).read(self.version, filter=pc.field("problem_id").isin(problem_ids))
        return rows.take(pc.index_in(problem_ids, value_set=rows.column("problem_id").combine_chunks()))

    def _saved(self, folder: Path) -> VectorIndex | None:
        try:
            index = VectorIndex.load(folder)
        except Corrupt as error:
            _log.warning("the index is rebuilt from stored vectors: %s", error)
            return None
        except StorageError:
            return None
        return index if index.settings == self.settings else None

    def _problems(self) -> dict[str, None]:
        """Return the distinct problem ids of the version, in its order."""
        problem_ids: dict[str, None] = {}
        for batch in Store(self.home).batches(self.version, ["problem_id"], size=_BATCH):
            problem_ids.update(dict.fromkeys(batch.column("problem_id").to_pylist()))
        return problem_ids

    def _questions(self, problems: Sequence[str]) -> dict[str, str]:
        chosen = pc.field("problem_id").isin(pa.array(problems, pa.string()))
        questions: dict[str, str] = {}
        for batch in Store(self.home).batches(self.version, ["problem_id", "question"], chosen, size=_BATCH):
            questions.update(
                zip(batch.column("problem_id").to_pylist(), batch.column("question").to_pylist(), strict=True)
            )
        return questions
