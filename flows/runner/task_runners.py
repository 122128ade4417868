"""Where task runs are executed: threads of this process, processes, a Ray or a Dask cluster, by one setting."""

from __future__ import annotations

import os
from typing import Any

from flows.settings import SettingsError, load_settings

RAY = {"include_dashboard": False, "object_store_memory": 200 << 20}  # references travel, never rows


def refuse_own_server() -> None:
    """SettingsError where a cluster is to work for a run whose Prefect server only this machine can reach."""
    address = load_settings().runner_address
    if address:
        raise SettingsError(
            f"MATHMILL_RUNNER_ADDRESS is {address} but PREFECT_API_URL is not set: other machines cannot reach a "
            "server on this one's SQLite. Fix: set PREFECT_API_URL to a Prefect server on PostgreSQL"
        )


def task_runner() -> Any:
    """Return Prefect's task runner for MATHMILL_RUNNER. Raises SettingsError, which names what is not installed."""
    settings = load_settings()
    workers, address = settings.runner_workers, settings.runner_address
    if settings.runner == "threads":
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner(max_workers=workers)
    if "PREFECT_API_URL" not in os.environ:
        refuse_own_server()
    if settings.runner == "processes":
        from prefect.task_runners import ProcessPoolTaskRunner

        return ProcessPoolTaskRunner(max_workers=workers)
    try:
        if settings.runner == "ray":
            from prefect_ray import RayTaskRunner

            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            return RayTaskRunner(
                address=address or None, init_kwargs=None if address else RAY | {"num_cpus": workers}
            )
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise SettingsError(
            f"MATHMILL_RUNNER is {settings.runner} but {error.name} is not installed. "
            f"Fix: pip install -c constraints.txt '.[{settings.runner}]'"
        ) from error
    if address:
        return DaskTaskRunner(address=address)
    return DaskTaskRunner(
        cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    )
