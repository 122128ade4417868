"""The command `verdict`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, BenchmarkPaths, ConfigFile, Name, SettingOptions, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json
from flows.runner.environment import arrange


def verdict(
    candidate: Name = "math-sft",
    validated: Annotated[
        str | None,
        typer.Option(help="Version to compare with; default: NAME@validated, else the previous version."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Checkpoint from which both trainings start; student: a new small one.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of trainings with and without the version, each with its random seed."),
    ] = None,
    benchmark: BenchmarkPaths = None,
    without: Annotated[
        str | None, typer.Option(help="Column whose values are left out one at a time: source, method, ...")
    ] = None,
    config: ConfigFile = None,
    set_: SettingOptions = None,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Train with and without a version on several random seeds, and record whether the version made a better model.

    If it is killed, the same command continues with the trainings that are finished.
    """
    from flows.settings import load_settings

    settings = load_settings()
    home = settings.home
    arrange(home, quiet=True)
    from flows.config.loading import as_yaml, load_as
    from flows.config.verdict import Verdict
    from flows.verdict import verdict as flow

    options = {
        "validated": validated,
        "base": base,
        "seeds": seeds,
        "benchmarks": benchmark,
        "without": without,
    }
    comparison = load_as(Verdict, config, set_ or [], candidate=candidate, **options)
    if show_config:
        typer.echo(as_yaml(comparison), nl=False)
        return
    from flows.runner.verdict_trials import check
    from storage.datasets.store import Store

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
    terminal.echo(f"Report  {home / 'verdicts' / value['run'] / 'report.md'}")
