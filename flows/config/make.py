"""The configuration of the flow make: one method of generation, and the settings of a night."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator

from flows.config.nightly import Nightly
from tasks.methods import PLUGINS
from tasks.plugins import checked, names
from tasks.settings import Folded, Share, one_of
from tasks.stages.mix import MixSettings


class MakeMixSettings(MixSettings, title="Mix"):
    shares: dict[str, dict[str, Share]] = Field(
        {},
        description="largest share of a value of source, domain, format or language, or of reasoning (with, without)",
    )


def _method_first(schema: dict[str, Any]) -> None:
    """Put the method first in the form, before what it shares with a night."""
    properties = schema["properties"]
    schema["properties"] = {"method": properties.pop("method"), **properties}


class Make(Nightly):
    """One method of generation, alone: what it works on, how its rows are judged, what is published. `generate.methods` and
    `weakness` are not read; a group that is left out or null keeps its defaults."""

    model_config = ConfigDict(json_schema_extra=_method_first)

    flow: ClassVar[str] = "make"
    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ("method", "dataset")

    method: str = Field(
        "", description="file of tasks/methods/", json_schema_extra=one_of(lambda: names(PLUGINS))
    )
    dataset: str = Field(
        "", pattern=r"^([a-z0-9][a-z0-9._-]*)?$", description="dataset that gets a new version"
    )
    target: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="number of accepted rows to produce; 0: as many as the documents give",
    )

    mix: Folded[MakeMixSettings] = Field(
        MakeMixSettings(), description="solutions per question, and shares of formats and domains"
    )

    @field_validator("method")
    @classmethod
    def _method(cls, name: str) -> str:
        if name:
            checked("method", [name], names(PLUGINS))
        return name

    def alone(self) -> Make:
        """Return the configuration of a night with this method and no other."""
        return self.model_copy(
            update={
                "generate": self.generate.model_copy(update={"methods": {self.method: 1.0}}),
                "weakness": self.weakness.model_copy(update={"share": 0.0}),
            }
        )
