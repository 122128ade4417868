"""Searches rows for benchmark items, rule by rule. Every hit names the rule, the item and the overlap.

A row is several texts (its question, its turns, its solutions), and each of them is compared.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.reasons import Code, Reason, reason
from storage.rows import TEXT, ChatTurn, column, reasons_of, reject
from tasks.decontamination.benchmarks import Benchmarks, Items
from tasks.decontamination.hit import Hit
from tasks.decontamination.judge import JudgePairs, RuleTools, TextEncoder
from tasks.dedup.verdict_column import with_verdict
from tasks.plugins import module
from tasks.text.shared import Shared, own_words, shared_text, union

STAGE = "decontaminate"
QUESTION = "question"
_BLOCK = 1 << 15  # texts compared together


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a row. `field` names its place in the row ("question", "user turn 2", "solution").

    Only a text that `asks` something can be an item in other words. The others (solutions, reasoning) are searched for an item as a
    passage.
    """

    row: int
    field: str
    text: str
    asks: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """Rule `rule` finds item `item` in text `field` of a row; `overlap` is the share of the item, 0..1."""

    rule: str
    item: str
    overlap: float
    field: str

    @property
    def reason(self) -> Reason:
        """ "decontaminate: ngram13 gsm8k_test#17 overlap 0.62", and the field unless it is the question."""
        return reason(
            STAGE,
            Code.CONTAMINATED,
            rule=self.rule,
            item=self.item,
            overlap=f"{self.overlap:.2f}",
            field="" if self.field == QUESTION else self.field,
        )


SHARED = 0.05  # share of a set's texts that must have text in common for it to count as shared
LEFT = 3  # words that must remain of an item after text that rows share is left out


@dataclass(frozen=True, slots=True)
class Search:
    """Rules prepared for a set of items, with the tools that some of them need.

    `shared`: text that is left out of items and rows before they are compared; `whole`: the unchanged items.
    """

    rules: tuple[tuple[str, ModuleType, Any], ...]
    tools: RuleTools
    whole: Items
    shared: Shared = field(default_factory=Shared)

    @classmethod
    def of(
        cls, items: Benchmarks | Items, rules: Sequence[str], tools: RuleTools, shared: Shared | None = None
    ) -> Search:
        """Prepare the rules for items. The preparation for registered benchmarks is reused by every shard of a
        run.

        `shared`: text to leave out; None: the text that at least SHARED of a registered set's items have in common.
        Raises UnknownName if a rule has no file in tasks/decontamination/rules/.
        """
        modules = [(name, module("tasks.decontamination.rules", name)) for name in rules]
        if isinstance(items, Items):
            left, whole = shared or Shared(), items
            cut = items.cut(left)
            return cls(tuple((name, rule, rule.prepare(cut)) for name, rule in modules), tools, whole, left)
        left = union(list(items.shared(SHARED).values())) if shared is None else shared
        with _preparing:  # shards run in threads, and would all prepare the same rules
            ready = tuple((name, rule, _prepared(name, items, left)) for name, rule in modules)
        return cls(ready, tools, items.items(), left)

    def hits(self, rows: Items) -> dict[int, tuple[str, Hit]]:
        """Return row number -> the first rule that finds an item in it, and the hit."""
        cut = rows.cut(self.shared)
        by_row: dict[int, tuple[str, Hit]] = {}
        for name, rule, ready in self.rules:
            needed = (self.tools,) if hasattr(rule, "NEEDS") else ()
            for hit in rule.find(cut, ready, *needed):
                by_row.setdefault(hit.row, (name, hit))
        return by_row

    def findings(self, texts: Sequence[Text]) -> dict[int, Finding]:
        """Return for each row (its `Text.row`) the first rule that finds an item in any of its texts.

        Of several texts the one with the largest share of an item counts, ties to the first text.
        """
        items = Items(
            [str(text.row) for text in texts],
            [text.text if text.asks else "" for text in texts],
            [text.text for text in texts],
        )
        order = {name: place for place, (name, _, _) in enumerate(self.rules)}
        best: dict[int, tuple[tuple[int, float, int], Finding]] = {}
        for place, (name, hit) in self.hits(items).items():
            text = texts[place]
            key = (order[name], -hit.overlap, place)
            if text.row not in best or key < best[text.row][0]:
                best[text.row] = (key, Finding(name, hit.item, hit.overlap, text.field))
        return {row: finding for row, (_, finding) in best.items()}

    def without(self, shared: Shared) -> Search:
        """Return a search that also leaves out text that the rows have in common.

        A phrase is not left out if hardly any words of an item remain without it: rows that all
        hold one item are contaminated, and the phrase is no instruction.
        """
        more = shared.without(self.shared.phrases)
        if not more:
            return self
        both, inside = union([self.shared, more]), False
        for text in self.whole.texts:
            if within := more.within(text):
                if own_words(both.cut(text)) < LEFT or both.cut(text) == text:
                    more = more.without(within)
                else:
                    inside = True
        if not more:
            return self
        both = union([self.shared, more])
        if not inside:
            return replace(self, shared=both)
        return Search.of(self.whole, [name for name, _, _ in self.rules], self.tools, both)


