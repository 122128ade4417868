"""The flow `corrections`: judgements of reviewers become a new version.

Rows that most of their reviewers call wrong are removed. A row with a corrected text is replaced by one that has the text, after
the stages that need no model: its program is executed, its answer compared with the one that the reviewer gave, its question with
the other questions of the version, and it is compared with the registered benchmarks. A corrected row that does not pass is dropped with the reason; what it was to replace
goes only if the reviewers call it wrong.
"""

from __future__ import annotations

import itertools
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from prefect import flow

from flows.config.corrections import Corrections
from flows.config.loading import ConfigError
from flows.config.rebuild import Rebuild
from flows.nightly import DECONTAMINATE, DEDUP, VERIFY
from flows.runner.after_publication import finish
from flows.runner.artifacts import refusals_shown
from flows.runner.decontamination import Decontamination
from flows.runner.events import on_failure
from flows.runner.gates import gates_of
from flows.runner.progress import Bars
from flows.runner.publication import funnel_line, made_with
from flows.runner.rebuild_base import base_of
from flows.runner.resources import opened
from flows.runner.stages import Line
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version, today
from storage.reasons import Code, Reason, reason
from storage.rows import reject
from storage.stage_cache.shards import Ref, digest_of
from tasks.llm.costs import total
from tasks.review.decisions import STAGE, Decision, corrections, decisions
from tasks.stages.dedup import dedup
from tasks.stages.verify import VerifySettings, verify_solved
from tasks.voting import Calibration

TITLE = "Judgements"
SHARD_ROWS = 512
COMPARED = ["id", "problem_id", "question", "language"]  # what de-duplication reads of the rows beside


