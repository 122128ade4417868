"""Rebuild a version from stored candidates: filter by another threshold, mix again and publish, without any model call.

    python benchmarks/rebuild.py [--quick]

The time is that of the flow, from the collection of the candidates to the finished report, without the start of Prefect. The
peer is one write of the same rows as zstd-3 Parquet by plain pyarrow in two threads.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow as pa

from benchmarks.storage import rows, timed, write_in_two_threads
from flows.runner.environment import arrange

PIECE = 50_000
SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100,000 rows instead of 1,000,000")
    count = 100_000 if parser.parse_args().quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["MATHMILL_HOME"] = str(home)
        arrange(home, quiet=True)
        stored(home, count)
        seconds, name = rebuilt()
        version, funnel = published(home, name)
        peer = plain(home, version)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} stored candidates, {version:,} rows published, peak memory {peak:,.0f} MB\n")
    for line in funnel:
        print(f"{line['title']:36}{line['asked']:12,} in {line['kept']:12,} kept")
    limit = SECONDS * count / 1_000_000
    verdict = "ok" if seconds <= limit else "short"
    print(
        f"\nrebuild {count:,} rows: {seconds:.1f} s, plain pyarrow {peer:.1f}, ratio {seconds / peer:.1f}, "
        f"target {limit:g} s, {verdict}"
    )
    return int(verdict == "short")


def stored(home: Path, count: int) -> None:
    """Write the candidates of a night, and publish the first tenth of them as a version."""
    from storage.datasets.store import Store

    store = Store(home)
    for seed in range(count // PIECE):
        store.append_candidates(rows(PIECE, seed), run="night", stage="published", part=str(seed))
    lineage = {"run": "night", "flow": "nightly", "parameters": {}, "funnel": [], "costs": []}
    store.publish("math-sft", [rows(PIECE, 0)], lineage=lineage)


def rebuilt() -> tuple[float, str]:
    from prefect import flow

    from flows.config.rebuild import Rebuild
    from flows.rebuild import rebuild
    from flows.runner.after_publication import finish
    from flows.runner.resources import opened
    from flows.settings import load_settings
    from tasks.stages.mix import MixSettings

    @flow
    def morning() -> None:
        """Start Prefect's server for this process, and finish the night with its report and its history."""
        with opened(load_settings()) as tools:
            finish(tools, tools.store.resolve("math-sft"))

    morning()
    mixture = MixSettings(shares={"format": {"cot": 0.6, "pot": 0.6}, "source": {"weakness": 0.3}})
    config = Rebuild(thresholds={"answer": 0.2, "instruction": 0.1}, mix=mixture)
    start, used = time.perf_counter(), time.process_time()
    name = rebuild(config)
    seconds = time.perf_counter() - start
    print(f"{time.process_time() - used:.1f} s of CPU in {seconds:.1f} s, load {os.getloadavg()[0]:.1f}")
    return seconds, str(name)


def published(home: Path, name: str) -> tuple[int, list[dict[str, int]]]:
    from storage.datasets.store import Store

    version = Store(home).resolve(name)
    assert Counter(
        line["asked"] - line["kept"] - line["rejected"] for line in version.lineage["funnel"]
    ).keys() == {0}
    return version.rows, version.lineage["funnel"]


def plain(home: Path, count: int) -> float:
    table = pa.concat_tables([rows(PIECE, seed) for seed in range(count // PIECE)])
    return timed(lambda: write_in_two_threads(table, home, 0))


if __name__ == "__main__":
    sys.exit(main())