_preparing = threading.Lock()


@functools.lru_cache(maxsize=32)
def _prepared(rule: str, benchmarks: Benchmarks, shared: Shared) -> Any:
    return module("tasks.decontamination.rules", rule).prepare(benchmarks.items().cut(shared))


def mark_contaminated(
    table: pa.Table,
    *,
    benchmarks: Benchmarks,
    rules: Sequence[str] = ("exact", "ngram13"),
    tick: Callable[[int], None] | None = None,
    encode: TextEncoder | None = None,
    judge: JudgePairs | None = None,
    texts: Iterable[Text] | None = None,
    share: float = SHARED,
    shared: Counter[str] | None = None,
) -> pa.Table:
    """Return the rows with `rejected` set on those that hold a benchmark item, and decontaminated=clean on
    the others.

    The reason reads "decontaminate: ngram13 gsm8k_test#17 overlap 0.62" and names the first rule of `rules`
    that finds an item. `texts`: every text of the rows, in the order of `Text.row` (a row number of the
    table); None means the columns of the table that hold text (`texts_of`). Text that at least `share` of a
    benchmark's items, or of these rows, have in common (tasks.text.shared) is left out of the comparison;
    that of the rows is counted into `shared`. Without any benchmark no row is compared and no verdict is
    given. Rows that come in rejected are left as they are. `encode` and `judge` are for rules that need
    them (paraphrase). Raises UnknownName if a rule has no file in tasks/decontamination/rules/.
    """
    tick = tick or (lambda rows: None)
    if not benchmarks.files or not rules or not len(table):
        for name in rules:
            module("tasks.decontamination.rules", name)
        tick(len(table))
        return table
    among_items = union(list(benchmarks.shared(share).values()))
    search = Search.of(benchmarks, rules, RuleTools(encode, judge), among_items)
    reasons: list[Reason | None] = [None] * len(table)
    live = pc.is_null(table.column("rejected")).to_numpy(zero_copy_only=False)
    compared = 0
    for block in _blocks(texts_of(table) if texts is None else texts, live):
        common = shared_text((text.text for text in block if text.asks), share)
        fitting = search.without(common)
        if shared is not None and fitting is not search:
            shared.update(dict(common.examples))
        for row, finding in fitting.findings(block).items():
            reasons[row] = finding.reason
        rows = len({text.row for text in block})
        compared += rows
        tick(rows)
    tick(len(table) - compared)
    contaminated = np.array([why is not None for why in reasons], dtype=bool)
    return with_verdict(reject(table, reasons), "decontaminated", "clean", live & ~contaminated)


def texts_of(table: pa.Table) -> Iterator[Text]:
    """Yield question, reasoning and solution of each row of a table of storage.rows.SCHEMA; of a chat every turn, and of a
    document its text."""
    names = (QUESTION, "reasoning", "solution", "kind", "messages")
    texts = [column(table, name) for name in names]
    for row, (question, reasoning, solution, kind, messages) in enumerate(zip(*texts, strict=True)):
        if messages:
            yield from _turns(row, messages)
            continue
        yield Text(row, QUESTION, question or "", asks=kind != TEXT)
        if reasoning:
            yield Text(row, "reasoning", reasoning, asks=False)
        if solution:
            yield Text(row, "solution", solution, asks=False)


def _turns(row: int, messages: Sequence[ChatTurn]) -> Iterator[Text]:
    for number, turn in enumerate(messages, 1):
        field = f"{turn['role']} turn {number}"
        if turn["content"]:
            yield Text(row, field, turn["content"], asks=turn["role"] == "user")
        if turn["reasoning"]:
            yield Text(row, f"{field}, reasoning", turn["reasoning"], asks=False)
        if turn["tool_calls"]:
            yield Text(row, f"{field}, tool calls", turn["tool_calls"], asks=False)


def hits_of(table: pa.Table) -> dict[str, int]:
    """Count rejected rows by rule and benchmark: "ngram13 gsm8k_test"."""
    hits = [why.values for why in reasons_of(table) if why is not None and why.code == Code.CONTAMINATED]
    return dict(sorted(Counter(f"{hit['rule']} {hit['item'].rsplit('#', 1)[0]}" for hit in hits).items()))


def _blocks(texts: Iterable[Text], live: npt.NDArray[np.bool_]) -> Iterator[list[Text]]:
    """Yield the texts of live rows in blocks; the texts of one row stay together."""
    block: list[Text] = []
    for text in texts:
        if not live[text.row]:
            continue
        if len(block) >= _BLOCK and text.row != block[-1].row:
            yield block
            block = []
        block.append(text)
    if block:
        yield block
