"""The stage `certify`: compare the rows of a version with the benchmarks once more, and measure the recall of the
rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.decontamination.benchmarks import BenchmarkError, Benchmarks, read_records
from tasks.decontamination.certificate import measure
from tasks.decontamination.judge import Critic, RuleTools, TextEncoder
from tasks.decontamination.matching import SHARED, hits_of, mark_contaminated
from tasks.decontamination.planting import Leak
from tasks.ingestion.record import Record
from tasks.llm.budget import BudgetExceeded
from tasks.llm.engine import Engine
from tasks.stages.outcome import Outcome, Tick


def certify(
    table: pa.Table,
    *,
    benchmarks: Benchmarks,
    rules: Sequence[str],
    ask: bool,
    planted: int,
    clean: Benchmarks,
    pairs: Sequence[Leak],
    seed: int,
    encode: TextEncoder,
    critic: Engine,
    tick: Tick,
    share: float = SHARED,
) -> Outcome:
    """Compare the rows of a version by every rule, and put a Certificate of the rules into the facts.

    The certificate states which share the rules find of `planted` items per kind and of the known `pairs`, and how often they
    report a question that is `clean`. A run that has reached a limit is published as well: pairs that the critic can no longer be
    asked about have no judgement.
    """
    judge = Critic(critic, strict=False) if ask and benchmarks.files else None
    rows = mark_contaminated(
        table, benchmarks=benchmarks, rules=rules, tick=tick, encode=encode, judge=judge, share=share
    )
    certificate = measure(
        benchmarks,
        rules,
        RuleTools(encode, judge),
        clean=clean.items().texts,
        given=pairs,
        a_kind=planted,
        seed=seed,
        share=share,
    )
    facts: dict[str, Any] = {"certificate": certificate.to_dict(), "decontaminated": {"hits": hits_of(rows)}}
    if judge is not None:
        facts["bills"] = judge.facts()["bills"]
        if judge.unasked:  # the output is incomplete: it is not kept for another run
            by = judge.limit.state.limit if isinstance(judge.limit, BudgetExceeded) else "files"
            facts |= {"deferred": judge.unasked, "stopped": {"by": by, "why": str(judge.limit)}}
    return Outcome(rows, len(table), facts)


def load_pairs(paths: Sequence[str | Path], benchmarks: Benchmarks) -> tuple[Leak, ...]:
    """Read known rewritings of items: records with `item` ("gsm8k_test#17"), `text` and `kind`.

    `kind` is "paraphrased" (the default), "translated" or a name of the user's. Raises BenchmarkError, with
    the file and the record, if a record does not fit or a file cannot be read.
    """
    names = set(benchmarks.items().names)
    return tuple(
        itertools.chain.from_iterable(
            (_leak(record, names, f"{path}, {record.place}") for record in read_records(path)[0])
            for path in map(Path, paths)
        )
    )


def _leak(record: Record, names: set[str], place: str) -> Leak:
    fields = record.fields
    if fields is None:
        raise BenchmarkError(f"pairs file {place}: {record.error or 'unreadable'}. Fix: correct or drop it")
    item, text, kind = fields.get("item"), fields.get("text"), fields.get("kind", "paraphrased")
    if not (isinstance(text, str) and text.strip() and isinstance(kind, str)):
        raise BenchmarkError(
            f"pairs file {place}: needs `item`, `text` and `kind` as texts. Fix: correct or drop it"
        )
    if item not in names:
        example = min(names, default="none")
        raise BenchmarkError(
            f"pairs file {place}: {item!r} is no item of a registered benchmark. Fix: name one, like {example!r}"
        )
    return Leak(kind, str(item), text)
