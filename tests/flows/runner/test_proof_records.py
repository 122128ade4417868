"""Which records the proof has, in which order, and that an experiment waits for those whose versions it uses."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.runner import proof_records
from flows.runner.proof_arms import EXPERIMENTS, EXPLORED, NEEDS
from flows.runner.proof_explored import DEFAULTS, LEFT_OUT, PLACED, TUNED
from flows.runner.proof_records import AGAIN, files_of
from tasks.proof.claims import ON_SAMPLES, WITHOUT
from tasks.proof.sizes import WHOLE
from tasks.training.config import Train

SIZES = replace(WHOLE, seeds=(1, 2, 3), explored=2)


def test_experiments_come_seed_by_seed_and_the_exploratory_ones_last(tmp_path: Path) -> None:
    names = list(files_of(tmp_path, SIZES, [], explore=True))
    claims = [one for one in EXPERIMENTS if one != EXPLORED]
    assert names[: len(claims)] == [f"{one} 1" for one in claims]
    assert names[-2:] == [f"{EXPLORED} 1", f"{EXPLORED} 2"]
    assert len(names) == 3 * len(claims) + 2
    assert list(files_of(tmp_path, SIZES, [])) == names[:-2]
    assert list(files_of(tmp_path, SIZES, [EXPLORED])) == names[-2:]
    again = files_of(tmp_path, SIZES, [], explore=True, shift=AGAIN)
    assert {seed for _, _, seed in again.values()} == {11, 12, 13}
    assert not any(name.startswith(EXPLORED) for name in again)
    assert set(files_of(tmp_path, SIZES, ["factory"])) == {"factory 1", "factory 2", "factory 3"}


def test_an_exploratory_arm_waits_for_the_versions_of_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may still be at what it needs; the next start makes it."""

    class NoLab:
        def __init__(self) -> None:
            self.versions: dict[str, Any] = {}

        def models(self) -> Any:
            return contextlib.nullcontext()

    monkeypatch.setattr(proof_records, "base_of", lambda lab, name: tmp_path / f"{name}.json")
    (tmp_path / "base.json").write_text("{}")
    file = tmp_path / "explored-1.json"
    files = {"explored 1": (file, lambda lab, seed: ({}, {}), 1)}
    proof_records.work(NoLab(), files, lambda line: None)  # type: ignore[arg-type]
    assert not file.exists()
    for one in NEEDS[EXPLORED]:
        (tmp_path / f"{one}-1.json").write_text("{}")
    proof_records.work(NoLab(), files, lambda line: None)  # type: ignore[arg-type]
    assert file.exists()


def test_the_settings_of_exploratory_arms_are_those_of_the_flows() -> None:
    from flows.config.rebuild import Rebuild

    assert set(LEFT_OUT) == set(WITHOUT.values())
    whole = Rebuild.model_validate({"dataset": "one", **DEFAULTS})
    for other in LEFT_OUT.values():
        assert Rebuild.model_validate({"dataset": "one", **DEFAULTS, **other}) != whole
    assert Rebuild.model_validate({"dataset": "one", **DEFAULTS, **PLACED}).mix.curriculum
    for method, _ in ON_SAMPLES.values():
        config = {**WHOLE.training, **TUNED[method], "method": method, "steps": WHOLE.tuned}
        assert Train.model_validate(config).method == method
