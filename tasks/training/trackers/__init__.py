"""Where the curves of a training are sent besides curves.jsonl. Each is one file, found by its name:

package: str                 # the module that it needs
install: str                 # what `pip install` gets it by
def tracker(job) -> Tracker  # starts to send the curves of a stage

The points are those of tasks.training.curves, so that every method has them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol

from tasks.plugins import module
from tasks.training.config import TRACKERS, TrainError


class Tracker(Protocol):
    """Receives the points of one stage."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of one point."""

    def close(self) -> None:
        """Send what is waiting, and end."""


def require(chosen: Sequence[str]) -> None:
    """Raise TrainError for the first tracker whose package is not installed."""
    for name in chosen:
        one = module(TRACKERS, name)
        if importlib.util.find_spec(one.package) is None:
            raise TrainError(f"report_to: {name} is not installed. Fix: pip install {one.install}")
