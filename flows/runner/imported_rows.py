"""Rows of other people as a version of a dataset: the steps that follow reading, for records and for documents alike.

De-duplicate, verify by setting, decontaminate, publish behind the gates with lineage. Every finished shard is in the stage cache, so
that a run that was killed continues there, and the same sources given again publish nothing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from flows.config.sections import PublishSettings
from flows.nightly import DECONTAMINATE, DEDUP, VERIFY
from flows.runner.after_publication import FROM_STORED, finish, latest
from flows.runner.artifacts import refusals_shown
from flows.runner.decontamination import Decontamination, certificate_of, enough_recall, standing
from flows.runner.gates import gates_of
from flows.runner.import_duplicates import unique_rows
from flows.runner.progress import Bars
from flows.runner.publication import MEASURING_COSTS, funnel_line, made_with
from flows.runner.resources import Tools, opened
from flows.runner.service_table import Live
from flows.runner.stages import Line
from flows.runner.verifier import COLUMNS as VERIFIER_COLUMNS
from flows.runner.verifier import certified, reliable_verifier
from flows.runner.verifier import lineage_of as verifier_lineage
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.versions import Version, today
from storage.rows import reasons_of
from storage.stage_cache.shards import Ref
from tasks.decontamination.certificate import Certificate
from tasks.ingestion.record import IngestError
from tasks.llm.costs import total
from tasks.stages.verify import VerifySettings, verify_solved
from tasks.voting import prior

WORK = "imports"  # folder below the home, with one folder per unfinished run


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """Where the rows come from.

    flow: the name of the flow in the lineage. run: a name that equal sources, settings and benchmarks share. read: returns the
    counts of each source for the lineage, and the rows in shards, kept or not. fix: what may help if no row is usable. facts:
    what reading adds to the lineage; `read` fills it in. totals: what the published rows add to it; it is given their tables.
    """

    flow: str
    run: str
    read: Callable[[Line], tuple[list[dict[str, Any]], list[Ref]]]
    fix: str
    facts: dict[str, Any] = field(default_factory=dict)
    totals: Callable[[Iterable[pa.Table]], dict[str, Any]] = lambda tables: {}


def published(
    config: PublishSettings, source: ImportedRows, against: Decontamination, *, verify: bool
) -> str:
    """Read the rows, and publish those that are new and clean. Returns the name of the version that has them, which is an
    earlier one if all of them are published already. Raises IngestError if no row is usable."""
    with opened(load_settings()) as tools, Bars() as bars:
        before = published_by(tools, config.dataset, source.run)
        if before is not None and not any(one.get("failed") for one in before.lineage.get("inputs", ())):
            finish(tools, before)
            bars.say(f"{before} is this import already: nothing was published")
            return str(before)
        line, base = Line(tools, bars), latest(tools, config.dataset)
        if base is not None:
            finish(tools, base)
        with Live(tools, config.dataset, source.run, line, models=False):
            inputs, shards = source.read(line)
            if not any(ref.kept for ref in shards):
                raise IngestError(f"{_nothing_usable(line, shards)}. Fix: {source.fix}")
            folder = tools.home / WORK / source.run
            shards = unique_rows(line, DEDUP, shards, base, config.similarity, folder, near=config.near)
            if verify:
                call = partial(verify_solved, settings=VerifySettings(), calibration=prior())
                shards = line.run(VERIFY, call, shards)
            shards = line.run(DECONTAMINATE, against.look(), shards)
        version = publish(line, config, source, base, against, inputs, shards)
        shutil.rmtree(folder, ignore_errors=True)
        return str(version)


def published_by(tools: Tools, dataset: str, run: str) -> Version | None:
    """Return the version that this import has published, None if there is none, or if its rows may be gone since."""
    for version in reversed(tools.store.versions(dataset)):
        if version.lineage.get("run") == run:
            return version
        if version.lineage.get("flow") in FROM_STORED:
            return None
    return None


def publish(
    line: Line,
    config: PublishSettings,
    source: ImportedRows,
    base: Version | None,
    against: Decontamination,
    inputs: list[dict[str, Any]],
    shards: list[Ref],
) -> Version:
    """Store every row that was dropped, and publish the others; the base where none is left.

    Raises IngestError if none is left and there is no base, and Conflict if another process published meanwhile.
    """
    store = line.tools.store
    line.store_candidates(source.run)
    new = sum(ref.kept for ref in shards)
    if not new and base is None:
        raise IngestError(
            "no row is left after de-duplication and decontamination. "
            "Fix: ./mathmill sql 'SELECT rejected, count(*) FROM rejected GROUP BY ALL' shows why"
        )
    if not new and base is not None:
        line.bars.say(f"Every row is in {base} already, or was dropped: nothing was published")
        return base
    stands = standing(line, base, against, DECONTAMINATE)
    certificate = certificate_of(line, against)
    reliable = certified(
        (line.kept([ref], list(VERIFIER_COLUMNS)) for ref in [*stands, *shards]), line.tools.judge()
    )
    gates = [
        *gates_of(config.gates, new=new),
        enough_recall(certificate, config.gates.min_recall),
        reliable_verifier(reliable, config.gates),
    ]
    with refusals_shown(config.dataset, line.tools.settings):
        version = store.publish(
            config.dataset,
            (line.kept([ref]) for ref in [*stands, *shards]),
            mode="overwrite" if stands else "append",
            expected=base.table_version if base else None,
            lineage={
                **lineage(line, config, source, base, inputs, shards, certificate),
                **verifier_lineage(reliable),
            },
            gates=gates,
            date=today(),
        )
    finish(line.tools, version)
    return version


def lineage(
    line: Line,
    config: PublishSettings,
    source: ImportedRows,
    base: Version | None,
    inputs: list[dict[str, Any]],
    shards: list[Ref],
    certificate: Certificate,
) -> dict[str, Any]:
    """Return the lineage of the version, with the same keys as that of a night."""
    licenses, reasons = Counter[str](), Counter[str]()
    for ref in shards:
        licenses.update(map(str, line.kept([ref], ["license", "rejected"]).column("license").to_pylist()))
    for entry in line.funnel:
        for ref in entry.refs:
            table = line.tools.shards.read(ref, ["rejected", "reason"])
            reasons.update(f"{why.stage} {why.code}" for why in reasons_of(table) if why is not None)
    return {
        "flow": source.flow,
        "run": source.run,
        "base": str(base) if base else None,
        "inputs": inputs,
        "prompts": [],
        "parameters": config.model_dump(mode="json"),
        "licenses": dict(sorted(licenses.items())),
        "calibration": {},
        "decontamination": certificate.to_dict(),
        "funnel": [funnel_line(entry) for entry in line.funnel],
        "reasons": dict(sorted(reasons.items())),
        "costs": total(line.facts()),
        MEASURING_COSTS: total(line.measured),
        **source.facts,
        **source.totals(line.kept([ref], ["params", "rejected"]) for ref in shards),
        **made_with(line.tools),
    }


def _nothing_usable(line: Line, shards: list[Ref]) -> str:
    if not any(ref.rows for ref in shards):
        return "there is no row to take"
    kinds = Counter[str]()
    for ref in shards:
        table = line.tools.shards.read(ref, ["rejected", "reason"])
        kinds.update(why.values.get("why", why.words) for why in reasons_of(table) if why is not None)
    shown = "; ".join(f"{kind} ({counted(count, 'time')})" for kind, count in kinds.most_common(3))
    return f"none of {counted(kinds.total(), 'row')} is usable: {shown}"
