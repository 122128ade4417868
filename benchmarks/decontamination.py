"""Measure the recall of decontamination per kind of leak, and its false positives, on real problems.

    python -m benchmarks.decontamination [--quick] [--encoder]

Items: GSM8K test, CMATH and MGSM in Chinese. Leaks: the kinds of tasks.decontamination.planting, the rephrased GSM8K test set
of llm-decontaminator, and MGSM's Chinese translation of the GSM8K test set in both directions. Clean rows: the training
questions of GSM8K and the questions of SVAMP, none of which is an item. Without --encoder the rule paraphrase is left out.
Needs ../shared/data.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.decontamination.benchmarks import Benchmarks, Items
from tasks.decontamination.certificate import measure
from tasks.decontamination.judge import RuleTools
from tasks.decontamination.matching import Search
from tasks.decontamination.planting import Leak
from tasks.decontamination.rules import RULES

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
TARGET = {
    "verbatim": 0.99,
    "homoglyphs": 0.95,
    "sentences in a table": 0.95,
    "MGSM zh to en": 0.7,
    "MGSM en to zh": 0.7,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 leaks a kind and 1,000 clean rows")
    parser.add_argument("--encoder", action="store_true", help="the rule paraphrase too, with MiniLM")
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"no data in {DATA}: nothing measured")
        return 2
    count, clean = (60, 1000) if options.quick else (200, 7000)
    encode = None
    if options.encoder:
        from tasks.retrieval.encoder import Encoder

        encode = Encoder()
    rules = [rule for rule in RULES if options.encoder or rule != "paraphrase"]
    tools = RuleTools(encode)
    benchmarks = Benchmarks.load(
        {"gsm8k": DATA / "gsm8k" / "test.a.jsonl.gz", "cmath": DATA / "benchmarks" / "cmath_dev.a.jsonl"}
    )
    test = {record["_index"]: number for number, record in enumerate(_records("gsm8k/test.a.jsonl.gz"))}
    rephrased = [
        Leak("rephrased by a model", f"gsm8k#{test[record['_index']]}", _stated(record["text"]))
        for record in _records("dedup/rephrased_gsm8k_test.a.jsonl")[: 3 * count]
    ]
    chinese = [
        Leak("MGSM en to zh", f"gsm8k#{test[record['_index']]}", record["messages"][0]["content"])
        for record in _records("gsm8k/mgsm_zh.a.jsonl")
    ]
    start = time.process_time()
    measured = measure(benchmarks, rules, tools, given=[*rephrased, *chinese], a_kind=count)
    mgsm = Benchmarks.load({"mgsm": DATA / "gsm8k" / "mgsm_zh.a.jsonl"})
    english = _records("gsm8k/test.a.jsonl.gz")
    back = [
        Leak("MGSM zh to en", f"mgsm#{number}", english[test[record["_index"]]]["question"])
        for number, record in enumerate(_records("gsm8k/mgsm_zh.a.jsonl"))
    ]
    turned = measure(mgsm, rules, tools, given=back, a_kind=0)
    short = False
    print(f"rules: {', '.join(rules)}")
    for part in (*measured.recall, *turned.recall):
        by_rule = ", ".join(f"{rule} {times}" for rule, times in part.by_rule.items())
        target = TARGET.get(part.kind)
        short |= target is not None and part.share < target
        target_text = (
            "" if target is None else f", target {target}, {'ok' if part.share >= target else 'short'}"
        )
        print(f"{part.kind}: {part.share:.3f} of {part.planted}{target_text} ({by_rule})")
    for name, items, texts in (
        ("GSM8K train against GSM8K test and CMATH", benchmarks, _questions("gsm8k/train.jsonl.gz")[:clean]),
        ("GSM8K train against MGSM zh", mgsm, _questions("gsm8k/train.jsonl.gz")[:clean]),
        ("SVAMP against GSM8K test and CMATH", benchmarks, _svamp()[:clean]),
    ):
        hits = Search.of(items, rules, tools).hits(Items([""] * len(texts), texts, texts))
        print(
            f"false positives, {name}: {1000 * len(hits) / len(texts):.1f} of 1,000 ({_by_rule(hits.values())})"
        )
    print(f"CPU seconds: {time.process_time() - start:.0f}")
    return int(short)


def _by_rule(hits) -> str:  # type: ignore[no-untyped-def]
    counts: dict[str, int] = {}
    for rule, _ in hits:
        counts[rule] = counts.get(rule, 0) + 1
    return ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items()))


def _stated(text: str) -> str:
    return text.split("\nAnswer:")[0].removeprefix("Question: ")


def _records(path: str) -> list[dict]:  # type: ignore[type-arg]
    opened = gzip.open if path.endswith(".gz") else open
    with opened(DATA / path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _questions(path: str) -> list[str]:
    return [record["question"] for record in _records(path)]


def _svamp() -> Sequence[str]:
    return [f"{record['Body']} {record['Question']}" for record in _records("benchmarks/svamp.a.jsonl")]


if __name__ == "__main__":
    sys.exit(main())
