"""Reading a flow's configuration: its defaults, a YAML file, KEY=VALUE settings and command-line options."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from storage.errors import ForPeople

S = TypeVar("S", bound=BaseModel)


class ConfigError(ForPeople, ValueError):
    """A configuration that cannot be used. The message names the file or the key, and the fix."""


def load_as(kind: type[S], file: Path | None, sets: list[str], **overrides: Any) -> S:
    """Return a flow's configuration: its defaults, then the YAML file, then each KEY=VALUE (dotted keys, YAML values),
    then the overrides that are not None. Raises ConfigError, which names the setting that does not fit."""
    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise ConfigError(f"--config {file}: {error.strerror}. Fix: check the path") from error
        except RecursionError as error:
            raise ConfigError(
                f"{file}: nested too deeply. Fix: write the settings one below the other"
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"--config {file}{_place(error)}. Fix: one `name: value` a line") from error
        if not isinstance(data, dict):
            raise ConfigError(f"--config {file}: must be a YAML mapping of settings, such as `target: 1000`")
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set {item}: no value is given. Fix: write KEY=VALUE, such as solve.samples=8"
            )
        try:
            _put(data, key.split("."), yaml.safe_load(value), item)
        except RecursionError as error:
            raise ConfigError(f"--set {key}: nested too deeply. Fix: give a plain value") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {item}{_place(error)}. Fix: close its brackets and quotes") from error
    for key, value in overrides.items():
        if value not in (None, []):
            _put(data, key.split("__"), value, key)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, _settings(kind), 1)
            what = f"there is no such setting{f'; {near[0]} is one' if near else ''}"
        raise ConfigError(
            f"setting {where}: {what}. Fix: correct it; all settings: ./mathmill {kind.__name__.lower()} --show-config"
        ) from error


def _settings(kind: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{before}{name}.")


def _place(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it is no YAML"
    return f", line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f": {problem}"


def as_yaml(config: BaseModel) -> str:
    """Return the configuration as the text of a file that `--config` reads."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _put(data: dict[str, Any], path: list[str], value: Any, item: str) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{item}: {part} is no group of settings")
    data[path[-1]] = value
