"""Compare the loader from NAME@VERSION to packed batches with `datasets.load_dataset("parquet")`, its map and TRL's packing.

    python -m benchmarks.loader [--rows 50000] [--quick]

Both tokenize the same rows with the same tokenizer and template and pack them by best fit decreasing into blocks of the same
size. The loader of this project also weighs the rows and needs no pass over the data before the first batch. `datasets` cannot
read Parquet files with maps, so its files hold only the two columns and are written before the clock starts. Figures are CPU
seconds of the process and its children, which do not depend on the load of the machine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import pyarrow.parquet as pq
from datasets import disable_progress_bars, load_dataset
from torch.utils.data import DataLoader
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.training.loader import Group, Stream, collate
from tasks.training.student import tokenizer_of
from tasks.training.tokens import TokenEncoder, prompts_of

LENGTH, BATCH = 2_048, 16
GPU_RATE = 100_000  # tokens/s that a GPU can train on


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--quick", action="store_true", help="4,000 rows")
    chosen = parser.parse_args()
    count = 4_000 if chosen.quick else chosen.rows
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        version = str(store.publish("math-sft", [to_table(problems(count))], lineage={}))
        sample = store.read(version, ["question", "solution"]).slice(0, 2_000)
        tokenizer = tokenizer_of([text for row in sample.to_pylist() for text in row.values()])
        plain = f"{folder}/plain.parquet"
        pq.write_table(store.read(version, ["question", "solution"]), plain)
        began = time.perf_counter()
        next(batches(store, version, tokenizer))
        first = time.perf_counter() - began
        mine, (tokens, blocks) = measured(lambda: ours(store, version, tokenizer))
        peer, (their_tokens, their_blocks) = measured(lambda: theirs(plain, tokenizer, folder))
    print(f"{count:,} rows, blocks of {LENGTH:,} tokens, batches of {BATCH}\n")
    print(f"{'':28}{'CPU s':>8}{'rows/s':>12}{'tokens/s':>13}{'blocks':>9}{'filled':>9}")
    for name, seconds, amount, block_count in (
        ("NAME@VERSION", mine, tokens, blocks),
        ("datasets and trl", peer, their_tokens, their_blocks),
    ):
        filled = amount / (block_count * LENGTH)
        print(
            f"{name:28}{seconds:8.2f}{count / seconds:12,.0f}{amount / seconds:13,.0f}{block_count:9,}{filled:9.1%}"
        )
    print(f"\nfirst batch after {first:.2f} s\n")
    return max(
        target("loader rows", count / mine, count / peer, "rows/s", 1.0),
        target("loader of one core", tokens / mine, GPU_RATE, "tokens/s", 1.0),
    )


def target(name: str, value: float, peer: float, unit: str, least: float) -> int:
    ratio = value / peer
    verdict = "ok" if ratio >= least else "short"
    print(f"{name}: {value:,.0f} {unit}, peer {peer:,.0f}, ratio {ratio:.2f}, target {least}, {verdict}")
    return int(ratio < least)


def measured(act: Callable[[], Any]) -> tuple[float, Any]:
    before = cpu()
    result = act()
    return cpu() - before, result


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def stream_of(store: Store, version: str, tokenizer: Any) -> Stream:
    group = Group((store.resolve(version),))
    return Stream(store, [group], TokenEncoder(tokenizer, LENGTH), LENGTH, True, BATCH, 0)


def batches(store: Store, version: str, tokenizer: Any) -> Iterator[dict[str, Any]]:
    blocks = stream_of(store, version, tokenizer).blocks()
    while chunk := list(itertools.islice(blocks, BATCH)):
        yield collate(chunk, tokenizer.pad_token_id)


def ours(store: Store, version: str, tokenizer: Any) -> tuple[int, int]:
    """Return the tokens and blocks of one epoch. The stream is endless, so the beginnings of rows are counted."""
    rows = store.resolve(version).rows
    seen = tokens = blocks = 0
    for batch in batches(store, version, tokenizer):
        learned = batch["loss_weights"] > 0
        started = (learned[:, 1:] & ~learned[:, :-1]).sum().item()
        seen, blocks = seen + started, blocks + len(learned)
        tokens += int((batch["input_ids"] != tokenizer.pad_token_id).sum())
        if seen >= rows:
            return tokens, blocks
    raise AssertionError("unreachable")


def theirs(plain: str, tokenizer: Any, folder: str) -> tuple[int, int]:
    disable_progress_bars()
    render, end = prompts_of(tokenizer), [tokenizer.eos_token_id]

    def tokenized(rows: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        prompts = tokenizer([render(text) for text in rows["question"]], add_special_tokens=False)[
            "input_ids"
        ]
        solutions = tokenizer(rows["solution"], add_special_tokens=False)["input_ids"]
        pairs = list(zip(prompts, solutions, strict=True))
        return {
            "input_ids": [p + s + end for p, s in pairs],
            "labels": [[-100] * len(p) + s + end for p, s in pairs],
        }

    rows = load_dataset("parquet", data_files=plain, split="train", cache_dir=folder)
    rows = rows.shuffle(seed=0).map(tokenized, batched=True, remove_columns=["question", "solution"])
    packed = pack_dataset(rows, LENGTH, strategy="bfd")
    together = DataCollatorForLanguageModeling(tokenizer.pad_token_id, return_position_ids=True)
    tokens = blocks = 0
    for batch in DataLoader(packed, batch_size=BATCH, collate_fn=together):
        tokens += int(batch["attention_mask"].sum())
        blocks += len(batch["input_ids"])
    return tokens, blocks


def problems(count: int) -> list[Row]:
    """Return rows of the problem families, as a night publishes them."""
    chosen = list(families().values())
    rows = []
    for number in range(count):
        problem = make(chosen[number % len(chosen)], rng_of("loader", number), 1, "en")
        solution = "\n".join([*problem.worked.steps, f"So \\boxed{{{problem.worked.answer}}}"])
        rows.append(
            Row(
                question=f"{problem.question} ({number})",
                language="en",
                solution=solution,
                solution_format="cot",
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
