"""The command `verdict`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, Benchmarks, ConfigFile, Name, Sets, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from flows.runner.environment import arrange


def verdict(
    candidate: Name = "math-sft",
    validated: Annotated[
        str | None, typer.Option(help="Version to train beside; else NAME@validated, or the version before.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Checkpoint that both start from; student: a fresh small one.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each kind.")] = None,
    benchmark: Benchmarks = None,
    without: Annotated[
        str | None, typer.Option(help="Leave the values of this column out one by one: source, method, ...")
    ] = None,
    config: ConfigFile = None,
    set_: Sets = None,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Train with a version and without it, on several seeds, and write into its record whether it made a better model.

    Killed, the same command goes on from the trainings that are there.
    """
    from flows.settings import load_settings

    settings = load_settings()
    home = settings.home
    arrange(home, quiet=True)
    from flows.config.loading import as_yaml, load_as
    from flows.config.verdict import Verdict
    from flows.verdict import verdict as flow

    given = {
        "validated": validated,
        "base": base,
        "seeds": seeds,
        "benchmarks": benchmark,
        "without": without,
    }
    chosen = load_as(Verdict, config, set_ or [], candidate=candidate, **given)
    if show_config:
        typer.echo(as_yaml(chosen), nl=False)
        return
    from flows.runner.verdict_trials import check
    from storage.datasets.store import Store

    check(chosen, Store(settings.tables))  # the flow looks again; here it costs nothing to be told
    with orchestrated(chosen.candidate.partition("@")[0]) as run:
        value = run(flow, chosen)
    if json:
        print_json(value)
        return
    from tasks.evaluation.verdict import in_a_line

    terminal.echo(f"{value['version']}  {in_a_line(value)}")
    for what in ("subdomains", "sources"):
        for name, one in sorted(value[what].items()):
            if one["shown"] != "not shown":
                terminal.echo(
                    f"  {one['shown']:<8} {name}, {100 * one['effect']:+.1f} points (p = {one['p']:.2g})"
                )
    terminal.echo(f"Report  {home / 'verdicts' / value['run'] / 'report.md'}")
