"""Workers for the shards of tasks.dedup.outofcore: threads, processes, or a Dask or Ray cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Literal

from tasks.dedup.joining import Each

On = Literal["threads", "processes", "dask", "ray"]


@contextlib.contextmanager
def workers(on: On = "processes", count: int = 2, address: str | None = None) -> Iterator[Each]:
    """Start workers and yield their `map`; they end with the context.

    `address`: a running Dask scheduler or Ray head; without it one is started here. Dask and Ray come with
    the extras of those names. Workers must see the folder and the files.
    """
    if on == "threads":
        with ThreadPoolExecutor(count) as threads:
            yield threads.map
    elif on == "processes":
        with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as processes:
            yield processes.map
    elif on == "dask":
        from distributed import Client

        local = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None}
        connected: Any = Client(address) if address else Client(**local)
        with connected as client:

            def each(work: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
                # jobs write files, so a job that equals an earlier one must run again
                return list(client.gather(client.map(work, list(jobs), pure=False)))

            yield each
    else:
        import ray
        from ray.util.multiprocessing import Pool

        started = not ray.is_initialized()
        if started:
            ray.init(address=address, num_cpus=None if address else count, include_dashboard=False)
        try:
            with Pool(count) as pool:
                yield pool.map
        finally:
            if started:
                ray.shutdown()
