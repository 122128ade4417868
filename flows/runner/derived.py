"""What a version of the training loop holds, as its lineage records it: samples, pairs, labelled steps and prompts of `rft`, and the arms of
`weakness`. Such a version is made from the questions of another one, or for the failures of one student, so it is no source of problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from storage.datasets.versions import Version
from tasks.stages import allocate, label_steps, pair, prompt_band

HOLDS: Final = "holds"  # key of the lineage of a version of `rft`: one of SETS
SETS: Final = {
    "rft": "solutions that were sampled for the questions of another version",
    "dpo": "preference pairs",
    "steps": "labelled steps",
    "prompts": "prompts for reinforcement learning",
}
ARM: Final = "arm"
OF_ARM: Final = "rows for the failures of a student"
NO_PROBLEMS: Final = (
    "dpo",
    "steps",
    "prompts",
)  # in whose place the version that they were made from is named
# the stage that chose the rows, by which versions without HOLDS are known
_CHOSEN_BY: Final = {
    allocate.STAGE: "rft",
    pair.STAGE: "dpo",
    label_steps.STAGE: "steps",
    prompt_band.STAGE: "prompts",
}


def holds(version: Version) -> str | None:
    """Return one of SETS for a version of `rft`, ARM for one of `weakness`, None for any other. What corrected, migrated or restored a version
    has left its lineage in place."""
    lineage: Mapping[str, Any] = version.lineage
    if HOLDS in lineage:
        return str(lineage[HOLDS])
    if lineage.get("flow") == "weakness" or "weakness" in lineage or lineage.get("parameters", {}).get(ARM):
        return ARM
    # a night has no paths, and a run of `rft` always has
    if "paths" in lineage and "rounds" in lineage:
        stages = [line["stage"] for line in lineage["funnel"]]
        return next((name for stage, name in _CHOSEN_BY.items() if stage in stages), None)
    return None


def holds_in_words(what: str) -> str:
    """Return for people what `holds` says."""
    return OF_ARM if what == ARM else SETS[what]
