"""Measure the answers judged per second beside plain math-verify, on real model outputs, and where the two disagree.

    python -m benchmarks.verify [--quick]

Both judge the same extracted answers alternately, each in one process (the judge has one warm worker, as during a night); the
medians of the ratios count. Needs ../shared/data and is skipped without it.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import logging
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from math_verify import parse, verify

from tasks.answers import Judge, Judgement, extract
from tasks.answers.exact import decide

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TARGETS = {"GSM8K": 25.0, "MATH": 8.0}

Pair = tuple[str, str]

# disagreements in which math-verify is wrong (tests/tasks/answers/test_faults.py shows each)
FAULTS = {
    "percent of a decimal": re.compile(r"\d\.\d+\s*\\?%"),
    "markdown": re.compile(r"\*\*|__"),
    "repeating decimal": re.compile(r"\\overline|\\dot"),
    "mixed number or spaced thousands": re.compile(r"\d \d"),
    "words and units": re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}|[\u4e00-\u9fff]"),
    "a calculation": re.compile(r"\d.*[-+*/=].*\d.*="),
    "decimals beyond the sixth": re.compile(r"\.\d{6}"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the outputs; ends within a minute")
    quick = parser.parse_args().quick
    if not (DATA / "samples").is_dir():
        print(f"skipped: no real outputs to judge ({DATA} is absent)")
        return 0
    logging.disable(logging.WARNING)  # math-verify logs every timeout
    lines: list[str] = []
    with Judge(workers=1) as judge:
        for name, outputs in (("GSM8K", gsm8k()), ("MATH", math())):
            lines += measured(name, outputs[:: 10 if quick else 1], judge, 2 if quick else 3)
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def measured(name: str, outputs: list[Pair], judge: Judge, rounds: int) -> list[str]:
    start = time.perf_counter()
    extracted = [(extract(text), gold) for text, gold in outputs]
    extraction = time.perf_counter() - start
    pairs = [(hit.answer, gold) for hit, gold in extracted if hit is not None]
    judge.equal([("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}")])  # starts the worker
    ours, theirs, ratios = [], [], []
    for _ in range(rounds):
        ours.append(timed(lambda: judge.equal(pairs)))
        theirs.append(timed(lambda: [plain(*pair) for pair in pairs]))
        ratios.append(theirs[-1][0] / ours[-1][0])
    verdicts, peers = ours[-1][1], theirs[-1][1]
    alone = sum(decide(*pair) is not None for pair in pairs)
    rate, peer = (len(pairs) / statistics.median(run[0] for run in runs) for runs in (ours, theirs))
    print(f"{name}: {len(pairs):,} answers of {len(outputs):,} outputs, {len(set(pairs)):,} different pairs")
    print(
        f"  extraction {len(outputs) / extraction:,.0f} outputs/s; decided without algebra {alone / len(pairs):.1%}"
    )
    print(f"  verdicts {dict(Counter(verdicts))}; math-verify {dict(Counter(peers))}")
    faults, rest = disagreements(pairs, verdicts, peers)
    for fault, count in faults.most_common():
        print(f"  math-verify's fault, {fault}: {count}")
    for pair, verdict in rest[:10]:
        print(f"  disagreement: {pair} is {verdict} here")
    ratio, target = statistics.median(ratios), TARGETS[name]
    return [
        f"judge {name} answers: {rate:.0f} answers/s, math-verify {peer:.0f}, ratio {ratio:.1f}, "
        f"target {target}, {'ok' if ratio >= target else 'short'}",
        f"disagreements on {name}: {len(rest)} pairs, math-verify 0, ratio {len(rest) / len(pairs):.5f}, "
        f"target 0, {'short' if rest else 'ok'}",
    ]


def disagreements(
    pairs: list[Pair], verdicts: list[Judgement], peers: list[bool]
) -> tuple[Counter[str], list[tuple[Pair, Judgement]]]:
    """Return the counts of the known faults, and the remaining pairs. An unknown judgement is no disagreement."""
    faults: Counter[str] = Counter()
    rest = set()
    for pair, verdict, peer in zip(pairs, verdicts, peers, strict=True):
        if verdict == "unknown" or (verdict == "equal") == peer:
            continue
        fault = next((name for name, pattern in FAULTS.items() if pattern.search(" ".join(pair))), None)
        if fault is None:
            rest.add((pair, verdict))
        else:
            faults[fault] += 1
    return faults, sorted(rest)


def plain(candidate: str, gold: str) -> bool:
    return bool(verify(parse(f"${gold}$"), parse(f"${candidate}$")))


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = act()
    return time.perf_counter() - start, result


def gsm8k() -> list[Pair]:
    """Return solutions of four small models and of eight chat models with their gold answers."""
    pairs = [
        (row[model]["solution"], row["ground_truth"].rsplit("A: ", 1)[-1])
        for row in rows("gsm8k/example_model_solutions.a.jsonl.gz")
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    ]
    return pairs + zeroeval("samples/zeroeval_gsm8k.a.jsonl.gz")


def math() -> list[Pair]:
    pairs = zeroeval("samples/zeroeval_math_l5.a.jsonl.gz")
    for row in rows("samples/qwen_math_8samples.a.jsonl.gz"):
        pairs += [(text, row["gt"]) for text in items(row["code"])]
    return pairs + [(row["solution"], row["answer"]) for row in rows("math/math500.a.jsonl")]


def zeroeval(name: str) -> list[Pair]:
    return [(items(row["output"])[0], str(row["answer"]).removeprefix("# ")) for row in rows(name)]


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        print(f"left out: no {path}")
        return []
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else list(ast.literal_eval(value))


if __name__ == "__main__":
    sys.exit(main())
