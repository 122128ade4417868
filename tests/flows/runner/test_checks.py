"""`verify` checks everything that is stored and reports each damaged object in one line."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from flows.runner.checks import check_everything, forget_missing
from storage.datasets.annotations import mark
from storage.indexes.sketches import History
from storage.ledger import Call, Ledger
from storage.location import Location
from storage.rows import SCHEMA
from storage.stage_cache.shards import ShardStore, digest_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path))
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.put(Call(key="ab" * 32, request=b"{}", raw=b"{}", status=200, model="m", created=1.0)).result()
    mark(Location.of(tmp_path / "tables"), "d", "2026.11.20", "verdict", {"shown": "better"})
    row = {"id": "1", "problem_id": "1", "language": "en", "question": "What is 1 + 1?"}
    History.open(tmp_path / "history" / "d").append(pa.Table.from_pylist([row], schema=SCHEMA), 0)
    return tmp_path


def test_all_is_sound(home: Path) -> None:
    assert check_everything() == {
        "marks": "sound",
        "history d": "sound",
        "ledger": "sound, 1 call",
    }


def test_a_history_that_flipped_and_a_ledger_that_is_gone_are_both_named(home: Path) -> None:
    (home / "ledger.sqlite").unlink()
    (file,) = (home / "history" / "d").rglob("*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    checked = check_everything()
    assert checked["marks"] == "sound"
    assert f"{file.name} was altered" in checked["history d"]
    assert "is missing" in checked["ledger"]
    assert all("Fix: " in state for state in checked.values() if state != "sound")


def test_an_index_that_flipped_is_named(home: Path) -> None:
    name = hashlib.sha256(b"vectors").hexdigest() + ".faiss"
    path = home / "indexes" / "d" / "minilm" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"vectors")
    assert check_everything()["indexes"] == "sound, 1 file"
    path.write_bytes(b"vectorS")
    assert f"{name} was altered" in check_everything()["indexes"]


def test_derived_data_that_is_removed_is_named_with_what_to_do(home: Path) -> None:
    shards = ShardStore(home)
    ref = shards.put("solve", digest_of("solve"), pa.table({"id": ["1"]}))
    assert check_everything()["stage outputs"] == "sound, 1 file"
    (home / "shards" / ref.path).unlink()
    state = check_everything()["stage outputs"]
    assert f"shards/{ref.path} is missing. Nothing is lost: this is derived data" in state
    assert "Fix: " in state
    assert forget_missing(home) == 1
    assert set(check_everything().values()) == {"sound", "sound, 1 call", "sound, 1 file"}
    shutil.rmtree(home / "shards")
    assert "shards/ is missing with 1 file." in check_everything()["stage outputs"]
    assert forget_missing(home) == 1
    assert "stage outputs" not in check_everything()
