"""Several processes on one machine give the same weights as one process on the same rows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from storage.datasets.store import Store
from tasks.training.config import Train, TrainError
from tasks.training.run import train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("packing", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_two_processes_learn_what_one_learns_and_nobody_else_reaches_them(
    store: Store, tmp_path: Path, tiny: Callable[..., Train], packing: bool
) -> None:
    """The processes listen on loopback only. The store of torchrun listens on every interface and unpickles its contents."""
    settings = {"steps": 3, "batch": 8, "packing": packing}
    one = train(tiny(**settings, micro_batch=8), store, tmp_path / "one")
    with listening_children() as addresses:
        two = train(tiny(**settings, micro_batch=2, processes=2), store, tmp_path / "two")
    alone, together = (load_file(trained.checkpoint / "model.safetensors") for trained in (one, two))
    for name in alone:
        torch.testing.assert_close(alone[name], together[name], atol=1e-5, rtol=1e-3)
    assert two.metrics["tokens"] == one.metrics["tokens"]
    assert addresses == {"127.0.0.1"}


@contextlib.contextmanager
def listening_children() -> Iterator[set[str]]:
    """Yield the set of addresses that children of this process listen on, which grows while the block runs."""
    addresses: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                try:
                    connections = process.net_connections()
                except psutil.Error:  # it has just ended
                    continue
                addresses.update(one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield addresses
    finally:
        over.set()
        watching.join()


@pytest.mark.soak  # the imports of two more processes, for a refusal that test_methods.py checks without them
def test_the_error_of_a_process_is_reported(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> None:
    with pytest.raises(TrainError, match="no pairs of a right and a wrong solution"):
        train(tiny(method="dpo", processes=2), store, tmp_path / "run")
