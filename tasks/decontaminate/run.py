"""Looking for benchmark items in rows, rule by rule; every hit names rule, item and overlap."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import column, reject
from tasks.decontaminate.benchmarks import Benchmarks, Items
from tasks.decontaminate.hit import Hit
from tasks.decontaminate.judge import Critic, Encode, Judge, Tools
from tasks.dedup.verdicts import with_verdict
from tasks.found import module
from tasks.llm.engine import Engine
from tasks.outcome import Outcome, Tick

STAGE = "decontaminate"
_BLOCK = 1 << 15  # rows looked at together


@dataclass(frozen=True, slots=True)
class Search:
    """Rules made ready for a set of items, with the tools that some of them need."""

    rules: tuple[tuple[str, ModuleType, Any], ...]
    tools: Tools

    @classmethod
    def of(cls, items: Benchmarks | Items, rules: Sequence[str], tools: Tools) -> Search:
        """What is made ready for registered benchmarks serves every shard of a run. UnknownName if a rule has
        no file in tasks/decontaminate/rules/."""
        modules = [(name, module("tasks.decontaminate.rules", name)) for name in rules]
        if isinstance(items, Items):
            return cls(tuple((name, rule, rule.prepare(items)) for name, rule in modules), tools)
        with _preparing:  # shards run in threads, and would all do the same work
            return cls(tuple((name, rule, _prepared(name, items)) for name, rule in modules), tools)

    def hits(self, rows: Items) -> dict[int, tuple[str, Hit]]:
        """Row number -> the first rule that finds something there, and what."""
        found: dict[int, tuple[str, Hit]] = {}
        for name, rule, ready in self.rules:
            needed = (self.tools,) if hasattr(rule, "NEEDS") else ()
            for hit in rule.find(rows, ready, *needed):
                found.setdefault(hit.row, (name, hit))
        return found


_preparing = threading.Lock()


@functools.lru_cache(maxsize=32)
def _prepared(rule: str, benchmarks: Benchmarks) -> Any:
    return module("tasks.decontaminate.rules", rule).prepare(benchmarks.items())


def clean(
    table: pa.Table,
    *,
    benchmarks: Benchmarks,
    rules: Sequence[str],
    ask: bool,
    encode: Encode,
    critic: Engine,
    tick: Tick,
    strict: bool = True,
) -> Outcome:
    """The stage: `decontaminate` with the encoder and, if `ask`, the critic as the judge of near ones. `strict`: as
    of tasks.decontaminate.judge.Critic."""
    judge = Critic(critic, strict=strict) if ask and benchmarks.files else None
    rows = decontaminate(table, benchmarks=benchmarks, rules=rules, tick=tick, encode=encode, judge=judge)
    looked = {"rows": table.column("rejected").null_count, "hits": hits_of(rows)} if benchmarks.files else {}
    return Outcome(
        rows, len(table), {"decontaminated": looked, **(judge.facts() if judge is not None else {})}
    )


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
    tick = tick or (lambda rows: None)
    if not benchmarks.files or not rules or not len(table):
        for name in rules:
            module("tasks.decontaminate.rules", name)
        tick(len(table))
        return table
    search = Search.of(benchmarks, rules, Tools(encode, judge))
    reasons: list[str | None] = [None] * len(table)
    looked_at = np.zeros(len(table), dtype=bool)
    for rows, texts in _blocks(table):
        for k, (name, hit) in search.hits(texts).items():
            reasons[rows[k]] = f"{STAGE}: {name} {hit.item} overlap {hit.overlap:.2f}"
        looked_at[rows] = True
        tick(len(rows))
    tick(len(table) - int(looked_at.sum()))
    found = np.array([why is not None for why in reasons], dtype=bool)
    return with_verdict(reject(table, reasons), "decontaminated", "clean", looked_at & ~found)


def hits_of(table: pa.Table) -> dict[str, int]:
    """Rejected rows by rule and benchmark: "ngram13 gsm8k_test"."""
    words = [
        why.split() for why in column(table, "rejected") if why is not None and why.startswith(f"{STAGE}: ")
    ]
    return dict(sorted(Counter(f"{rule} {item.rsplit('#', 1)[0]}" for _, rule, item, *_ in words).items()))


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
            Items(rows.column("id").to_pylist(), rows.column("question").to_pylist(), passages.to_pylist()),
        )
