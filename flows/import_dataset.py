"""The flow `import`: other people's data becomes a version of a dataset.

Records are read in shards, one task run per source, and become rows (tasks/stages/import_dataset.py). The rows are
de-duplicated, verified if that is asked for, and compared with the registered benchmarks, like those of a night; then those
that are left are published in one commit. Every finished shard is in the stage cache, so that an import that was killed
continues there, and the same import given again publishes nothing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from flows.config.import_dataset import Import
from flows.config.loading import ConfigError
from flows.nightly import DECONTAMINATE, DEDUP, VERIFY
from flows.runner.after_publication import FROM_STORED, finish, latest
from flows.runner.code_version import code_version
from flows.runner.decontamination import Decontamination, enough_recall, examine, standing
from flows.runner.events import on_failure
from flows.runner.gates import gates_of
from flows.runner.import_duplicates import unique_rows
from flows.runner.progress import Bar, Bars
from flows.runner.publication import funnel_line, made_with
from flows.runner.resources import Tools, opened, tools_of
from flows.runner.stages import Line, Place, Stage
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.versions import Version, today
from storage.rows import reasons_of
from storage.stage_cache.shards import Ref, digest_of
from tasks.decontamination.certificate import Certificate
from tasks.ingestion.record import IngestError
from tasks.ingestion.sources import DataSource, sources
from tasks.llm.costs import total
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.stages.import_dataset import (
    PEEK,
    STAGE,
    RecordReading,
    check_mapping,
    common_of,
    converter,
    rows_of,
    table_of,
)
from tasks.stages.verify import VerifySettings, verify_solved
from tasks.voting import prior

READ = Stage(STAGE, "Read", Import)
WORK = "imports"  # folder below the home, with one folder per unfinished import
SHOWN = 10  # rows of a dry run
TRIED = 1000  # records per source that a dry run reads


@flow(
    name="import",
    flow_run_name="{config.dataset}",
    description="Other people's data as a version of a dataset: files, folders, data sets of the Hugging Face hub.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def import_dataset(config: Import = Import()) -> str:
    """Read, de-duplicate, verify, decontaminate, publish.

    Returns the name of the version that has the rows, which is an earlier one if all of them are published already; with
    `dry_run` the text of the preview. Raises IngestError or ConfigError if something that is named cannot be used.
    """
    if config.dry_run:
        return preview(config)
    every, reading = check(config)
    with opened(load_settings()) as tools, Bars() as bars:
        against = Decontamination.of(config.decontaminate)
        run = run_name(config, every, reading, against)
        if (before := published_by(tools, config.dataset, run)) is not None:
            finish(tools, before)
            bars.say(f"{before} is this import already: nothing was published")
            return str(before)
        line, base = Line(tools, bars), latest(tools, config.dataset)
        if base is not None:
            finish(tools, base)
        inputs, shards = read(line, every, reading, config)
        folder = tools.home / WORK / run
        shards = unique_rows(line, DEDUP, shards, base, config.similarity, folder, near=config.near)
        if config.verify:
            call = partial(verify_solved, settings=VerifySettings(), calibration=prior())
            shards = line.run(VERIFY, call, shards)
        shards = line.run(DECONTAMINATE, against.look(), shards)
        version = publish(line, config, run, base, against, inputs, shards)
        shutil.rmtree(folder, ignore_errors=True)
        return str(version)


def check(config: Import) -> tuple[list[DataSource], RecordReading]:
    """Return what is read and how. Raises ConfigError, IngestError or SandboxUnavailable for what cannot be used, before
    anything is read whole."""
    if not config.paths:
        raise ConfigError("setting paths: nothing is named. Fix: give files, folders, or hf:OWNER/NAME")
    if not config.license:
        raise ConfigError(
            "setting license: none is given. Fix: --license, such as MIT; `unknown` if you do not know it"
        )
    if not config.dataset and not config.dry_run:
        raise ConfigError("setting dataset: no name is given. Fix: --dataset NAME, such as chat")
    if config.verify and not (sandbox := isolation()).ok:
        raise SandboxUnavailable(sandbox)
    reading = reading_of(config)
    every = sources(config.paths, subset=config.subset, split=config.split)
    if not config.convert:
        for source in every:
            check_mapping(source.name, config.columns, list(islice(source.records(), PEEK)))
    return every, reading


def reading_of(config: Import) -> RecordReading:
    """Return how records are read, with the user's function. Raises IngestError or ConfigError."""
    reading = RecordReading(config.kind, config.columns, config.license)
    if not config.convert:
        return reading
    if config.columns:
        raise ConfigError(
            "settings columns and convert: both are given. Fix: leave one out; convert can rename columns too"
        )
    function, digest = converter(Path(config.convert))
    return replace(reading, convert=function, code=digest)


def run_name(
    config: Import, every: list[DataSource], reading: RecordReading, against: Decontamination
) -> str:
    """Return a name for the import. Equal sources, settings and benchmarks give an equal name."""
    plain = config.model_dump(mode="json", exclude={"paths", "shard_rows", "dry_run", "convert", "gates"})
    named = sorted([source.name, source.digest] for source in every)
    return f"import-{digest_of(plain, named, reading.digest, against.benchmarks.digest)[:12]}"


def published_by(tools: Tools, dataset: str, run: str) -> Version | None:
    """Return the version that this import has published, None if there is none, or if its rows may be gone since."""
    for version in reversed(tools.store.versions(dataset)):
        if version.lineage.get("run") == run:
            return version
        if version.lineage.get("flow") in FROM_STORED:
            return None
    return None


