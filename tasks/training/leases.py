"""Leases that keep retention from deleting the versions that a training run reads, for as long as it reads them."""

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

HOURS = 12.0  # length of a lease: a killed run holds its versions for at most this long
RENEWED = 3.0  # hours between renewals


@contextlib.contextmanager
def held(store: Store, versions: Sequence[Version]) -> Iterator[None]:
    """Hold a lease on each version while the block runs; a thread renews them."""
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
