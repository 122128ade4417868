"""The stage `decontaminate`: drop the rows that hold a benchmark item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, Field

from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.judge import Critic, TextEncoder
from tasks.decontamination.matching import SHARED, Text, hits_of, mark_contaminated
from tasks.decontamination.rules import RULES
from tasks.llm.engine import Engine
from tasks.plugins import checked, names
from tasks.settings import Section, Share, one_of
from tasks.stages.outcome import Outcome, Tick


def checked_rules(given: list[str]) -> list[str]:
    """Return the names. Raises ValueError unless each is a file of tasks/decontamination/rules/."""
    checked("rule", given, names("tasks.decontamination.rules"))
    return given


RuleNames = Annotated[
    list[str],
    AfterValidator(checked_rules),
    Field(json_schema_extra=one_of(lambda: names("tasks.decontamination.rules"))),
]


class DecontaminateSettings(Section, title="Decontaminate"):
    benchmarks: list[str] = Field(
        [], description="files of benchmark items, or folders of them, that no row may come from"
    )
    rules: RuleNames = Field(list(RULES), description="files of tasks/decontamination/rules/")

    ask: bool = Field(True, description="let the critic decide about near items that no rule is sure of")
    shared: Share = Field(
        SHARED,
        description="share of a benchmark's items, or of the rows, from which text that they have in common is not compared; 0: all is",
    )
    planted: int = Field(
        100,
        ge=0,
        description="changed benchmark items planted per kind, to measure what the rules find; 0: none",
    )
    pairs: list[str] = Field(
        [], description="files of known paraphrases and translations of items (item, text, kind)"
    )
    clean: list[str] = Field(
        [], description="files of questions known to be in no benchmark; empty: the project's own"
    )


def decontaminate(
    table: pa.Table,
    *,
    benchmarks: Benchmarks,
    rules: Sequence[str],
    ask: bool,
    encode: TextEncoder,
    critic: Engine,
    tick: Tick,
    strict: bool = True,
    share: float = SHARED,
    texts: Iterable[Text] | None = None,
) -> Outcome:
    """Reject the rows in which a rule finds a benchmark item; see `mark_contaminated` for `share` and
    `texts`.

    If `ask`, the critic decides about near items that no rule is sure of; see
    tasks.decontamination.judge.Critic for `strict`.
    """
    shared: Counter[str] = Counter()
    judge = Critic(critic, strict=strict) if ask and benchmarks.files else None
    rows = mark_contaminated(
        table,
        benchmarks=benchmarks,
        rules=rules,
        tick=tick,
        encode=encode,
        judge=judge,
        texts=texts,
        share=share,
        shared=shared,
    )
    counts: dict[str, Any] = {}
    if benchmarks.files:
        counts = {"rows": table.column("rejected").null_count, "hits": hits_of(rows)}
        if shared:
            counts["shared"] = dict(shared)
    return Outcome(
        rows, len(table), {"decontaminated": counts, **(judge.facts() if judge is not None else {})}
    )
