"""`mathmill nightly`, and `mathmill plan nightly`, which takes the same options and asks no model."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, ConfigFile, Sets, ShowConfig, asking
from flows.cli.prefect_run import orchestrated
from flows.runner.environment import arrange
from storage.counting import counted
from tasks.points_in_time import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.config.nightly import Nightly
    from flows.runner.limits import Stopped

STOPPED = 3  # exit code of a run that a limit ended before it could publish


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is said of a night on the command line, of the real one and of its plan."""

    target: Annotated[int | None, typer.Option(help="Accepted rows wanted.")] = None
    min_share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN=SHARE", help="Least share of a domain, such as algebra=0.2; repeatable."
        ),
    ] = None
    seeds: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of seed problems, used beside the project's own (--set seeds.own=false: alone); may be repeated."
        ),
    ] = None
    budget_usd: Annotated[float | None, typer.Option(help="Most that the run may pay, in USD.")] = None
    budget_tokens: Annotated[
        int | None, typer.Option(help="Most tokens, prompt and completion together.")
    ] = None
    deadline: Annotated[
        str | None, typer.Option(help="When no more calls are sent: 06:30, 90m, 1h30m, 2026-11-22T06:00.")
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no model: answers come from the ledger only.")
    ] = False
    batch: Annotated[bool, typer.Option("--batch", help="Through the Batch API, at half the price.")] = False
    config: ConfigFile = None
    set_: Sets = None

    def night(self) -> Nightly:
        """The configuration of that night. ConfigError."""
        from flows.settings import load_settings

        arrange(load_settings().home, quiet=True)
        from flows.config.loading import ConfigError
        from flows.config.nightly import load_config

        if self.offline and self.batch:
            raise ConfigError("--offline asks nobody and --batch the Batch API. Fix: give one of them")
        night = load_config(
            self.config,
            self.set_ or [],
            target=self.target,
            seeds__files=[str(path) for path in self.seeds or []],
            mix__at_least=dict(_share(item) for item in self.min_share or []) or None,
            budget__usd=self.budget_usd,
            budget__tokens=self.budget_tokens,
            budget__deadline=self.deadline,
            answers="offline" if self.offline else "batch" if self.batch else None,
        )
        _feasible(night)
        return night


plan = typer.Typer(no_args_is_help=True, help="What a run will take, before it is run.")


@plan.callback()
def _plan() -> None:
    """Keeps `nightly` a word of its own while it is the only command."""


@asking(Wanted)
def nightly(
    wanted: Wanted,
    show_config: ShowConfig = False,
    json: AsJson = False,
) -> None:
    """Run one night: from seed tasks to a published dataset version.

    Exit code 3 where a limit ended it before it could publish: the command that it prints goes on from there.
    """
    from flows.config.loading import as_yaml

    night = wanted.night()
    if show_config:
        typer.echo(as_yaml(night), nl=False)
        return
    from flows.runner.limits import Stopped
    from flows.runner.run_notes import notes_kept

    with notes_kept():
        try:
            with orchestrated(night.dataset) as run:
                from flows.nightly import nightly as flow

                name = run(flow, night)
        except Stopped as stopped:
            _print_stopped(stopped, night, json=json)
            raise typer.Exit(STOPPED) from None
        from flows.cli.summary import as_json, print_summary

        if json:
            terminal.echo_json(as_json(name))
        else:
            print_summary(name)


@plan.command("nightly")
@asking(Wanted)
def plan_nightly(
    wanted: Wanted,
    json: AsJson = False,
) -> None:
    """Forecast a night's calls, tokens, price (online and batch), duration and accepted rows, with ranges."""
    night = wanted.night()
    import orjson

    from flows.cli.rendering import print_forecast
    from flows.runner.forecast import forecast, notice
    from flows.runner.night_inputs import borrowed
    from flows.runner.resources import opened
    from flows.settings import load_settings

    with opened(load_settings()) as tools:
        found = forecast(night, tools)
        shared = borrowed(night, tools.settings)
    if json:
        terminal.echo_json(orjson.dumps(found.record(), option=orjson.OPT_INDENT_2).decode())
    else:
        print_forecast(found, night)
        for line in (shared, notice(found.record())):
            if line:
                typer.echo(f"\n{line}")


