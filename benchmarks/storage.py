"""Compare the publication of a version, and the write of a stage output, with plain pyarrow writes of the same rows.

    python benchmarks/storage.py [--quick]

The peer of publication is two threads that each write half of the rows as zstd-3 Parquet; publication also reads everything
back, computes the digest, checks the gates and commits. The peer of a stage output is one `pyarrow.parquet.write_table`. Every
figure is the best of the repetitions, which alternate between both.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from storage.datasets.digest import digest_of_rows
from storage.datasets.store import Store
from storage.rows import SCHEMA
from storage.stage_cache.shards import ShardStore, digest_of

TEXT = (
    "the of and a to in is that it for on with as at by from how many each has had then more than left total "
    "cost price boxes apples tickets hours minutes miles speed number sum product equals therefore we first "
    "next multiply divide add subtract so answer 2 3 5 7 12 24 36 100 \\frac{1}{2} x = + - * ="
)
WORDS = pa.array(TEXT.split())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="400,000 rows instead of 1,000,000")
    count = 400_000 if parser.parse_args().quick else 1_000_000
    table = pa.concat_tables([rows(50_000, seed) for seed in range(count // 50_000)])
    shard = table.slice(0, 4096).combine_chunks()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        plain, ours = best(
            lambda turn: write_in_two_threads(table, home, turn),
            lambda turn: publish(table, home, turn),
            turns=5,
        )
        plain_shard, our_shard = best(
            lambda turn: pq.write_table(
                shard, home / f"s{turn}.parquet", compression="zstd", compression_level=3
            ),
            lambda turn: ShardStore(home).put("solve", digest_of(turn), shard),
            turns=20,
        )
        store = Store(home / "0")
        figures = [
            ("plain write, two threads", plain, count),
            ("publish", ours, count),
            ("digest in memory", timed(lambda: digest_of_rows(table)), count),
            ("verify", timed(lambda: store.verify("math-sft")), count),
            ("read whole", timed(lambda: store.read("math-sft")), count),
            ("append 1,000 rows to it", timed(lambda: append(store)), 1_000),
            ("plain shard write", plain_shard, shard.num_rows),
            ("stage shard write", our_shard, shard.num_rows),
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} rows, {table.nbytes / 1e6:,.0f} MB in memory, peak memory {peak:,.0f} MB\n")
    print(f"{'':28}{'seconds':>10}{'rows/s':>14}")
    for name, seconds, amount in figures:
        print(f"{name:28}{seconds:10.3f}{amount / seconds:14,.0f}")
    print()
    return max(
        target(f"publish {count:,} rows", ours, plain, 1.3),
        target("stage shard write of 4,096 rows", our_shard, plain_shard, 1.15),
    )


def target(name: str, value: float, peer: float, most: float) -> int:
    ratio = value / peer
    verdict = "ok" if ratio <= most else "short"
    print(f"{name}: {value:.4f} s, plain pyarrow {peer:.4f}, ratio {ratio:.2f}, target {most}, {verdict}")
    return int(ratio > most)


def best(*acts: Callable[[int], object], turns: int) -> list[float]:
    """Return the least seconds of each act. The acts alternate, so that load on the machine affects all of them."""
    seconds = [[timed(lambda act=act, turn=turn: act(turn)) for act in acts] for turn in range(turns)]  # type: ignore[misc]
    return [min(column) for column in zip(*seconds, strict=True)]


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def write_in_two_threads(table: pa.Table, home: Path, turn: int) -> None:
    half = table.num_rows // 2
    halves = [table.slice(0, half), table.slice(half)]

    def write(number: int) -> None:
        path = home / f"plain-{turn}-{number}.parquet"
        pq.write_table(halves[number], path, compression="zstd", compression_level=3)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))


def publish(table: pa.Table, home: Path, turn: int) -> None:
    pieces = (table.slice(start, 50_000) for start in range(0, table.num_rows, 50_000))
    Store(home / str(turn)).publish("math-sft", pieces, lineage={})


def append(store: Store) -> None:
    store.publish("math-sft", [rows(1_000, 10_000)], lineage={})


def rows(count: int, seed: int) -> pa.Table:
    """Return different rows of the length of GSM8K's: questions of 235 characters, solutions of 290."""
    rng = np.random.default_rng(seed)

    def text(words: int) -> pa.Array:
        columns = [WORDS.take(pa.array(rng.integers(0, len(WORDS), count))) for _ in range(words)]
        columns[words // 2] = pc.cast(pa.array(rng.integers(0, 10**6, count)), pa.string())
        return pc.binary_join_element_wise(*columns, " ")

    def values(*choices: str | None) -> pa.Array:
        return pa.array(choices, pa.string()).take(pa.array(rng.integers(0, len(choices), count)))

    def ids() -> pa.Array:
        digits = rng.bytes(12 * count).hex()
        return pa.array([digits[start : start + 24] for start in range(0, 24 * count, 24)])

    def share() -> pa.Array:
        return pa.array(rng.random(count, dtype=np.float32))

    pairs = pa.array(np.arange(0, 2 * count + 1, 2, dtype=np.int32))
    ones = pa.array(np.arange(count + 1, dtype=np.int32))
    columns = {
        "id": ids(),
        "problem_id": ids(),
        "question": text(48),
        "solution": text(60),
        "solution_format": values("cot", "pot"),
        "answer": pc.cast(pa.array(rng.integers(0, 10**5, count)), pa.string()),
        "language": values("en", "zh"),
        "domain": values("algebra", "geometry", "number theory"),
        "subdomain": values("linear equations", "plane geometry", "primes and factorization", "limits"),
        "source": values("self_instruct", "weakness"),
        "license": values("Apache-2.0"),
        "method": values("self_instruct", "weakness"),
        "model": values("embedded"),
        "prompt": values("cot.en@3f2a91bc", "pot.zh@91bc3f2a"),
        "params": values('{"temperature":0.7,"max_tokens":1024}'),
        "sample_index": pa.array(rng.integers(0, 4, count), pa.int32()),
        "parent_ids": pa.ListArray.from_arrays(ones, ids()),
        "concepts": pa.ListArray.from_arrays(
            pairs, pa.concat_arrays([values("fractions", "ratio"), values("unit price", "area")])
        ),
        "verdicts": pa.MapArray.from_arrays(
            pairs,
            pa.array(["equivalent", "executed"] * count),
            pa.concat_arrays([values("equal"), values("ok")]),
        ),
        "scores": pa.MapArray.from_arrays(
            pairs, pa.array(["answer", "instruction"] * count), pa.concat_arrays([share(), share()])
        ),
        "correctness": share(),
        "difficulty": share(),
        "loss_weight": share(),
        "critique": text(12),
    }
    return pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in SCHEMA], schema=SCHEMA)


if __name__ == "__main__":
    sys.exit(main())
