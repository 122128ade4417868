"""The certificate of a version: the benchmark sets, the rules, their hits, and their recall on planted items.

The recall is measured: items are planted (tasks.decontamination.planting) and searched for by the same rules
that search the version's rows. Clean rows show how often the rules raise a false alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from storage.counting import counted
from storage.markdown import inline
from tasks.decontamination.benchmarks import Benchmarks, Items
from tasks.decontamination.judge import RuleTools
from tasks.decontamination.matching import SHARED, Search
from tasks.decontamination.own_problems import own_problems
from tasks.decontamination.planting import BY_GIVEN_PAIRS, KINDS, Leak, leaks
from tasks.dedup.normalise import canonical
from tasks.text.shared import union


@dataclass(frozen=True, slots=True)
class Recall:
    """Of `planted` items of a kind, `found` were reported, `named` of them under the right item.

    `by_rule`: how many each rule found first.
    """

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
    """The record of a version's decontamination.

    `sets`: name, sha256 and items of each benchmark file. `rows`: how many were compared with them; `hits`:
    how many were rejected, by rule and benchmark ("ngram13 gsm8k_test"); `judged`: near pairs, by the
    critic's judgement. `false_positives`: hits among `clean_rows` rows known to hold no item (None: none
    were given); `false_by_rule`: the same by rule. `share`: the share of a set from which text counts as
    shared; `shared`: (set, text, items with it, items counted) of the text left out of the comparison;
    `shared_rows`: the same for the rows, by the number of rows. `unread`: (set, records, the first of them
    and why) of each benchmark file with records that hold no question, which rows were therefore not
    compared with.
    """

    sets: tuple[tuple[str, str, int], ...]
    rules: tuple[str, ...]
    recall: tuple[Recall, ...]
    unmeasured: tuple[str, ...]
    clean_rows: int
    false_positives: int | None
    seed: int
    rows: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    share: float = 0.0
    shared: tuple[tuple[str, str, int, int], ...] = ()
    shared_rows: dict[str, int] = field(default_factory=dict)
    unread: tuple[tuple[str, int, str], ...] = ()
    false_by_rule: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Certificate:
        certificate = cls(**record)
        return replace(
            certificate,
            sets=tuple((name, digest, items) for name, digest, items in record["sets"]),
            rules=tuple(record["rules"]),
            recall=tuple(Recall(**part) for part in record["recall"]),
            unmeasured=tuple(record["unmeasured"]),
            shared=tuple((name, text, count, of) for name, text, count, of in record.get("shared", ())),
            unread=tuple((name, count, first) for name, count, first in record.get("unread", ())),
        )

    def over(self, facts: Iterable[Mapping[str, Any]]) -> Certificate:
        """Return the certificate with the rows and hits of every shard, from the facts of the stages."""
        rows, hits, judged, shared = 0, Counter[str](), Counter[str](), Counter[str]()
        for fact in facts:
            counts = fact.get("decontaminated") or {}
            rows += counts.get("rows", 0)
            hits.update(counts.get("hits", {}))
            judged.update(fact.get("judged", {}))
            shared.update(counts.get("shared", {}))
        return replace(
            self,
            rows=rows,
            hits=dict(sorted(hits.items())),
            judged=dict(sorted(judged.items())),
            shared_rows=dict(sorted(shared.items())),
        )

    def missing(self, benchmarks: Benchmarks, rules: Sequence[str]) -> Benchmarks:
        """Return the files that rows under this certificate were not compared with by all of these rules."""
        if not set(rules) <= set(self.rules):
            return benchmarks
        compared = {(name, digest) for name, digest, _ in self.sets}
        return Benchmarks(tuple(entry for entry in benchmarks.files if (entry[0], entry[2]) not in compared))

    def lines(self) -> list[str]:
        """Return the certificate as lines of Markdown, for readers."""
        if not self.sets:
            return ["No benchmark is registered, so rows were not compared with any."]
        names = ", ".join(f"{inline(name)} ({items:,})" for name, _, items in self.sets)
        hits = ", ".join(f"{inline(rule_and_set)} {count:,}" for rule_and_set, count in self.hits.items())
        judged = ", ".join(f"{count:,} {inline(judgement)}" for judgement, count in self.judged.items())
        lines = [
            f"{counted(self.rows, 'row')} compared with {counted(sum(items for _, _, items in self.sets), 'item')}: {names}.",
            f"Rules: {', '.join(map(inline, self.rules))}.",
            f"Rejected: {sum(self.hits.values()):,}{f' ({hits})' if hits else ''}.",
            *([f"Near pairs that the critic read: {judged}."] if judged else []),
            *self.unread_lines(),
            *self._left_out(),
            "",
            "| planted as | planted | found | recall | by rule |",
            "|---|---|---|---|---|",
        ]
        for part in self.recall:
            rules = ", ".join(f"{inline(rule)} {count}" for rule, count in part.by_rule.items())
            lines.append(
                f"| {inline(part.kind)} | {part.planted} | {part.found} | {part.share:.3f} | {rules} |"
            )
        lines += [f"| {inline(kind)} | 0 | - | not measured: no pairs given | |" for kind in self.unmeasured]
        missed = [f"{inline(part.kind)} ({1 - part.share:.0%})" for part in self.recall if part.share < 1]
        if missed:
            lines += ["", f"What these rules do not find of what was planted: {', '.join(missed)}."]
        lines += [
            "Translations into languages other than English and Chinese are looked for by their signs alone."
        ]
        if self.false_positives is not None:
            lines += ["", inline(self.false_alarms())]
        return lines

    def false_alarms(self) -> str:
        """State what the hits among clean rows mean, and which settings change them; "" if no clean row was
        compared.
        """
        if self.false_positives is None:
            return ""
        text = f"False positives: {self.false_positives:,} of {counted(self.clean_rows, 'clean row')}"
        if not self.false_positives:
            return f"{text}."
        rules = ", ".join(f"{rule} {count:,}" for rule, count in self.false_by_rule.items())
        share = self.false_positives / self.clean_rows
        return (
            f"{text}{f' ({rules})' if rules else ''}: {share:.1%} of rows that hold no item are rejected all the same. "
            "To lose fewer, leave a rule out of decontaminate.rules; the critic (decontaminate.ask) only adds hits."
        )

    def unread_lines(self) -> list[str]:
        """Return a line of Markdown per benchmark file with records that hold no question."""
        return [
            f"Rows were not compared with {counted(count, 'record')} of {inline(name)}, which could not be read; the first is "
            f"{inline(_short(first))}."
            for name, count, first in self.unread
        ]

    def left_out(self) -> list[str]:
        """Return every text that was left out because many items or rows have it in common, with how many
        have it.
        """
        texts = [f'"{text}" ({count:,} of {of:,} items of {name})' for name, text, count, of in self.shared]
        return texts + [f'"{text}" ({counted(count, "row")})' for text, count in self.shared_rows.items()]

    def _left_out(self) -> list[str]:
        texts = self.left_out()
        if not texts:
            return []
        return [
            f"Left out of the comparison, because at least {self.share:.0%} of a set have it in common: "
            f"{', '.join(map(inline, texts))}."
        ]


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:159]}…"


def measure(
    benchmarks: Benchmarks,
    rules: Sequence[str],
    tools: RuleTools,
    *,
    clean: Sequence[str] = (),
    given: Iterable[Leak] = (),
    a_kind: int = 100,
    seed: int = 0,
    share: float = SHARED,
) -> Certificate:
    """Return a certificate without rows, with the recall of the rules on the registered sets.

    `clean`: texts known to hold no item. `given`: rewritings from other sources, such as Leak("paraphrased",
    item, text). `a_kind`: how many items are planted per kind. Nothing is planted if no set is registered.
    """
    if not benchmarks.files:
        return Certificate((), tuple(rules), (), (*KINDS, *BY_GIVEN_PAIRS), 0, None, seed)
    items, own_set = benchmarks.items(), own_problems(seed, -(-a_kind // 25))
    rewritten = [*leaks(items, a_kind=a_kind, seed=seed, given=given), *(own_set.leaks if a_kind else ())]
    counts = Counter(name.rsplit("#", 1)[0] for name in items.names)
    everything = items + own_set.items if a_kind else items
    shared = benchmarks.shared(share)
    search = Search.of(everything, rules, tools, union(list(shared.values())))
    # the project's own seeds resemble its own problems, which are planted here: they are clean only with respect to the
    # registered items
    registered = Search.of(items, rules, tools, union(list(shared.values())))
    # a registered item may be one of the project's own problems, which its seeds hold too: it is no clean row
    known = set(canonical(sorted({*items.texts, *items.passages})))
    others = [text for text, normal in zip(clean, canonical(clean), strict=True) if normal not in known]
    clean_sets = [(others, registered), (own_set.clean if a_kind else [], search)]
    alarms = Counter(hit[0] for texts, among in clean_sets for hit in _hits(texts, among) if hit is not None)
    clean_rows = sum(len(texts) for texts, _ in clean_sets)
    return Certificate(
        sets=tuple((name, digest, counts[name]) for name, _, digest in benchmarks.files),
        rules=tuple(rules),
        recall=tuple(_recall(rewritten, everything, search)),
        unmeasured=tuple(
            kind for kind in (*KINDS, *BY_GIVEN_PAIRS) if kind not in {leak.kind for leak in rewritten}
        ),
        clean_rows=clean_rows,
        false_positives=alarms.total() if clean_rows else None,
        false_by_rule=dict(sorted(alarms.items())),
        seed=seed,
        share=share,
        shared=tuple(
            (name, text, count, part.of)
            for name, part in sorted(shared.items())
            for text, count in part.examples
        ),
        unread=_unread(benchmarks),
    )


def planted(items: Items, a_kind: int, seed: int = 0) -> int:
    """Return how many items `measure` plants, including problems of the project's own families."""
    if not a_kind:
        return 0
    return sum(1 for _ in leaks(items, a_kind=a_kind, seed=seed)) + len(
        own_problems(seed, -(-a_kind // 25)).leaks
    )


def _unread(benchmarks: Benchmarks) -> tuple[tuple[str, int, str], ...]:
    """Return (set, records, place and reason of the first) of each file with records that hold no question."""
    first: dict[str, str] = {}
    counts = Counter[str]()
    for record in benchmarks.unread():
        first.setdefault(record.name, f"{record.place}: {record.why}")
        counts[record.name] += 1
    return tuple((name, counts[name], first[name]) for name in sorted(counts))


def _recall(planted: Sequence[Leak], items: Items, search: Search) -> list[Recall]:
    """Return the recall of the rules on the planted items, by kind."""
    hits = _hits([leak.text for leak in planted], search)
    text_of = dict(zip(items.names, items.texts, strict=True))
    measured = []
    for kind in dict.fromkeys(leak.kind for leak in planted):
        pairs = [(leak, hit) for leak, hit in zip(planted, hits, strict=True) if leak.kind == kind]
        found_pairs = [(leak, hit) for leak, hit in pairs if hit is not None]
        # two sets can hold the same item: either name is right
        named = sum(leak.item == hit[1] or text_of[leak.item] == text_of[hit[1]] for leak, hit in found_pairs)
        by_rule = dict(sorted(Counter(hit[0] for _, hit in found_pairs).items()))
        measured.append(Recall(kind, len(pairs), len(found_pairs), named, by_rule))
    return measured


def _hits(texts: list[str], search: Search) -> list[tuple[str, str] | None]:
    """Return (rule, item) for each text, None without a hit."""
    by_row = search.hits(Items([""] * len(texts), texts, texts)) if texts else {}
    hits = [by_row.get(row) for row in range(len(texts))]
    return [None if hit is None else (hit[0], hit[1].item) for hit in hits]
