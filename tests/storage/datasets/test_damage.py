"""Planted damage is detected and named; a full disk and an unwritable home leave the last version intact."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.errors import Corrupt, StorageError
from storage.location import Location
from storage.stage_cache.shards import ShardStore, digest_of


@contextlib.contextmanager
def damaged(path: Path, data: bytes) -> Iterator[None]:
    good = path.read_bytes()
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(good)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.slow
def test_flips_and_cuts_anywhere_are_found_and_named(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 40)], lineage={"seeds": "x"}, date=day)
    version = store.publish("d", [rows(40, 60)], lineage={}, date=day)
    table = Path(store.where.url("d"))
    paths = [*(table / name for name in version.files), *sorted((table / "_delta_log").glob("*.json"))]
    assert len(paths) == 4
    rng = random.Random(5)
    for path in paths:
        data = path.read_bytes()
        changes = [flipped(data, rng.randrange(8 * len(data))) for _ in range(12)]
        changes += [data[: rng.randrange(len(data))] for _ in range(3)] + [data + b"\0"]
        for change in changes:
            with damaged(path, change), pytest.raises(Corrupt, match=path.name) as caught:
                store.verify("d")
            assert "\n" not in str(caught.value)
    store.verify("d")


def test_every_damaged_file_is_named_at_once(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 40)], lineage={}, date=day)
    version = store.publish("d", [rows(40, 60)], lineage={}, date=day)
    first, second = (Path(path) for path in store.files(version))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(Corrupt) as caught:
        store.verify(version)
    assert caught.value.findings == (
        f"d/{first.name} is missing",
        f"d/{second.name} has {second.stat().st_size:,} bytes, not {second.stat().st_size + 1:,}",
    )
    with pytest.raises(Corrupt, match=first.name):
        store.read(version)


def test_an_altered_tag_is_named(store: Store, rows, day) -> None:
    from deltalake import DeltaTable

    store.publish("d", [rows(0, 4)], lineage={}, date=day)
    DeltaTable(store.where.url("_tags")).update(updates={"rows": "7"})
    with pytest.raises(Corrupt, match=r"the tag d@2026\.11\.20 differs"):
        store.verify("d")


def test_a_wrong_file_under_the_right_name_is_found(store: Store, rows, day) -> None:
    version = store.publish("d", [rows(0, 40)], lineage={}, date=day)
    other = Store(store.home.root + "-other").publish("d", [rows(1, 41)], lineage={}, date=day)
    path, foreign = (
        Path(s.files(v)[0]) for s, v in ((store, version), (Store(store.home.root + "-other"), other))
    )
    path.write_bytes(foreign.read_bytes())
    with pytest.raises(Corrupt, match=path.name):
        store.verify(version)


@pytest.mark.parametrize("damage", ["flip", "cut", "exchange"])
def test_what_the_disk_changes_before_the_audit_is_not_published(
    store: Store, rows, day, damage: str, monkeypatch
) -> None:
    before = store.publish("d", [rows(0, 40)], lineage={}, date=day)
    other = Path(store.files(before)[0]).read_bytes()
    flush = Location.flush

    def bad_disk(self: Location, *parts: str) -> None:
        path = Path(self.path(*parts))
        if path.suffix == ".parquet":
            data = path.read_bytes()
            path.write_bytes({"flip": flipped(data, 4_000), "cut": data[:-9], "exchange": other}[damage])
        flush(self, *parts)

    monkeypatch.setattr(Location, "flush", bad_disk)
    with pytest.raises(StorageError, match="is not as it was written .* check the disk"):
        store.publish("d", [rows(100, 140)], lineage={}, date=day)
    monkeypatch.undo()
    assert store.versions("d") == [before]
    assert [path.name for path in Path(store.where.url("d")).glob("*.parquet")] == list(before.files)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, leave: int) -> None:
    (place / "filler").unlink(missing_ok=True)
    stat = os.statvfs(place)
    (place / "filler").write_bytes(b"\0" * max(0, stat.f_bavail * stat.f_frsize - leave))


def refusal(act: Callable[[], object]) -> str | None:
    try:
        act()
    except StorageError as error:
        return str(error)
    return None


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_version(small_disk: Path, rows, day) -> None:
    store = Store(small_disk / "home")
    before = store.publish("d", [rows(0, 20)], lineage={}, date=day)
    for leave in range(0, 73_728, 4096):  # from no room for the rows to room for all but the tag
        fill(small_disk, leave)
        refused = refusal(lambda: store.publish("d", [rows(1000, 1400)], lineage={"n": "x" * 9000}, date=day))
        if refused is None:
            break
        assert "is full" in refused
        assert store.versions("d") == [before]
        store.verify("d")
    store.verify("d")
    assert store.read("d").num_rows == store.versions("d")[-1].rows == 420
    fill(small_disk, 0)
    with pytest.raises(StorageError, match=r"disk under .* is full.*free space") as caught:
        store.publish("d", [rows(2000, 2400)], lineage={}, date=day)
    assert "\n" not in str(caught.value)
    fill(small_disk, 0)
    with pytest.raises(StorageError, match="is full"):
        ShardStore(small_disk / "home").put("solve", digest_of(1), rows(0, 300))
    (small_disk / "filler").unlink()
    assert store.publish("d", [rows(2000, 2400)], lineage={}, date=day).rows == 820
    store.verify("d")
    assert ShardStore(small_disk / "home").get(digest_of(1)) is None


def test_a_file_size_limit_reads_as_a_full_disk(store: Store, rows, day) -> None:
    before = store.publish("d", [rows(0, 20)], lineage={}, date=day)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StorageError, match="is full"):
            store.publish("d", [rows(1000, 3000)], lineage={}, date=day)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert store.versions("d") == [before]
    assert {path.name for path in Path(store.where.url("d")).glob("*.parquet")} == set(before.files)


def test_a_home_that_cannot_be_written(tmp_path: Path, rows) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "home")
    with pytest.raises(StorageError, match=r"cannot write to .*set MATHMILL_HOME"):
        store.publish("d", [rows(0, 1)], lineage={})
    with pytest.raises(StorageError, match=r"cannot write to .*set MATHMILL_HOME"):
        store.append_candidates(rows(0, 1), run="r")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_without_the_right_to_write(tmp_path: Path, rows) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(StorageError, match=r"cannot write to .*set MATHMILL_HOME"):
        Store(tmp_path / "home").publish("d", [rows(0, 1)], lineage={})
