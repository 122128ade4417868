"""Files of a home that belong to no table are sealed, and no kill raises a false alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage import sealed_files as home_files
from storage.sealed_files import COPIES, HomeFiles
from tasks.seeding import rng_of


class Killed(BaseException):
    """As kill -9 between two system calls."""


def acts(home: Path) -> list[Callable[[], None]]:
    files = HomeFiles(home)
    one, two = home / "reports" / "one.html", home / "runs" / "two.json"
    return [
        lambda: files.write(one, b"first"),
        lambda: files.write(two, b"note"),
        lambda: files.write(one, b"second"),
        lambda: files.remove(two),
        lambda: files.write(two, b"note again"),
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for act in acts(tmp_path):
        act()
    return tmp_path


def test_all_is_sound(home: Path) -> None:
    assert HomeFiles(home).check() == (2, [])
    assert (home / "reports" / "one.html").read_bytes() == b"second"


@pytest.mark.slow
def test_a_kill_at_any_write_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, kills = home_files.write_bytes, 0
    for after in (False, True):
        for moment in range(100):
            home = tmp_path / f"{moment}-{after}"
            home.mkdir()
            count = iter(range(100))

            def dying(path: Path, data: bytes, count=count, last: int = moment, late: bool = after) -> None:
                now = next(count)
                if now != last or late:
                    replace(path, data)
                if now == last:
                    raise Killed

            monkeypatch.setattr(home_files, "write_bytes", dying)
            killed = False
            for act in acts(home):
                try:
                    act()
                except Killed:
                    killed = True
                    break
            assert HomeFiles(home).check()[1] == []
            monkeypatch.setattr(home_files, "write_bytes", replace)
            for act in acts(home):  # the next run continues
                act()
            assert HomeFiles(home).check() == (2, [])
            if not killed:
                break
            kills += 1
    assert kills > 30


def test_what_is_removed_or_flipped_is_named(home: Path) -> None:
    rng = rng_of("home files")
    for name in ("reports/one.html", "runs/two.json", *COPIES):
        path = home / name
        data = path.read_bytes()
        path.unlink()
        assert HomeFiles(home).check()[1] == [f"{name} is missing"]
        for _ in range(50):
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            assert HomeFiles(home).check()[1] == [f"{name} was altered"]
        path.write_bytes(data)
    assert HomeFiles(home).check() == (2, [])


def test_damage_is_not_sealed_over(home: Path) -> None:
    (home / "reports" / "one.html").write_bytes(b"forged")
    HomeFiles(home).write(home / "reports" / "three.html", b"new")
    assert HomeFiles(home).check() == (3, ["reports/one.html was altered"])
    (home / COPIES[0]).unlink()
    HomeFiles(home).write(home / "reports" / "one.html", b"written again")
    assert HomeFiles(home).check() == (3, [])


def test_a_file_from_before_there_were_seals_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "old.html").write_bytes(b"old")
    assert HomeFiles(tmp_path).check() == (0, [])
    HomeFiles(tmp_path).write(tmp_path / "reports" / "new.html", b"new")
    HomeFiles(tmp_path).remove(tmp_path / "reports" / "never.html")
    assert HomeFiles(tmp_path).check() == (1, [])
