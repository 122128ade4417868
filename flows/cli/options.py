"""Options that several commands have, said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="Such as math-sft or math-sft@2026.11.20.")
]
ConfigFile = Annotated[Path | None, typer.Option(help="A YAML file of settings.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, named as in the YAML file with dots between; may be repeated.",
    ),
]
ShowConfig = Annotated[
    bool, typer.Option("--show-config", help="Print the settings that would be used, and stop.")
]
Benchmarks = Annotated[
    list[str] | None, typer.Option(help="A file of benchmark items, or a folder of them; may be repeated.")
]


def asking(form: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes a `form` first gets each parameter of the form as an option of its own."""

    def over(command: Callable[..., None]) -> Callable[..., None]:
        fields = inspect.signature(form, eval_str=True).parameters
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def asked(**values: Any) -> None:
            filled = form(**{name: values.pop(name) for name in fields})
            command(filled, **values)

        asked.__name__, asked.__doc__ = command.__name__, command.__doc__
        signature = inspect.Signature([*fields.values(), *own])
        asked.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
        return asked

    return over
