"""Delays a scheduled run by a time that depends on its deployment, so that not all installations call an endpoint at once."""

from __future__ import annotations

import time

from prefect import get_run_logger
from prefect.context import FlowRunContext

from tasks.seeding import seed_of


def stagger(most_s: float) -> float:
    """Wait up to `most_s` seconds, hashed from the run's id, where a schedule started this run; a run that a
    person started does not wait. Returns the seconds waited."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or not most_s:
        return 0.0
    wait = most_s * (seed_of("jitter", run.id) / 2**63)
    get_run_logger().info("waiting %.0f s, so that not all schedules start at once", wait)
    time.sleep(wait)
    return wait
