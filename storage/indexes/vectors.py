"""Vectors of texts, computed once and kept: Parquet segments keyed by the hash of the text.

A folder belongs to one encoder. Segments are written whole under a temporary name, made durable and
renamed, and never changed afterwards, so any number of processes may read and add at once; at worst two
of them compute the same vector. Small ones are merged from time to time, and the old ones deleted after that. Pages carry checksums, which are verified on reading. It is a cache: a
damaged or unwanted segment may be deleted at any time, and its vectors are computed again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StorageError

Vectors = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]  # shape (n, 2): 128 bits of a text's SHA-256

SEGMENT = 16_384  # vectors a segment: what is computed between two writes, and lost by a kill
SMALL = 2_048  # vectors up to which a segment counts as a small one
FAN = 32  # small segments that are merged into one: every call opens every segment
_TRIES = 10


def folder_name(identity: str) -> str:
    """A file name for an encoder, readable and its own."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", identity).strip("-.")[-60:]
    return f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


class VectorCache:
    """The vectors of one encoder. `identity` names what decides them (tasks.retrieval.encoder.Encoder.identity)."""

    def __init__(self, home: Path, identity: str) -> None:
        self.folder = home / folder_name(identity)

    def of(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        """The vectors of the texts, in their order; `encode` is called for the unknown ones only, each once."""
        for _ in range(_TRIES):
            try:
                return self._of(texts, encode)
            except FileNotFoundError:
                continue  # another process merged that segment meanwhile: its vectors are in a new one
        raise StorageError(f"segments of {self.folder} vanish while they are read; who deletes them?")

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
        """Whether there were enough small segments to make one of them."""
        if len(small) < FAN:
            return False
        keys = np.concatenate([_as_keys(_read(path, "key")) for path in small])
        vectors = np.concatenate([_as_vectors(_read(path, "vector")) for path in small])
        _, first = np.unique(keys, axis=0, return_index=True)
        made = self._write(keys[first], vectors[first])
        for path in small:
            if path != made:
                path.unlink(missing_ok=True)
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
        temporary = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            pq.write_table(
                pa.table(columns),
                temporary,
                compression="none",
                use_dictionary=False,
                write_page_checksum=True,
            )
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
                seal = _seal(file.read())
            path = self.folder / f"{hashlib.sha256(keys.tobytes()).hexdigest()[:32]}-{seal}.parquet"
            temporary.replace(path)
            return path
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def check(home: Path) -> tuple[int, list[str]]:
    """How many segments lie below `home`, a folder for each encoder, and a line for each that was altered.

    Not seen: a segment that is gone. Its vectors are computed again."""
    found = []
    paths = sorted(home.glob("*/*.parquet"))
    for path in paths:
        try:
            _verified.cache_clear()
            for name in ("key", "vector"):
                _read(path, name)
        except FileNotFoundError:  # merged meanwhile
            continue
        except StorageError:
            found.append(f"{home.name}/{path.parent.name}/{path.name} was altered")
    return len(paths), found


class _Known:
    """The keys of all segments, sorted, and where each vector lies."""

    def __init__(self, segments: list[Path]) -> None:
        self._segments = segments
        columns = [_read(path, "key") for path in segments]
        parts = [_as_keys(column) for column in columns]
        every = np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.uint64)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self._order = np.argsort(every[:, 0], kind="stable")
        self._sorted = every[self._order]

    def small(self) -> list[Path]:
        lengths = np.diff(self._starts).tolist()
        return [path for path, rows in zip(self._segments, lengths, strict=True) if rows <= SMALL]

    def find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """The place of each key over all segments, or -1.

        Two keys that agree in their first 64 bits but not in the rest would count as unknown: computed
        again each time, never confused.
        """
        if not len(self._sorted):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.searchsorted(self._sorted[:, 0], keys[:, 0]).clip(max=len(self._sorted) - 1)
        return np.where((self._sorted[at] == keys).all(axis=1), self._order[at], -1).astype(np.int64)

    def take(self, places: npt.NDArray[np.int64]) -> Vectors:
        """The vectors at the places, a segment at a time."""
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
    """A column of a segment; FileNotFoundError if it was merged away, StorageError if it is damaged."""
    try:
        _verified(path)
        return pq.read_table(path, columns=[name], page_checksum_verification=True).column(name)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(
            f"vector segment {path} is damaged ({reason}); delete it, its vectors are computed again"
        ) from error


@functools.lru_cache(4096)
def _verified(path: Path) -> None:
    """Once in each process: OSError if the file is not what was written, before a reader that trusts it decodes it.
    Segments of an earlier version have no seal in their name; their pages have checksums of their own."""
    _, _, seal = path.stem.partition("-")
    if seal and _seal(path.read_bytes()) != seal:
        raise OSError("other bytes than were written")


def _seal(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
