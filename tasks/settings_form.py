"""How a group of settings looks in a form that is drawn from its JSON schema, as Prefect's UI draws one.

That form has no sections to open and close, but of an `anyOf` it draws only the alternative that is chosen. A folded
group is therefore offered as null, which stands for the group's defaults, or as the group with all its fields.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticUseDefault

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
