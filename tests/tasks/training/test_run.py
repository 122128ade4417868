"""Whole runs on tiny data: their outputs, their continuation after a kill, and the settings that they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from storage.clock import now
from storage.datasets import retention
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.rows import to_table
from tasks.training.config import Train, TrainError
from tasks.training.curves import points
from tasks.training.run import train

from .conftest import sums


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_a_run_leaves_a_checkpoint_its_lineage_and_curves(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    config = tiny(steps=8, base="student")  # a fresh one
    trained = train(config, store, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == trained.lineage
    AutoModelForCausalLM.from_pretrained(trained.checkpoint)
    assert AutoTokenizer.from_pretrained(trained.checkpoint).chat_template
    version = store.resolve("sums")
    data = trained.lineage["stages"][0]["data"]
    assert data == [{"version": str(version), "digest": version.digest, "rows": 60, "weight": None}]
    assert Train.model_validate(trained.lineage["config"]) == config
    assert len(trained.lineage["code"]["commit"]) in (0, 40)
    assert trained.lineage["environment"]["packages"]["torch"]
    curve = points(tmp_path / "run")
    assert [point["step"] for point in curve] == list(range(1, 9))
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert curve[-1]["tokens_per_s"] > 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")

    assert train(config, store, tmp_path / "run").lineage == trained.lineage  # a finished run is found
    with pytest.raises(TrainError, match="another configuration"):
        train(tiny(steps=9), store, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.json", "config.json"])
def test_a_run_of_an_older_release_is_continued(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], name: str
) -> None:
    """A setting that its record lacks counts as its default; one that exists no more is another configuration."""
    config, record = tiny(steps=1), tmp_path / "run" / name
    trained = train(config, store, tmp_path / "run")

    def interrupt() -> None:
        if name == "config.json":
            (tmp_path / "run" / "run.json").unlink()

    interrupt()
    written = json.loads(record.read_text(encoding="utf-8"))
    assert written["config"].pop("precision") == config.precision
    record.write_text(json.dumps(written), encoding="utf-8")
    again = train(config, store, tmp_path / "run")
    assert again.lineage["stages"] == trained.lineage["stages"]
    record.write_text(json.dumps(written | {"config": written["config"] | {"removed": 1}}), encoding="utf-8")
    interrupt()
    with pytest.raises(TrainError, match="another configuration"):
        train(config, store, tmp_path / "run")


def test_versions_are_leased_while_they_are_read(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    held = []

    def look(_: str) -> None:
        held.append(retention.leases(store.marks("sums"), now()))

    train(tiny(steps=1), store, tmp_path / "run", log=look)
    name = store.resolve("sums").name
    assert all(list(leases) == [name] for leases in held)
    assert retention.leases(store.marks("sums"), now()) == {}


class Killed(Exception):
    pass


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_weights(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    config = tiny(steps=6, save_every=2, packing=False, batch=4, micro_batch=2)

    def kill(text: str) -> None:
        if "step 5" in text:
            raise Killed

    whole = train(config, store, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, store, tmp_path / "killed", log=kill)
    assert not (tmp_path / "killed" / "run.json").exists()
    store.publish("sums", [to_table(sums(5, seed=9))], lineage={})  # the run keeps to what it began with
    seen: list[str] = []
    resumed = train(config, store, tmp_path / "killed", log=seen.append)
    assert not any("step 3" in text for text in seen)  # it went on behind the checkpoint
    assert same(whole.checkpoint, resumed.checkpoint)
    assert resumed.lineage["stages"][0]["data"] == whole.lineage["stages"][0]["data"]


@pytest.mark.slow
def test_same_seed_same_weights_other_seed_others(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    runs = [train(tiny(steps=1, seed=seed), store, tmp_path / str(i)) for i, seed in enumerate((0, 0, 1))]
    assert same(runs[0].checkpoint, runs[1].checkpoint)
    assert not same(runs[0].checkpoint, runs[2].checkpoint)


@pytest.mark.slow
def test_a_second_stage_continues_from_the_first(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    config = tiny(steps=2, then=[{"data": [{"dataset": "sums"}], "steps": 3, "lr": 1e-4}])
    trained = train(config, store, tmp_path / "run")
    assert [stage["metrics"]["steps"] for stage in trained.lineage["stages"]] == [2, 3]
    assert not same(tmp_path / "run" / "stage-1" / "checkpoint", trained.checkpoint)
    rates = [point["learning_rate"] for point in points(tmp_path / "run") if point["stage"] == 2]
    assert max(rates) <= 1e-4


@pytest.mark.slow
def test_lora_trains_adapters_and_leaves_a_plain_checkpoint(
    store: Store, tmp_path: Path, tiny: Callable[..., Train]
) -> None:
    base = train(tiny(steps=1), store, tmp_path / "base").checkpoint
    trained = train(tiny(base=str(base), lora={"rank": 4}), store, tmp_path / "lora")
    assert weights(trained.checkpoint).keys() == weights(base).keys()
    assert not same(base, trained.checkpoint)
    before, after = (
        weights(base)["model.embed_tokens.weight"],
        weights(trained.checkpoint)["model.embed_tokens.weight"],
    )
    assert torch.equal(before, after)  # only linear layers have adapters


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"data": [{"dataset": "nothing"}]}, StorageError, "there is no dataset 'nothing'"),
        ({"base": "/no/such/folder"}, TrainError, "cannot be read"),
        ({"length": 4096, "base": "student of 512"}, TrainError, "--set length=512"),
    ],
)
def test_what_cannot_be_used_is_reported(
    store: Store,
    tmp_path: Path,
    tiny: Callable[..., Train],
    student: Path,
    settings: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    if settings.get("base") == "student of 512":
        settings = settings | {"base": str(student)}
    with pytest.raises(error, match=message):
        train(tiny(**settings), store, tmp_path / "run")


def test_a_pickled_checkpoint_is_not_opened(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], student: Path
) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for path in student.iterdir():
        if path.suffix != ".safetensors":
            (hostile / path.name).write_bytes(path.read_bytes())
    torch.save(weights(student), hostile / "pytorch_model.bin")
    with pytest.raises(TrainError, match="safetensors"):
        train(tiny(base=str(hostile)), store, tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sgd"}, "no method 'sgd'; there are: "),
        ({"epochs": 1, "steps": 1}, "give one of them"),
        ({"data": [{"dataset": "a", "weight": 0.2}, {"dataset": "b"}]}, "every dataset a weight, or none"),
        ({"batch": 10, "micro_batch": 4}, "no multiple"),
        ({"sharding": "fsdp"}, "processes of 2 or more"),
        ({"then": [{"data": [{"dataset": "a"}]}]}, "one of epochs and steps"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tiny: Callable[..., Train], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny(**settings)
