"""The configuration of the flow import."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from flows.config.sections import PublishSettings
from tasks.stages.import_dataset import FIELDS, ImportKind, checked_columns


class Import(PublishSettings):
    """What is read, as what, and what the rows are compared with before they are published."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ("paths", "dataset", "license")

    paths: list[str] = Field(
        [],
        description="files (JSON Lines, JSON, CSV, TSV, each also compressed; Parquet; Arrow), folders of them, or data sets of the Hugging Face hub as hf:OWNER/NAME",
    )
    license: str = Field("", description="licence of the records that state none, such as MIT or CC-BY-4.0")
    kind: ImportKind = Field(
        "auto",
        description="what a record is: solution, chat or text; auto: decided per record",
    )
    columns: dict[str, str] = Field(
        {}, description=f"column -> field, where names are not recognised; fields: {', '.join(FIELDS)}"
    )
    convert: str = Field(
        "",
        description="Python file with a function convert(record), which returns a record, a list of records or None; it is executed as your own code",
    )
    subset: str = Field("", description="subset (configuration) of a data set of the hub")
    split: str = Field("train", description="split of a data set of the hub")
    verify: bool = Field(
        False,
        description="execute the programs, and compare the answers with trusted ones; different ones are rejected",
    )
    shard_rows: int = Field(
        8192, ge=1, le=100_000, description="records per task run; memory holds a few such shards"
    )
    dry_run: bool = Field(
        False,
        description="only show ten rows and what would be refused of the first records; publish nothing",
    )

    @field_validator("columns")
    @classmethod
    def _columns(cls, given: dict[str, str]) -> dict[str, str]:
        checked_columns(given)
        return given
