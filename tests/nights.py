"""A small night in this process: the embedded teacher over its protocol, the sandbox, the judge and the critic.

The stages run one after the other, without an orchestrator; kept rows are published and dropped rows stored, as in a
night of the flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import dropped, kept, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Quota, asks_table, self_instruct
from tasks.sandbox import Sandbox
from tasks.stages.dedup import dedup
from tasks.stages.generate import generate
from tasks.stages.ingest import ingest
from tasks.stages.score import score
from tasks.stages.similarity import similarity
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
TOPICS = ("linear equations", "probability", "ratios and proportions", "limits", "vectors")
THRESHOLDS = {"heuristics": 0.5, "instruction": 0.5, "answer": 0.6}


@dataclass(frozen=True, slots=True)
class Night:
    store: Store
    version: Version
    published: pa.Table
    dropped: pa.Table


def quota(questions: int) -> Quota:
    """Share the questions out over TOPICS and both languages."""
    pairs = [(language, topic) for topic in TOPICS for language in ("en", "zh")]
    return {pair: -(-(questions - place) // len(pairs)) for place, pair in enumerate(pairs)}


def night(home: Path, *, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge, seed: int) -> Night:
    """Run a night of about 20 questions with four samples each, and publish it."""
    seeds = ingest([SEEDS / "en.jsonl", SEEDS / "zh.jsonl"], default_license="Apache-2.0").table
    asks = self_instruct.plan(kept(seeds), quota(20), per_call=4, examples=2, seed=seed)
    tables = []

    def through(table: pa.Table) -> pa.Table:
        """Return the rows for the next stage, and remember those that were dropped."""
        tables.append(dropped(table))
        return kept(table)

    def no_tick(rows: int) -> None:
        """Ignore the progress."""

    written = generate(
        asks_table(asks), engine=engine("teacher"), source="self_instruct", license="Apache-2.0", tick=no_tick
    )
    questions = through(similarity(written.rows, pool=seeds))
    solved = solve(questions, engine=engine(), settings=SolveSettings(), seed=seed, tick=no_tick)
    rows = verify(
        through(solved.rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    for name, tools in (("heuristics", {}), ("critique", {"critic": engine("critic")})):
        rows = score(through(rows), name=name, thresholds=THRESHOLDS, tick=no_tick, **tools).rows
    rows = weigh(through(rows), calibration=prior(), settings=WeighSettings(), tick=no_tick)
    accepted = through(dedup(through(rows)))
    store = Store(home)
    for number, table in enumerate(tables):
        store.append_candidates(table, run=f"night-{seed}", stage="", part=str(number))
    version = store.publish("math", [accepted], lineage={})
    return Night(store, version, accepted, pa.concat_tables([to_table([]), *tables]))
