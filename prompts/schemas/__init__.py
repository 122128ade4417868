"""The schemas of structured completions, one module per prompt that needs its own; the front matter of a prompt names a class by
`schema_name`.

A module has `schemas`, the classes that one reader of completions reads, the newest first, and `chinese`, the key of each of their
fields in Chinese prompts, whose completions name no English word. Older classes, which the modules keep for prompts of a user's
own, have English keys in both languages.
"""

from __future__ import annotations

import copy
import functools
import importlib
import pkgutil
from types import ModuleType
from typing import Any

from pydantic import BaseModel


class UnknownSchema(ValueError):
    """There is no schema of that name; the message lists the names."""


def _modules() -> list[ModuleType]:
    return [
        importlib.import_module(f"{__name__}.{name}")
        for name in sorted(info.name for info in pkgutil.iter_modules(__path__))
    ]


@functools.cache
def _schemas() -> dict[str, type[BaseModel]]:
    return {model.__name__: model for module in _modules() for model in module.schemas}


@functools.cache
def chinese_keys() -> dict[str, str]:
    """Return the key of each field in Chinese prompts. A field that several schemas have has the same key in all of them."""
    return {field: key for module in _modules() for field, key in module.chinese.items()}


@functools.cache
def _translated() -> frozenset[type[BaseModel]]:
    return frozenset(module.schemas[0] for module in _modules())


def by_name(name: str) -> type[BaseModel]:
    """The class that a prompt's `schema_name` names; UnknownSchema if there is none."""
    if name not in _schemas():
        raise UnknownSchema(
            f"no schema {name!r} in prompts/schemas/; there are: {', '.join(sorted(_schemas()))}"
        )
    return _schemas()[name]


def alternatives(name: str | None) -> tuple[str | None, ...]:
    """Return the schemas that a prompt may name in place of `name`, and None for no schema."""
    groups = [[model.__name__ for model in module.schemas] for module in _modules()]
    return (None, *next((group for group in groups if name in group), ()))


def json_schema(name: str | None, language: str = "en") -> dict[str, Any] | None:
    """The JSON schema to send as `response_format`, or None where the prompt names no schema."""
    return None if name is None else copy.deepcopy(_json_schema(name, language))


@functools.cache
def _json_schema(name: str, language: str) -> dict[str, Any]:
    model = by_name(name)
    schema = model.model_json_schema(mode="serialization")
    if language == "zh" and model in _translated():
        for part in (schema, *schema.get("$defs", {}).values()):
            part["properties"] = {chinese_keys()[key]: value for key, value in part["properties"].items()}
            part["required"] = [chinese_keys()[key] for key in part["required"]]
    return schema


def keys_of(name: str, language: str) -> dict[str, str]:
    """Return the fields of a schema and the key of each in prompts of the language."""
    model = by_name(name)
    translated = language == "zh" and model in _translated()
    return {field: chinese_keys()[field] if translated else field for field in model.model_fields}