def read(
    line: Line, every: list[DataSource], reading: RecordReading, config: Import
) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each source, and the rows of all sources in shards, kept or not."""
    place = Place(str(line.tools.home), line.tools.words_only)
    bar = line.bars.stage(READ.title, 0)
    beside = line.tools.settings.runner == "threads"
    plain = replace(reading, convert=None)
    futures = []
    with TagsContext(current_tags=set()):
        for source in every:
            named = read_source.with_options(task_run_name=f"{READ.title} {source.name}")
            futures.append(
                named.submit(place, source, plain, config.convert, config.shard_rows, bar if beside else None)
            )
    inputs, shards = [], list[Ref]()
    for source, future in zip(every, futures, strict=True):
        refs = [Ref.from_dict(record) for record in future.result()]
        counts = {name: sum(getattr(ref, name) for ref in refs) for name in ("kept", "rejected", "failed")}
        records = sum(int(ref.facts["records"]) for ref in refs)
        inputs.append({"file": source.name, "sha256": source.digest, "records": records} | counts)
        shards += refs
    line.record(READ, READ.title, shards)
    bar.close(counted(sum(int(ref.facts["records"]) for ref in shards), "record"))
    if not any(ref.kept for ref in shards):
        raise IngestError(_nothing_usable(line, shards))
    return inputs, shards


@task(cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def read_source(
    place: Place, source: DataSource, reading: RecordReading, convert: str, rows: int, bar: Bar | None
) -> list[dict[str, Any]]:
    """Read one source into shards, and return their references. A shard that an earlier run has finished is not made again."""
    tools = tools_of(place.home)
    if convert:
        function, code = converter(Path(convert))
        reading = replace(reading, convert=function, code=code)
    common = common_of(islice(source.records(), PEEK), reading)
    refs = []
    stream = source.records()
    number = 0
    while chunk := list(islice(stream, rows)):
        address = digest_of(
            STAGE, code_version(table_of), source.name, source.digest, reading.digest, rows, number
        )
        ref = tools.shards.get(address)
        if ref is None:
            table = table_of(chunk, reading, source.name, common)
            ref = tools.shards.put(STAGE, address, table, {"records": len(chunk)})
        refs.append(ref.to_dict())
        number += 1
        if bar is not None:
            bar.tick(len(chunk))
    return refs


def _nothing_usable(line: Line, shards: list[Ref]) -> str:
    kinds = Counter[str]()
    for ref in shards:
        table = line.tools.shards.read(ref, ["rejected", "reason"])
        kinds.update(why.values.get("why", why.words) for why in reasons_of(table) if why is not None)
    shown = "; ".join(f"{kind} ({counted(count, 'time')})" for kind, count in kinds.most_common(3))
    return f"none of {counted(kinds.total(), 'row')} is usable: {shown}. Fix: --map column=field or --convert FILE.py"


def publish(
    line: Line,
    config: Import,
    run: str,
    base: Version | None,
    against: Decontamination,
    inputs: list[dict[str, Any]],
    shards: list[Ref],
) -> Version:
    """Store every row that was dropped, and publish the others; the base where none is left.

    Raises IngestError if none is left and there is no base, and Conflict if another process published meanwhile.
    """
    store = line.tools.store
    line.store_candidates(run)
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
    if against.benchmarks.files:
        certificate = examine(line.tools, [], against, line.bars.say)[0].over(line.facts())
    else:  # nothing was looked for, so there is no recall to measure
        certificate = Certificate((), tuple(config.decontaminate.rules), (), (), 0, None, 0)
    gates = [*gates_of(config.gates, new=new), enough_recall(certificate, config.gates.min_recall)]
    version = store.publish(
        config.dataset,
        (line.kept([ref]) for ref in [*stands, *shards]),
        mode="overwrite" if stands else "append",
        expected=base.table_version if base else None,
        lineage=lineage(line, config, run, base, inputs, shards, certificate),
        gates=gates,
        date=today(),
    )
    finish(line.tools, version)
    return version


def lineage(
    line: Line,
    config: Import,
    run: str,
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
        "flow": "import",
        "run": run,
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
        **made_with(line.tools),
    }


def preview(config: Import) -> str:
    """Return what an import would make of the first TRIED records of each source, as text: SHOWN rows, and what would be
    refused and why. Nothing is stored. Raises as `check`."""
    every, reading = check(config.model_copy(update={"dry_run": True}))
    lines: list[str] = []
    for source in every:
        beginning = list(islice(source.records(), TRIED))
        common = common_of(beginning[:PEEK], reading)
        rows = [row for record in beginning for row in rows_of(record, reading, source.name, common)]
        fine = [row for row in rows if row.reason is None]
        out = [row.reason for row in rows if row.reason is not None]
        failures = sum(why.failed for why in out)
        lines.append(
            f"{source.name}: of the first {counted(len(beginning), 'record')}, {counted(len(rows), 'row')}: "
            f"{len(fine):,} kept, {len(out) - failures:,} rejected, {failures:,} failed"
        )
        for row in fine[:SHOWN]:
            shown = {
                "question": "" if row.messages else row.question,
                "turns": " | ".join(f"{turn['role']}: {turn['content']}" for turn in row.messages or ()),
                "solution": row.solution,
                "answer": row.answer,
                "trusted answer": row.reference_answer,
                "reasoning": row.reasoning,
            }
            lines.append(f"  {row.kind or 'solution'} ({row.language}, {row.license}) {row.id}")
            lines += [f"    {name:15}{_short(text)}" for name, text in shown.items() if text]
        for kind, count in Counter(why.values.get("why", why.kind) for why in out).most_common(SHOWN):
            first = next(why for why in out if kind in (why.kind, why.values.get("why")))
            lines.append(
                f"  refused {counted(count, 'time')}: {kind} (the first: {first.values.get('place', 'see above')})"
            )
    return "\n".join(lines)


def _short(text: str, most: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
