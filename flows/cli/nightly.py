"""The commands `nightly` and `plan nightly`. The second takes the same options and calls no model."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, SettingsCommand, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from storage.counting import counted
from tasks.points_in_time import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from flows.config.nightly import Nightly
    from flows.config.sections import BudgetSettings
    from flows.runner.limits import Stopped

STOPPED = 3  # exit code of a run that a limit stopped before it could publish


def _shares(items: list[str]) -> dict[str, float]:
    """Parse DOMAIN=SHARE texts. Raises ConfigError."""
    from flows.config.loading import ConfigError

    shares = {}
    for item in items:
        domain, _, share = item.partition("=")
        try:
            shares[domain.strip()] = float(share)
        except ValueError:
            raise ConfigError(f"--min-share {item}: must be DOMAIN=SHARE, such as algebra=0.2") from None
    return shares


def check_feasible(night: Nightly) -> None:
    """Raise ConfigError or IngestError for everything that can be known to fail before Prefect is started."""
    from flows.config.loading import ConfigError
    from flows.runner.limits import BATCHED
    from flows.runner.night_inputs import roles
    from flows.settings import load_settings
    from tasks.stages.ingest import check

    load_settings().require_models(roles(night))
    if night.answers in BATCHED and not load_settings().role("teacher").base_url:
        raise ConfigError(
            f"answers={night.answers} (--batch) needs an endpoint with a Batch API, which the embedded teacher is not. "
            "Fix: set MATHMILL_TEACHER__BASE_URL, or leave it out"
        )
    named = (
        ("decontaminate.benchmarks", night.decontaminate.benchmarks),
        ("decontaminate.pairs", night.decontaminate.pairs),
        ("decontaminate.clean", night.decontaminate.clean),
        ("weakness.probe", [night.weakness.probe] if night.weakness.probe else []),
    )
    if missing := [
        f"setting {setting}: there is no {path}. Fix: check the path"
        for setting, paths in named
        for path in paths
        if not Path(path).exists()
    ]:
        raise ConfigError(*missing)
    check(
        [Path(path) for path in night.seeds.files]
    )  # the flow checks again; here an error shows before Prefect is started
    if not night.decontaminate.pairs:  # the kinds of pairs are known only once their files are read
        from flows.runner.decontamination import refuse_unknown_kinds

        refuse_unknown_kinds(night.gates.min_recall)
    if night.similarity.semantic != "ignore" or night.weakness.share:
        from tasks.retrieval.encoder import require_encoder

        require_encoder(load_settings().encoder)
    if night.budget.deadline:
        now = datetime.now().astimezone()
        if moment(night.budget.deadline, now) <= now:
            raise ConfigError(
                f"--deadline {night.budget.deadline} is past. Fix: give a later one, such as 06:30 or 90m"
            )


# the options of a night, shared by the run and its forecast, and those of any run that asks models
NIGHT = "flows.config.nightly.Nightly"
LIMITS = (
    Shortcut("budget.usd"),
    Shortcut("budget.tokens"),
    Shortcut("budget.deadline", "deadline"),
    Shortcut(
        "answers", "offline", value="offline", help="Call no model: completions come from the ledger only."
    ),
    Shortcut("answers", "batch", value="batch", help="Use the Batch API, at half the price."),
)
OPTIONS = (
    Shortcut("target"),
    Shortcut("mix.at_least", "min_share", metavar="DOMAIN=SHARE", parse=_shares),
    Shortcut("seeds.files", "seeds", metavar="PATH"),
    *LIMITS,
)

plan = typer.Typer(no_args_is_help=True, help="Forecast a run before it is started.")


@configured_by(NIGHT, *OPTIONS, check=check_feasible)
def nightly(night: Nightly, json: AsJson = False) -> None:
    """Run one night: from seed problems to a published dataset version.

    Exit code 3 if a limit stopped it before it could publish; it then prints the command that continues it.
    """

    def flow() -> Callable[[Nightly], str]:
        from flows.nightly import nightly

        return nightly

    run_to_its_end(flow, night, json=json)


def run_to_its_end(flow: Callable[[], Callable[[Any], str]], night: Nightly, *, json: bool) -> None:
    """Run a flow that publishes as a night does, and print the version. `flow` imports it, while Prefect starts.

    Raises Exit with STOPPED if a limit stopped it before it could publish, after it has printed the command that continues it.
    """
    from flows.runner.limits import Stopped
    from flows.runner.run_notes import notes_kept

    with notes_kept():
        try:
            with orchestrated(night.dataset) as run:
                name = run(flow(), night)
        except Stopped as stopped:
            print_stopped(stopped, night.budget, json=json)
            raise typer.Exit(STOPPED) from None
        from flows.cli.summary import print_published

        print_published(name, json=json)


@plan.command("nightly", cls=SettingsCommand)
@configured_by(NIGHT, *OPTIONS, show=False, check=check_feasible)
def plan_nightly(night: Nightly, json: AsJson = False) -> None:
    """Forecast calls, tokens, price (online and batch), duration and accepted rows of a night, each with a range."""
    import orjson

    from flows.cli.rendering import print_forecast
    from flows.runner.forecast_inputs import canary_notice, forecast_of, notice
    from flows.runner.learnt_limits import truncation
    from flows.runner.night_inputs import borrowed, roles, unpriced
    from flows.runner.resources import opened
    from flows.settings import load_settings

    with opened(load_settings()) as tools:
        estimate = forecast_of(night, tools)
        shared = borrowed(night, tools.settings)
        answers = truncation(tools, roles(night))
        unknown = unpriced(roles(night), tools.settings)
    if json:
        terminal.echo_json(orjson.dumps(estimate.record(), option=orjson.OPT_INDENT_2).decode())
    else:
        print_forecast(estimate, night)
        record = estimate.record()
        for line in (
            *answers,
            shared,
            unknown,
            notice(record),
            canary_notice(record),
            *unusable_seeds(night),
        ):
            if line:
                typer.echo(f"\n{line}")


def unusable_seeds(night: Nightly) -> list[str]:
    """Return a line for people per seed file that has unusable records, with the reason of the first. Raises IngestError for
    a file without a usable one."""
    from storage.rows import column
    from tasks.stages.ingest import read_shards

    lines = []
    for path in night.seeds.files:
        reasons = [reason for shard in read_shards(Path(path)) for reason in column(shard, "rejected")]
        if unusable := [reason for reason in reasons if reason]:
            lines.append(
                f"{path}: {len(unusable):,} of {counted(len(reasons), 'record')} cannot be used, for example: {unusable[0]}. "
                "Fix: correct them, or go on without them"
            )
    return lines


def continuing_command(stopped: Stopped, limits: BudgetSettings, arguments: Sequence[str]) -> str:
    """Return the command that continues a run that a limit stopped; empty if only a larger limit lets it continue.

    `arguments` are those of the stopped command. --offline is left out, since the same completions would be missing
    again, and so is a deadline that has passed.
    """
    arguments = list(arguments)
    if stopped.by == "offline":
        online = [argument for argument in arguments if argument != "--offline"]
        arguments = online if online != arguments else [*arguments, "--set", "answers=online"]
    elif stopped.by == "deadline" and limits.deadline:
        now = datetime.now().astimezone()
        if moment(limits.deadline, now) <= now:
            unlimited = _without(arguments, "--deadline")
            if unlimited == arguments:
                unlimited = [*arguments, "--set", "budget.deadline=null"]
            arguments = unlimited
    elif stopped.by in ("usd", "tokens") and not stopped.spent.tokens:
        return ""
    return f"./mathmill {shlex.join(arguments)}"


def _without(arguments: list[str], option: str) -> list[str]:
    """Return the arguments without an option and its value."""
    remaining: list[str] = []
    is_value = False  # whether this argument is the value of the option
    for argument in arguments:
        if is_value or argument == option:
            is_value = not is_value
        elif not argument.startswith(f"{option}="):
            remaining.append(argument)
    return remaining


def print_stopped(stopped: Stopped, limits: BudgetSettings, *, json: bool) -> None:
    """Print why the run was stopped, what it has paid and produced, and the command that continues it."""
    command = continuing_command(stopped, limits, sys.argv[1:])
    if json:
        import orjson

        record = {"stopped": stopped.by, "why": stopped.why, **asdict(stopped.spent), "again": command}
        terminal.echo_json(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
        return
    spent = stopped.spent
    estimated = f" ({counted(spent.estimated, 'call')} estimated)" if spent.estimated else ""
    terminal.echo(f"Stopped    {stopped.why.removeprefix('stopped ')}")
    terminal.echo(
        f"Paid       ${spent.usd:,.4f}, {counted(spent.tokens, 'token')}{estimated}; every completion is in the ledger"
    )
    terminal.echo(
        f"Accepted   {spent.accepted:,} of {counted(spent.target, 'row')} so far; nothing was published"
    )
    terminal.echo(
        f"Continue   {command or 'with a larger limit: a single call may take more than this one allows'}"
    )
