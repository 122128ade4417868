"""A FAISS index with string ids: exact up to a size, above it approximate with a measured recall.

On the disk it is a folder of three files: the index and the ids, each named by its own SHA-256, and `index.json`, which is
written last and names the two that belong together. A reader sees the complete old index or the complete new one. FAISS
parses index files in C++ without checks, so a file is opened only after its checksum was verified; nothing is ever
unpickled.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
import numpy.typing as npt
import orjson

from storage.atomic import write_bytes
from storage.derived_files import NAME as CATALOGUE
from storage.derived_files import DerivedFiles, digest_of
from storage.errors import Corrupt, StorageError
from storage.indexes.vectors import Vectors

_RECORD = "index.json"
_SAMPLE = 512  # stored vectors that are used as queries to measure recall
_SEED = 20_261_120
_LEFT_S = 3600.0  # age from which a file that no record names is deleted


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Settings of an index.

    The search is exact up to `flat_up_to` vectors, then an index of `kind` is used. It must find the share `recall` of the
    exact `at` nearest neighbours; its search effort is raised until it does.
    """

    flat_up_to: int = 300_000
    kind: Literal["ivf", "hnsw"] = "ivf"
    recall: float = 0.95
    at: int = 20


@dataclass(slots=True)
class VectorIndex:
    """Unit vectors of `dimensions` numbers with string ids, compared by their inner product, which is the cosine."""

    dimensions: int
    settings: IndexSettings = field(default_factory=IndexSettings)
    ids: list[str] = field(default_factory=list)
    recall: float = 1.0  # as measured when the vectors were last added
    _known: set[str] = field(default_factory=set, repr=False)
    _faiss: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self._faiss is None:
            self._faiss = faiss.IndexFlatIP(self.dimensions)
        self._known = set(self.ids)

    @property
    def size(self) -> int:
        return len(self.ids)

    @property
    def exact(self) -> bool:
        return isinstance(self._faiss, faiss.IndexFlat)

    @property
    def kind(self) -> str:
        return "flat" if self.exact else "ivf" if isinstance(self._faiss, faiss.IndexIVF) else "hnsw"

    def add(self, ids: Sequence[str], vectors: Vectors) -> float:
        """Append vectors of shape (len(ids), dimensions), and return the recall measured against exact search.

        Raises ValueError, and adds nothing, if the shape is wrong, a vector is not of length 1, or an id is in the index
        already.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.shape != (len(ids), self.dimensions):
            raise ValueError(f"{len(ids)} ids and {self.dimensions} dimensions, but vectors {vectors.shape}")
        repeated = next((name for name in ids if name in self._known), None)
        if repeated is None and len(set(ids)) != len(ids):
            repeated = next(name for name in ids if list(ids).count(name) > 1)
        if repeated is not None:
            raise ValueError(f"id {repeated!r} is in the index already; add only what is new")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-3):  # NaN is not close to 1 either
            worst = int(np.argmax(np.where(np.isnan(lengths), np.inf, np.abs(lengths - 1))))
            raise ValueError(
                f"vector of id {ids[worst]!r} has length {lengths[worst]:.4g}, not 1; normalise it"
            )
        if not len(ids):
            return self.recall
        if self.exact and self.size + len(ids) > self.settings.flat_up_to:
            stored = self._faiss.reconstruct_n(0, self.size) if self.size else vectors[:0]
            every = np.concatenate([stored, vectors])
            self._faiss = _approximate(every, self.settings)
        else:
            self._faiss.add(vectors)
        self.ids += ids
        self._known.update(ids)
        self.recall = 1.0 if self.exact else self._tuned()
        return self.recall

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
        """Return (cosines, positions in `ids`), both of shape (len(queries), k). A position without a neighbour is -1."""
        neighbours: tuple[Vectors, npt.NDArray[np.int64]] = self._faiss.search(
            np.ascontiguousarray(queries), k
        )
        return neighbours

    def vectors(self) -> Vectors:
        """Return all vectors, in the order of the ids."""
        stored: Vectors = self._faiss.reconstruct_n(0, self.size)
        return stored

    def _tuned(self) -> float:
        """Raise the search effort until the required recall is measured or the search is exhaustive; return the recall."""
        every = self.vectors()
        rng = np.random.default_rng(_SEED)
        sample = every[rng.choice(self.size, min(_SAMPLE, self.size), replace=False)]
        k = min(self.settings.at, self.size)
        _, exact = faiss.knn(sample, every, k, metric=faiss.METRIC_INNER_PRODUCT)
        while True:
            _, neighbours = self._faiss.search(sample, k)
            hits = sum(len(np.intersect1d(a, b)) for a, b in zip(exact, neighbours, strict=True))
            recall = float(hits / exact.size)
            if recall >= self.settings.recall or not _probe_more(self._faiss, self.size):
                return recall

    def save(self, folder: Path, files: DerivedFiles | None = None) -> None:
        """Write the index into a folder. At any moment the folder holds the complete old index or the complete new one.

        `files` is the catalogue that names the files; by default it is that of the folder itself.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = files or DerivedFiles(folder)
        before = _names(folder)
        index: memoryview = faiss.serialize_index(self._faiss).data
        ids = orjson.dumps(self.ids)
        record = {
            "dimensions": self.dimensions,
            "size": self.size,
            "kind": self.kind,
            "recall": self.recall,
            "settings": asdict(self.settings),
            "index": hashlib.sha256(index).hexdigest() + ".faiss",
            "ids": hashlib.sha256(ids).hexdigest() + ".ids.json",
        }
        contents: dict[Path, bytes | memoryview] = {
            folder / str(record["index"]): index,
            folder / str(record["ids"]): ids,
            folder / _RECORD: orjson.dumps(record, option=orjson.OPT_INDENT_2),
        }
        with files.adding({path: digest_of(data) for path, data in contents.items()}):
            for path, data in contents.items():  # the record last: it names the two others
                write_bytes(path, data)
        # delete the files of the old record, and old files of killed writers; a recent one may belong to another writer
        named = {path.name for path in contents} | {CATALOGUE}
        files.remove(
            path
            for path in folder.iterdir()
            if path.name not in named and (path.name in before or _age(path) > _LEFT_S)
        )

    @classmethod
    def load(cls, folder: Path) -> VectorIndex:
        """Return the index in a folder. Raises Corrupt if a byte of it changed, StorageError if there is none."""
        try:
            text = (folder / _RECORD).read_bytes()
        except FileNotFoundError as error:
            raise StorageError(f"no index in {folder}. Fix: build and save one there first") from error
        try:
            return cls._read(folder, text)
        except Corrupt:
            if (folder / _RECORD).read_bytes() == text:
                raise
        return cls.load(folder)  # a new index was saved while we read the old one

    @classmethod
    def _read(cls, folder: Path, text: bytes) -> VectorIndex:
        try:
            record = orjson.loads(text)
            paths = [_verified(folder, str(record[name])) for name in ("index", "ids")]
            index = faiss.read_index(str(paths[0]))
            ids = orjson.loads(paths[1].read_bytes())
            settings = IndexSettings(**record["settings"])
            sizes = {index.ntotal, len(ids), record["size"]}
            if len(sizes) > 1 or index.d != record["dimensions"]:
                raise Corrupt(str(folder), [f"{_RECORD}, the index and the ids disagree about its size"])
        except orjson.JSONDecodeError as error:
            raise Corrupt(str(folder), [f"{_RECORD} is not JSON"]) from error
        except (KeyError, TypeError) as error:
            raise Corrupt(str(folder), [f"{_RECORD} has no valid {error}"]) from error
        return cls(record["dimensions"], settings, ids, float(record["recall"]), _faiss=index)


