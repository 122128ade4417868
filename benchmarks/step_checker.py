"""Measure the step checker beside sympy on worked solutions of GSM8K, and what both say of right and of spoiled ones.

    python -m benchmarks.step_checker [--quick]

The peer recomputes only the calculator's annotations (<<48/2=24>>) with sympy.sympify, which is the simplest correct way; the step checker reads the
text, in which the annotations are left out. Rates are per second of CPU time of one core. Needs ../shared/data and is skipped without it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sympy

from tasks.critics.error_injection import KINDS, inject
from tasks.critics.step_checker import check
from tasks.critics.steps import split_steps

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TARGET = 2_000  # solutions per second and core
_ANNOTATION = re.compile(r"<<([\d.+\-*/() ]{1,80})=(-?[\d.]{1,20})>>")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="600 solutions; ends within a minute")
    count = 600 if parser.parse_args().quick else 7_000
    path = DATA / "gsm8k" / "train.jsonl.gz"
    if not path.is_file():
        print(f"skipped: no {path.name} ({DATA} is absent)")
        return 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for _, line in zip(range(count), lines, strict=False)]
    plain = [re.sub(r"<<.*?>>", "", row["answer"]) for row in rows]
    ours = rate(lambda: [check(split_steps(text)) for text in plain], len(plain))
    some = rows[:: max(1, len(rows) // 100)]
    theirs = rate(lambda: [recomputed(row["answer"]) for row in some], len(some))
    accused = sum(check(split_steps(text)).first_wrong is not None for text in plain)
    print(f"called wrong: {accused} of {len(plain)} solutions of the data set")
    for kind in KINDS:
        spoiled = [inject(row["answer"], kind=kind, seed=0, question=row["question"]) for row in rows[:400]]
        injected = [one for one in spoiled if one is not None]
        placed = sum(check(one.steps).first_wrong == one.place for one in injected)
        print(f"{kind}: {placed} of {len(injected)} injected errors are called wrong in their step")
    word = "ok" if ours >= TARGET else "short"
    print(
        f"step checker: {ours:.0f} solutions/s, sympy {theirs:.0f}, ratio {ours / theirs:.1f}, target {TARGET}, {word}"
    )
    return int(word == "short")


def recomputed(answer: str) -> bool:
    """Return whether all annotations are right by sympy."""
    return all(
        abs(float(sympy.sympify(left)) - float(right)) <= 0.01 for left, right in _ANNOTATION.findall(answer)
    )


def rate(act: Callable[[], object], count: int) -> float:
    """Return how often per second of CPU time one of `count` is done."""
    before = time.process_time()
    act()
    return count / (time.process_time() - before)


if __name__ == "__main__":
    sys.exit(main())
