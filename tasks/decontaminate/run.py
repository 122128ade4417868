"""Looking for benchmark items in rows, rule by rule; every hit names rule, item and overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import reject
from tasks.decontaminate.benchmarks import Benchmarks, Items
from tasks.decontaminate.hit import Hit
from tasks.decontaminate.judge import Encode, Judge, Tools
from tasks.dedup.verdicts import with_verdict
from tasks.found import module

STAGE = "decontaminate"
_BLOCK = 1 << 15  # rows looked at together


def decontaminate(
    table: pa.Table,
    *,
    benchmarks: Benchmarks,
    rules: Sequence[str] = ("exact", "ngram13"),
    tick: Callable[[int], None] | None = None,
    encode: Encode | None = None,
    judge: Judge | None = None,
) -> pa.Table:
    """The rows, with `rejected` "decontaminate: ngram13 gsm8k_test#17 overlap 0.62" on those that hold a benchmark item
    (the first rule of `rules` that finds one), and `verdicts` decontaminated=clean on the rest.

    Without any benchmark nothing was looked for and no verdict is given. Rows that come in rejected are
    left alone. `encode` and `judge` are for rules that need them (paraphrase). UnknownName if a rule has no
    file in tasks/decontaminate/rules/.
    """
    modules = [(name, module("tasks.decontaminate.rules", name)) for name in rules]
    if not benchmarks.files or not modules:
        if tick is not None:
            tick(len(table))
        return table
    items = benchmarks.items()
    tools = Tools(encode, judge)
    prepared = [
        (name, rule, rule.prepare(items, tools) if hasattr(rule, "NEEDS") else rule.prepare(items))
        for name, rule in modules
    ]
    reasons: list[str | None] = [None] * len(table)
    clean = np.zeros(len(table), dtype=bool)
    for rows, texts in _blocks(table):
        found: dict[int, tuple[str, Hit]] = {}
        for name, rule, ready in prepared:
            for hit in rule.find(texts, ready):
                found.setdefault(hit.row, (name, hit))
        clean[rows] = True
        for k, (name, hit) in found.items():
            clean[rows[k]] = False
            reasons[rows[k]] = f"{STAGE}: {name} {hit.item} overlap {hit.overlap:.2f}"
        if tick is not None:
            tick(len(rows))
    if tick is not None:
        tick(len(table) - int(pc.is_null(table.column("rejected")).to_numpy().sum()))
    return with_verdict(reject(table, reasons), "decontaminated", "clean", clean)


def _blocks(table: pa.Table) -> Iterator[tuple[list[int], Items]]:
    live = np.flatnonzero(pc.is_null(table.column("rejected")).to_numpy())
    for begin in range(0, len(live), _BLOCK):
        some = live[begin : begin + _BLOCK]
        rows = table.select(["id", "question", "solution"]).take(pa.array(some))
        passages = pc.binary_join_element_wise(
            rows.column("question"), pc.fill_null(rows.column("solution"), ""), "\n"
        )
        yield (
            some.tolist(),
            Items(
                rows.column("id").to_pylist(),
                rows.column("question").to_pylist(),
                [""] * len(rows),
                passages.to_pylist(),
            ),
        )
