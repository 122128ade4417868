"""The command `verdict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli import terminal
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json

if TYPE_CHECKING:
    from flows.config.verdict import Verdict


@configured_by(
    "flows.config.verdict.Verdict",
    Shortcut("candidate", argument=True, metavar="NAME[@VERSION]"),
    Shortcut("validated"),
    Shortcut("base"),
    Shortcut("seeds"),
    Shortcut("benchmarks", "benchmark"),
    Shortcut("without"),
)
def verdict(comparison: Verdict, json: AsJson = False) -> None:
    """Train with and without a version on several random seeds, and record whether the version made a better model.

    If it is killed, the same command continues with the trainings that are finished.
    """
    from flows.runner.verdict_trials import check
    from flows.settings import load_settings
    from flows.verdict import verdict as flow
    from storage.datasets.store import Store

    settings = load_settings()
    check(
        comparison, Store(settings.tables)
    )  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(comparison.candidate.partition("@")[0]) as run:
        value = run(flow, comparison)
    if json:
        print_json(value)
        return
    from tasks.evaluation.verdict import in_a_line

    terminal.echo(f"{value['version']}  {in_a_line(value)}")
    for kind in ("subdomains", "sources"):
        for name, result in sorted(value[kind].items()):
            if result["shown"] != "not shown":
                terminal.echo(
                    f"  {result['shown']:<8} {name}, {100 * result['effect']:+.1f} points (p = {result['p']:.2g})"
                )
    terminal.echo(f"Report  {settings.home / 'verdicts' / value['run'] / 'report.md'}")
