"""What a version must be like to be published or promoted."""

from __future__ import annotations

from pydantic import Field

from tasks.settings import Section, Share


class GateSettings(Section, title="Gates"):
    """What the rows must be like; what is left empty is not asked for."""

    min_rows: int = Field(1, ge=0, description="new rows that a version must have to be published")
    share_at_limit: Share = Field(
        1.0, description="share of the target that must be accepted to publish when a limit ends the night"
    )
    min_recall: dict[str, Share] = Field(
        {"verbatim": 0.99, "re-wrapped": 0.99},
        description="least share of the leaks planted so that decontamination must find",
    )
    correctness: Share | None = Field(None, description="least mean probability of being right")
    critic: Share | None = Field(None, description="least mean of the critic's score of the solution")
    duplicates: Share | None = Field(None, description="largest share of rows that repeat another one")
    licenses: list[str] = Field([], description="licences that rows may have; empty: any")
    clean: bool = Field(False, description="every row was looked at for benchmark items")
    drift: float | None = Field(
        0.01,
        gt=0,
        lt=1,
        description="chance of a false alarm per night of the comparison with earlier nights (acceptance, agreement, critic, "
        "length of solutions); a shift publishes nothing. null: not compared",
    )
    verdict: bool = Field(False, description="at promotion: a student trained on it did better")
