"""Options that several commands share, and `with_options`, which gives a command the options of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

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
BenchmarkPaths = Annotated[
    list[str] | None,
    typer.Option(help="A file of benchmark items, or a folder of such files; may be repeated."),
]


def with_options(options_class: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a command whose first parameter is an `options_class`.

    The decorated command has one option per parameter of `options_class` in place of that parameter.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = inspect.signature(options_class, eval_str=True).parameters
        _, *further = inspect.signature(command, eval_str=True).parameters.values()

        def expanded(**values: Any) -> None:
            options = options_class(**{name: values.pop(name) for name in fields})
            command(options, **values)

        expanded.__name__, expanded.__doc__ = command.__name__, command.__doc__
        signature = inspect.Signature([*fields.values(), *further])
        expanded.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
        return expanded

    return decorate
