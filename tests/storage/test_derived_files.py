"""Derived files are in a catalogue: what somebody else removes is named, and no kill raises a false alarm."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from storage import derived_files
from storage.atomic import write_bytes
from storage.derived_files import NAME, DerivedFiles, digest_of
from storage.indexes.index import VectorIndex
from storage.indexes.index import check as check_indexes
from storage.indexes.vectors import FAN, VectorCache
from storage.indexes.vectors import check as check_vectors
from storage.stage_cache.shards import ShardStore
from storage.stage_cache.shards import digest_of as digest_of_parts
from tasks.seeding import rng_of


class Killed(BaseException):
    """As kill -9 between two system calls."""


def add(folder: Path, name: str, data: bytes) -> None:
    with DerivedFiles(folder).adding({folder / name: digest_of(data)}):
        derived_files.write_bytes(folder / name, data)  # patched, where the test kills


def acts(folder: Path) -> list[Callable[[], object]]:
    files = DerivedFiles(folder)
    return [
        lambda: add(folder, "one", b"first"),
        lambda: add(folder, "two", b"other"),
        lambda: add(folder, "one", b"second"),
        lambda: files.remove([folder / "two"]),
        lambda: files.forget_missing(),
        lambda: add(folder, "two", b"other again"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for act in acts(tmp_path / "shards"):
        act()
    return tmp_path / "shards"


def copies(folder: Path) -> list[Path]:
    return [folder / NAME, folder.parent / "_seals" / "shards.catalogue"]


def test_what_the_product_writes_and_removes_is_sound(folder: Path) -> None:
    assert DerivedFiles(folder).check() == []
    assert DerivedFiles(folder).names() == {"one", "two"}


def test_each_flip_and_removal_is_named(folder: Path) -> None:
    rng = rng_of("derived files")
    for path in (folder / "one", folder / "two", *copies(folder)):
        name, data = path.relative_to(folder.parent).as_posix(), path.read_bytes()
        path.unlink()
        assert DerivedFiles(folder).check() == [f"{name} is missing"]
        for bit in {rng.randrange(8 * len(data)) for _ in range(100)} | set(
            range(8 * len(data) - 8, 8 * len(data))
        ):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            assert DerivedFiles(folder).check() == [f"{name} was altered"], bit
        path.write_bytes(data)
    assert DerivedFiles(folder).check() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_a_kill_at_any_write_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    whole, line = derived_files.write_bytes, derived_files._write_line
    kills = 0
    for moment in range(200):
        folder = tmp_path / str(moment) / "shards"
        folder.parent.mkdir()
        writes = iter(range(200))

        def dying(
            real: Callable[[Path, bytes], None], path: Path, data: bytes, last: int = moment, writes=writes
        ) -> None:
            now = next(writes)
            if now < last or how == "after":
                real(path, data)
            elif how == "torn" and real is line:
                real(path, data[: len(data) // 2])
            if now == last:
                raise Killed

        monkeypatch.setattr(
            derived_files, "write_bytes", lambda path, data, dying=dying: dying(whole, path, data)
        )
        monkeypatch.setattr(
            derived_files, "_write_line", lambda path, data, dying=dying: dying(line, path, data)
        )
        killed = False
        for act in acts(folder):
            try:
                act()
            except Killed:
                killed = True
                break
        monkeypatch.setattr(derived_files, "write_bytes", whole)
        monkeypatch.setattr(derived_files, "_write_line", line)
        assert DerivedFiles(folder).check() == [], moment
        for act in acts(folder):  # the next run goes on
            act()
        assert DerivedFiles(folder).check() == [], moment
        assert [path.stat().st_size for path in copies(folder)] == [copies(folder)[0].stat().st_size] * 2
        if not killed:
            break
        kills += 1
    assert kills > 20


def test_a_missing_copy_is_repaired_by_the_next_change_and_an_altered_one_stays_named(folder: Path) -> None:
    first, second = copies(folder)
    first.unlink()
    add(folder, "three", b"3")
    assert DerivedFiles(folder).check() == []
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 1
    second.write_bytes(data)
    add(folder, "four", b"4")
    assert DerivedFiles(folder).check() == ["_seals/shards.catalogue was altered"]
    assert {"three", "four"} <= DerivedFiles(folder).names()


def test_what_was_removed_stays_named_until_it_is_there_again_or_taken_out(folder: Path) -> None:
    (folder / "one").unlink()
    add(folder, "three", b"3")
    assert DerivedFiles(folder).check() == ["shards/one is missing"]
    add(folder, "one", b"made again")
    assert DerivedFiles(folder).check() == []
    (folder / "one").unlink()
    assert DerivedFiles(folder).forget_missing() == 1
    assert DerivedFiles(folder).check() == []
    assert DerivedFiles(folder).names() == {"two", "three"}


def test_a_folder_that_is_gone_is_one_line(folder: Path) -> None:
    shutil.rmtree(folder)
    assert DerivedFiles(folder).check() == ["shards/ is missing with 2 files"]


def test_files_from_before_there_was_a_catalogue_are_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    assert DerivedFiles(folder).check() == []
    with pytest.raises(Killed), DerivedFiles(folder).adding({folder / "old": digest_of(b"new")}):
        raise Killed
    assert DerivedFiles(folder).check() == []


def write_many(folder: Path, name: str) -> None:
    for number in range(30):
        add(folder, f"{name}{number % 7}", f"{name} {number}".encode())
        add(folder, "shared", f"{name} {number}".encode())
        if number % 5 == 0:
            DerivedFiles(folder).remove([folder / f"{name}{number % 7}", folder / "shared"])


@pytest.mark.slow
def test_processes_that_write_at_once_raise_no_false_alarm(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(folder, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert DerivedFiles(folder).check() == []
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert DerivedFiles(folder).check() == []


@pytest.mark.slow
def test_stage_outputs_encodings_and_indexes_that_are_removed_are_named(tmp_path: Path) -> None:
    """And those that the product itself removes are not: a dropped output, merged segments, the files of an older index."""
    shards = ShardStore(tmp_path)
    for number in range(3):
        shards.put("solve", digest_of_parts(number), pa.table({"id": [str(number)]}))
    shards.drop(digest_of_parts(0))
    vectors = VectorCache(tmp_path / "vectors", "encoder")
    for number in range(FAN + 2):
        vectors.of([f"text {number}"], lambda texts: rng_vectors(len(texts)))
    index, files = VectorIndex(8), DerivedFiles(tmp_path / "indexes")
    for number in range(2):
        index.add([str(number)], rng_vectors(1))
        index.save(tmp_path / "indexes" / "d", files)
    checks = {
        "shards": lambda: shards.check()[1],
        "vectors": lambda: check_vectors(tmp_path / "vectors")[1],
        "indexes": lambda: check_indexes(tmp_path / "indexes")[1],
    }
    removed = 0
    for store, check in checks.items():
        assert check() == []
        for path in sorted((tmp_path / store).rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                path.unlink()
                assert check() == [f"{path.relative_to(tmp_path).as_posix()} is missing"]
                write_bytes(path, data)
                removed += 1
        assert check() == []
    assert removed == (2 * 2 + 1) + (3 + 1) + (3 + 1)


def rng_vectors(count: int):  # type: ignore[no-untyped-def]
    import numpy as np

    vectors = np.ones((count, 8), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
