"""Measure the cost of 1,000 new questions against a growing history: the cost of a night should follow its new rows only.

    python -m benchmarks.history [--quick]

The indexes exist already, as at the beginning of a night; each lookup opens them again, memory-mapped. Figures are milliseconds
of CPU, the median of three. ROUGE-L is shown separately: it reads the bounds of every question of similar length, which takes
some nanoseconds each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.planted import planted
from storage.indexes.sketches import History
from storage.rows import Row, to_table
from tasks.dedup.history import segments
from tasks.dedup.questions import _exact, _jaccard_pairs, _rouge_pairs
from tasks.dedup.segment import Questions, Segment
from tasks.dedup.settings import DedupSettings

NEW = 1000
SETTINGS = DedupSettings()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 20,000; ends within a minute")
    quick = parser.parse_args().quick
    sizes = [2000, 20_000] if quick else [10_000, 100_000, 1_000_000]
    print(
        f"{'history':>10}{'append s':>10}{'index s':>9}{'exact ms':>10}{'Jaccard ms':>12}{'ROUGE-L ms':>12}"
    )
    costs = []
    for size in sizes:
        costs.append(measured(size))
        print(f"{size:>10,}" + "".join(f"{value:>{width}.1f}" for value, width in zip(costs[-1], (10, 9, 10, 12, 12), strict=True)), flush=True)  # fmt: skip
    (*_, exact, near, _), (*_, exact_before, near_before, _) = costs[-1], costs[0]
    growth = (exact + near) / (exact_before + near_before)
    print(
        f"exact and Jaccard, {NEW:,} new against {sizes[-1]:,}: {exact + near:.1f} ms, against {sizes[0]:,} "
        f"{exact_before + near_before:.1f}, ratio {growth:.2f}, target 2.0, "
        f"{'ok' if growth <= 2 else 'short'}"
    )
    return int(growth > 2)


def measured(size: int) -> tuple[float, float, float, float, float]:
    (block,) = planted(size + NEW)
    texts = block.texts.to_pylist()
    new_questions = Questions.of(rows(texts[size:]))
    _ = new_questions.canonical, new_questions.rouge, new_questions.templates, new_questions.numbers
    with tempfile.TemporaryDirectory() as folder:
        append, history = timed(lambda: History.open(Path(folder)).append(rows(texts[:size]), 1))
        index, _ = timed(lambda: segments(history, SETTINGS))

        def lookup(step: Callable[[Segment], object]) -> float:
            runs = [timed(lambda: [step(part) for part in segments(history, SETTINGS)])[0] for _ in range(3)]
            return 1000 * statistics.median(runs)

        exact = lookup(lambda part: _exact(new_questions, [part], np.arange(NEW), [None] * NEW))
        near = lookup(lambda part: _jaccard_pairs(new_questions, part, SETTINGS))
        rouge = lookup(lambda part: _rouge_pairs(new_questions, part, SETTINGS))
    return append, index, exact, near, rouge


def rows(texts: list[str]) -> pa.Table:
    return to_table([Row(text, "en") for text in texts])


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    sys.exit(main())
