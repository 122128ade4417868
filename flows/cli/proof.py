"""The command proof."""

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
            "--quick", help="Two seeds of a tiny student, in minutes: every part runs, nothing is proved."
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="The page, its plots beside it; else docs/proof.md, of --quick below the home."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Seeds at a time, each with one thread.")] = 2,
    json: AsJson = False,
) -> None:
    """Prove the loop with the small student on the CPU: training, rewards, augmentation, curation, verdicts.

    Writes docs/proof.md. Killed, it goes on where it was.
    """
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    with orchestrated("proof") as run:
        from flows.proof import Proof
        from flows.proof import proof as flow

        found = run(flow, Proof(quick=quick, to=str(to or ""), processes=processes))
    shown = [claim for claim in found.claims if claim.shown]
    if json:
        print_json(
            {"page": str(found.page), "questions": len(found.claims), "shown": [c.sentence for c in shown]}
        )
        return
    for claim in shown:
        terminal.echo(claim.sentence)
    terminal.echo(
        f"{len(shown)} of {counted(len(found.claims), 'question')} have an answer that is significant: {found.page}"
    )