def _approximate(vectors: Vectors, settings: IndexSettings) -> Any:
    """Return a trained approximate index with these vectors, at its lowest search effort."""
    count, dimensions = vectors.shape
    if settings.kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dimensions, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = 100, 32
        graph.add(vectors)
        return graph
    lists = max(
        1, min(4 * int(count**0.5), count // 39)
    )  # FAISS recommends at least 39 training vectors per list
    cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, lists, faiss.METRIC_INNER_PRODUCT)
    cells.train(vectors)
    cells.add(vectors)
    cells.make_direct_map()  # vectors by position, which `vectors` and the recall need
    cells.nprobe = max(1, lists // 64)
    return cells


def _probe_more(index: Any, size: int) -> bool:
    """Double the search effort and return True, or return False if it is at its maximum."""
    if isinstance(index, faiss.IndexIVF):
        if index.nprobe >= index.nlist:
            return False
        index.nprobe = min(2 * index.nprobe, index.nlist)
        return True
    if index.hnsw.efSearch >= size:
        return False
    index.hnsw.efSearch = min(2 * index.hnsw.efSearch, size)
    return True


def _names(folder: Path) -> set[str]:
    """Return the files that the record of a folder names; none if it has no readable record."""
    try:
        record = orjson.loads((folder / _RECORD).read_bytes())
        return {Path(str(record[name])).name for name in ("index", "ids")}
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return set()


def _age(path: Path) -> float:
    """Return the seconds since the last change, 0 if the file has been deleted meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _verified(folder: Path, name: str) -> Path:
    path = folder / Path(name).name  # a record cannot name a file outside its folder
    if not path.is_file():
        raise Corrupt(str(folder), [f"{path.name} is missing"])
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != path.name.split(".", 1)[0]:
        raise Corrupt(str(folder), [f"{path.name} does not match its checksum"])
    return path


def check(home: Path) -> tuple[int, list[str]]:
    """Return the number of index files below `home`, and a line per file that is missing or altered.

    Files of an earlier version, which are not in the catalogue of `home`, are compared with the SHA-256 in their names.
    """
    files = DerivedFiles(home)
    findings, named = files.check(), files.names()
    paths = [
        path for path in sorted(home.rglob("*")) if path.is_file() and len(path.name.split(".")[0]) == 64
    ]
    return len(paths), findings + [
        f"{home.name}/{path.relative_to(home).as_posix()} was altered"
        for path in paths
        if path.relative_to(home).as_posix() not in named
        and hashlib.sha256(path.read_bytes()).hexdigest() != path.name.split(".")[0]
    ]
