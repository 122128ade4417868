"""The commands `critic train` and `critic evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, SettingsCommand, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json

if TYPE_CHECKING:
    from flows.config.critic import EvaluateCritic, TrainCritic

SCORED_BY_IT = "score.scorers=[heuristics, trained_critic]"

critic = typer.Typer(
    no_args_is_help=True, help="Critics: what says whether a solution is right, and where it is wrong."
)


@configured_by(
    "flows.config.critic.TrainCritic",
    Shortcut("files", argument=True, metavar="FILE ..."),
    Shortcut("versions", "version"),
    Shortcut("kind"),
    Shortcut("name"),
    Shortcut("samples", "sample"),
    Shortcut("encoder"),
    Shortcut("page"),
)
def train(training: TrainCritic, json: AsJson = False) -> None:
    """Train a critic on labelled solutions, of files or versions, and report on it with questions that it has not seen.

    The same files and settings give the same critic.
    """
    from flows.critic import train_critic
    from flows.runner.critics import check
    from flows.settings import load_settings
    from storage.datasets.store import Store
    from tasks.critics.trained import read_record

    check(
        training, Store(load_settings().tables)
    )  # the flow checks again; here an error shows before Prefect is started
    with orchestrated() as run:
        folder = Path(run(train_critic, training))
    record = read_record(folder)
    if json:
        print_json(record)
        return
    for name, estimate in record.get("measures", {}).items():
        if estimate["value"] is not None:
            terminal.echo(
                f"{name:<20} {estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
            )
    terminal.echo(f"Critic  {folder}")
    terminal.echo("\nNext")
    terminal.echo(f"  measure   ./mathmill critic evaluate FILES --critic {folder.name}")
    terminal.echo(
        f"  use       MATHMILL_TRAINED_CRITIC={folder.name} in .env, and ./mathmill nightly --set '{SCORED_BY_IT}'"
    )


@configured_by(
    "flows.config.critic.EvaluateCritic",
    Shortcut("files", argument=True, metavar="FILE ..."),
    Shortcut("versions", "version"),
    Shortcut("judgements"),
    Shortcut("critic"),
    Shortcut("beside"),
    Shortcut("samples", "sample"),
    Shortcut("page"),
)
def evaluate(evaluation: EvaluateCritic, json: AsJson = False) -> None:
    """Measure a critic on labelled solutions, with confidence intervals and beside baselines.

    Solutions of questions that the critic has seen are left out.
    """
    import orjson

    from flows.critic import evaluate_critic
    from flows.runner.critics import REPORTS, check
    from flows.settings import load_settings
    from storage.datasets.store import Store

    check(evaluation, Store(load_settings().tables))
    with orchestrated() as run:
        name = run(evaluate_critic, evaluation)
    folder = load_settings().home / REPORTS / name
    record = orjson.loads((folder / "record.json").read_bytes())
    if json:
        print_json(record)
    else:
        print_critics(record, folder / "report.md")


def print_critics(record: dict[str, Any], report: Path) -> None:
    """Print the measures of the critic and the baselines as a table."""
    from rich.table import Table

    from tasks.critics.report import TITLES, shown

    console = terminal.console()
    for one in record["measures"]["critics"]:
        table = Table(box=None, pad_edge=False, show_header=False, title=one["name"], title_justify="left")
        for name, title in TITLES.items():
            if one["measures"][name]["value"] is not None:
                table.add_row(title, shown(one["measures"][name]))
        console.print(table, "")
    console.print(f"Report  {report}", soft_wrap=True)


critic.command("train", cls=SettingsCommand)(train)
critic.command("evaluate", cls=SettingsCommand)(evaluate)
