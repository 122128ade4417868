"""Files that were removed from the tables, and bits that flipped in them, are detected and named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.datasets import annotations as marking
from storage.datasets import candidates, seals, tags
from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.errors import Corrupt, ForPeople
from storage.location import Location
from tasks.seeding import rng_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, rows, day) -> Path:
    """Two datasets, candidates of two runs, marks and tags."""
    store = Store(tmp_path_factory.mktemp("whole") / "home")
    for number in range(3):
        store.publish("d", [rows(20 * number, 20 * number + 20)], lineage={}, date=day)
        store.append_candidates(
            rows(20 * number, 20 * number + 20), run=f"r{number}", version=None, stage="s"
        )
    store.publish("other", [rows(0, 20)], lineage={}, date=day)
    store.promote("d", "candidate")
    assert damage(store) == []
    return Path(store.where.root)


@pytest.fixture
def home(store: Store, whole: Path) -> Path:
    """A copy of these tables, which a test may damage."""
    shutil.copytree(whole, store.where.root)
    return Path(store.where.root)


def damage(store: Store) -> list[str]:
    """Every line that a full check gives."""
    lines = [line for findings in check_tables(store.where).values() for line in findings]
    for dataset in store.datasets():
        try:
            for version in store.versions(dataset):
                store.verify(version)
        except Corrupt as error:
            lines += error.findings
        except ForPeople as error:
            lines.append(str(error))
    return lines


def newest_entry(home: Path, table: str) -> Path:
    return sorted((home / table / "_delta_log").glob("*.json"))[-1]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["d", "other", candidates.TABLE, marking.TABLE, tags.TABLE])
def test_a_removed_table_is_named(store: Store, home: Path, table: str) -> None:
    shutil.rmtree(home / table)
    assert any(f"/{table} is missing" in line for line in damage(store))


@pytest.mark.parametrize("table", ["d", candidates.TABLE, marking.TABLE, tags.TABLE])
def test_a_removed_newest_entry_of_a_log_is_named(store: Store, home: Path, table: str) -> None:
    entry = newest_entry(home, table)
    entry.unlink()
    assert f"{table}/_delta_log/{entry.name} is missing" in damage(store)


def test_a_removed_version_is_named_with_its_tag_removed_too(store: Store, home: Path) -> None:
    removed = [newest_entry(home, "other"), newest_entry(home, tags.TABLE)]
    for entry in removed:
        entry.unlink()
    lines = damage(store)
    for entry in removed:
        assert any(entry.name in line for line in lines)


@pytest.mark.parametrize("copy", ["_seals/d.json", "d/_seal.json", "_seals"])
def test_a_removed_seal_is_named(store: Store, home: Path, copy: str) -> None:
    path = home / copy
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert any(
        f"{copy}{'/d.json' if copy == seals.FOLDER else ''} is missing" in line for line in damage(store)
    )


def test_a_kill_between_the_first_two_copies_is_no_damage(store: Store, rows, day, monkeypatch) -> None:
    write, copies = Location.write, iter(range(100))

    def dying(where: Location, data: bytes, *parts: str) -> None:
        if parts[-1] in (seals.OWN, f"{candidates.TABLE}.json") and next(copies) == 1:
            raise KeyboardInterrupt
        write(where, data, *parts)

    monkeypatch.setattr(Location, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        store.append_candidates(rows(0, 20), run="r", version=None, stage="s")
    monkeypatch.undo()
    assert damage(store) == []
    store.append_candidates(rows(20, 40), run="r", version=None, stage="t")
    (Path(store.where.root) / candidates.TABLE / seals.OWN).unlink()
    assert any(f"{seals.OWN} is missing" in line for line in damage(store))


def test_a_seal_that_is_behind_is_no_damage_and_is_brought_up(
    store: Store, home: Path, rows, day, monkeypatch
) -> None:
    before = (home / "_seals" / "d.json").read_bytes()
    monkeypatch.setattr(seals, "seal", refused)
    store.publish("d", [rows(100, 120)], lineage={}, date=day)
    monkeypatch.undo()
    assert (home / "_seals" / "d.json").read_bytes() == before
    assert damage(store) == []
    assert seals.seal(store.where, "d") == 1
    assert seals.seal(store.where, "d") == 0


def refused(*_: object, **__: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_home_without_seals_is_sound_and_is_sealed_by_its_next_version(
    store: Store, home: Path, rows, day
) -> None:
    shutil.rmtree(home / "_seals")
    for path in home.glob("*/_seal.json"):
        path.unlink()
    assert damage(store) == []
    store.publish("d", [rows(100, 120)], lineage={}, date=day)
    newest_entry(home, "d").unlink()
    assert damage(store)


def test_damage_is_never_sealed_over(store: Store, home: Path, rows) -> None:
    entry = newest_entry(home, candidates.TABLE)
    data = entry.read_bytes()
    entry.write_bytes(data.replace(b"r2", b"r9"))
    store.append_candidates(rows(200, 210), run="r3", version=None, stage="s")
    assert f"{candidates.TABLE}/_delta_log/{entry.name} was altered" in damage(store)


def everywhere(store: Store, home: Path, flips: int, removals: int) -> dict[str, tuple[int, int]]:
    """Flip a bit of, or remove, a file at random; kind of file to (tried, missed)."""
    rng = rng_of("damage everywhere", flips)
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    kinds: dict[str, tuple[int, int]] = {}
    for index in range(flips + removals):
        path = files[rng.randrange(len(files))]
        data = path.read_bytes()
        if index < flips:
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
        else:
            path.unlink()
        lines = damage(store)
        named = any(path.name in line for line in lines)
        assert all("\n" not in line for line in lines)
        path.write_bytes(data)
        kind = f"{path.relative_to(home).parts[0]}: {path.suffix}"
        tried, missed = kinds.get(kind, (0, 0))
        kinds[kind] = (tried + 1, missed + (not named))
    assert damage(store) == []
    return kinds


@pytest.mark.slow
def test_twenty_flips_and_ten_removals_are_found_and_named(store: Store, home: Path) -> None:
    assert sum(missed for _, missed in everywhere(store, home, 20, 10).values()) == 0


@pytest.mark.soak
def test_four_hundred_flips_and_forty_removals_are_found_and_named(store: Store, home: Path, capsys) -> None:
    kinds = everywhere(store, home, 400, 40)
    with capsys.disabled():
        print(kinds)
    assert sum(missed for _, missed in kinds.values()) == 0
