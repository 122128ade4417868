"""The flow `maintain`: retention, orphans, compaction, stage outputs, the ledger's unused space.

It changes nothing unless `apply` is set.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.config.maintain import Maintain
from flows.runner.checks import forget_missing
from flows.runner.events import on_failure
from flows.runner.page_links import with_link
from flows.runner.resources import Tools, opened
from flows.settings import load_settings
from storage import rows
from storage.clock import now
from storage.counting import be, counted
from storage.datasets import annotations as marks
from storage.datasets import candidates, compaction, judgements, orphans, retention, seals, tags
from storage.datasets.compaction import SmallFiles
from storage.datasets.orphans import Orphan
from storage.datasets.retention import Fate
from storage.datasets.statements import state
from storage.ledger import LedgerError
from storage.markdown import code, inline
from storage.stage_cache import shards

TABLES = {
    candidates.TABLE: candidates.SCHEMA,
    marks.TABLE: marks.SCHEMA,
    judgements.TABLE: judgements.SCHEMA,
    tags.TABLE: tags.SCHEMA,
}


@dataclass(slots=True)
class MaintenancePlan:
    """What is to be done, determined before anything is changed."""

    fates: list[Fate] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)  # dataset -> files of retired versions
    orphans: list[Orphan] = field(default_factory=list)
    small: list[SmallFiles] = field(default_factory=list)
    outputs: shards.Unused = field(default_factory=lambda: shards.Unused((), 0))
    done: list[str] = field(default_factory=list)

    def text(self, applied: bool) -> str:
        """Return the plan as Markdown."""
        retired = [fate for fate in self.fates if not fate.keep]
        lines = ["Done:" if applied else "What would be done (nothing was changed; set apply to do it):", ""]
        lines += [f"- retire {code(fate.version)}: {inline(fate.why)}" for fate in retired]
        lines += [
            f"- delete {counted(len(paths), 'file')} of retired versions of {code(name)}"
            for name, paths in self.files.items()
            if paths
        ]
        lines += [
            f"- delete orphan {code(f'{orphan.table}/{orphan.path}')} ({counted(orphan.size, 'byte')}, {orphan.age.total_seconds() / 3600:.0f} h old)"
            for orphan in self.orphans
        ]
        lines += [
            f"- join {counted(len(small.paths), 'small file')} of {code(small.table)} ({counted(small.size, 'byte')})"
            for small in self.small
        ]
        if self.outputs.digests:
            lines.append(
                f"- delete {counted(len(self.outputs.digests), 'stage output')} ({counted(self.outputs.size, 'byte')})"
            )
        lines += [f"- {inline(text)}" for text in self.done]
        if len(lines) == 2:
            lines.append("- nothing")
        kept = [fate for fate in self.fates if fate.keep]
        lines += ["", f"{counted(len(kept), 'version')} {be(len(kept))} kept:", ""]
        lines += [f"- {code(fate.version)}: {inline(fate.why)}" for fate in kept]
        return "\n".join(lines) + "\n"


@flow(
    name="maintain",
    description="Retention, orphans, compaction, vacuum. Without `apply` it only reports what it would do.",
    on_failure=[on_failure],
)
def maintain(config: Maintain = Maintain()) -> str:
    """Plan the maintenance and, if `apply` is set, carry it out. Returns the plan as Markdown."""
    with opened(load_settings()) as tools:
        plan = make_plan(config, tools, now())
        if config.apply:
            carry_out(plan, config, tools)
        text = plan.text(config.apply)
        get_run_logger().info(text)
        create_markdown_artifact(
            key="maintain", markdown=with_link(text, tools.settings, "/versions"), description="Maintenance"
        )
        return text


def make_plan(config: Maintain, tools: Tools, moment: datetime.datetime) -> MaintenancePlan:
    """Return what is to be done at that moment, without changing anything."""
    store, plan, rules = tools.store, MaintenancePlan(), config.rules()
    grace = datetime.timedelta(hours=config.grace_hours)
    for dataset in store.datasets():
        plan.fates += retention.fates(store.where, dataset, rules, moment)
        plan.files[dataset] = retention.unneeded(store.where, dataset, rules, moment)
    for table in [*store.datasets(), *TABLES]:
        plan.orphans += orphans.orphans(store.where, table, grace, moment)
        small = compaction.small_files(store.where, table, at_least=config.small_files)
        plan.small += [small] if small else []
    plan.outputs = tools.shards.unused(datetime.timedelta(days=config.shard_days), moment)
    # a file of a retired version is listed once, not as an orphan as well
    retired = {(dataset, path) for dataset, paths in plan.files.items() for path in paths}
    plan.orphans = [orphan for orphan in plan.orphans if (orphan.table, orphan.path) not in retired]
    return plan


def carry_out(plan: MaintenancePlan, config: Maintain, tools: Tools) -> None:
    """Carry out the plan, in an order that keeps every version readable wherever it is interrupted."""
    store = tools.store
    retention.retire(store.where, plan.fates)
    for dataset, paths in plan.files.items():
        for path in paths:
            store.where.filesystem.delete_file(store.where.path(dataset, path))
    orphans.remove(store.where, plan.orphans)
    for small in plan.small:
        compaction.compact(store.where, small, TABLES.get(small.table, rows.SCHEMA))
    for digest in plan.outputs.digests:
        tools.shards.drop(digest)
    for table in [*store.datasets(), *TABLES]:
        seals.follow(store.where, table, data=table in compaction.SEALED_WITH_DATA)
    by = load_settings().signer()
    live = store.every_version()
    if stated := sum(state(store.where, version, by) for version in live):
        plan.done.append(f"statements: {stated:,} {'written' if by is None else 'signed'}")
    missing = forget_missing(tools.home)
    if missing:
        plan.done.append(
            f"{counted(missing, 'derived file')} that somebody removed taken out of the catalogues"
        )
    sealed = tools.ledger().seal()
    if sealed:
        plan.done.append(f"ledger: {counted(sealed, 'record')} of an earlier version sealed")
    if config.vacuum:
        try:
            before, after = tools.ledger().vacuum()
            plan.done.append(f"ledger: {counted(before - after, 'byte')} freed")
        except LedgerError as error:
            plan.done.append(f"ledger: {error}")
