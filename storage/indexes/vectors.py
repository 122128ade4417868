"""A cache of the vectors of texts: Parquet segments whose rows are keyed by the hash of the text.

A folder belongs to one encoder. Segments are written atomically and never changed afterwards, so that any number of
processes may read and add at the same time; at worst two of them compute the same vector. Small segments are merged from
time to time and then deleted. Pages have checksums, which are verified on reading. A segment may be deleted at any time; its
vectors are computed again.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.atomic import write_bytes
from storage.derived_files import DerivedFiles, digest_of
from storage.errors import StorageError

Vectors = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]  # shape (n, 2): 128 bits of a text's SHA-256

SEGMENT = 16_384  # vectors per segment: computed between two writes, and lost by a kill
SMALL = 2_048  # vectors up to which a segment counts as small
FAN = 32  # small segments that are merged into one, since every call opens every segment
_TRIES = 10


def folder_name(identity: str) -> str:
    """Return a readable, unique file name for an encoder."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", identity).strip("-.")[-60:]
    return f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


class Encode(Protocol):
    """A function from texts to unit vectors of the shape (texts, dimensions); `identity` names what decides them."""

    @property
    def identity(self) -> str: ...
    def __call__(self, texts: Sequence[str]) -> Vectors: ...


class VectorCache:
    """The vectors of one encoder. `identity` names everything on which they depend (see tasks.retrieval.encoder.Encoder)."""

    def __init__(self, home: Path, identity: str) -> None:
        self.folder = home / folder_name(identity)
        self._files = DerivedFiles(home)

    def of(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        """Return the vectors of the texts in their order. `encode` is called once per text that is not cached.

        Raises StorageError if a segment is damaged.
        """
        for _ in range(_TRIES):
            try:
                return self._of(texts, encode)
            except FileNotFoundError:
                continue  # another process merged the segment meanwhile; its vectors are in a new one
        raise StorageError(
            f"segments of {self.folder} vanish while they are read. Fix: stop the program that deletes them"
        )

    def _of(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        keys = _keys(texts)
        known = _Known(self._segments())
        if self._merge(known.small()):
            known = _Known(self._segments())
        places = known.find(keys)
        missing: dict[bytes, int] = {}
        for i in np.flatnonzero(places < 0):
            missing.setdefault(keys[i].tobytes(), int(i))
        rows = list(missing.values())
        for start in range(0, len(rows), SEGMENT):
            part = rows[start : start + SEGMENT]
            self._write(keys[part], encode([texts[i] for i in part]))
        if rows:
            known = _Known(self._segments())
            places = known.find(keys)
        return known.take(places)

    def _merge(self, small: list[Path]) -> bool:
        """Merge small segments into one if there are enough of them; return whether they were merged."""
        if len(small) < FAN:
            return False
        keys = np.concatenate([_as_keys(_read(path, "key")) for path in small])
        vectors = np.concatenate([_as_vectors(_read(path, "vector")) for path in small])
        _, first = np.unique(keys, axis=0, return_index=True)
        merged = self._write(keys[first], vectors[first])
        self._files.remove(path for path in small if path != merged)
        return True

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _write(self, keys: Keys, vectors: Vectors) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if len(vectors) != len(keys):
            raise ValueError(f"the encoder gave {len(vectors)} vectors for {len(keys)} texts")
        columns = {
            "key": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), len(keys), [None, pa.py_buffer(np.ascontiguousarray(keys))]
            ),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.table(columns), sink, compression="none", use_dictionary=False, write_page_checksum=True
        )
        data = sink.getvalue()
        path = self.folder / f"{hashlib.sha256(keys.tobytes()).hexdigest()[:32]}-{_seal(data)}.parquet"
        with self._files.adding({path: digest_of(data)}):
            write_bytes(path, data)
        return path


def check(home: Path) -> tuple[int, list[str]]:
    """Return the number of segments below `home`, which has a folder per encoder, and a line per missing or altered segment.

    Segments of an earlier version, which are not in the catalogue, are compared with the seals in their names.
    """
    files = DerivedFiles(home)
    findings, named = files.check(), files.names()
    paths = sorted(home.glob("*/*.parquet"))
    for path in paths:
        if path.relative_to(home).as_posix() in named:
            continue
        try:
            _verified.cache_clear()
            for name in ("key", "vector"):
                _read(path, name)
        except FileNotFoundError:  # merged meanwhile
            continue
        except StorageError:
            findings.append(f"{home.name}/{path.parent.name}/{path.name} was altered")
    return len(paths), findings


class _Known:
    """The keys of all segments, sorted, with the place of each vector."""

    def __init__(self, segments: list[Path]) -> None:
        self._segments = segments
        columns = [_read(path, "key") for path in segments]
        parts = [_as_keys(column) for column in columns]
        every = np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.uint64)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self._order = np.argsort(every[:, 0], kind="stable")
        self._sorted = every[self._order]

    def small(self) -> list[Path]:
        """Return the segments that count as small."""
        lengths = np.diff(self._starts).tolist()
        return [path for path, rows in zip(self._segments, lengths, strict=True) if rows <= SMALL]

    def find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Return the place of each key over all segments, or -1 if it is unknown.

        Two keys that agree in their first 64 bits only count as unknown: their vectors are computed again, never confused.
        """
        if not len(self._sorted):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.searchsorted(self._sorted[:, 0], keys[:, 0]).clip(max=len(self._sorted) - 1)
        return np.where((self._sorted[at] == keys).all(axis=1), self._order[at], -1).astype(np.int64)

    def take(self, places: npt.NDArray[np.int64]) -> Vectors:
        """Return the vectors at the places, reading one segment at a time."""
        if not len(places):
            return np.empty((0, 0), dtype=np.float32)
        out: Vectors | None = None
        segment = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(segment):
            stored = _as_vectors(_read(self._segments[number], "vector"))
            if out is None:
                out = np.empty((len(places), stored.shape[1]), dtype=np.float32)
            here = segment == number
            out[here] = stored[places[here] - self._starts[number]]
        assert out is not None
        return out


def _keys(texts: Sequence[str]) -> Keys:
    digests = b"".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in texts)
    return np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)


def _as_keys(column: pa.ChunkedArray) -> Keys:
    array = column.combine_chunks()
    return np.frombuffer(
        array.buffers()[1], dtype=np.uint64, count=2 * len(array), offset=16 * array.offset
    ).reshape(-1, 2)


def _as_vectors(column: pa.ChunkedArray) -> Vectors:
    stored: Vectors = column.combine_chunks().flatten().to_numpy().reshape(-1, column.type.list_size)
    return stored


def _read(path: Path, name: str) -> pa.ChunkedArray:
    """Return a column of a segment. Raises FileNotFoundError if it was merged, StorageError if it is damaged."""
    try:
        _verified(path)
        return pq.read_table(path, columns=[name], page_checksum_verification=True).column(name)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(
            f"vector segment {path} is damaged ({reason}). Fix: delete it, its vectors are computed again"
        ) from error


@functools.lru_cache(4096)
def _verified(path: Path) -> None:
    """Check the seal of a segment once per process, before it is decoded. Raises OSError if the file was altered.

    Segments of an earlier version have no seal in their name; their pages have checksums.
    """
    _, _, seal = path.stem.partition("-")
    if seal and _seal(path.read_bytes()) != seal:
        raise OSError("other bytes than were written")


def _seal(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
