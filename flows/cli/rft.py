"""The command `rft`, and its forecast `plan rft`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows.cli import terminal
from flows.cli.nightly import LIMITS, STOPPED, plan, print_stopped
from flows.cli.options import AsJson, SettingsCommand, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated

if TYPE_CHECKING:
    from flows.config.rft import Rft
    from flows.runner.rft_forecast import RftForecast

RFT = "flows.config.rft.Rft"
OPTIONS = (
    Shortcut("version", argument=True, metavar="NAME[@VERSION]"),
    Shortcut("dataset"),
    Shortcut("questions.most", "questions"),
    Shortcut("sample.samples", "samples"),
    Shortcut("sample.most_samples", "most_samples"),
    Shortcut("sample.allocate", "allocate"),
    Shortcut("sample.most", "most"),
    *LIMITS,
)


@configured_by(RFT, *OPTIONS, Shortcut("dry_run"))
def rft(config: Rft, json: AsJson = False) -> None:
    """Sample the questions of a version from several models, and publish solutions, preference pairs, step labels and prompts.

    The models are those of MATHMILL_SAMPLERS. Publishes NAME-rft, NAME-dpo, NAME-steps and NAME-prompts, each a version for `train`. The
    same command continues a run that was interrupted, and pays for nothing twice. Exit code 3 if a limit stopped it before it could publish:
    ./mathmill rft math-sft --samples 8 --allocate prop2diff
    """
    if config.dry_run:
        _print_forecast(_forecast(config), json=json)
        return
    from flows.rft import check
    from flows.rft import rft as flow
    from flows.runner.limits import Stopped
    from flows.runner.run_notes import notes_kept
    from flows.settings import load_settings
    from storage.datasets.store import Store

    check(
        config, Store(load_settings().tables)
    )  # the flow checks again; here an error shows before Prefect is started
    with notes_kept():
        try:
            with orchestrated(config.dataset or config.version.partition("@")[0]) as run:
                names = run(flow, config)
        except Stopped as stopped:
            print_stopped(stopped, config.budget, json=json)
            raise typer.Exit(STOPPED) from None
        from flows.cli.rft_summary import print_sampled

        print_sampled(names, json=json)


@plan.command("rft", cls=SettingsCommand)
@configured_by(RFT, *OPTIONS, show=False)
def plan_rft(config: Rft, json: AsJson = False) -> None:
    """Forecast samples, tokens, price and duration of `rft`, each with a range. No model is called."""
    _print_forecast(_forecast(config), json=json)


def _forecast(config: Rft) -> RftForecast:
    from flows.rft import check
    from flows.runner.resources import opened
    from flows.runner.rft_forecast import rft_forecast
    from flows.settings import load_settings

    with opened(load_settings()) as tools:
        return rft_forecast(config, check(config, tools.store), tools)


def _print_forecast(forecast: RftForecast, *, json: bool) -> None:
    if json:
        import orjson

        terminal.echo_json(orjson.dumps(forecast.record(), option=orjson.OPT_INDENT_2).decode())
        return
    from flows.cli.rendering import print_markdown
    from flows.runner.rft_forecast import forecast_text

    print_markdown(forecast_text(forecast))
