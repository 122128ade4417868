"""The deployments that `mathmill up` serves: those of prefect.yaml, run by the process that serves them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
import yaml

from flows.config.chain import Chain
from flows.config.loading import ConfigError, load_as
from flows.config.nightly import Nightly
from flows.settings import load_settings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

DECLARED = Path(__file__).resolve().parent.parent.parent / "prefect.yaml"
NIGHT = "flows.nightly.nightly"
CHAIN = "flows.chain.chain"


def serve_flows(night: Nightly, *, cron: str, timezone: str) -> bool:
    """Serve the deployments of prefect.yaml until interrupted.

    `night` is the configuration of the deployments of the flow nightly, `cron` the schedule of the deployment nightly,
    `timezone` the IANA name of the zone of all schedules (empty: that of this machine). Returns True if a single Ctrl-C
    ended it, False if a second Ctrl-C or SIGTERM did. Raises ConfigError if a schedule or the zone is not valid.
    """
    # prefect read its settings when it was first imported, before the server's address was known
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.utilities.collections import deep_merge

    after = load_settings().after_publishing
    chain = load_as(Chain, after, []).model_dump(mode="json", exclude_defaults=True) if after else {}
    zone = timezone or _local_zone()
    declared = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        deployments = []
        for declaration in declared:
            schedules = [schedule["cron"] for schedule in declaration.get("schedules", [])]
            # only settings that differ from the defaults: the form in the UI unfolds each group that has a value
            config = declaration.get("parameters", {}).get("config", {})
            if declaration["entrypoint"] == NIGHT:
                config = deep_merge(night.model_dump(mode="json", exclude_defaults=True), config)
            if declaration["entrypoint"] == CHAIN:
                config = deep_merge(config, chain)
                declaration["triggers"] = [
                    one | {"enabled": one["enabled"] or after is not None} for one in declaration["triggers"]
                ]
            if declaration["name"] == "nightly":
                schedules = [cron]
            deployments.append(_deployment(declaration, schedules, zone, {"config": config}))
            by_event = any(one["enabled"] for one in declaration.get("triggers", ()))
            when = f"{schedules[0]} {zone}" if schedules else "by event" if by_event else "by hand"
            typer.echo(f"Serving {declaration['name']}, {when}")
        return _serve(deployments)


def _serve(deployments: list[RunnerDeployment]) -> bool:
    """Serve the deployments like `prefect.serve`, but let SIGTERM (systemd, docker stop) end it as Ctrl-C does.

    Prefect 3.8.8's own handler for SIGTERM does not await the shutdown. Returns whether a single Ctrl-C ended it.
    """
    from prefect.runner import Runner

    signals: list[int] = []

    class Served(Runner):
        def handle_sigterm(self, *_: object) -> None:
            signals.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    # if it paused the schedules on shutdown, they would still be off after the next start
    runner = Served(pause_on_shutdown=False)
    for deployment in deployments:
        runner.add_deployment(deployment)  # outside an event loop: inside one it would have to be awaited

    # it logs a traceback when the server ends, of which `up` already prints one line
    logging.getLogger("prefect.FlowRunCancellingObserver").addFilter(_without_traceback)

    async def serve() -> None:
        serving = asyncio.current_task()
        assert serving is not None

        def interrupt() -> None:
            if not signals:
                typer.echo("\nStopping ... (Ctrl-C again: at once)", err=True)
            signals.append(signal.SIGINT)
            serving.cancel()

        def handle_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # Prefect 3.8.8 reads the exception of a cancelled task if its server was unreachable before
            if not (signals and isinstance(context.get("exception"), asyncio.CancelledError)):
                loop.default_exception_handler(context)

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handle_exception)
        # a script that starts this in the background has SIGINT ignored
        loop.add_signal_handler(signal.SIGINT, interrupt)
        await runner.start()

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(serve())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return signals == [signal.SIGINT]


def _without_traceback(record: logging.LogRecord) -> bool:
    """Log filter that replaces a traceback by the text of the exception."""
    if record.exc_info and record.exc_info[1]:
        record.msg, record.args = f"{record.getMessage()} ({record.exc_info[1]})", ()
        record.exc_info = None
    return True


def _deployment(
    declared: dict[str, Any], schedules: list[str], zone: str, parameters: dict[str, Any]
) -> RunnerDeployment:
    """Return a deployment of prefect.yaml for the runner of this process.

    Raises ConfigError if a schedule or the time zone is not valid.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    module, name = declared["entrypoint"].rsplit(".", 1)
    limit = declared.get("concurrency_limit")
    try:
        crons = [Cron(schedule, timezone=str(ZoneInfo(zone))) for schedule in schedules]
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"--cron {schedules[0]!r} --timezone {zone!r}: {error}") from error
    deployment: RunnerDeployment = getattr(importlib.import_module(module), name).to_deployment(
        name=declared["name"],
        schedules=crons,
        parameters=parameters,
        tags=declared["tags"],
        description=declared["description"],
        version=declared["version"],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(limit) if limit else None,
        triggers=_triggers(declared, parameters),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return deployment


def _triggers(declared: dict[str, Any], parameters: dict[str, Any]) -> list[DeploymentEventTrigger]:
    """Return the events that start the deployment, with its own parameters besides those of the event."""
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
    from prefect.utilities.collections import deep_merge

    return [
        DeploymentEventTrigger.model_validate(
            one
            | {
                "name": f"{declared['name']}, by event",
                "parameters": deep_merge(parameters, one["parameters"]),
            }
        )
        for one in declared.get("triggers", ())
    ]


def _local_zone() -> str:
    """Return the IANA name of this machine's time zone, or UTC if it has none."""
    import tzlocal

    return tzlocal.get_localzone_name() or "UTC"
