"""The lines of a funnel: what each stage kept, did not take and rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SERVING: Final = ("calibrate", "probe")  # stages whose rows serve the run and are published by none


def not_taken(line: Mapping[str, Any]) -> int:
    """Return how many of the `rejected` rows of a recorded line are not bad: they only calibrated the votes, were solved to probe the
    student, or had no place beside others (storage.reasons.NOT_TAKEN). Versions from before this was recorded say it of SERVING alone."""
    if "not_taken" in line:
        return int(line["not_taken"])
    return int(line["rejected"]) if line["stage"] in SERVING else 0
