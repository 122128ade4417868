"""Compare encoding with sentence-transformers' `encode`, and exact top-20 search with FAISS called on 200 queries at a time.

    python -m benchmarks.retrieve [--quick]

The target of the encoder applies where the processor has bfloat16 units; elsewhere both compute in float32, and the target is
not to be slower. Each pair is run alternately, and the median of the ratios counts. Also measures the growth of the index.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import orjson

from storage.indexes.index import IndexSettings, VectorIndex
from tasks.retrieval.encoder import Encoder, has_bf16_units
from tasks.retrieval.neighbours import nearest, neighbours
from tasks.seeding import rng_of

ROOT = Path(__file__).resolve().parents[1]
K = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes; ends within a minute")
    quick = parser.parse_args().quick
    lines = [*encoding(64 if quick else 1024, 2 if quick else 5)]
    lines += exact_search(50_000 if quick else 1_000_000, 400 if quick else 800, 3)
    lines += growth([5_000, 50_000] if quick else [10_000, 100_000, 1_000_000])
    lines += approximate(20_000 if quick else 200_000)
    print(*lines, sep="\n")
    return 1 if any(line.endswith("short") for line in lines) else 0


def encoding(count: int, rounds: int) -> list[str]:
    texts = sentences(count)
    encoder = Encoder()
    encoder(texts[:8])
    peer = encoder._model if not has_bf16_units() else Encoder(bf16=False)
    if isinstance(peer, Encoder):
        peer(texts[:8])
        peer = peer._model
    ours, theirs, ratio = compare(
        lambda: encoder(texts), lambda: peer.encode(texts, normalize_embeddings=True), rounds
    )
    cosine = float((encoder(texts) * peer.encode(texts, normalize_embeddings=True)).sum(axis=1).min())
    print(f"{'encoder':<24}{'sentences/s':>14}\n{encoder.identity:<24}{count / ours:>14.0f}")
    print(f"{'sentence-transformers':<24}{count / theirs:>14.0f}\nlowest cosine between them {cosine:.6f}\n")
    target = 2.3 if has_bf16_units() else 0.95
    good = ratio >= target and cosine >= 0.9999
    return [
        f"encode: {count / ours:.0f} sentences/s, sentence-transformers {count / theirs:.0f}, "
        f"ratio {ratio:.2f}, target {target}, {'ok' if good else 'short'}"
    ]


def exact_search(size: int, count: int, rounds: int) -> list[str]:
    pool = clustered(size)
    queries = clustered(count, "queries")
    index = VectorIndex(pool.shape[1], IndexSettings(flat_up_to=size))
    index.add([str(i) for i in range(size)], pool)
    del pool

    def small_calls() -> list[npt.NDArray[np.float32]]:
        return [index.search(queries[i : i + 200], K)[0] for i in range(0, count, 200)]

    ours, theirs, ratio = compare(lambda: neighbours(index, queries, K), small_calls, rounds)
    scores, expected = neighbours(index, queries, K)[0], np.concatenate(small_calls())
    # compared by score, since the order of equal scores may differ
    recall = float(np.mean(scores >= expected[:, -1:] - 1e-5))
    print(f"{f'top {K} of {size:,}':<24}{'queries/s':>14}\n{'in large blocks':<24}{count / ours:>14.0f}")
    print(f"{'in calls of 200':<24}{count / theirs:>14.0f}\nrecall {recall:.4f}\n")
    good = ratio >= 10 and recall == 1
    return [
        f"top20: {count / ours:.0f} queries/s, FAISS in calls of 200 {count / theirs:.0f}, "
        f"ratio {ratio:.1f}, target 10, {'ok' if good else 'short'}"
    ]


def growth(sizes: list[int]) -> list[str]:
    """Measure an index per size: filled in ten nights, saved, loaded with its checksum verified, and queried 2,000 times at once."""
    print(f"{'questions':>10}{'add /s':>12}{'save s':>9}{'verify+load s':>15}{'top-20 /s':>11}{'peak GB':>9}")
    asking = [grown(size, clustered(2000, "queries")) for size in sizes]
    print()
    ratio = (asking[-1] / asking[-2]) / (sizes[-1] / sizes[-2])
    return [
        f"growth: {asking[-1] / asking[-2]:.2f} times the seconds, questions {sizes[-1] / sizes[-2]:.0f} times, "
        f"ratio {ratio:.2f}, target 1.05, {'ok' if ratio <= 1.05 else 'short'}"
    ]


def grown(size: int, queries: npt.NDArray[np.float32]) -> float:
    """Return the seconds of the queries."""
    pool = clustered(size)
    index = VectorIndex(pool.shape[1], IndexSettings(flat_up_to=size))
    start = time.perf_counter()
    for part in np.array_split(np.arange(size), 10):
        index.add([str(i) for i in part.tolist()], pool[part])
    adding = time.perf_counter() - start
    del pool
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        saving = seconds(lambda: index.save(Path(folder)))
        loading = seconds(lambda: VectorIndex.load(Path(folder)))
    asking = min(seconds(lambda: neighbours(index, queries, K)) for _ in range(3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{size:>10,}{size / adding:>12,.0f}{saving:>9.2f}{loading:>15.2f}{len(queries) / asking:>11,.0f}{peak:>9.2f}"
    )
    return asking


def approximate(size: int) -> list[str]:
    """Compare IVF and HNSW with flat: the share of the exact 20 that they find, on queries that are not in the index."""
    pool, queries = clustered(size), clustered(2000, "queries")
    _, truth = nearest(pool, queries, K)
    flat = min(seconds(lambda: nearest(pool, queries, K)) for _ in range(2))
    print(f"{f'{size:,} questions':<24}{'fill s':>9}{'top-20 /s':>12}{'stated':>13}{'recall':>9}")
    print(f"{'flat':<24}{'':>9}{2000 / flat:>12,.0f}{'':>13}{1:>9.3f}")
    lines = [line for kind in ("ivf", "hnsw") for line in found_by(kind, pool, queries, truth)]
    print()
    return lines


def found_by(
    kind: Literal["ivf", "hnsw"],
    pool: npt.NDArray[np.float32],
    queries: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
) -> list[str]:
    index = VectorIndex(pool.shape[1], IndexSettings(flat_up_to=0, kind=kind))
    names = [str(i) for i in range(len(pool))]
    filling = seconds(lambda: index.add(names, pool))
    asking = seconds(lambda: neighbours(index, queries, K))
    _, neighbour_ids = neighbours(index, queries, K)
    hits = sum(
        len({names[i] for i in a} & set(b)) for a, b in zip(truth, neighbour_ids.tolist(), strict=True)
    )
    recall, least = hits / truth.size, index.settings.recall
    print(f"{kind:<24}{filling:>9.1f}{len(queries) / asking:>12,.0f}{index.recall:>13.3f}{recall:>9.3f}")
    good = recall >= least
    return [
        f"{kind}: recall {recall:.3f}, flat 1.000, ratio {recall:.3f}, target {least}, {'ok' if good else 'short'}"
    ]


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Run both alternately; return the median seconds of each and the median of the ratios."""
    times = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    return mine, other, statistics.median(b / a for a, b in times)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sentences(count: int) -> list[str]:
    """Return texts of 20 to 80 words, cut from the seed problems of the project."""
    lines = (ROOT / "seeds" / "en.jsonl").read_bytes().splitlines()
    words = " ".join(f"{task['question']} {task['solution']}" for task in map(orjson.loads, lines)).split()
    rng = rng_of("benchmark", "sentences")
    cuts = [(rng.randrange(len(words) - 80), rng.randint(20, 80)) for _ in range(count)]
    return [" ".join(words[start : start + length]) for start, length in cuts]


def clustered(count: int, name: str = "pool") -> npt.NDArray[np.float32]:
    """Return unit vectors around shared centres, like questions around topics, of shape (count, 384)."""
    centres = np.random.default_rng(1).standard_normal((2000, 384), dtype=np.float32)
    rng = np.random.default_rng(rng_of("benchmark", name).getrandbits(32))
    vectors = rng.standard_normal((count, 384), dtype=np.float32)
    vectors += centres[rng.integers(0, len(centres), count)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    sys.exit(main())
