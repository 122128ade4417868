"""Sections of the configuration that several flows share: limits of a run, gates of a version, and what is read once and published."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from tasks.dedup.settings import SimilaritySettings
from tasks.points_in_time import moment
from tasks.settings import Folded, Section, Share
from tasks.stages.decontaminate import DecontaminateSettings


class BudgetSettings(Section, title="Budget"):
    """At a limit no further call is sent, and the calls in flight are completed. The same run, started again, continues there."""

    usd: float | None = Field(None, gt=0, description="most that the run may spend, in USD")
    tokens: int | None = Field(
        None, gt=0, description="most tokens that the run may pay for, prompt and completion together"
    )
    deadline: str | None = Field(
        None, description="when to stop sending calls: 06:30, 90m, 1h30m, 2026-11-22T06:00"
    )

    @field_validator("deadline")
    @classmethod
    def _time(cls, text: str | None) -> str | None:
        if text is not None:
            moment(text, datetime.now().astimezone())
        return text


class MaterialSettings(Section, title="Material"):
    """Published rows that the methods of generation work on."""

    versions: list[str] = Field(
        [],
        description="versions such as books@2026.11.20, or datasets for their newest; methods on documents take their passages, "
        "others show their questions as examples",
    )
    most: int = Field(10_000, ge=1, description="rows of each version at most, chosen by a hash of their ids")


class GateSettings(Section, title="Gates"):
    """The conditions that the rows of a version must meet. An empty setting is no condition."""

    min_rows: int = Field(1, ge=0, description="new rows that a version must have to be published")
    share_at_limit: Share = Field(
        1.0, description="share of the target that must be accepted to publish when a limit ends the night"
    )
    min_recall: dict[str, Share] = Field(
        {"verbatim": 0.99, "re-wrapped": 0.99},
        description="least share of the leaks planted so that decontamination must find",
    )
    verifier_misses: Share | None = Field(
        0.05,
        description="largest share of planted equivalent answers that the verifier may judge wrong; null: any",
    )
    verifier_accepts: Share | None = Field(
        0.01,
        description="largest share of planted wrong answers that the verifier may judge right; null: any",
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
        description="chance of a false alarm in 1,000 nights of the comparison with earlier nights (canaries, acceptance, "
        "agreement, critic, lengths of replies); a shift publishes nothing. null: not compared",
    )
    verdict: bool = Field(False, description="at promotion: a student trained on it did better")
    review: Share | None = Field(
        None,
        description="at promotion: people judged every row of its queue, and at most this share of the version is wrong (upper end at 95 %)",
    )


def _what_is_read_first(schema: dict[str, Any], kind: type[Any]) -> None:
    """Order the form of a flow: what it reads, the dataset, its other settings, then those that it shares with other flows."""
    properties = schema["properties"]
    shared = {name: properties.pop(name) for name in PublishSettings.model_fields}
    read = {name: properties[name] for name in list(properties)[:1]}
    schema["properties"] = read | {"dataset": shared["dataset"]} | properties | shared


class PublishSettings(Section):
    """What the rows that a flow reads are compared with before they are published, and where."""

    model_config = ConfigDict(json_schema_extra=_what_is_read_first)

    dataset: str = Field(
        "", pattern=r"^([a-z0-9][a-z0-9._-]*)?$", description="dataset that gets the new version"
    )
    near: bool = Field(
        True,
        description="drop rows that are near-duplicates of other ones and of published rows; false: repeated ones alone",
    )
    similarity: Folded[SimilaritySettings] = Field(
        SimilaritySettings(), description="what counts as a near-duplicate"
    )
    decontaminate: Folded[DecontaminateSettings] = Field(
        DecontaminateSettings(), description="benchmarks that no row may come from"
    )
    gates: Folded[GateSettings] = Field(
        GateSettings(), description="what the rows must be like to be published"
    )