@flow(
    name="corrections",
    flow_run_name="{config.dataset}",
    description="What reviewers said of rows becomes a new version: wrong rows are removed, corrected ones replaced.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def correct(config: Corrections = Corrections()) -> str:
    """Publish the newest version of the dataset as its reviewers would have it, and return its name.

    Returns the name of the newest version itself where the judgements change nothing of it. Raises ConfigError if nobody judged a
    row of it, if a corrected row could not be verified because of a failure of ours, or if no row would be left, and Conflict if
    another run published meanwhile.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        base, by_row = check(config, tools.store)
        finish(tools, base)
        line = Line(tools, bars)
        rows = tools.store.read(base, filter=pc.field("id").isin(sorted(by_row)))
        table, replaces = corrections(rows if config.edits else rows.slice(0, 0), by_row)
        others = beside(tools.store, base, rows, by_row, table, replaces)
        kept = line.kept(new) if (new := verified(line, base, table, others)) else table.slice(0, 0)
        replaced = {replaces[row]: row for row in kept.column("id").to_pylist()}
        gone = reasons(rows, by_row, replaced)
        kept = unpublished(kept, base, gone, tools.store)
        if not gone:
            bars.say(f"The judgements change no row of {base}: nothing was published")
            return str(base)
        if len(gone) == base.rows and not kept.num_rows:
            raise ConfigError(
                f"no row of {base} would be left. Fix: judge more of its rows, or make it again"
            )
        version = publish(line, config, base, by_row, gone, kept, rows)
        finish(tools, version)
        bars.say(
            f"{version}: {counted(len(gone) - len(replaced), 'row')} removed, {len(replaced):,} corrected"
        )
        return str(version)


def check(config: Corrections, store: Store) -> tuple[Version, dict[str, Decision]]:
    """Return the newest version and what is decided on its rows. Raises VersionNotFound or ConfigError."""
    base = store.resolve(config.dataset)
    by_row = decisions(store.judgements(base.dataset))
    if by_row:
        there = store.read(base, ["id"], pc.field("id").isin(sorted(by_row))).column("id").to_pylist()
        by_row = {row: by_row[row] for row in sorted(there)}
    if not by_row:
        raise ConfigError(
            f"nobody has judged a row of {base}. Fix: ./mathmill review {base.dataset}, then again"
        )
    return base, by_row


def beside(
    store: Store,
    base: Version,
    rows: pa.Table,
    by_row: dict[str, Decision],
    corrected: pa.Table,
    replaces: dict[str, str],
) -> pa.Table:
    """Return the questions of the base with which those of corrected rows are compared: of the rows that stay, without the
    other solutions of a question that was corrected, or that a corrected row answers.

    rows: those of the base that were judged. replaces: corrected row -> row of the base.
    """
    leave = {row for row, one in by_row.items() if one.goes} | set(replaces.values())
    own = rows.filter(pc.is_in(rows.column("id"), value_set=pa.array(sorted(replaces.values()), pa.string())))
    problems = {*own.column("problem_id").to_pylist(), *corrected.column("problem_id").to_pylist()}
    stay = ~pc.field("id").isin(sorted(leave)) & ~pc.field("problem_id").isin(sorted(problems))
    return store.read(base, COMPARED, stay & pc.field("question").is_valid())


def verified(line: Line, base: Version, rows: pa.Table, others: pa.Table) -> list[Ref]:
    """Send corrected rows through the stages that need no model, and return the shards after the last one. others: the questions
    that no corrected one may repeat.

    Raises ConfigError if a stage failed on a row, which says nothing of the row.
    """
    if not rows.num_rows:
        return []
    _, rules = base_of(Rebuild(dataset=base.dataset, base=base.name), line.tools.store)
    against = Decontamination.of(rules.decontaminate)
    calibration = Calibration.from_dict(base.lineage.get("calibration", {}))
    settings = rules.verify.part(VerifySettings)
    shards = line.shards("corrected", rows, SHARD_ROWS)
    shards = line.run(VERIFY, partial(verify_solved, settings=settings, calibration=calibration), shards)
    unlike = partial(dedup, settings=rules.similarity.dedup())
    shards = line.run(DEDUP, unlike, shards, reads={"beside": [line.put("beside", others)]})
    shards = line.run(DECONTAMINATE, against.look(), shards)
    if any(ref.failed for entry in line.funnel for ref in entry.refs):
        raise ConfigError(
            "a corrected row could not be verified, because the sandbox or the judge failed. Fix: ./mathmill doctor, then again"
        )
    return shards


def reasons(rows: pa.Table, by_row: dict[str, Decision], replaced: dict[str, str]) -> dict[str, Reason]:
    """Return why rows of the base go, by id: the reviewers call them wrong, or a corrected row replaces them."""
    gone = {}
    for row in rows.column("id").to_pylist():
        if row in replaced:
            gone[row] = reason(STAGE, Code.CORRECTED, other=replaced[row])
        elif by_row[row].goes:
            gone[row] = by_row[row].reason
    return gone


def unpublished(kept: pa.Table, base: Version, gone: dict[str, Reason], store: Store) -> pa.Table:
    """Return the corrected rows without those that the base has already, and keeps."""
    ids = kept.column("id").combine_chunks()
    there = store.read(base, ["id"], pc.field("id").isin(ids)).column("id").to_pylist()
    return kept.filter(
        pc.invert(pc.is_in(ids, value_set=pa.array(sorted(set(there) - set(gone)), pa.string())))
    )


def publish(
    line: Line,
    config: Corrections,
    base: Version,
    by_row: dict[str, Decision],
    gone: dict[str, Reason],
    kept: pa.Table,
    rows: pa.Table,
) -> Version:
    """Store the rows that go with their reasons, and publish the others and the corrected ones."""
    store = line.tools.store
    changed = {row: str(why.values["other"]) for row, why in gone.items() if why.code == Code.CORRECTED}
    run = f"corrections-{digest_of(str(base), base.digest, sorted(gone), sorted(changed.values()))[:12]}"
    out = rows.filter(pc.is_in(rows.column("id"), value_set=pa.array(sorted(gone))))
    why = [gone[row] for row in out.column("id").to_pylist()]
    store.append_candidates(reject(out, why), run=run, stage=STAGE, part="out")
    line.store_candidates(run)
    ids = pa.array(sorted(gone))
    stay = (
        pa.Table.from_batches([batch])
        for batch in store.batches(base, filter=~pc.field("id").isin(ids), size=1 << 16)
        if batch.num_rows
    )
    judged = {"stage": STAGE, "title": TITLE, "asked": base.rows, "kept": base.rows - len(gone)}
    lineage = base.lineage | {
        "flow": "corrections",
        "run": run,
        "base": str(base),
        "judgements": {
            "decided": len(by_row),
            "disputed": sum(one.disputed for one in by_row.values()),
            "removed": sorted(set(gone) - set(changed)),
            "corrected": changed,
        },
        "funnel": [
            {**judged, "rejected": len(gone), "failed": 0},
            *(funnel_line(entry) for entry in line.funnel),
        ],
        "costs": total(line.facts()),
        **made_with(line.tools),
    }  # fmt: skip
    with refusals_shown(base.dataset, line.tools.settings):
        return store.publish(
            base.dataset,
            itertools.chain(stay, [kept] if kept.num_rows else []),
            mode="overwrite",
            expected=base.table_version,
            lineage=lineage,
            gates=gates_of(config.gates, new=kept.num_rows),
            date=today(),
        )
