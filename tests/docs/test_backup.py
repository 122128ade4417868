"""docs/backup.sh copies a whole home, in an order that gives a sound copy while the home is written."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.ledger import Call, Ledger
from storage.rows import Row, to_table

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime.date(2026, 11, 28)
pytestmark = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed")


def publish(home: Path, number: int) -> None:
    rows = to_table([Row(f"What is {number} + {i}?", "en", solution=f"{number + i}") for i in range(20)])
    store = Store(home)
    store.append_candidates(rows, run=f"night-{number}")
    store.mark(store.publish("math-sft", [rows], lineage={}, date=DAY), "note", {"number": number})


def call(number: int) -> Call:
    return Call(f"{number:064x}", b"{}", b'{"answer": 1}', 200, "m", created=float(number))


def backup(home: Path, to: Path) -> None:
    subprocess.run(
        ["sh", ROOT / "docs" / "backup.sh", home, to], check=True, capture_output=True, timeout=120
    )


def damage(home: Path) -> dict[str, list[str]]:
    """What is wrong with the tables of a home, by table; versions are read whole."""
    store = Store(home)
    for version in store.versions("math-sft"):
        store.verify(version)
    return {table: lines for table, lines in check_tables(store.where).items() if lines}


@pytest.mark.slow
def test_the_copy_is_sound_and_complete(tmp_path: Path) -> None:
    home, to = tmp_path / "home", tmp_path / "backup"
    for number in range(3):
        publish(home, number)
    (home / "reports").mkdir()
    (home / "reports" / "a.html").write_text("a report")
    with Ledger.open(home / "ledger.sqlite") as ledger:
        for number in range(5):
            ledger.put(call(number)).result()
        backup(home, to)  # while the ledger is open
    assert damage(to) == {}
    assert Store(to).versions("math-sft") == Store(home).versions("math-sft")
    assert Store(to).marks("math-sft") == Store(home).marks("math-sft")
    assert (to / "reports" / "a.html").read_text() == "a report"
    with Ledger.open(to / "ledger.sqlite") as ledger:
        assert ledger.verify() == (5, [])
    assert os.stat(to).st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_copy_that_is_made_while_versions_are_published_is_sound(tmp_path: Path) -> None:
    home, published = tmp_path / "home", threading.Event()
    publish(home, 0)

    def publish_more() -> None:
        try:
            for number in range(1, 8):
                publish(home, number)
        finally:
            published.set()

    publisher = threading.Thread(target=publish_more)
    publisher.start()
    copies = 0
    try:
        while not published.is_set() or copies < 2:
            backup(home, tmp_path / f"backup-{copies}")
            copies += 1
    finally:
        publisher.join()
    assert len(Store(home).versions("math-sft")) == 8
    for number in range(copies):
        copy = tmp_path / f"backup-{number}"
        assert damage(copy) == {}
        assert Store(copy).versions("math-sft")
