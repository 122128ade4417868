"""Time of the page over many rows: its first page, a facet, a search, a facet of a search and an order, beside Datasette on the same rows if it is installed.

    python -m benchmarks.view [--quick] [--datasette PYTHON]

PYTHON is an interpreter with datasette. Each address is asked for once before it is measured (the rows are copied and the files are in
memory), then five times; the median counts. Both answer in their own process's memory, without a network. Facet addresses differ at
each request, so that no counted result is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from benchmarks.filled_store import DATASET, SUBDOMAINS, fill
from storage.datasets.store import Store
from tasks.viewer.app import create_app
from tasks.viewer.index import opened
from tasks.viewer.search import NAME as WORDS
from tasks.viewer.site import Site

TARGETS = {"first page": 300.0, "facet": 500.0, "search": 300.0, "facet of a search": 500.0}
COLUMNS = ("id", "question", "solution", "answer", "language", "subdomain", "method", "source", "solution_format", "correctness")  # fmt: skip
PEER = """
import asyncio, json, statistics, sys, time
from datasette.app import Datasette
path, addresses = sys.argv[1], json.loads(sys.argv[2])
async def main():
    site = Datasette([path], settings={"sql_time_limit_ms": 60000, "facet_time_limit_ms": 60000, "num_sql_threads": 2})
    times = {}
    for name, (warm, *asked) in addresses.items():
        await site.client.get(warm)
        taken = []
        for address in asked:
            start = time.perf_counter()
            answer = await site.client.get(address)
            taken.append(1e3 * (time.perf_counter() - start))
            assert answer.status_code == 200, (address, answer.status_code)
        times[name] = statistics.median(taken)
    print(json.dumps(times))
asyncio.run(main())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50,000 rows; ends within a minute")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--datasette", metavar="PYTHON", help="interpreter of an environment with datasette")
    options = parser.parse_args()
    rows = 50_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = Store(home)
        version = fill(store, rows, dropped=0)
        with opened(store, home / "view") as index:
            start = time.perf_counter()
            index.kept(version)
            print(f"copied {rows:,} rows in {time.perf_counter() - start:.1f} s")
            site = Site(store, home, index, str(home / "ledger.sqlite"))
            start = time.perf_counter()
            site.words.make(index.kept(version))
            size = (home / "view" / WORDS).stat().st_size
            print(f"index of words in {time.perf_counter() - start:.1f} s, {size / 1e6:.0f} MB")
            client = TestClient(create_app(site), base_url="http://127.0.0.1")
            own = {
                name: measured(client, asked)
                for name, asked in addresses(f"/versions/{version}/rows").items()
            }
        peer: dict[str, float] = {}
        if options.datasette:
            database = as_sqlite(store, home / "rows.db")
            asked = json.dumps(peer_addresses())
            done = subprocess.run(
                [options.datasette, "-c", PEER, str(database), asked],
                capture_output=True,
                text=True,
                check=True,
            )
            peer = json.loads(done.stdout.splitlines()[-1])
        else:
            print("Datasette is left out: give --datasette PYTHON")
    short = False
    for name, (milliseconds, least, cpu) in own.items():
        target = TARGETS.get(name)
        beside = (
            f"PEER {peer[name]:.0f} ms, ratio {peer[name] / milliseconds:.1f}" if name in peer else "no PEER"
        )
        state = (
            "" if target is None else f", target {target:.0f}, {'ok' if milliseconds < target else 'short'}"
        )
        short = short or state.endswith("short")
        print(
            f"{name}: {milliseconds:.0f} ms, {beside}{state} (fastest {least:.0f} ms, {cpu:.0f} ms of CPU, {os.getloadavg()[0]:.0f} processes wait)"
        )
    return int(short)


def addresses(base: str) -> dict[str, list[str]]:
    """Return the addresses per kind of request, the first of which warms up."""
    names = [name for _, name in SUBDOMAINS]
    return {
        "first page": [base] * 6,
        "facet": [f"{base}?subdomain={name}&correctness.min=0.{n}" for n, name in enumerate(names[:6], 1)],
        "search": [f"{base}?q={n}23+boxes" for n in range(1, 7)],
        "facet of a search": [
            f"{base}?q={n}23+boxes&subdomain={name}" for n, name in enumerate(names[:6], 1)
        ],
        "order": [f"{base}?sort=-score.critique&difficulty.min=0.0{n}" for n in range(1, 7)],
    }


def peer_addresses() -> dict[str, list[str]]:
    facets = "&".join(
        f"_facet={name}" for name in ("subdomain", "method", "source", "solution_format", "language")
    )
    base = f"/rows/rows?_size=25&{facets}"
    names = [name for _, name in SUBDOMAINS]
    return {
        "first page": [base] * 6,
        "facet": [f"{base}&subdomain={name}&correctness__gte=0.{n}" for n, name in enumerate(names[:6], 1)],
        "search": [f"{base}&question__contains={n}23+boxes" for n in range(1, 7)],
        "facet of a search": [
            f"{base}&question__contains={n}23+boxes&subdomain={name}" for n, name in enumerate(names[:6], 1)
        ],
        "order": [f"{base}&_sort_desc=correctness&correctness__gte=0.0{n}" for n in range(1, 7)],
    }


def measured(client: TestClient, asked: list[str]) -> tuple[float, float, float]:
    """Return the median and the least time of the addresses but the first, and the median of the CPU that they took, in milliseconds."""
    warm, *rest = asked
    request: Callable[[str], int] = lambda address: client.get(address).status_code  # noqa: E731
    assert request(warm) == 200
    times, of_cpu = [], []
    for address in rest:
        start, cpu = time.perf_counter(), time.process_time()
        assert request(address) == 200, address
        times.append(1e3 * (time.perf_counter() - start))
        of_cpu.append(1e3 * (time.process_time() - cpu))
    return statistics.median(times), min(times), statistics.median(of_cpu)


def as_sqlite(store: Store, path: Path) -> Path:
    """Write the columns that both show to a SQLite file, with an index per facet as its users would make."""
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE rows ({', '.join(COLUMNS)})")
        for batch in store.batches(DATASET, list(COLUMNS)):
            lists = [batch.column(name).to_pylist() for name in COLUMNS]
            connection.executemany(
                f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})", zip(*lists, strict=True)
            )
        for name in ("subdomain", "method", "source", "solution_format", "language", "correctness"):
            connection.execute(f"CREATE INDEX of_{name} ON rows ({name})")
    return path


if __name__ == "__main__":
    raise SystemExit(main())
