"""The command `proof`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from flows.runner.environment import arrange
from storage.counting import counted


def proof(
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Two random seeds of a tiny student, in minutes: every part runs, but nothing is proved.",
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The page to write, with its plots beside it; default: docs/proof.md, with --quick below the home."
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="How many random seeds run at the same time, each with one thread.")
    ] = 2,
    json: AsJson = False,
) -> None:
    """Prove the loop with the small student on the CPU: training, rewards, augmentation, curation, verdicts.

    Writes docs/proof.md. A run that was killed is continued by the same command.
    """
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    with orchestrated("proof") as run:
        from flows.proof import Proof
        from flows.proof import proof as flow

        result = run(flow, Proof(quick=quick, to=str(to or ""), processes=processes))
    shown = [claim for claim in result.claims if claim.shown]
    if json:
        print_json(
            {
                "page": str(result.page),
                "questions": len(result.claims),
                "shown": [claim.sentence for claim in shown],
            }
        )
        return
    for claim in shown:
        terminal.echo(claim.sentence)
    terminal.echo(
        f"{len(shown)} of {counted(len(result.claims), 'question')} have a significant answer: {result.page}"
    )
