"""Promotions that wait for reviewers: they are resumed when the queue of their version is done."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from flows.runner.environment import arrange
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.review.session import WAITING


def resume(store: Store, version: Version, home: Path) -> list[str]:
    """Resume the promotions that are paused for this version, and return the ids of their runs.

    Without a Prefect server none can be waiting: a paused run is a running process that uses one.
    """
    waiting = {
        str(mark.value["flow_run"]): None
        for mark in store.marks(version.dataset, WAITING)
        if mark.version == version.name
    }
    if not waiting:
        return []
    arrange(home, quiet=True)
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        return []
    resumed = []
    with get_client(sync_client=True) as client:
        for run in waiting:
            try:
                state = client.read_flow_run(UUID(run)).state
            except ObjectNotFound:  # the run was deleted, or is of another server
                continue
            if state is not None and state.is_paused():
                client.resume_flow_run(UUID(run), run_input={"by_judgements_so_far": False})
                resumed.append(run)
    return resumed
