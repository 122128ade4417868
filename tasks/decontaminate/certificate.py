"""What a version can show for being clean: which sets, which rules, what they hit, and what they would have found.

The recall is measured, not claimed: leaks are planted (tasks.decontaminate.planting) and looked for by the very rules
that looked at the version's rows; clean rows tell how often the rules cry wolf.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from storage.rows import Row, column, to_table
from tasks.decontaminate.benchmarks import Benchmarks, Items
from tasks.decontaminate.judge import Encode, Judge
from tasks.decontaminate.planting import BY_GIVEN_PAIRS, KINDS, Leak, chinese, leaks
from tasks.decontaminate.run import STAGE, decontaminate


@dataclass(frozen=True, slots=True)
class Recall:
    """Of `planted` leaks of a kind, `found` were reported, `named` of them under the right item; `by_rule`: by
    the first rule that found each."""

    kind: str
    planted: int
    found: int
    named: int
    by_rule: dict[str, int]

    @property
    def share(self) -> float:
        return self.found / self.planted if self.planted else 0.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """`sets`: name, sha256 and items of each benchmark file. `hits`: rows rejected, by rule and benchmark
    ("ngram13 gsm8k_test"). `false_positives`: hits among `clean_rows` rows known to hold no item (None: none given)."""

    sets: tuple[tuple[str, str, int], ...]
    rules: tuple[str, ...]
    rows: int
    hits: dict[str, int]
    recall: tuple[Recall, ...]
    unmeasured: tuple[str, ...]
    clean_rows: int
    false_positives: int | None
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """For people, as a table in Markdown."""
        found = [
            f"{self.rows} rows against {sum(items for _, _, items in self.sets)} items of {len(self.sets)} benchmark "
            f"files by {', '.join(self.rules)}: {sum(self.hits.values())} rejected.",
            "",
            "| planted as | planted | found | recall | by rule |",
            "|---|---|---|---|---|",
        ]
        for part in self.recall:
            rules = ", ".join(f"{rule} {count}" for rule, count in part.by_rule.items())
            found.append(f"| {part.kind} | {part.planted} | {part.found} | {part.share:.3f} | {rules} |")
        found += [f"| {kind} | 0 | - | not measured: no pairs given | |" for kind in self.unmeasured]
        if self.false_positives is not None:
            found += ["", f"False positives: {self.false_positives} of {self.clean_rows} clean rows."]
        return found


def certify(
    table: pa.Table,
    benchmarks: Benchmarks,
    rules: Sequence[str],
    *,
    clean: Sequence[str] = (),
    given: Iterable[Leak] = (),
    a_kind: int = 100,
    seed: int = 0,
    encode: Encode | None = None,
    judge: Judge | None = None,
) -> Certificate:
    """The certificate of decontaminated rows (kept and rejected; those without a hit count as looked at).

    `clean`: texts known to hold no item. `given`: leaks made elsewhere, such as Leak("paraphrased", item, text).
    """
    look = functools.partial(decontaminate, benchmarks=benchmarks, rules=rules, encode=encode, judge=judge)
    items = benchmarks.items()
    planted = list(leaks(items, a_kind=a_kind, seed=seed, given=given)) if benchmarks.files else []
    counts = Counter(name.rsplit("#", 1)[0] for name in items.names)
    alarms = _hits([*clean], look) if clean else None
    kinds = list(dict.fromkeys([*KINDS, *(leak.kind for leak in planted)])) if planted else []
    return Certificate(
        sets=tuple((name, digest, counts[name]) for name, _, digest in benchmarks.files),
        rules=tuple(rules),
        rows=len(table),
        hits=hits_of(table),
        recall=tuple(recall_of(planted, items, look, kinds)),
        unmeasured=tuple(
            kind for kind in (*KINDS, *BY_GIVEN_PAIRS) if kind not in {leak.kind for leak in planted}
        ),
        clean_rows=len(clean),
        false_positives=None if alarms is None else sum(hit is not None for hit in alarms),
        seed=seed,
    )


def recall_of(
    planted: Sequence[Leak], items: Items, look: Callable[[pa.Table], pa.Table], kinds: Sequence[str]
) -> list[Recall]:
    """What the rules find of the planted leaks, by kind."""
    found = _hits([leak.text for leak in planted], look)
    text_of = dict(zip(items.names, items.texts, strict=True))
    measured = []
    for kind in kinds:
        pairs = [(leak, hit) for leak, hit in zip(planted, found, strict=True) if leak.kind == kind]
        hits = [(leak, hit) for leak, hit in pairs if hit is not None]
        # two sets can hold the same item: either name is right
        named = sum(leak.item == hit[1] or text_of[leak.item] == text_of[hit[1]] for leak, hit in hits)
        by_rule = dict(sorted(Counter(hit[0] for _, hit in hits).items()))
        measured.append(Recall(kind, len(pairs), len(hits), named, by_rule))
    return [part for part in measured if part.planted]


def hits_of(table: pa.Table) -> dict[str, int]:
    """Rejected rows by rule and benchmark."""
    words = [
        why.split() for why in column(table, "rejected") if why is not None and why.startswith(f"{STAGE}: ")
    ]
    return dict(sorted(Counter(f"{rule} {item.rsplit('#', 1)[0]}" for _, rule, item, *_ in words).items()))


def _hits(texts: list[str], look: Callable[[pa.Table], pa.Table]) -> list[tuple[str, str] | None]:
    """(rule, item) of each text."""
    rows = [Row(text, "zh" if chinese(text) else "en", id=str(number)) for number, text in enumerate(texts)]
    reasons = column(look(to_table(rows)), "rejected")
    return [None if why is None else (why.split()[1], why.split()[2]) for why in reasons]
