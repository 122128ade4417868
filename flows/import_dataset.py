"""The flow `import`: other people's data becomes a version of a dataset.

Records are read in shards, one task run per source, and become rows (tasks/stages/import_dataset.py). The rows are
de-duplicated, verified if that is asked for, and compared with the registered benchmarks, like those of a night; then those
that are left are published in one commit. Every finished shard is in the stage cache, so that an import that was killed
continues there, and the same import given again publishes nothing.
"""

from __future__ import annotations

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
from flows.runner.code_version import code_version
from flows.runner.decontamination import Decontamination
from flows.runner.events import on_failure
from flows.runner.imported_rows import ImportedRows, published
from flows.runner.progress import Bar
from flows.runner.resources import tools_of
from flows.runner.stages import Line, Place, Stage
from flows.runner.task_runners import task_runner
from storage.counting import counted
from storage.stage_cache.shards import Ref, digest_of
from tasks.ingestion.record import IngestError
from tasks.ingestion.sources import DataSource, sources
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.stages.import_dataset import (
    PEEK,
    STAGE,
    RecordReading,
    check_mapping,
    check_names,
    common_of,
    converter,
    not_read,
    rows_of,
    table_of,
)

READ = Stage(STAGE, "Read", Import)
FIX = "--map column=field or --convert FILE.py"  # what may help if no row is usable
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
    against = Decontamination.of(config.decontaminate)
    run = run_name(config, every, reading, against)
    source = ImportedRows("import", run, partial(read, every=every, reading=reading, config=config), FIX)
    return published(config, source, against, verify=config.verify)


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
        unknown: list[str] = []
        for source in every:
            beginning = list(islice(source.records(), PEEK))
            if config.columns:
                check_mapping(source.name, config.columns, beginning)
                continue
            try:
                check_names(source.name, beginning)
            except IngestError as error:
                unknown.append(str(error))
        if unknown and len(unknown) == len(every):  # a folder may have other files beside its data
            raise IngestError("\n".join(unknown))
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
    for number, chunk in enumerate(source.batches(rows)):
        address = digest_of(
            STAGE, code_version(table_of), source.name, source.digest, reading.digest, rows, number
        )
        ref = tools.shards.get(address)
        if ref is None:
            table = table_of(chunk, reading, source.name, common)
            ref = tools.shards.put(STAGE, address, table, {"records": len(chunk)})
        refs.append(ref.to_dict())
        if bar is not None:
            bar.tick(len(chunk))
    return refs


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
        if not (config.columns or config.convert):
            for column, near in not_read(beginning[:PEEK]).items():
                lines.append(
                    f"  not read: the column {_short(column, 40)!r}, which is nearly {near!r}; --map reads it"
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
            place = f" (the first: {first.values['place']})" if "place" in first.values else ""
            lines.append(f"  refused {counted(count, 'time')}: {kind}{place}")
    return "\n".join(lines)


def _short(text: str, most: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
