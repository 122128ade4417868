"""The vector index: filled in parts it equals one filled at once, a loaded one equals the saved one, and damage is detected before FAISS reads it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from storage.errors import Corrupt, StorageError
from storage.indexes.index import IndexSettings, VectorIndex

ROOT = Path(__file__).resolve().parents[3]
D = 24


def unit(count: int, seed: int) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, D), dtype=np.float32)
    normal: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


def names(count: int, start: int = 0) -> list[str]:
    return [f"题{i}" for i in range(start, start + count)]


def same(a: VectorIndex, b: VectorIndex) -> None:
    assert (a.ids, a.kind, a.size, a.recall, a.settings) == (b.ids, b.kind, b.size, b.recall, b.settings)
    assert np.array_equal(a.vectors(), b.vectors())
    for x, y in zip(a.search(unit(50, 9), 7), b.search(unit(50, 9), 7), strict=True):
        assert np.array_equal(x, y)


def test_incremental_equals_whole() -> None:
    pool = unit(700, 1)
    whole, grown = VectorIndex(D), VectorIndex(D)
    assert whole.add(names(700), pool) == 1.0
    for start in range(0, 700, 130):
        part = pool[start : start + 130]
        grown.add(names(len(part), start), part)
    same(whole, grown)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_growing_past_flat_keeps_every_vector_and_measures_recall(kind: str) -> None:
    pool = unit(2600, 2)
    index = VectorIndex(D, IndexSettings(flat_up_to=1000, kind=kind, recall=0.97, at=10))  # type: ignore[arg-type]
    assert index.add(names(900), pool[:900]) == 1.0
    assert index.exact
    first = index.add(names(900, 900), pool[900:1800])
    assert index.kind == kind
    second = index.add(names(800, 1800), pool[1800:])
    assert 0.97 <= first <= 1
    assert 0.97 <= second <= 1
    assert index.recall == second
    np.testing.assert_allclose(index.vectors(), pool, atol=1e-6)
    _, neighbours = index.search(pool, 1)
    assert (neighbours[:, 0] == np.arange(2600)).mean() > 0.97


@pytest.mark.parametrize("flat_up_to", [10_000, 500])
def test_saved_and_loaded(tmp_path: Path, flat_up_to: int) -> None:
    index = VectorIndex(D, IndexSettings(flat_up_to=flat_up_to))
    index.add(names(900), unit(900, 3))
    index.save(tmp_path / "index")
    again = VectorIndex.load(tmp_path / "index")
    same(index, again)
    index.add(names(100, 900), unit(100, 4))
    again.add(names(100, 900), unit(100, 4))
    same(index, again)
    again.save(tmp_path / "index")
    same(VectorIndex.load(tmp_path / "index"), index)
    assert len(list((tmp_path / "index").glob("[!_]*"))) == 3  # what the older save wrote is gone


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    VectorIndex(D).save(tmp_path)
    assert VectorIndex.load(tmp_path).size == 0


@pytest.mark.parametrize("suffix", [".faiss", ".ids.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_seen_before_the_file_is_parsed(
    tmp_path: Path, suffix: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = VectorIndex(D)
    index.add(names(50), unit(50, 5))
    index.save(tmp_path)
    (path,) = tmp_path.glob(f"*{suffix}")
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    parsed: list[str] = []
    monkeypatch.setattr("storage.indexes.index.faiss.read_index", parsed.append)
    with pytest.raises(Corrupt, match=path.name):
        VectorIndex.load(tmp_path)
    assert not parsed


def test_a_record_with_false_offsets_or_sizes_is_refused(tmp_path: Path) -> None:
    index = VectorIndex(D)
    index.add(names(5), unit(5, 6))
    index.save(tmp_path / "a")
    record = json.loads((tmp_path / "a" / "index.json").read_text())
    for change in (
        {"size": 6},
        {"dimensions": 7},
        {"index": "../../etc/passwd"},
        {"ids": 5},
        {"settings": {"x": 1}},
    ):
        (tmp_path / "a" / "index.json").write_text(json.dumps(record | change))
        with pytest.raises(Corrupt):
            VectorIndex.load(tmp_path / "a")
    (tmp_path / "a" / "index.json").write_text("{torn")
    with pytest.raises(Corrupt, match="not JSON"):
        VectorIndex.load(tmp_path / "a")
    with pytest.raises(StorageError, match="no index in"):
        VectorIndex.load(tmp_path / "b")


def test_a_save_that_fails_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = VectorIndex(D)
    index.add(names(5), unit(5, 7))
    index.save(tmp_path)
    index.add(names(5, 5), unit(5, 8))
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:  # the second file of the save; the first and its folder went well
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        index.save(tmp_path)
    assert VectorIndex.load(tmp_path).size == 5
    assert not list(tmp_path.glob("*.tmp"))


_GROWS = """
import sys
from pathlib import Path
import numpy as np
from storage.indexes.index import VectorIndex
folder, index = Path(sys.argv[1]), VectorIndex(24)
for step in range(10_000):
    vectors = np.random.default_rng(step).standard_normal((40, 24), dtype=np.float32)
    index.add([f"{step}/{i}" for i in range(40)], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    index.save(folder)
    print(step, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_index_is_as_before_or_as_after(tmp_path: Path) -> None:
    rng = random.Random(1)
    for trial in range(6):
        folder = tmp_path / str(trial)
        child = subprocess.Popen(
            [sys.executable, "-c", _GROWS, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert child.stdout is not None
        reported = [int(child.stdout.readline()) for _ in range(1 + trial % 4)]
        time.sleep(rng.random() * 0.03)
        child.kill()
        reported += [int(line) for line in child.communicate()[0].split()]
        loaded = VectorIndex.load(folder)
        last = loaded.size // 40 - 1
        assert last in (reported[-1], reported[-1] + 1)
        assert loaded.ids == [f"{step}/{i}" for step in range(last + 1) for i in range(40)]
        vectors = np.random.default_rng(last).standard_normal((40, D), dtype=np.float32)
        unit_vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        assert np.array_equal(loaded.vectors()[-40:], unit_vectors)
        loaded.add(["after"], unit(1, 99))
        loaded.save(folder)
        assert VectorIndex.load(folder).size == loaded.size


def test_files_of_a_killed_save_are_removed_later(tmp_path: Path) -> None:
    index = VectorIndex(D)
    index.add(names(5), unit(5, 1))
    index.save(tmp_path)
    stale, fresh = tmp_path / f"{'0' * 64}.faiss", tmp_path / ".fresh.tmp"
    for path in (stale, fresh):
        path.touch()
    os.utime(stale, (0, 0))
    index.save(tmp_path)
    assert not stale.exists()
    assert fresh.exists(), "it may be another saver's"


def test_invalid_vectors_are_refused_as_a_whole() -> None:
    index = VectorIndex(D)
    index.add(names(5), unit(5, 9))
    with pytest.raises(ValueError, match="'题0' is in the index already"):
        index.add(["new", "题0"], unit(2, 10))
    with pytest.raises(ValueError, match="'x' is in the index already"):
        index.add(["x", "x"], unit(2, 10))
    with pytest.raises(ValueError, match="2 ids and 24 dimensions"):
        index.add(["x", "y"], unit(2, 10)[:, :5])
    with pytest.raises(ValueError, match="'y' has length 2, not 1"):
        index.add(["x", "y"], unit(2, 10) * np.array([[1], [2]], dtype=np.float32))
    with pytest.raises(ValueError, match="'x' has length nan"):
        index.add(["x", "y"], unit(2, 10) * np.array([[np.nan], [1]], dtype=np.float32))
    assert (index.size, len(index.vectors())) == (5, 5)
