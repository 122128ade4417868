"""The configuration of the flow corpus."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from flows.config.sections import PublishSettings
from tasks.dedup.settings import Guard, SimilaritySettings
from tasks.documents.quality import MIN_LEGIBLE, MIN_WHOLE
from tasks.settings import Folded, Share
from tasks.stages.corpus import LineSettings


class CorpusSimilaritySettings(SimilaritySettings, title="Similarity"):
    guard: Guard = Field(
        "none",
        description="pairs that are not compared: of one template with other numbers; with other numbers; none: copies of a document differ in a date or a name",
    )


class Corpus(PublishSettings):
    """Which versions become text for continued pretraining, and what a document must be like to be published."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ("versions", "dataset")

    versions: list[str] = Field(
        [], description="versions such as books@2026.11.20, or datasets for their newest; rows of any kind"
    )
    join: bool = Field(
        True,
        description="join the chunks of one document; false: each stays a row, and a benchmark item costs its chunk alone",
    )
    tokenizer: str = Field(
        "",
        description="name or folder of the tokenizer that counts tokens; empty: about 3.5 characters per token",
    )
    lines: Folded[LineSettings] = Field(
        LineSettings(), description="which lines are removed because many documents have them"
    )
    min_legible: Share = Field(
        MIN_LEGIBLE, description="least share of characters of a document that are not garbled"
    )
    min_whole: Share = Field(
        MIN_WHOLE, description="least share of formulas of a document whose braces match"
    )
    similarity: Folded[CorpusSimilaritySettings] = Field(
        CorpusSimilaritySettings(), description="what counts as a near-duplicate"
    )
    shard_rows: int = Field(
        2_048, ge=1, le=100_000, description="documents per shard; fewer where they are long"
    )
