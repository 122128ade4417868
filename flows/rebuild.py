"""The flow `rebuild`: a new version from stored candidates under other settings.

A model is called only for judgements that are not stored yet.
"""

from __future__ import annotations

from prefect import flow
from prefect.runtime import flow_run

from flows.config.rebuild import Rebuild
from flows.runner.after_publication import Finished, raise_if_published
from flows.runner.events import on_failure
from flows.runner.progress import Bars
from flows.runner.rebuild_publication import publish, twin_of, unchanged
from flows.runner.rebuilding import Work
from flows.runner.resources import opened
from flows.runner.run_notes import RunNote, ended
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.errors import Conflict
from storage.stage_cache.shards import digest_of

MOST_RACES = 10  # attempts to publish while other runs publish to the same dataset


@flow(
    name="rebuild",
    flow_run_name="{config.dataset}",
    description="A new version of a dataset from stored candidates, under other thresholds, sources or shares.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def rebuild(config: Rebuild = Rebuild()) -> str:
    """Gather candidates, leave out, apply thresholds, judge, weigh, deduplicate, decontaminate, mix, publish.

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
            work = Work.begin(config, tools, bars)
            work.leave_out()
            work.compare()
            if not config.what_if:
                work.judge()
                work.weigh()
            work.deduplicate()
            work.decontaminate()
            work.mix()
            if config.what_if:
                return work.what_if()
            if not config.force and (twin := twin_of(work)):
                bars.say(unchanged(str(twin)))
                return str(twin)
            # the note tells a restart after a crash that this rebuild has published, when its base is another one
            note = RunNote.start(tools.home, work.run, dict, inputs)
            try:
                version = publish(work)
                note.published(str(flow_run.id))
                return str(version)
            except Conflict:
                note.remove()
                # another run published first: its rows are candidates now, and no judgement is made twice
                if attempt + 1 == MOST_RACES:
                    raise
    raise AssertionError("unreachable")
