"""The lines of a funnel: what each stage kept, did not take and rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SERVING: Final = ("calibrate", "probe")  # stages whose rows serve the run and are published by none
USED: Final = "used"  # stands for the kept rows of a line whose rows only served the run
CANDIDATES: Final = "candidates"  # key of a lineage, and the stage of the line that it has


def lines_of(lineage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the recorded lines of a funnel, then that of all candidates together where a rebuild has recorded it."""
    return [*lineage.get("funnel", ()), *([lineage[CANDIDATES]] if lineage.get(CANDIDATES) else [])]


def cells(line: Mapping[str, Any]) -> dict[str, int | str]:
    """Return the columns of a recorded line: in = kept + not taken + rejected + failed, except that rows which only served the run
    are neither kept nor left over."""
    aside = not_taken(line)
    only_served = line["stage"] in SERVING and line["asked"] == aside
    taken: dict[str, int | str] = {"kept": line["kept"], "not taken": aside}
    if only_served and aside:
        taken = {"kept": USED, "not taken": ""}
    return {"in": line["asked"], **taken, "rejected": line["rejected"] - aside, "failed": line["failed"]}


def not_taken(line: Mapping[str, Any]) -> int:
    """Return how many of the `rejected` rows of a recorded line are not bad: they only calibrated the votes, were solved to probe the
    student, or had no place beside others (storage.reasons.NOT_TAKEN). Versions from before this was recorded say it of SERVING alone."""
    if "not_taken" in line:
        return int(line["not_taken"])
    return int(line["rejected"]) if line["stage"] in SERVING else 0