def _feasible(night: Nightly) -> None:
    """ConfigError or IngestError for what can be known to fail before Prefect is started."""
    from flows.config.loading import ConfigError
    from flows.runner.limits import BATCHED
    from flows.settings import load_settings
    from tasks.stages.ingest import check

    if night.answers in BATCHED and not load_settings().role("teacher").base_url:
        raise ConfigError(
            f"answers={night.answers} (--batch) needs an endpoint with a Batch API, which the embedded teacher is not. "
            "Fix: set MATHMILL_TEACHER__BASE_URL, or leave it out"
        )
    for setting, paths in (
        ("decontaminate.benchmarks", night.decontaminate.benchmarks),
        ("decontaminate.pairs", night.decontaminate.pairs),
        ("decontaminate.clean", night.decontaminate.clean),
        ("weakness.probe", [night.weakness.probe] if night.weakness.probe else []),
    ):
        for path in paths:
            if not Path(path).exists():
                raise ConfigError(f"setting {setting}: there is no {path}. Fix: check the path")
    check(
        [Path(path) for path in night.seeds.files]
    )  # the flow looks again; here it costs nothing to be told
    if not night.decontaminate.pairs:  # whose kinds are not known before they are read
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


def _share(item: str) -> tuple[str, float]:
    from flows.config.loading import ConfigError

    domain, _, share = item.partition("=")
    try:
        return domain.strip(), float(share)
    except ValueError:
        raise ConfigError(f"--min-share {item}: must be DOMAIN=SHARE, such as algebra=0.2") from None


def again(stopped: Stopped, night: Nightly, words: Sequence[str]) -> str:
    """The command that goes on from where a limit ended the one of these words; empty where none can go on without
    a larger limit. With --offline the same answers would be missing again, and a moment that is past stays past."""
    words = list(words)
    if stopped.by == "offline":
        online = [word for word in words if word != "--offline"]
        words = online if online != words else [*words, "--set", "answers=online"]
    elif stopped.by == "deadline" and night.budget.deadline:
        now = datetime.now().astimezone()
        if moment(night.budget.deadline, now) <= now:
            free = _without(words, "--deadline")
            words = free if free != words else [*words, "--set", "budget.deadline=null"]
    elif stopped.by in ("usd", "tokens") and not stopped.spent.tokens:
        return ""
    return f"./mathmill {shlex.join(words)}"


def _without(words: list[str], option: str) -> list[str]:
    """The words without an option that has a value."""
    left: list[str] = []
    skipped = False
    for word in words:
        if skipped or word == option:
            skipped = not skipped
        elif not word.startswith(f"{option}="):
            left.append(word)
    return left


def _print_stopped(stopped: Stopped, night: Nightly, *, json: bool) -> None:
    command = again(stopped, night, sys.argv[1:])
    if json:
        import orjson

        record = {"stopped": stopped.by, "why": stopped.why, **asdict(stopped.spent), "again": command}
        terminal.echo_json(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
        return
    spent = stopped.spent
    guess = f" ({counted(spent.estimated, 'call')} estimated)" if spent.estimated else ""
    terminal.echo(f"Stopped    {stopped.why.removeprefix('stopped ')}")
    terminal.echo(
        f"Paid       ${spent.usd:,.4f}, {counted(spent.tokens, 'token')}{guess}; every answer is in the ledger"
    )
    terminal.echo(
        f"Accepted   {spent.accepted:,} of {counted(spent.target, 'row')} so far; nothing was published"
    )
    terminal.echo(
        f"Go on      {command or 'with a larger limit: one call may take more than all of this one'}"
    )
