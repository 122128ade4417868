"""Measure deduplication out of core: rows per second, CPU and peak memory as the collection of Parquet files grows.

    python -m benchmarks.outofcore [--quick] [--rows 5000000] [--memory 3GB] [--folder DIR]

Each size runs in its own process with two threads. The peak is the largest sum of the memory of the process and of the pages
of files that it has mapped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.planted import planted

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 250_000
LIMIT = 8 * 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 rows; ends within a minute")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", action="store_true", help="that size alone, without the smaller ones")
    parser.add_argument("--memory", default="3GB", help="DuckDB's share")
    parser.add_argument("--folder", type=Path, help="where the questions are kept from run to run")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Path(options.child[0]), int(options.child[1]), options.memory)
        return 0
    last = 20_000 if options.quick else options.rows
    sizes = sorted({last, *(size for size in (10_000, 100_000, 1_000_000) if size < last)})
    sizes = [last] if options.quick or options.only else sizes
    print(
        f"{'rows':>10}{'seconds':>9}{'CPU us/row':>12}{'peak GiB':>10}{'disk GB':>9}{'recall':>8}{'precision':>11}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        for size in sizes:
            folder = (options.folder or Path(work)) / f"questions-{size}"
            later = make(folder, size)
            result = measured(folder, Path(work) / str(size), options.memory)
            gone = set(result["gone"])
            recall, precision = (len(gone & later) / max(len(ids), 1) for ids in (later, gone))
            print(
                f"{size:>10,}{result['seconds']:>9.1f}{result['cpu'] / size * 1e6:>12.1f}"
                f"{result['peak'] / 2**30:>10.2f}{result['disk'] / 1e9:>9.2f}{recall:>8.4f}{precision:>11.4f}",
                flush=True,
            )
    lines = [
        f"out-of-core peak at {last:,}: {result['peak'] / 2**30:.2f} GiB, limit {LIMIT / 2**30:.0f}, "
        f"ratio {result['peak'] / LIMIT:.2f}, target 1.0, {'ok' if result['peak'] <= LIMIT else 'short'}",
        f"out-of-core precision at {last:,}: {precision:.4f} share, exact 1, ratio {precision:.4f}, target 1.0, "
        f"{'ok' if precision == 1 else 'short'}",
        f"out-of-core recall at {last:,}: {recall:.4f} share, theory at the threshold 0.95, ratio {recall / 0.95:.3f}, "
        f"target 1.0, {'ok' if recall >= 0.95 else 'short'}",
    ]
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def make(folder: Path, rows: int) -> set[int]:
    """Write the questions as one Parquet file per block; return the rows that are similar to an earlier one."""
    record = folder / "later.json"
    if not record.exists():
        folder.mkdir(parents=True, exist_ok=True)
        later: list[int] = []
        for block in planted(rows, BLOCK):
            ids = [f"{row:010d}" for row in range(block.start, block.start + len(block.texts))]
            table = pa.table({"id": ids, "question": block.texts})
            pq.write_table(table, folder / f"{block.start:010d}.parquet", row_group_size=50_000)
            later += block.later
        record.write_text(json.dumps(later))
    return set(json.loads(record.read_text()))


def measured(questions: Path, folder: Path, memory: str) -> dict[str, object]:
    threads = os.sched_getaffinity(0)
    command = [sys.executable, "-m", "benchmarks.outofcore", "--memory", memory]
    done = subprocess.run(
        [*command, "--child", str(questions), str(len(threads))],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, env={**os.environ, "BENCHMARK_FOLDER": str(folder)},
    )  # fmt: skip
    result: dict[str, object] = json.loads(done.stdout)
    gone = pq.read_table(folder / "duplicates.parquet", columns=["id"]).column("id")
    return {**result, "gone": [int(id) for id in gone.to_pylist()]}


def child(questions: Path, threads: int, memory: str) -> None:
    from tasks.dedup.outofcore import Collection, OutOfCore
    from tasks.dedup.sketching import TextSource

    folder = Path(os.environ["BENCHMARK_FOLDER"])
    collection = Collection(
        sorted(questions.glob("*.parquet")), folder, TextSource(language=None), OutOfCore(memory=memory)
    )
    start, before = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as executor:
        collection.run(executor.map)
    seconds, cpu = time.perf_counter() - start, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "disk": disk}))


if __name__ == "__main__":
    sys.exit(main())
