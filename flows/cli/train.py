"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, SettingOptions, ShowConfig
from flows.cli.prefect_run import orchestrated
from flows.runner.environment import arrange


def train(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME[@VERSION][=WEIGHT] ...",
            help="Versions to train on, such as math-sft@production=0.8.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="Training method, a file of tasks/training/methods/: sft, rft, cpt, dpo, ppo, ..."),
    ] = "",
    base: Annotated[
        str,
        typer.Option(help="Folder or hub name of the checkpoint to start from; student: a new small one."),
    ] = "",
    recipe: Annotated[
        str, typer.Option(help="A recipe of tasks/training/recipes/, or a YAML file of your own.")
    ] = "",
    out: Annotated[str, typer.Option(help="Folder of the run; default: below the home.")] = "",
    set_: SettingOptions = None,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Train a checkpoint on pinned versions. The same command continues a run that was interrupted.

    ./mathmill train math-sft --set steps=1500 --set lr=1e-3
    """
    from flows.settings import load_settings

    settings = load_settings()
    arrange(settings.home, quiet=True)
    from flows.config.loading import as_yaml, load_as
    from tasks.training.config import Train
    from tasks.training.recipes import path_of

    options: dict[str, Any] = {
        "method": method or None,
        "base": base or None,
        "data": [_source(name) for name in datasets or []],
    }
    config = load_as(Train, path_of(recipe) if recipe else None, set_ or [], **options)
    if show_config:
        typer.echo(as_yaml(config), nl=False)
        return
    from storage.datasets.store import Store
    from tasks.training.run import check

    check(
        config, Store(settings.tables)
    )  # the flow checks again; here an error shows before Prefect is started
    with orchestrated(config.method) as run:
        from flows.train import headline
        from flows.train import train as flow
        from tasks.training.run import read

        trained = read(Path(run(lambda config: flow(config, out), config)))
    if json:
        import orjson

        terminal.echo_json(orjson.dumps(trained.lineage, option=orjson.OPT_INDENT_2).decode())
        return
    for number, stage in enumerate(trained.lineage["stages"], 1):
        metrics = ", ".join(f"{name} {value:,.4g}" for name, value in headline(stage["metrics"]).items())
        data = ", ".join(source["version"] for source in stage["data"])
        terminal.echo(f"Stage {number}    {data}: {metrics}")
    terminal.echo(f"Checkpoint {trained.checkpoint}")
    terminal.echo(f"Record     {trained.checkpoint.parent / 'run.json'}")


def _source(text: str) -> dict[str, Any]:
    """Parse NAME[@VERSION][=WEIGHT]. Raises ConfigError if the weight is not a number."""
    from flows.config.loading import ConfigError

    name, equals, weight = text.partition("=")
    if not equals:
        return {"dataset": name}
    try:
        return {"dataset": name, "weight": float(weight)}
    except ValueError as error:
        raise ConfigError(f"{text}: must be NAME[@VERSION][=WEIGHT], such as math-sft=0.2") from error
