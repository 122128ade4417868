"""The command `proof`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from storage.counting import counted

if TYPE_CHECKING:
    from flows.config.proof import Proof


@configured_by(
    "flows.config.proof.Proof",
    Shortcut("quick"),
    Shortcut("to", metavar="PATH"),
    Shortcut("processes"),
    file=None,
    sets=False,
    show=False,
)
def proof(config: Proof, json: AsJson = False) -> None:
    """Prove the loop with the small student on the CPU: training, rewards, augmentation, curation, verdicts.

    Writes docs/proof.md. A run that was killed is continued by the same command.
    """
    with orchestrated("proof") as run:
        from flows.proof import proof as flow

        result = run(flow, config)
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
