"""Groups of settings that people write: validated, immutable, and drawn as a form from their JSON schema.

Prefect's UI draws such a form. It has no sections to open and close, but of an `anyOf` it draws only the alternative
that is chosen. A folded group is therefore offered as null, which stands for the group's defaults, or as the group with
all its fields.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticUseDefault

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A group of settings. An unknown key is refused, and so is a value that is not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S")
UNCHANGED = "Defaults"  # label of the alternative null


def _null_is_default(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


def _fold(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "null", "title": UNCHANGED}, {"$ref": schema.pop("$ref")}]
    schema["default"] = None


# of a field whose default is the group without arguments: a form shows the defaults of the group's own fields
Folded = Annotated[S, BeforeValidator(_null_is_default), Field(json_schema_extra=_fold)]
