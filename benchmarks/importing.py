"""Compare the import of a file of messages with `datasets` reading the same file and pyarrow writing it as Parquet.

    python -m benchmarks.importing [--rows 1000000] [--quick]

The import reads every record, recognises what it is, checks and cleans each turn, makes the ids and publishes a version, whose
files are read again, digested and gated. De-duplication and decontamination are not part of it: the peer has neither. Figures
are CPU seconds of a process of its own and its peak memory, for all rows and for a quarter of them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

SHARD = 8_192
LEAST = 1 / 1.3  # rows/s of the import beside those of the peer
FLAT = 1.3  # times the memory for four times the rows, at most
WORDS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "that",
    "it",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "how",
    "many",
    "each",
    "has",
    "had",
    "then",
    "more",
    "than",
    "left",
    "total",
    "cost",
    "price",
    "boxes",
    "apples",
    "tickets",
    "hours",
    "minutes",
    "miles",
    "speed",
    "number",
    "sum",
    "product",
    "equals",
    "therefore",
    "we",
    "first",
    "next",
    "multiply",
    "divide",
    "add",
    "subtract",
]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="40,000 rows")
    chosen = parser.parse_args()
    count = 40_000 if chosen.quick else chosen.rows
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder, "whole.jsonl"), Path(folder, "part.jsonl")
        write(whole, count)
        write(part, count // 4)
        figures = {
            "datasets and pyarrow": apart(by_datasets, whole, Path(folder, "peer")),
            "import": apart(by_import, whole, Path(folder, "home")),
            "import of a quarter": apart(by_import, part, Path(folder, "quarter")),
        }
        size = whole.stat().st_size
    print(f"{count:,} rows of messages, {size / 1e6:,.0f} MB of JSON Lines\n")
    print(f"{'':28}{'CPU s':>9}{'rows/s':>12}{'peak MB':>10}")
    for name, (seconds, peak) in figures.items():
        rows = count // 4 if name.endswith("quarter") else count
        print(f"{name:28}{seconds:9.2f}{rows / seconds:12,.0f}{peak:10,.0f}")
    print()
    (peer, _), (mine, peak), (_, before) = figures.values()
    return max(
        target("import rows", count / mine, count / peer, "rows/s", LEAST),
        target("memory of four times the rows", before * FLAT, peak, "MB", 1.0),
    )


def target(name: str, value: float, peer: float, unit: str, least: float) -> int:
    ratio = value / peer
    verdict = "ok" if ratio >= least else "short"
    print(f"{name}: {value:,.0f} {unit}, peer {peer:,.0f}, ratio {ratio:.2f}, target {least:.2f}, {verdict}")
    return int(ratio < least)


def write(path: Path, count: int) -> None:
    """Write chats of two to six turns of 10 to 60 words."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            turns = [
                {
                    "role": ("user", "assistant")[place % 2],
                    "content": f"{number} {' '.join(rng.choices(WORDS, k=rng.randrange(10, 60)))}.",
                }
                for place in range(2 * rng.randrange(1, 4))
            ]
            file.write(json.dumps({"id": number, "messages": turns}) + "\n")


def apart(act: Callable[[Path, Path], None], path: Path, folder: Path) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory in MB of a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(act, path, folder, sending))
    process.start()
    sending.close()
    figures: tuple[float, float] = receiving.recv()
    process.join()
    return figures


def _child(act: Callable[[Path, Path], None], path: Path, folder: Path, sending: object) -> None:
    before = _cpu()
    act(path, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sending.send((_cpu() - before, peak))  # type: ignore[attr-defined]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def by_datasets(path: Path, folder: Path) -> None:
    import pyarrow.parquet as pq
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    data = load_dataset("json", data_files=str(path), cache_dir=str(folder), split="train")
    batches = data.with_format("arrow").iter(SHARD)
    first = next(batches)
    with pq.ParquetWriter(
        folder / "out.parquet", first.schema, compression="zstd", compression_level=3
    ) as writer:
        writer.write_table(first)
        for batch in batches:
            writer.write_table(batch)


def by_import(path: Path, folder: Path) -> None:
    import pyarrow as pa

    from storage.datasets.store import Store
    from tasks.ingestion.sources import sources
    from tasks.stages.import_dataset import PEEK, RecordReading, common_of, table_of

    reading = RecordReading(kind="chat", license="MIT")
    (source,) = sources([str(path)])

    def tables() -> Iterator[pa.Table]:
        common = common_of(islice(source.records(), PEEK), reading)
        for chunk in source.batches(SHARD):
            yield table_of(chunk, reading, source.name, common)

    Store(folder).publish("chat", tables(), lineage={})


if __name__ == "__main__":
    sys.exit(main())
