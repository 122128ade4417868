"""Curves in TensorBoard, MLflow, trackio and Weights & Biases: the points of curves.jsonl, read back by each one's own reader."""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.train import name_of
from storage.datasets.store import Store
from tasks.plugins import module, names
from tasks.training.config import TRACKERS, Train, TrainError
from tasks.training.curves import points
from tasks.training.run import check, train


def installed(name: str) -> None:
    if importlib.util.find_spec(module(TRACKERS, name).package) is None:
        pytest.skip(f"{name} is not installed (pip install {module(TRACKERS, name).install})")


def losses(run: Path) -> dict[int, float]:
    return {point["step"]: point["loss"] for point in points(run)}


def in_tensorboard(run: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard" / "stage-1"))
    events.Reload()
    return {one.step: one.value for one in events.Scalars("loss")}


def in_mlflow(run: Path) -> dict[int, float]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mathmill")
    (one,) = client.search_runs([experiment.experiment_id])
    assert one.info.status == "FINISHED"
    assert one.data.params["data_0"].startswith("sums@")
    return {point.step: point.value for point in client.get_metric_history(one.info.run_id, "loss")}


def in_wandb(run: Path) -> dict[int, float]:
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    values_by_step: dict[int, float] = {}
    for data in records_of(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        values = {one.key or ".".join(one.nested_key): one.value_json for one in record.history.item}
        if "loss" in values:
            values_by_step[record.history.step.num] = float(values["loss"])
    return values_by_step


def records_of(data: bytes) -> Iterator[bytes]:
    """Yield the records of a run's file, which has the format of LevelDB's log behind seven bytes; W&B has no reader of it in Python."""
    whole, place = b"", 7
    while place + 7 <= len(data):
        if 32_768 - place % 32_768 < 7:  # the rest of a block is empty
            place += 32_768 - place % 32_768
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        whole += data[place + 7 : place + 7 + length]
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""
        place += 7 + length


def in_trackio(run: Path) -> dict[int, float]:
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("mathmill")
    return {point["step"]: point["loss"] for point in SQLiteStorage.get_logs("mathmill", name)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("tensorboard", in_tensorboard),
        ("mlflow", in_mlflow),
        ("wandb", in_wandb),
        ("trackio", in_trackio),
    ],
)
def test_the_curves_are_in_the_tracker(
    name: str,
    read: Any,
    store: Store,
    tmp_path: Path,
    tiny: Callable[..., Train],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    lines: list[str] = []
    train(tiny(steps=4, report_to=name), store, run, log=lines.append)
    assert not [line for line in lines if "failed" in line]
    kept = losses(run)
    assert sorted(kept) == [1, 2, 3, 4]
    assert read(run) == pytest.approx(kept, rel=1e-6)
    assert not {"mlruns", "mlflow.db", "runs"} & {
        path.name for path in tmp_path.iterdir()
    }  # nothing in the current folder
    # a run that is read again with another tracker is the same run
    assert (
        train(tiny(steps=4), store, run).lineage["stages"]
        == json.loads((run / "run.json").read_text())["stages"]
    )


def test_a_tracker_that_fails_ends_no_training(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    lines: list[str] = []
    train(tiny(steps=2, report_to=["mlflow"]), store, tmp_path / "run", log=lines.append)
    (failed,) = [line for line in lines if line.startswith("report_to mlflow failed, the curves are in")]
    assert "\n" not in failed
    assert len(points(tmp_path / "run")) == 2


def test_a_tracker_that_is_not_installed_is_one_line(
    store: Store, tiny: Callable[..., Train], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    for name in names(TRACKERS):
        package = module(TRACKERS, name).package
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda asked, package=package: None if asked == package else real(asked),
        )
        with pytest.raises(TrainError, match=rf"report_to: {name} is not installed. Fix: pip install \S+$"):
            check(tiny(report_to=name), store)
    check(tiny(), store)


def test_an_unknown_tracker_is_refused_with_the_nearest(tiny: Callable[..., Train]) -> None:
    with pytest.raises(ValidationError, match="unknown tracker 'tensorbord', the nearest is 'tensorboard'"):
        tiny(report_to="tensorbord")
    assert tiny(report_to="tensorboard, mlflow").report_to == ("tensorboard", "mlflow")


def test_the_name_of_a_run_is_that_of_its_weights(tiny: Callable[..., Train]) -> None:
    one = tiny(steps=4)
    assert name_of(one, {}) == name_of(tiny(steps=4, report_to="tensorboard"), {})
    assert name_of(one, {}) not in {
        name_of(other, {}) for other in (tiny(steps=5), tiny(steps=4, reweigh={}))
    }
    # as it was before there were these two settings
    assert one.deciding() == one.model_dump(mode="json", exclude={"report_to", "reweigh"})
