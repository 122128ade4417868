"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, ConfigOption, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated

if TYPE_CHECKING:
    from tasks.training.config import Train


def _recipe(name: str | None) -> Path | None:
    from tasks.training.recipes import path_of

    return path_of(name) if name else None


RECIPE = ConfigOption(
    "recipe",
    Annotated[
        str | None, typer.Option(help="A recipe of tasks/training/recipes/, or a YAML file of your own.")
    ],
    _recipe,
)


def _sources(texts: list[str]) -> list[dict[str, Any]]:
    return [_source(text) for text in texts]


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


@configured_by(
    "tasks.training.config.Train",
    Shortcut("data", "datasets", argument=True, metavar="NAME[@VERSION][=WEIGHT] ...", parse=_sources),
    Shortcut("method"),
    Shortcut("base"),
    file=RECIPE,
)
def train(
    config: Train,
    out: Annotated[str, typer.Option(help="Folder of the run; default: below the home.")] = "",
    json: AsJson = False,
) -> None:
    """Train a checkpoint on pinned versions. The same command continues a run that was interrupted.

    ./mathmill train math-sft --set steps=1500 --set lr=1e-3
    """
    from flows.settings import load_settings
    from storage.datasets.store import Store
    from tasks.llm.model_files import MODELS
    from tasks.training.run import check, with_folders

    settings = load_settings()
    check(
        with_folders(config, settings.home), Store(settings.tables)
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
    run_folder = trained.checkpoint.parent
    below = run_folder.parent == settings.home.absolute() / MODELS
    terminal.echo("\nNext")
    terminal.echo(f"  evaluate   ./mathmill evaluate hf:{run_folder.name if below else trained.checkpoint}")
