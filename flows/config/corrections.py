"""The configuration of the flow corrections."""

from __future__ import annotations

from pydantic import Field

from flows.config.sections import GateSettings
from tasks.settings import Folded, Section


class Corrections(Section):
    """What reviewers said of the rows of a dataset becomes a version: rows that they call wrong go, rows that they edited change."""

    dataset: str = Field(
        "math-sft", pattern=r"^[a-z0-9][a-z0-9._-]*$", description="dataset whose newest version is corrected"
    )
    edits: bool = Field(True, description="take the texts that reviewers gave; false: only remove wrong rows")
    gates: Folded[GateSettings] = Field(
        GateSettings(min_rows=0), description="what the rows must be like to be published"
    )
