"""Several processes on one machine: the same weights as one process makes of the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from storage.datasets import Store
from tasks.train.config import Train, TrainError
from tasks.train.run import train

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("packing", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_two_processes_learn_what_one_learns(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], packing: bool
) -> None:
    settings = {"steps": 3, "batch": 8, "packing": packing}
    one = train(tiny(**settings, micro_batch=8), store, tmp_path / "one")
    two = train(tiny(**settings, micro_batch=2, processes=2), store, tmp_path / "two")
    alone, together = (load_file(made.checkpoint / "model.safetensors") for made in (one, two))
    for name in alone:
        torch.testing.assert_close(alone[name], together[name], atol=1e-5, rtol=1e-3)
    assert two.metrics["tokens"] == one.metrics["tokens"]


@pytest.mark.slow
def test_what_a_process_refuses_is_told(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    with pytest.raises(TrainError, match="no pairs of a right and a wrong solution"):
        train(tiny(method="dpo", processes=2), store, tmp_path / "run")
