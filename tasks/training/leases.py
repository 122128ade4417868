"""The versions that a run reads are left alone by retention while it reads them, however long that is."""

from __future__ import annotations

import contextlib
import datetime
import threading
import uuid
from collections.abc import Iterator, Sequence

from storage.clock import now
from storage.datasets import retention
from storage.datasets.store import Store
from storage.datasets.versions import Version

HOURS = 12.0  # after a killed run the versions are held this long at most
RENEWED = 3.0  # hours


@contextlib.contextmanager
def held(store: Store, versions: Sequence[Version]) -> Iterator[None]:
    """A lease on each version, renewed by a thread while the block lasts."""
    holder = f"train-{uuid.uuid4().hex[:8]}"
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEWED * 3600):
            for version in versions:
                retention.lease(store.where, version, holder, now() + datetime.timedelta(hours=HOURS))

    with contextlib.ExitStack() as stack:
        for version in versions:
            stack.enter_context(store.leased(version, holder, HOURS))
        thread = threading.Thread(target=renew, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
