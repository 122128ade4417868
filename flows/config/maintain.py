"""The configuration of the flow maintain."""

from __future__ import annotations

from pydantic import Field

from storage.datasets.retention import Rules
from tasks.settings import Section


class Maintain(Section):
    """What is kept. Tagged and leased versions and the two newest are kept in any case."""

    keep_last: int = Field(30, ge=2, description="how many of the newest versions of a dataset are kept")
    keep_days: int = Field(30, ge=0, description="versions younger than this many days are kept")
    keep_months: int = Field(12, ge=0, description="for this many months the last version of each is kept")
    grace_hours: float = Field(
        24.0,
        ge=0,
        description="hours between retiring a version and deleting its files; least age of an orphan that is deleted",
    )
    shard_days: int = Field(
        14, ge=0, description="stage outputs that were not used for this many days are deleted"
    )
    small_files: int = Field(16, ge=2, description="small files of a table are joined if there are this many")
    vacuum: bool = Field(True, description="free the unused space of the ledger's database")
    apply: bool = Field(False, description="apply the changes; without it, only print what would be done")

    def rules(self) -> Rules:
        """Return the retention rules."""
        return Rules(self.keep_last, self.keep_days, self.keep_months, self.grace_hours)
