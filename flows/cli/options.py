"""The options of commands: those that several share, and those that a flow's settings class gives a command."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="A version, such as math-sft or math-sft@2026.11.20.")
]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML file of settings.")]
SettingOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, named as in the YAML file, with dots between levels; may be repeated.",
    ),
]
ShowConfig = Annotated[
    bool, typer.Option("--show-config", help="Print the settings that would be used, and stop.")
]


# set by the script `mathmill` before it installs the packages of a command: the command only checks its words and settings
ONLY_CHECK = "MATHMILL_ONLY_CHECK"
RIGHT = 75  # exit code if they are right


@dataclass(frozen=True, slots=True)
class Shortcut:
    """An option or argument of a command that sets one setting of its flow. The rest comes from the setting's field.

    setting: its path in the configuration, such as budget.usd. name: of the option, with underscores; empty: the path.
    argument: given by position. metavar: stands for the value in the help. parse: makes the setting's value out of the
    texts given. value: what a flag sets; `help` says what that means.
    """

    setting: str
    name: str = ""
    argument: bool = False
    metavar: str | None = None
    parse: Callable[[list[str]], Any] | None = None
    value: Any = None
    help: str = ""

    @property
    def parameter(self) -> str:
        """Return the name of the command's parameter."""
        return self.name or self.setting.replace(".", "_").replace("-", "_")

    @property
    def shown(self) -> str:
        """Return the option as it is typed."""
        return f"--{self.parameter.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class ConfigOption:
    """The option that names a file of settings, and the function that finds the file of what was given."""

    name: str
    annotation: Any
    path: Callable[[Any], Path | None]


CONFIG = ConfigOption("config", ConfigFile, lambda given: given)


def configured_by(
    settings: str,
    *shortcuts: Shortcut,
    file: ConfigOption | None = CONFIG,
    sets: bool = True,
    show: bool = True,
    check: Callable[[Any], None] = lambda config: None,
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Return a decorator for a command whose first parameter is the configuration of a flow.

    settings: module and name of the settings class, which is imported when the command is used. The command gets an
    option per shortcut, those for a file of settings, `--set` and `--show-config`, and those of its further parameters.
    It is registered with `cls=SettingsCommand`. check: raises an error for a configuration that cannot be run.
    """

    def decorate(command: Callable[..., None]) -> Callable[[], None]:
        def with_options() -> Callable[..., None]:
            module, _, name = settings.rpartition(".")
            kind: type[BaseModel] = getattr(import_module(module), name)
            _, *further = inspect.signature(command, eval_str=True, locals={name: kind}).parameters.values()
            parameters = [_parameter(shortcut, kind, preset=not sets) for shortcut in shortcuts]
            if file is not None:
                parameters.append(_keyword(file.name, file.annotation, None))
            if sets:
                parameters.append(_keyword("set_", SettingOptions, None))
            if show:
                parameters.append(_keyword("show_config", ShowConfig, False))

            def run(**values: Any) -> None:
                own = {parameter.name: values.pop(parameter.name) for parameter in further}
                config = _load(kind, shortcuts, file, values)
                check(config)
                if values.get("show_config"):
                    from flows.config.loading import as_yaml

                    typer.echo(as_yaml(config), nl=False)
                elif os.environ.get(ONLY_CHECK):
                    raise typer.Exit(RIGHT)
                else:
                    command(config, **own)

            run.__name__, run.__doc__ = command.__name__, command.__doc__
            run.__signature__ = inspect.Signature([*parameters, *further])  # type: ignore[attr-defined]  # what typer reads
            return run

        def placeholder() -> None:
            """Stand for the command until it is used."""

        placeholder.__name__, placeholder.__doc__ = command.__name__, command.__doc__
        placeholder.with_options = with_options  # type: ignore[attr-defined]
        return placeholder

    return decorate


class SettingsCommand(TyperCommand):
    """A command of `configured_by`. Its options are made when it is used, so that the help of other commands is quick."""

    @cached_property
    def complete(self) -> Any:
        """Return the command with its options."""
        placeholder: Any = inspect.unwrap(self.callback)  # type: ignore[arg-type]
        app = typer.Typer(add_completion=False)
        app.command(self.name)(placeholder.with_options())
        return typer.main.get_command(app)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the command, `--help` the last."""
        return list(self.complete.get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command with the parsed parameters."""
        return self.complete.invoke(ctx)


def _load(
    kind: type[BaseModel],
    shortcuts: tuple[Shortcut, ...],
    file: ConfigOption | None,
    values: Mapping[str, Any],
) -> Any:
    """Return the configuration that the options give. Raises ConfigError."""
    from flows.runner.environment import arrange
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    from flows.config.loading import ConfigError, load_as

    overrides: dict[str, Any] = {}
    given_by: dict[str, Shortcut] = {}
    for shortcut in shortcuts:
        value = values[shortcut.parameter]
        if value is None or value is False or value == []:
            continue
        if other := given_by.get(shortcut.setting):
            raise ConfigError(
                f"{other.shown} and {shortcut.shown} both set {shortcut.setting}. Fix: give one of them"
            )
        given_by[shortcut.setting] = shortcut
        if shortcut.parse is not None:
            value = shortcut.parse(value)
        overrides[shortcut.setting.replace(".", "__")] = value if shortcut.value is None else shortcut.value
    path = file.path(values[file.name]) if file is not None else None
    return load_as(kind, path, values.get("set_") or [], **overrides)


def _parameter(shortcut: Shortcut, kind: type[BaseModel], *, preset: bool) -> inspect.Parameter:
    """Return the parameter of a shortcut: its type, help and default are those of the setting's field.

    An option is unset by default, so that it does not override a file of settings; if `preset`, there is none to override.
    """
    field = _field(kind, shortcut.setting)
    default: Any = None
    annotation = _plain(field.annotation)
    if shortcut.value is not None or annotation is bool:
        annotation, default = bool, False
    elif shortcut.parse is not None or typing.get_origin(annotation) in (list, tuple):
        annotation = list[str] | None
    else:
        annotation = annotation | None
        if shortcut.argument or preset:
            default = field.default if field.default != "" else None
    help_text = shortcut.help or _sentence(
        field, several=annotation == list[str] | None and not shortcut.argument
    )
    option = (
        typer.Argument(metavar=shortcut.metavar, help=help_text)
        if shortcut.argument
        else typer.Option(shortcut.shown, metavar=shortcut.metavar, help=help_text)
    )
    return _keyword(shortcut.parameter, Annotated[annotation, option], default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _field(kind: type[BaseModel], path: str) -> FieldInfo:
    """Return the field of a setting."""
    first, _, rest = path.partition(".")
    field = kind.model_fields[first]
    return _field(_plain(field.annotation), rest) if rest else field


def _plain(annotation: Any) -> Any:
    """Return an annotation without `| None`, and the type of a Literal's values."""
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is typing.Literal:
        return type(typing.get_args(annotation)[0])
    return annotation


def _sentence(field: FieldInfo, *, several: bool) -> str:
    text = field.description or ""
    text = f"{text[:1].upper()}{text[1:]}"
    return f"{text}; may be repeated." if several else f"{text}."
