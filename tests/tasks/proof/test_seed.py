"""A start of the proof trains the base in a process of its own and runs no seed again that has a record."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import orjson
import pytest

from tasks.proof.seed import SeedResults, prove
from tasks.proof.sizes import QUICK
from tasks.training.student import Shape

TINY = dataclasses.replace(
    QUICK, seeds=1, corpus=20, shape=Shape(16, 32, 1, 2, 256, 400), base=QUICK.base | {"steps": 2, "batch": 2}
)


# test_lab.py, test_rows.py and test_claims.py have the parts, in this process
@pytest.mark.soak
def test_the_base_is_trained_once_and_a_seed_with_a_record_is_kept(tmp_path: Path) -> None:
    record = SeedResults(0, {"CoT": [1, 0]}, {"RFT rows": 3.0}, {"formats": 1.5}, {"CoT": {"rows@1": "abc"}})
    (tmp_path / "seed-0.json").write_bytes(orjson.dumps(dataclasses.asdict(record)))
    ended: list[str] = []
    facts, records = prove(tmp_path, TINY, processes=1, tick=ended.append)
    assert records == [record]
    assert ended == ["base", "seed 0"]
    assert facts.parameters > 0
    assert facts.loss > 0
    checkpoint = tmp_path / "base" / "run" / "checkpoint" / "model.safetensors"
    written = checkpoint.stat().st_mtime_ns
    assert prove(tmp_path, TINY, processes=1) == (facts, records)
    assert checkpoint.stat().st_mtime_ns == written
