"""The flow `corpus`: published rows of any kind as text for continued pretraining, one row of kind `text` per document.

From top to bottom: read the versions and join chunks to documents, drop documents that are there twice, count the lines of those
that are left, remove the lines that many of them have, judge; then the steps of every import (flows/runner/imported_rows.py).
Duplicates are dropped before lines are counted, or ten copies of one document would lose all their lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from flows.config.corpus import Corpus
from flows.config.loading import ConfigError
from flows.documents import check_tokenizer
from flows.runner.code_version import code_version
from flows.runner.decontamination import Decontamination
from flows.runner.events import on_failure
from flows.runner.import_duplicates import unique_rows
from flows.runner.imported_rows import WORK, ImportedRows, published
from flows.runner.progress import Bar
from flows.runner.resources import tools_of
from flows.runner.stages import Line, Place, Stage
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, kept, to_table
from storage.stage_cache.shards import Ref, digest_of
from tasks.dedup.settings import SimilaritySettings
from tasks.documents.lines import documents_per_line, frequent_lines
from tasks.stages.corpus import (
    COLUMNS,
    MEMORY,
    STAGE,
    CorpusSettings,
    documents,
    tokens_by_version,
)
from tasks.stages.corpus import corpus as clean

READ = Stage("read_versions", "Read versions", Corpus)
GIVEN = Stage("dedup", "De-duplicate what was read", SimilaritySettings)
CLEAN = Stage(STAGE, "Remove lines, judge", CorpusSettings)
SHARD_CHARACTERS = 32 << 20  # of a shard with more than one document
BATCH = 1_024  # rows that are read together


@flow(
    name="corpus",
    flow_run_name="{config.dataset}",
    description="Text for continued pretraining from published versions, one row per document.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def corpus(config: Corpus = Corpus()) -> str:
    """Read, join, de-duplicate, remove lines, judge, decontaminate, publish.

    Returns the name of the version that has the documents, which is an earlier one if all of them are published already. Raises
    ConfigError, VersionNotFound or IngestError if something that is named cannot be used.
    """
    versions = check(config)
    against = Decontamination.of(config.decontaminate)
    run = run_name(config, versions, against)
    facts: dict[str, Any] = {}
    reader = partial(read, versions=versions, config=config, run=run, facts=facts)
    fix = "look at the rows of the versions by `./mathmill show`, or lower min_legible and min_whole"
    source = ImportedRows("corpus", run, reader, fix, facts, totals)
    return published(config, source, against, verify=False)


def totals(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Return what the lineage says of the published documents, which are in the tables."""
    return {"tokens": tokens_by_version(tables)}


def check(config: Corpus) -> list[Version]:
    """Return the versions. Raises ConfigError or VersionNotFound for what cannot be used."""
    if not config.versions:
        raise ConfigError("setting versions: none is named. Fix: name a version, such as books@2026.11.20")
    if not config.dataset:
        raise ConfigError("setting dataset: no name is given. Fix: --dataset NAME, such as pretraining")
    check_tokenizer(config.tokenizer)
    store = Store(load_settings().tables)
    versions = {str(one): one for one in map(store.resolve, config.versions)}
    if any(one.dataset == config.dataset for one in versions.values()):
        raise ConfigError(
            f"setting dataset: {config.dataset} is one of the datasets that are read. Fix: give the corpus a name of its own"
        )
    return list(versions.values())


def run_name(config: Corpus, versions: list[Version], against: Decontamination) -> str:
    """Return a name for the run. Equal versions, settings and benchmarks give an equal name."""
    plain = config.model_dump(mode="json", exclude={"versions", "shard_rows", "gates"})
    named = sorted([str(one), one.digest] for one in versions)
    return f"corpus-{digest_of(plain, named, against.benchmarks.digest)[:12]}"


