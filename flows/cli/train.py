"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, Sets, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.runner.environment import arrange


def train(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME[@VERSION][=WEIGHT] ...", help="What to train on, such as math-sft@production=0.8."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="A file of tasks/training/methods/: sft, rft, cpt, dpo, ppo, ...")
    ] = "",
    base: Annotated[
        str, typer.Option(help="Checkpoint folder or hub name; student: a fresh small one.")
    ] = "",
    recipe: Annotated[
        str, typer.Option(help="A file of tasks/training/recipes/, or a YAML file of your own.")
    ] = "",
    out: Annotated[str, typer.Option(help="Folder of the run; default: under the home.")] = "",
    set_: Sets = None,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Train a checkpoint on pinned versions. Started again, a run that was cut off goes on.

    ./mathmill train math-sft --set steps=1500 --set lr=1e-3
    """
    from flows.settings import load_settings

    settings = load_settings()
    arrange(settings.home, quiet=True)
    from flows.config.loading import as_yaml, load_as
    from tasks.training.config import Train
    from tasks.training.recipes import path_of

    chosen: dict[str, Any] = {
        "method": method or None,
        "base": base or None,
        "data": [_source(name) for name in datasets or []],
    }
    config = load_as(Train, path_of(recipe) if recipe else None, set_ or [], **chosen)
    if show_config:
        typer.echo(as_yaml(config), nl=False)
        return
    from storage.datasets.store import Store
    from tasks.training.run import check

    check(config, Store(settings.tables))  # the flow looks again; here it costs nothing to be told
    with orchestrated(config.method) as run:
        from flows.train import headline
        from flows.train import train as flow
        from tasks.training.run import read

        done = read(Path(run(lambda chosen: flow(chosen, out), config)))
    if json:
        import orjson

        terminal.echo_json(orjson.dumps(done.lineage, option=orjson.OPT_INDENT_2).decode())
        return
    for number, stage in enumerate(done.lineage["stages"], 1):
        told = ", ".join(f"{name} {value:,.4g}" for name, value in headline(stage["metrics"]).items())
        data = ", ".join(one["version"] for one in stage["data"])
        terminal.echo(f"Stage {number}    {data}: {told}")
    terminal.echo(f"Checkpoint {done.checkpoint}")
    terminal.echo(f"Record     {done.checkpoint.parent / 'run.json'}")


def _source(text: str) -> dict[str, Any]:
    """NAME@VERSION=WEIGHT."""
    from flows.config.loading import ConfigError

    name, equals, weight = text.partition("=")
    if not equals:
        return {"dataset": name}
    try:
        return {"dataset": name, "weight": float(weight)}
    except ValueError as error:
        raise ConfigError(f"{text}: must be NAME[@VERSION][=WEIGHT], such as math-sft=0.2") from error
