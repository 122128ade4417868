"""Measure the scoring of pairs by a cross-encoder beside plain `CrossEncoder.predict`, in paired runs.

    python -m benchmarks.cross_encoder [--quick]

Both score the same pairs of question and solution with the same MiniLM with one output. Rates are rows per second of CPU time, medians of
alternated runs. Needs ../shared/data and is skipped without it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TARGET = 1.3


def main() -> int:
    import torch

    from tasks.critics.kinds.cross_encoder import PairScorer, opened
    from tasks.retrieval.encoder import has_bf16_units

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 pairs, two runs; ends within a minute")
    quick = parser.parse_args().quick
    path = DATA / "gsm8k" / "train.jsonl.gz"
    if not path.is_file():
        print(f"skipped: no {path.name} ({DATA} is absent)")
        return 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for _, line in zip(range(200 if quick else 1_000), lines, strict=False)]
    pairs = [(row["question"], row["answer"]) for row in rows]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = opened("minilm", 512)
    scorers: dict[str, Callable[[], Any]] = {
        "predict": lambda: model.predict(pairs),
        "float32": lambda: PairScorer(model, bf16=False).log_odds(pairs),
    }
    if has_bf16_units():
        scorers["bfloat16"] = lambda: PairScorer(model, bf16=True).log_odds(pairs)
    times: dict[str, list[float]] = {name: [] for name in scorers}
    scores: dict[str, Any] = {}
    for _ in range(2 if quick else 3):
        for name, act in scorers.items():
            before = time.process_time()
            scores[name] = act()
            times[name].append(time.process_time() - before)
    rates = {name: len(pairs) / statistics.median(taken) for name, taken in times.items()}
    for name in list(scorers)[1:]:
        apart = float(np.abs(1 / (1 + np.exp(-scores[name])) - scores["predict"]).max())
        ratios = [one / other for one, other in zip(times["predict"], times[name], strict=True)]
        print(
            f"{name}: {rates[name]:.0f} rows/s, predict {rates['predict']:.0f}, ratio {rates[name] / rates['predict']:.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), largest difference of scores {apart:.1e}"
        )
    best = max(rates[name] for name in list(scorers)[1:]) / rates["predict"]
    word = "ok" if best >= TARGET else "short"
    print(f"cross-encoder: ratio {best:.2f}, target {TARGET}, {word}")
    return int(word == "short")


if __name__ == "__main__":
    sys.exit(main())
