"""The base class of all groups of settings: validated, immutable, and shown as a form from their JSON schema.

Prefect's UI shows such a form. It has no collapsible sections, but of an `anyOf` it shows only the selected
alternative. A folded group is therefore offered either as null, which means the defaults of the group, or as the group
with all its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticUseDefault

P = TypeVar("P", bound="Section")
Share = Annotated[float, Field(ge=0, le=1)]
WORDED = {"minLength": 1, "pattern": r"\S"}  # what the JSON schema of a text that is needed says of it


class Section(BaseModel):
    """A group of settings. Unknown keys and values that are not finite are refused.

    needed: settings that have to be given, texts or lists of texts, whose empty default only says that they were not. Forms mark them as
    required. Of several names in a tuple, all of them lists, at least one has to be given: without the others the first is required. No
    form shows that, but Prefect refuses a run without what is needed, as it does one with a text of blanks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        required = []
        for entry in cls.needed:
            if isinstance(entry, tuple):
                first, *others = entry
                schema["if"] = {"properties": {name: {"maxItems": 0} for name in others}}
                schema["then"] = {"required": [first], "properties": {first: {"minItems": 1}}}
            else:
                required.append(entry)
                del schema["properties"][entry]["default"]
            for name in [entry] if isinstance(entry, str) else entry:
                one = schema["properties"][name]
                if one["type"] == "array":
                    one["items"] |= WORDED
                    one |= {"minItems": 1} if name in required else {}
                else:
                    one |= WORDED
        if required:
            schema["required"] = required
        return reference

    def part(self, kind: type[P], **changed: Any) -> P:
        """Return the settings of one stage out of a group that several stages share, some of them `changed`."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields} | changed)


def one_of(known: Callable[[], Iterable[str]]) -> Callable[[dict[str, Any]], None]:
    """Return a `json_schema_extra` of a text that is one of the known names, of a list of such texts, or of a mapping by them: forms offer
    these, and Prefect refuses a run with another. `known` is called when the schema is made, so that it may read what is in a folder."""

    def offer(schema: dict[str, Any]) -> None:
        offered = {"enum": list(known())}
        if schema["type"] == "array":
            schema["items"] |= offered
        elif schema["type"] == "object":
            schema["propertyNames"] = offered
        else:
            schema |= offered

    return offer


def unfit_settings(error: ValidationError, *groups: str) -> list[tuple[str, str]]:
    """Return the dotted name of each setting that does not fit, below the `groups` that it is in, and what is wrong with it."""
    return [
        (
            ".".join([*groups, *map(str, one["loc"])]),
            "there is no such setting"
            if one["type"] == "extra_forbidden"
            else one["msg"].removeprefix("Value error, "),
        )
        for one in error.errors()
    ]


S = TypeVar("S")
UNCHANGED = "Defaults"  # label of the alternative null


def _null_is_default(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


def _fold(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "null", "title": UNCHANGED}, {"$ref": schema.pop("$ref")}]
    schema["default"] = None


# for a field whose default is the group without arguments: the form shows the defaults of the group's fields
Folded = Annotated[S, BeforeValidator(_null_is_default), Field(json_schema_extra=_fold)]
