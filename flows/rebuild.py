"""The flow `rebuild`: a new version from stored candidates under other settings.

Solutions pass the stages of a night from `verify` on, in the order of flows.nightly.Judging. Their source are the
candidates that earlier runs stored, each with its scores and with the furthest stage that it reached. So a stage does two
things: `drop_as_before` repeats its stored decisions, and `to_judge` chooses the rows that have to pass it now, because
they never did or because the configuration asks for it. A model is called only for judgements that are not stored yet.

A stage that is added to Judging is part of every rebuild as well. Rows that an earlier run took past its place
count as having passed it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from itertools import takewhile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prefect import flow
from prefect.runtime import flow_run

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from flows.nightly import DECONTAMINATE, DEDUP, MIX, SELECT, VERIFY, WEIGH, Judging
from flows.runner.after_publication import Finished, finish, raise_if_published
from flows.runner.decontamination import CERTIFY, Decontamination, certificate_of
from flows.runner.events import on_failure
from flows.runner.judged_rows import judged_calibration
from flows.runner.learnt_limits import TOKEN_LIMITS, from_record
from flows.runner.progress import Bars
from flows.runner.rebuild_base import base_of, origin, refuse_unknown_values
from flows.runner.rebuild_publication import publish, twin_of, unchanged
from flows.runner.rebuild_state import RebuildState
from flows.runner.resources import Tools, is_model, opened
from flows.runner.run_notes import RunNote, ended
from flows.runner.service_table import Live
from flows.runner.stages import Line, Stage, Step
from flows.runner.task_runners import task_runner
from flows.runner.what_if import what_if_text
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import Conflict
from storage.reasons import Code, Reason, reason
from storage.rows import reasons_of, unrejected
from storage.stage_cache.shards import Ref, digest_of
from tasks.arrays import Mask
from tasks.review.decisions import STAGE as REVIEW
from tasks.review.decisions import removed
from tasks.review.refit import JUDGED
from tasks.selection import ANCESTOR, selector
from tasks.stages import rejudge
from tasks.stages.mix import mix
from tasks.stages.select import select
from tasks.voting import Calibration

MOST_RACES = 10  # attempts to publish while other runs publish to the same dataset
# what the last comparison with the benchmarks dropped is dropped again where decontamination decides
AFTERWARDS = {CERTIFY.name: DECONTAMINATE.name}
# the stages whose candidates rows may be made from
ORIGINS = ("ingest", "similarity", MIX.name, "published")
COMPARED = ["id", "problem_id", "question", "language"]  # what de-duplication reads of the rows beside


@flow(
    name="rebuild",
    flow_run_name="{config.dataset}",
    description="A new version of a dataset from stored candidates, under other thresholds, sources or shares.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def rebuild(config: Rebuild = Rebuild()) -> str:
    """Gather the candidates, decide on them again, and publish those that are left.

    Returns the name of the new version, or of the one that has exactly these rows already; with `what_if` a text about
    the version that it would publish. Raises Conflict if other runs published first MOST_RACES times in a row.
    """
    inputs = digest_of(config.model_dump(mode="json", exclude={"shard_rows", "force"}))
    with opened(load_settings()) as tools, Bars() as bars:
        try:
            if not config.what_if:
                raise_if_published(tools, config.into or config.dataset, "rebuild", inputs)
        except Finished as finished:
            finished.note.published(str(flow_run.id))
            return str(finished.version)
        for attempt in range(MOST_RACES):
            state = gather(config, tools, bars)
            with Live(
                tools,
                state.base.dataset,
                state.run,
                state.line,
                models=False,
                funnel=partial(list, state.pool.lines),
            ):
                decide(state)
                select_again(state)
                choose(state)
            if config.what_if:
                return what_if_text(state.pool, state.unjudged, state.base, tools.store, config.target)
            if not config.force and (twin := twin_of(state)):
                bars.say(unchanged(str(twin)))
                return str(twin)
            # the note tells a restart after a crash that this rebuild has published, when its base is another one
            note = RunNote.start(tools.home, state.run, dict, inputs)
            try:
                version = publish(state)
                note.published(str(flow_run.id))
                return str(version)
            except Conflict:
                note.remove()
                # another run published first: its rows are candidates now, and no judgement is made twice
                if attempt + 1 == MOST_RACES:
                    raise
    raise AssertionError("unreachable")


def check(config: Rebuild, store: Store) -> tuple[Version, Nightly]:
    """Return the version that is rebuilt and the rules by which its candidates are judged.

    Raises StorageError or ConfigError for everything that can be known to fail before Prefect is started.
    """
    base, rules = base_of(config, store)
    stages = [*order(judging(base, rules)), *AFTERWARDS]
    refuse_unknown_values(config, base, store, stages)
    return base, rules


def gather(config: Rebuild, tools: Tools, bars: Bars) -> RebuildState:
    """Return the candidates of the base, before anything is decided on them. Raises as `check`."""
    store = tools.store
    base, rules = check(config, store)
    finish(tools, base)
    tools.limits = replace(tools.limits, learnt=from_record(base.lineage.get(TOKEN_LIMITS, {})))
    candidates = store.candidates()
    if candidates is None:
        raise ConfigError(f"{base} left no candidates. Fix: run a night first")
    runs, past = origin(base, store)
    calibration, judged, refitted = judged_calibration(store, base)
    if refitted:
        bars.say(
            f"The votes are calibrated on {counted(refitted, 'row')} that people judged, and weighed again"
        )
    stages = judging(base, rules, calibration)
    bar = bars.stage("Gather candidates", candidates.count_rows())
    occurrences = candidates.to_table(columns=rejudge.columns())
    pool = rejudge.gather(occurrences, runs, order(stages), AFTERWARDS, past)
    bar.close(f"{counted(len(pool.alive), 'solution')} of {counted(len(runs), 'run')}")
    head = store.head(config.into or config.dataset)
    certificate = base.lineage.get("decontamination") or {}
    line, steps = Line(tools, bars), steps_of(stages)
    record = base.lineage.get("calibration", {})
    record = (record | calibration.to_dict() if refitted else record) | ({JUDGED: judged} if judged else {})
    return RebuildState(
        config,
        line,
        base,
        head,
        rules,
        steps,
        stages.against,
        candidates,
        pool,
        certificate,
        record,
        refitted > 0,
    )


def judging(base: Version, rules: Nightly, calibration: Calibration | None = None) -> Judging:
    """Return the stages that judge solutions, under the rules and with the calibration of the base, or the one that is given."""
    calibration = calibration or Calibration.from_dict(base.lineage.get("calibration", {}))
    return Judging(rules, calibration, cache(partial(Decontamination.of, rules.decontaminate)))


def steps_of(stages: Judging) -> list[Step]:
    """Return the stages from the verification to the comparison with the benchmarks, in order."""
    return [*stages.votes(), *stages.decision()]


def order(stages: Judging) -> list[str]:
    """Return the names of the stages that a solution passes, in order, with "published" as the last."""
    return [*(step.stage.name for step in steps_of(stages)), SELECT.name, MIX.name, "published"]


def decide(state: RebuildState) -> None:
    """Drop the rows that are to be left out, then those that the stages drop, from memory or now.

    The first stages judge each row by itself. Their stored decisions all come before the first call of a model, so
    that nothing is paid for a row that a later one drops. From the first stage on that compares rows with each other, a
    decision depends on the rows that are left by then.
    """
    config, pool = state.config, state.pool
    rejudge.leave_out(pool, config.without, config.only)
    rejudge.judged_by_people(pool, judgements_of(state))
    by_itself = list(takewhile(lambda step: not step.stage.whole, state.steps))
    for step in by_itself:
        drop_as_before(state, step.stage)
    for name in state.rules.score.scorers:
        state.unjudged[name] = int(to_judge(state, name).sum())
    for number, step in enumerate(state.steps):
        compares = number >= len(by_itself)
        if compares:
            drop_as_before(state, step.stage)
        if not config.what_if or (compares and not step.stage.needs):
            judge(state, step)


def judgements_of(state: RebuildState) -> dict[str, Reason]:
    """Return why rows go by what people said of them: reviewers call them wrong, or a published row replaced them."""
    store, base = state.line.tools.store, state.base
    changed = {
        row: reason(REVIEW, Code.CORRECTED, other=new)
        for version in store.versions(base.dataset)
        if version.table_version <= base.table_version
        for row, new in (version.lineage.get("judgements") or {}).get("corrected", {}).items()
        if row != new
    }
    return removed(store.judgements(base.dataset)) | changed


def drop_as_before(state: RebuildState, stage: Stage) -> None:
    """Drop the rows that the stage dropped in an earlier run and would drop again."""
    pool, config, name, title = state.pool, state.config, stage.name, f"{stage.title}, as before"
    if judges_all(state, name) or name in state.rules.score.scorers:
        return  # what a scorer dropped follows from the stored scores, see below
    if name == VERIFY.name:
        rejudge.unverified(pool, name, title)
    elif name == WEIGH.name:
        rejudge.below(pool, state.rules.score.thresholds, state.rules.score.trusted)
        if config.correctness is None:
            rejudge.decided(pool, name, title)
        else:
            rejudge.below(pool, {"correctness": config.correctness})
    elif name == DEDUP.name:
        pool.drop(name, title, rejudge.duplicates(pool, name)[0])
    else:
        rejudge.decided(pool, name, title)


def to_judge(state: RebuildState, name: str) -> Mask:
    """Return the mask of the rows that have to pass the stage of that name."""
    pool = state.pool
    if name == VERIFY.name:
        return np.zeros(len(pool.alive), dtype=bool)  # programs and answers are the same as before
    if judges_all(state, name):
        return pool.alive.copy()
    if name in state.rules.score.scorers:
        return pool.alive & (pool.reached < pool.step(name))
    # a row that the stage dropped and that is still alive has to be decided on again
    return pool.alive & (pool.reached <= pool.step(name))


def judges_all(state: RebuildState, name: str) -> bool:
    """Return whether the configuration asks that the stage of that name judges all rows again, or votes are worth something else now."""
    config = state.config
    return (
        name in config.rescore
        or (name == WEIGH.name and state.refitted)
        or (name == DEDUP.name and config.similarity is not None)
        or (name == DECONTAMINATE.name and (config.benchmarks is not None or config.rules is not None))
    )


def judge(state: RebuildState, step: Step) -> None:
    """Send the rows that have to pass the stage through it, if there are any."""
    name, pool, line = step.stage.name, state.pool, state.line
    rows, reads = to_judge(state, name), {}
    if not rows.any():
        return
    if name == DEDUP.name:  # all rows of these questions, beside the others
        questions = pool.rows.column("problem_id")
        same = pc.is_in(questions, value_set=pc.unique(questions.filter(pa.array(rows))))
        rows = pool.alive & np.asarray(same.to_numpy(), dtype=bool)
        none = pa.table({column: pa.array([], pa.string()) for column in COMPARED})
        others = [table.select(COMPARED) for table in state.tables(pool.alive & ~rows)]
        reads = {"beside": [line.put("beside", pa.concat_tables(others or [none]))]}
    if name in state.rules.score.scorers:
        for role in filter(is_model, step.stage.needs.values()):
            line.tools.engine(role).check()
    state.through(step, rows, reads=reads)
    if name == DECONTAMINATE.name and judges_all(state, name):
        state.certificate = certificate_of(line, state.against()).to_dict()


def select_again(state: RebuildState) -> None:
    """Show the selectors of the base the rows that come back, which they have never seen. The other rows are selected as before.

    A selector that looks at rows one by one sees all rows of the questions of these rows. One that compares rows with each other
    chooses among all rows again, also among those that it did not take before.
    """
    pool, config, settings = state.pool, state.config, state.rules.select
    step = pool.step(SELECT.name)
    new = pool.alive & (pool.reached < step)
    names = [*settings.names(whole=False), *settings.names(whole=True)] if new.any() else []
    stages = {name: SELECT.of_selector(name, settings.by[name]) for name in names}
    if config.what_if:  # no model is called
        stages = {name: stage for name, stage in stages.items() if not stage.needs}
    again = rejudge.not_taken_by(pool, [name for name, stage in stages.items() if stage.whole])
    before = pool.alive & (pool.reached == step) & ~again
    if before.any():
        pool.drop(SELECT.name, f"{SELECT.title}, as before", before)
    for name, stage in stages.items():
        questions = pool.rows.column("problem_id")
        shown = pc.is_in(questions, value_set=pc.unique(questions.filter(pa.array(new & pool.alive))))
        rows = pool.alive if stage.whole else pool.alive & np.asarray(shown.to_numpy(), dtype=bool)
        if not rows.any():
            continue
        for tool in stage.needs.values():
            if is_model(tool):
                state.line.tools.engine(tool).check()
        call = partial(select, name=name, settings=settings.by[name], seed=config.seed)
        state.through(
            Step(stage, lambda call=call: call),  # type: ignore[misc]
            rows.copy(),
            of="all rows" if stage.whole else "what is new",
            reads={"parents": ancestors(state)} if selector(name).parents else {},
        )


def ancestors(state: RebuildState) -> list[Ref]:
    """Return the rows that the candidates may be made from, with the columns ANCESTOR."""
    runs, _ = origin(state.base, state.line.tools.store)
    among = pc.field("run").isin(runs) & pc.field("stage").isin(ORIGINS)
    return [state.line.put("ancestors", state.candidates.to_table(columns=ANCESTOR, filter=among))]


def choose(state: RebuildState) -> None:
    """Mix the rows that are left. Of their texts only what the mixture measures is read."""
    pool, target = state.pool, state.config.target
    left = np.flatnonzero(pool.alive)
    rows = pool.rows.take(pa.array(left))
    for name in ("loss_weight", "order"):
        rows = rows.append_column(name, pa.nulls(len(left), pa.float32()))
    for name, measured in state.rules.mix.of_texts().items():
        rows = rows.append_column(name, state.measured(pool.alive, measured))
    mixed = mix(
        unrejected(rows),
        settings=state.rules.mix,
        target=target or max(len(left), 1),
        near=(),
        seed=state.config.seed,
        tick=lambda rows: None,
    )
    reasons = np.full(len(pool.alive), None, dtype=object)
    reasons[left] = reasons_of(mixed)
    state.weights[left] = mixed.column("loss_weight").to_numpy()
    state.orders[left] = mixed.column("order").to_numpy()
    pool.drop(MIX.name, MIX.title, np.array([reason is not None for reason in reasons]), reasons)