def read(
    line: Line, *, versions: list[Version], config: Corpus, run: str, facts: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each version, and its documents in shards, kept or not. `facts` is filled with the counts of lines."""
    inputs, shards = read_versions(line, versions, config, run)
    folder = line.tools.home / WORK / run
    shards = unique_rows(line, GIVEN, shards, None, config.similarity, folder / "read", near=config.near)
    settings = config.lines
    lines = frequent(line, shards, config, folder / "lines")
    judging = config.model_dump(include=set(CorpusSettings.model_fields))
    call = partial(clean, settings=CorpusSettings.model_validate(judging))
    shards = line.run(CLEAN, call, shards, reads={"lines": [lines]})
    removed = sum(int(ref.facts["lines_removed"]) for ref in shards)
    facts["lines"] = {"boilerplate": lines.rows, "removed": removed}
    line.bars.say(
        f"Removed {counted(removed, 'line')}: {counted(lines.rows, 'different one')} in {settings.min_documents} documents or more"
    )
    return inputs, shards


def read_versions(
    line: Line, versions: list[Version], config: Corpus, run: str
) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each version, and the documents of all versions in shards, kept or not."""
    place = Place(str(line.tools.home), line.tools.words_only)
    bar = line.bars.stage(READ.title, sum(one.rows for one in versions))
    beside = line.tools.settings.runner == "threads"
    with TagsContext(current_tags=set()):
        futures = [
            read_version.with_options(task_run_name=f"{READ.title} {one}").submit(
                place, run, str(one), config.join, config.shard_rows, bar if beside else None
            )
            for one in versions
        ]
    inputs, shards = [], list[Ref]()
    for version, future in zip(versions, futures, strict=True):
        refs = [Ref.from_dict(record) for record in future.result()]
        counts = {name: sum(getattr(ref, name) for ref in refs) for name in ("kept", "rejected", "failed")}
        records = sum(ref.rows for ref in refs)
        inputs.append(
            {"version": str(version), "digest": version.digest, "rows": version.rows, "records": records}
            | counts
        )
        shards += refs
    line.record(READ, READ.title, shards)
    bar.close(counted(sum(ref.rows for ref in shards), "document"))
    return inputs, shards


@task(cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def read_version(
    place: Place, run: str, name: str, join: bool, most: int, bar: Bar | None
) -> list[dict[str, Any]]:
    """Read one version into shards, and return their references. A shard that an earlier run has finished is not made again."""
    tools = tools_of(place.home)
    version = tools.store.resolve(name)
    parts = [code_version(documents), name, version.digest, join, most, SHARD_CHARACTERS]
    folder = tools.home / WORK / run / digest_of(*parts)[:12]
    batches = tools.store.batches(version, COLUMNS, size=BATCH)
    refs: list[dict[str, Any]] = []
    for rows in _shards(documents(batches, name, folder, join=join), most):
        address = digest_of(READ.name, *parts, len(refs))
        ref = tools.shards.get(address) or tools.shards.put(READ.name, address, to_table(rows))
        refs.append(ref.to_dict())
        if bar is not None:
            bar.tick(sum(len(row.parent_ids) for row in rows))
    return refs


def _shards(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    shard: list[Row] = []
    size = 0
    for row in rows:
        if shard and (len(shard) >= most or size + len(row.question) > SHARD_CHARACTERS):
            yield shard
            shard, size = [], 0
        shard.append(row)
        size += len(row.question)
    if shard:
        yield shard


def frequent(line: Line, shards: list[Ref], config: Corpus, folder: Path) -> Ref:
    """Return the lines that are removed (tasks.documents.lines.LINES), counted over the kept documents of all shards."""
    tools, settings = line.tools, config.lines
    version = code_version(documents_per_line)
    address = digest_of("lines", version, settings.model_dump(), [ref.digest for ref in shards])
    if (before := tools.shards.get(address)) is not None:
        return before
    place = Place(str(tools.home), tools.words_only)
    bar = line.bars.stage("Count lines", len(shards))
    with TagsContext(current_tags=set()):
        futures = [count_lines.submit(place, ref.to_dict(), settings.min_characters) for ref in shards]

    def tables() -> Iterator[pa.Table]:
        for future in futures:
            yield tools.shards.read(future.result())
            bar.tick(1)

    table = frequent_lines(tables(), settings.min_documents, folder, MEMORY)
    bar.close(f"{counted(table.num_rows, 'line')} to remove")
    return tools.shards.put("lines", address, table)


@task(name="Count lines", cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def count_lines(place: Place, shard: dict[str, Any], min_characters: int) -> str:
    """Count the lines of one shard, and return the digest of the counts in the stage cache."""
    tools = tools_of(place.home)
    address = digest_of("line-counts", code_version(documents_per_line), shard["digest"], min_characters)
    if tools.shards.get(address) is None:
        texts = kept(tools.shards.read(shard["digest"], ["question", "rejected"])).column("question")
        tools.shards.put("line-counts", address, documents_per_line(texts.to_pylist(), min_characters))
    return address
