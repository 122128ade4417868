"""Reading a flow's configuration: its defaults, a YAML file, KEY=VALUE settings and command-line options."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from storage.errors import ForPeople

S = TypeVar("S", bound=BaseModel)


class ConfigError(ForPeople, ValueError):
    """A configuration that cannot be used. The message names the file or the key, and the fix."""


def load_as(kind: type[S], file: Path | None, sets: list[str], /, **overrides: Any) -> S:
    """Return a flow's configuration: its defaults, then the YAML file, then each KEY=VALUE (dotted keys, YAML values),
    then the overrides that are not None, of which one may have the name of a parameter here. Raises ConfigError, which names every setting
    that does not fit."""
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
    wrong: list[str] = []  # everything that is wrong is named, not the first alone
    for item in sets:
        try:
            _set(data, item)
        except ConfigError as error:
            wrong.append(str(error))
    for key, value in overrides.items():
        if value not in (None, []):
            _put(data, key.split("__"), value, key)
    try:
        config = kind.model_validate(data)
    except ValidationError as error:
        wrong += [_explained(kind, one) for one in error.errors()]
        raise ConfigError(*dict.fromkeys(wrong)) from error
    if wrong:
        raise ConfigError(*wrong)
    return config


def _set(data: dict[str, Any], item: str) -> None:
    """Put the value of a text KEY=VALUE, with a dotted key and a YAML value, into `data`. Raises ConfigError."""
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {item}: no value is given. Fix: write KEY=VALUE, such as solve.samples=8")
    try:
        _put(data, key.split("."), yaml.safe_load(value), item)
    except RecursionError as error:
        raise ConfigError(f"--set {key}: nested too deeply. Fix: give a plain value") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {item}{_place(error)}. Fix: close its brackets and quotes") from error


def _explained(kind: type[BaseModel], error: Mapping[str, Any]) -> str:
    """Return what is wrong with a setting, and the fix; `error` is one of pydantic."""
    where = ".".join(str(part) for part in error["loc"])
    what, fix = error["msg"].removeprefix("Value error, "), "correct it"
    if error["type"] == "extra_forbidden":
        near = _nearest(where, list(_settings(kind)))
        what, fix = "there is no such setting", f"use {near}" if near else "leave it out"
    elif error["type"] in _SHAPES:
        shape, example = _SHAPES[error["type"]]
        default = _default(kind, [str(part) for part in error["loc"]])
        what = f"it takes {shape}"
        fix = f"write it such as {where}={_in_flow(default) if default else example}"
    return (
        f"setting {where}: {what}. Fix: {fix}; all settings: ./mathmill {kind.__name__.lower()} --show-config"
    )


# errors of pydantic about the shape of a value -> the shape in words, and an example where the setting has no default
_SHAPES = {
    "dict_type": ("values by name", "'{name: value}'"),
    "list_type": ("a list", "'[one, another]'"),
    "model_type": ("a group of settings", "'{name: value}'"),
}
_ALIKE = 0.4  # similarity from which on a name of the same section is suggested


def _nearest(wrong: str, settings: list[str]) -> str:
    """Return the setting that is most probably meant: of the same section by its last name, else of all; "" if none is near."""
    section, _, name = wrong.rpartition(".")
    siblings = [one for one in settings if one.rpartition(".")[0] == section]
    near = difflib.get_close_matches(name, [one.rpartition(".")[2] for one in siblings], 1, _ALIKE)
    if near:
        return f"{section}.{near[0]}" if section else near[0]
    return next(iter(difflib.get_close_matches(wrong, settings, 1)), "")


def _default(kind: type[BaseModel], path: list[str]) -> Any:
    """Return the default of a setting, with the first entry of a mapping only; None if it has none."""
    field = kind.model_fields.get(path[0])
    if field is None:
        return None
    default = field.get_default(call_default_factory=True)
    if len(path) > 1:
        inner = field.annotation
        return _default(inner, path[1:]) if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    if isinstance(default, BaseModel):
        return None
    return dict([next(iter(default.items()))]) if isinstance(default, dict) and default else default


def _in_flow(value: Any) -> str:
    """Return a value as YAML on one line, in quotes for a shell."""
    return "'" + yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).strip() + "'"


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
            raise ConfigError(
                f"{item}: {part} is no group of settings. Fix: set it once, as a whole or by its parts"
            )
    data[path[-1]] = value
