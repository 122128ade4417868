"""The command `proof`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json

if TYPE_CHECKING:
    from flows.config.proof import Proof


@configured_by(
    "flows.config.proof.Proof",
    Shortcut("quick"),
    Shortcut("pilot"),
    Shortcut("gpu"),
    Shortcut("verify"),
    Shortcut("so_far"),
    Shortcut("explore"),
    Shortcut("again"),
    Shortcut("only", metavar="EXPERIMENT"),
    Shortcut("processes"),
    Shortcut("to", metavar="PATH"),
    file=None,
    sets=False,
    show=False,
)
def proof(config: Proof, json: AsJson = False) -> None:
    """Prove the loop with a small student on the CPU, by the flows that users run: make, weakness, rebuild, rft, train, evaluate.

    Tests the primary claims of docs/proof-plan.md and writes docs/proof.md. A run that was killed is continued by the same command.
    """
    with orchestrated("proof") as run:
        from flows.proof import proof as flow

        result = run(flow, config)
    if result is None:
        return
    if json:
        print_json(
            {
                "page": str(result.page),
                "claims": {str(one.claim.number): one.verdict for one in result.tested},
            }
        )
        return
    for one in result.tested:
        terminal.echo(f"{one.claim.number}. {one.claim.text}: {one.verdict}")
    terminal.echo(str(result.page))
