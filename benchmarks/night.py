"""Run the whole night on the embedded teacher: rows per second and stage, the overhead of orchestration, and peak memory.

    python -m benchmarks.night [--quick]     (1,000 and 10,000 candidates; --quick: 1,000)
    python -m benchmarks.night --rows 100000

A candidate is a requested solution. The overhead of orchestration is the difference in wall time between the same stages over
the same shards as Prefect task runs and as direct calls in the same threads, with every output computed again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

OVERHEAD = 0.05  # of the night's wall, at most
GROWTH = 1.5  # peak memory of ten times the rows, at most
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1,000 candidates only")
    parser.add_argument("--rows", type=int, action="append", help="candidates; may be repeated")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(night(given.one)))
        return 0
    sizes = given.rows or ([1_000] if given.quick else [1_000, 10_000])
    results = {size: apart(size) for size in sizes}
    short = 0
    for size, one in results.items():
        print(
            f"\n{size:,} candidates planned: {one['wall']:.1f} s, {one['tasks']} task runs, "
            f"{one['stages']['solve'][0] / one['wall']:,.0f} solutions a second"
        )
        print(f"peak memory {one['peak']:,.0f} MB, load {one['load']:.1f}\n")
        print(f"{'stage':16}{'rows':>10}{'seconds':>10}{'rows/s':>10}")
        for stage, (rows, seconds) in one["stages"].items():
            print(f"{stage:16}{rows:10,}{seconds:10.2f}{rows / seconds if seconds else 0:10,.0f}")
        verdict = "ok" if one["overhead"] <= OVERHEAD else "short"
        short |= verdict == "short"
        print(
            f"\norchestration of {size:,} candidates: {one['prefect']:.2f} s, direct {one['direct']:.2f}, "
            f"ratio {one['prefect'] / one['direct']:.2f}, share of the night {one['overhead']:.3f}, target {OVERHEAD}, {verdict}"
        )
    for small, large in itertools.pairwise(sizes):
        ratio = results[large]["peak"] / results[small]["peak"]
        verdict = "ok" if ratio <= GROWTH else "short"
        short |= verdict == "short"
        print(
            f"peak memory {large:,}: {results[large]['peak']:.0f} MB, {small:,} {results[small]['peak']:.0f}, ratio {ratio:.2f}, target {GROWTH}, {verdict}"
        )
    return int(short)


def apart(size: int) -> dict[str, Any]:
    """Run each size in a separate process and home, so that the peak is that of the size."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MATHMILL_HOME": f"{folder}/home"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.night", "--one", str(size)],
            env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return results


def night(size: int) -> dict[str, Any]:
    """Run one night of about `size` candidates, timed per stage, and then one cheap stage over its shards in both ways."""
    from flows.runner.environment import arrange
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    from prefect import flow

    import flows.runner.stages
    from flows.config.nightly import Nightly
    from flows.nightly import nightly
    from flows.runner.resources import Tools
    from tasks.stages.generate import GenerateSettings
    from tasks.stages.retrieve import WeaknessSettings

    @flow
    def nothing() -> None:
        """Start Prefect's server for this process."""

    nothing()
    spent: dict[str, list[float]] = {}
    runs = [0]
    run_stage = flows.runner.stages.Line.run

    def timed(self: Any, stage: Any, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        refs = run_stage(self, stage, *args, **kwargs)
        entry = spent.setdefault(stage.name, [0, 0.0])
        entry[0] += sum(ref.rows for ref in refs)
        entry[1] += time.perf_counter() - start
        runs[0] += len(refs)
        return refs

    flows.runner.stages.Line.run = timed  # type: ignore[method-assign]
    # about one of three requested solutions is kept
    config = Nightly(
        target=max(50, size // 3),
        generate=GenerateSettings(waves=1),
        weakness=WeaknessSettings(share=0),
        shard_rows=max(256, size // 64),
    )
    start = time.perf_counter()
    nightly(config)
    wall = time.perf_counter() - start
    flows.runner.stages.Line.run = run_stage  # type: ignore[method-assign]
    prefect, direct = both_ways(Tools(load_settings()), runs[0])
    return {
        "wall": wall,
        "tasks": runs[0],
        "stages": spent,
        "peak": peak(),
        "load": os.getloadavg()[0],
        "prefect": prefect,
        "direct": direct,
        "overhead": (prefect - direct) / wall,
    }


def both_ways(tools: Any, runs: int) -> tuple[float, float]:
    """Return the seconds of a nearly empty stage over the shards, as task runs and as direct calls."""
    from concurrent.futures import ThreadPoolExecutor

    from prefect import flow

    from flows.runner.progress import Bars
    from flows.runner.stages import Line, Place, Stage, run_shard
    from flows.runner.task_runners import task_runner
    from storage.rows import Row, to_table

    def stage(name: str) -> Stage:
        return Stage(name, name)

    with Bars() as bars:
        line = Line(tools, bars)
        shards = [line.put("bench", to_table([Row(f"q{n}", "en")])) for n in range(runs)]

        @flow(task_runner=task_runner())
        def orchestrated() -> float:
            start = time.perf_counter()
            line.run(stage("with"), partial(untouched), shards)
            return time.perf_counter() - start

        with_prefect = float(orchestrated())
        place = Place(str(tools.home), False)
        start = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda ref: run_shard.fn(
                        place, stage("without"), partial(untouched), [ref.to_dict()], {}, None
                    ),
                    shards,
                )
            )
        return with_prefect, time.perf_counter() - start


def untouched(rows: Any, *, tick: Any) -> Any:
    tick(rows.num_rows)
    return rows


def peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
