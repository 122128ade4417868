"""The database of the page copies each file once, holds exactly the rows of a version, and is used by one process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.filled_store import DATASET, fill, pieces
from storage.datasets.store import Store
from tasks.viewer.conditions import View
from tasks.viewer.index import NAME, IndexInUse, RowIndex, opened
from tasks.viewer.rows import RowPages
from tasks.viewer.search import WordSearch
from tasks.viewer.site import Site


def pages_of(index: RowIndex) -> RowPages:
    return RowPages(index, WordSearch(index, index.folder))


def test_a_scope_has_exactly_the_rows_of_its_version(filled: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(filled)
    for version in site.store.versions(DATASET):
        scope = site.index.kept(version)
        ids = [one for (one,) in site.index.query(f"SELECT id FROM rows WHERE {scope.where} ORDER BY n")]
        assert ids == site.store.read(version, ["id"]).column("id").to_pylist()


def test_values_are_those_of_the_store(filled: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(filled)
    version = site.store.resolve(DATASET)
    page = site.pages.page(site.index.kept(version), View(), 50)
    stored = {row["id"]: row for row in site.store.read(version).to_pylist()}
    for row in page.rows:
        same = stored[row["id"]]
        assert row["question"] == same["question"]
        assert row["scores"] == dict(same["scores"])
        assert row["verdicts"] == dict(same["verdicts"])
        assert row["correctness"] == same["correctness"]


def test_a_file_that_two_versions_share_is_copied_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = fill(store, 50, dropped=0)
    more = next(pieces(1, seed=7))
    store.publish(DATASET, [more], lineage=first.lineage)
    with opened(store, tmp_path / "view") as index:
        for version in store.versions(DATASET):
            index.kept(version)
        assert index.query("SELECT count(*) FROM rows") == [(51,)]
    with opened(store, tmp_path / "view") as index:  # what was copied is there after a restart
        assert index.query("SELECT count(*) FROM rows") == [(51,)]


def test_a_database_of_another_format_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = fill(store, 20, dropped=0)
    with opened(store, tmp_path / "view") as index:
        index.kept(version)
        index.query("UPDATE about SET format = 0")
    with opened(store, tmp_path / "view") as index:
        assert index.query("SELECT count(*) FROM rows") == [(0,)]
        assert pages_of(index).count(index.kept(version), View()) == 20


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with opened(store, tmp_path / "view"):
        program = (
            "import sys; from storage.datasets.store import Store; from tasks.viewer.index import RowIndex\n"
            "from pathlib import Path\nRowIndex(Store(sys.argv[1]), Path(sys.argv[1]) / 'view')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert done.returncode
    assert IndexInUse.__name__ in done.stderr
    assert "Fix:" in done.stderr


def test_a_kill_between_rows_and_their_note_leaves_neither(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = fill(store, 20, dropped=0)
    index = RowIndex(store, tmp_path / "view")

    def broken(name: str):  # type: ignore[no-untyped-def]
        yield from list(store.batches(version, size=5))[:2]
        raise OSError("the disk is gone")

    with pytest.raises(Exception, match="disk is gone"):
        index._copy(DATASET, list(version.files), broken)
    assert index.query("SELECT count(*) FROM rows") == [(0,)]
    assert index.query("SELECT count(*) FROM files") == [(0,)]
    assert pages_of(index).count(index.kept(version), View()) == 20
    index.close()
    assert (tmp_path / "view" / NAME).exists()
