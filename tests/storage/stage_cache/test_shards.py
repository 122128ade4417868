"""Stage outputs are available when complete, absent otherwise, and checked when read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest

from storage.errors import Corrupt, StorageError
from storage.reasons import Code, reason
from storage.rows import SCHEMA, reject
from storage.stage_cache.shards import Ref, ShardStore, digest_of


@pytest.fixture
def shards(tmp_path: Path) -> ShardStore:
    return ShardStore(tmp_path)


def test_an_output_is_found_by_what_it_was_made_from(shards: ShardStore, rows) -> None:
    table = reject(
        rows(0, 5),
        [
            None,
            reason("verify", Code.NO_ANSWER),
            reason("verify", Code.PROGRAM_NOT_RUN, error="sandbox"),
            None,
            None,
        ],
    )
    digest = digest_of("code-1", {"threshold": 0.7, "k": 4}, ["input"])
    assert shards.get(digest) is None
    ref = shards.put("verify", digest, table, {"seconds": 1.5, "cost": {"usd": 0.25}})
    assert (ref.rows, ref.kept, ref.rejected, ref.failed) == (5, 3, 1, 1)
    assert ref.facts == {"seconds": 1.5, "cost": {"usd": 0.25}}
    assert shards.get(digest) == ref == Ref.from_dict(json.loads(json.dumps(ref.to_dict())))
    assert ShardStore(shards.folder.parent).read(ref).equals(table)
    assert shards.read(digest, ["id", "rejected"]).equals(table.select(["id", "rejected"]))
    shards.drop(digest)
    assert shards.get(digest) is None
    assert not list(shards.folder.rglob("*.*"))


def test_digests_of_parts() -> None:
    assert digest_of("a", {"x": 1, "y": [2, None]}) == digest_of("a", {"y": [2, None], "x": 1})
    different = [
        digest_of(*parts) for parts in (("a", "b"), ("ab",), ("b", "a"), (["a", "b"],), (1,), (1.5,), ("1",))
    ]
    assert len(set(different)) == len(different)
    with pytest.raises(ValueError, match="JSON"):
        digest_of(math.nan)
    with pytest.raises(TypeError):
        digest_of(object())


def test_a_balance_that_does_not_add_up_is_refused(shards: ShardStore, rows) -> None:
    with pytest.raises(StorageError, match="stage mix: 5 rows out"):
        shards.put("mix", digest_of(1), rows(0, 5), {"kept": 3, "rejected": 1, "failed": 0})
    assert shards.put("mix", digest_of(1), rows(0, 5), {"kept": 3, "rejected": 2, "failed": 0}).rejected == 2


def test_any_table_can_be_kept_by_its_content(shards: ShardStore, rows) -> None:
    plan = pa.table(
        {"subdomain": ["limits", "vectors"], "quota": [3, 4], "level": pa.array([1, None], pa.int8())}
    )
    ref = shards.put_content("plan", plan)
    assert shards.put_content("plan", pa.concat_tables([plan.slice(0, 1), plan.slice(1)])) == ref
    assert shards.read(ref).equals(plan)
    others = {
        shards.put_content("plan", t).digest
        for t in (plan.slice(1), plan.take([1, 0]), plan.select(["quota"]))
    }
    assert len(others | {ref.digest, shards.put_content("seeds", plan).digest}) == 5
    assert shards.put_content("seeds", SCHEMA.empty_table()).rows == 0


def test_without_its_record_an_output_is_not_there(shards: ShardStore, rows, monkeypatch) -> None:
    """The record is written last: killed before it, the stage runs again and writes over what is left."""
    import storage.stage_cache.shards as module

    replace = module.write_bytes

    def killed_before_the_record(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        replace(path, data)

    digest = digest_of(1)
    monkeypatch.setattr(module, "write_bytes", killed_before_the_record)
    with pytest.raises(KeyboardInterrupt):
        shards.put("solve", digest, rows(0, 9))
    assert shards.get(digest) is None
    with pytest.raises(StorageError, match="run the stage again"):
        shards.read(digest)
    monkeypatch.undo()
    ref = shards.put("solve", digest, rows(0, 3))
    assert shards.read(ref).num_rows == 3


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "record"])
def test_damage_is_named(shards: ShardStore, rows, damage: str) -> None:
    ref = shards.put("solve", digest_of(1), rows(0, 50))
    path = shards.folder / ref.path
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "gone":
        path.unlink()
    else:
        path = path.with_suffix(".json")
        path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(Corrupt, match=path.name):
        shards.read(ref)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_digests_are_addresses(shards: ShardStore, digest: str) -> None:
    with pytest.raises(StorageError, match="no digest"):
        shards.get(digest)
