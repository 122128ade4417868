"""Compare the ROUGE-L novelty filter (a question above 0.7 against any kept one is dropped) with other implementations.

    python -m benchmarks.lcs [--quick]

One in five candidates is a kept question with some words changed. The peers are the loop of self-instruct with rouge_score,
alone and in a pool of processes, and a full scan by RapidFuzz, whose decisions must be the same. The speed of the loops is
measured on some candidates and extrapolated, since every candidate is compared with everything kept: the target is 5,000 times
their speed at 10,000 candidates, and in proportion. Seconds and ratios are of CPU time, which other processes on the machine
affect least.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from benchmarks.requirements import require
from tasks.dedup.lcs import novel
from tasks.seeding import rng_of

THRESHOLD = 0.7
WORDS = 8000
_BLOCK = 512


@functools.cache
def scorer() -> Any:
    """Return rouge_score's ROUGE-L scorer, the reference."""
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


def main() -> int:
    require("rouge_score")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 candidates; ends within a minute")
    quick = parser.parse_args().quick
    sizes = [1000, 2000] if quick else [10_000, 30_000]
    print(f"{'method':<24}{'candidates':>12}{'CPU s':>10}{'comparisons/s':>16}")
    lines: list[str] = []
    for size in sizes:
        texts = questions(size)
        seconds, matches = timed(lambda texts=texts: novel(texts, []))
        kept = np.array([match is None for match in matches])
        # the loop compares each candidate with everything kept before it
        comparisons = int(np.cumsum(kept).sum() - kept.sum())
        show("mathmill", size, seconds, comparisons)
        peer, same = timed(lambda texts=texts: scan(texts))
        show("RapidFuzz, full scan", size, peer, comparisons)
        wrong = int((kept != same).sum())
        lines.append(
            f"decisions at {size:,} that differ from the scan's: {wrong} candidates, RapidFuzz 0, ratio {wrong / size:.5f}, "
            f"target 0, {'short' if wrong else 'ok'}"
        )
        if size == sizes[-1]:
            lines.append(verdict("RapidFuzz's scan", size, seconds, peer, 5))
        if size == sizes[0]:
            for name, rate, disagreed in loops(texts, kept, 2 if quick else 8):
                show(f"{name} (extrapolated)", size, comparisons / rate, comparisons)
                lines.append(
                    verdict(name, size, seconds, comparisons / rate, size / 2 if name == LOOP else 0)
                )
                lines.append(
                    f"scores of {name} that decide otherwise: {disagreed} comparisons, rouge_score 0, ratio 0, target 0, "
                    f"{'short' if disagreed else 'ok'}"
                )
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


LOOP, POOL = "rouge_score, plain loop", "rouge_score, processes"


def loops(texts: list[str], kept: np.ndarray, count: int) -> list[tuple[str, float, int]]:
    """Return (name, comparisons per second, differing decisions) of the loops of self-instruct, which compare the last `count`
    candidates with the kept ones."""
    pool = [text for text, stays in zip(texts, kept, strict=True) if stays]
    measured = []
    for name in (LOOP, POOL):
        start, wrong = cpu(), 0
        with contextlib.ExitStack() as stack:
            each = map
            if name == POOL:
                workers = len(os.sched_getaffinity(0))
                processes = stack.enter_context(multiprocessing.get_context("fork").Pool(workers))
                each = functools.partial(processes.map, chunksize=256)
            for row in range(len(texts) - count, len(texts)):
                scores = list(each(functools.partial(one, texts[row]), pool))
                wrong += (max(scores[: int(kept[:row].sum())]) <= THRESHOLD) != kept[row]
            if name == POOL:
                processes.close()
                processes.join()  # the CPU time of children is counted only after they have ended
        measured.append((name, count * len(pool) / (cpu() - start), wrong))
    return measured


def one(text: str, other: str) -> float:
    return float(scorer().score(other, text)["rougeL"].fmeasure)


def scan(texts: list[str]) -> np.ndarray:
    """Compare each candidate with everything kept, by RapidFuzz on token sequences, on all cores."""
    numbers: dict[str, int] = {}
    coded = [
        "".join(chr(0x10000 + numbers.setdefault(word, len(numbers))) for word in text.split())
        for text in texts
    ]
    stays = np.zeros(len(texts), dtype=bool)
    kept: list[str] = []
    for begin in range(0, len(coded), _BLOCK):
        block = coded[begin : begin + _BLOCK]
        gone = (passing(block, kept)).any(axis=1)
        within = passing(block, block)
        for row in range(len(block)):
            stays[begin + row] = not gone[row] and not within[row, :row][stays[begin : begin + row]].any()
        kept += [text for text, stayed in zip(block, stays[begin:], strict=False) if stayed]
    return stays


def passing(own: list[str], other: list[str]) -> np.ndarray:
    shared = process.cdist(own, other, scorer=LCSseq.similarity, dtype=np.uint16, workers=-1)
    precision, recall = (
        shared / np.maximum([len(text) for text in side], 1).reshape(shape)
        for side, shape in ((own, (-1, 1)), (other, (1, -1)))
    )
    total = precision + recall
    score = np.divide(2 * precision * recall, total, out=np.zeros(shared.shape), where=total > 0)
    return np.asarray(score > THRESHOLD)


def verdict(peer: str, size: int, seconds: float, theirs: float, target: float) -> str:
    ratio = theirs / seconds
    return (
        f"novelty over {peer} at {size:,}: {size / seconds:.0f} candidates/s, {peer} {size / theirs:.2f}, "
        f"ratio {ratio:.1f}, target {target}, {'ok' if ratio >= target else 'short'}"
    )


def show(name: str, size: int, seconds: float, comparisons: int) -> None:
    print(f"{name:<24}{size:>12,}{seconds:>10.1f}{comparisons / seconds:>16,.0f}", flush=True)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = cpu()
    result = work()
    return cpu() - start, result


def cpu() -> float:
    """Return the CPU seconds of this process, its threads and its ended children."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def questions(count: int) -> list[str]:
    """Return questions of 10 to 40 words; one in five is an earlier one with one to eight words changed."""
    rng = np.random.default_rng(rng_of("benchmark", "lcs", count).getrandbits(32))
    likely = 1 / np.arange(1, WORDS + 1)
    likely /= likely.sum()
    questions: list[np.ndarray] = []
    for row in range(count):
        if row > 10 and rng.random() < 0.2:
            words = questions[int(rng.integers(row))].copy()
            edits = int(rng.integers(1, 9))
            words[rng.integers(0, len(words), edits)] = rng.integers(0, WORDS, edits)
        else:
            words = rng.choice(WORDS, int(rng.integers(10, 41)), p=likely)
        questions.append(words)
    return [" ".join(f"w{k}" for k in words.tolist()) for words in questions]


if __name__ == "__main__":
    sys.exit(main())
