"""Documents: books, lecture notes and pages as a version of a dataset, one row of kind `text` per chunk.

From top to bottom: find the documents, read each in a process with limits, repair and judge it, divide it into chunks, then the steps
of every import (flows/runner/imported_rows.py): de-duplicate, decontaminate, publish with one commit. Files of pages of the web
are read by flows/runner/page_files.py, a batch of pages per process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from flows.config.documents import Documents
from flows.config.loading import ConfigError
from flows.runner.code_version import code_version
from flows.runner.decontamination import Decontamination
from flows.runner.events import on_failure
from flows.runner.imported_rows import ImportedRows, published
from flows.runner.page_files import (
    PageFile,
    PageJudging,
    check_positives,
    judged,
    page_files,
    preview_of_pages,
    read_page_files,
)
from flows.runner.progress import Bar
from flows.runner.resources import tools_of
from flows.runner.stages import Line, Place, Stage
from flows.runner.task_runners import task_runner
from flows.runner.transcription import calls_limited, check_sees, expected_calls, transcribed, written_by
from flows.settings import OCR, load_settings
from storage.counting import counted
from storage.rows import Row, to_table
from storage.stage_cache.shards import Ref, digest_of
from tasks.documents.book_files import DocumentFile, documents_of
from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.quality import quality_of
from tasks.documents.reading import ReadingFailed
from tasks.documents.transcribing import Transcriber
from tasks.documents.undefined_macros import in_words, undefined_macros
from tasks.stages.documents import STAGE, DocumentReading, counter, rows_of
from tasks.text.cleaning import printable

READ = Stage(STAGE, "Read documents", Documents)
FIX = "--dry-run shows what is read of each document"
SHARD_BYTES = 64 << 20  # of the documents of a task run with more than one
SHOWN = 10  # blocks of a dry run


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read and how: documents in files of their own, and files of pages of the web."""

    documents: list[DocumentFile]
    pages: list[PageFile]
    reading: DocumentReading
    judging: PageJudging


@flow(
    name="documents",
    flow_run_name="{config.dataset}",
    description="Books, lecture notes and pages as a version of a dataset: LaTeX, PreTeXt, HTML, Markdown, PDF and others.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def documents(config: Documents = Documents()) -> str:
    """Read, divide into chunks, de-duplicate, decontaminate, publish.

    Returns the name of the version that has the rows, which is an earlier one if all of them are published already; with
    `dry_run` the text of the preview. Raises IngestError or ConfigError if something that is named cannot be used.
    """
    if config.dry_run:
        return preview(config)
    sources = check(config)
    against = Decontamination.of(config.decontaminate)
    facts: dict[str, Any] = {}
    reader = partial(read, sources=sources, config=config, facts=facts)
    source = ImportedRows("documents", run_name(config, sources, against), reader, FIX, facts)
    return published(config, source, against, verify=False)


def check(config: Documents) -> Sources:
    """Return what is read and how. Raises ConfigError or IngestError for what cannot be used, before anything is read whole."""
    if not config.paths:
        raise ConfigError("setting paths: nothing is named. Fix: give files or folders with documents")
    if not config.license and not config.dry_run:
        raise ConfigError(
            "setting license: none is given. Fix: --license, such as CC-BY-SA-4.0; `unknown` if you do not know it"
        )
    if not config.dataset and not config.dry_run:
        raise ConfigError("setting dataset: no name is given. Fix: --dataset NAME, such as textbooks")
    reading = DocumentReading(
        license=config.license or "unknown",
        max_tokens=config.max_tokens,
        tokenizer=config.tokenizer,
        min_legible=config.min_legible,
        min_whole=config.min_whole,
        languages=tuple(config.languages),
        options=ReadOptions(ocr=config.ocr),
    )
    check_tokenizer(config.tokenizer)
    if config.ocr == "endpoint":
        check_sees(load_settings())
    pages, others = page_files(config.paths)
    return Sources(documents_of(others), pages, reading, PageJudging(config.screens, config.recall))


def check_tokenizer(name: str) -> None:
    """Raise ConfigError for a tokenizer that cannot be loaded."""
    try:
        counter(name)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"setting tokenizer: {printable(str(error), 150)}. Fix: name a folder with a tokenizer, or leave it empty"
        ) from error


def run_name(config: Documents, sources: Sources, against: Decontamination) -> str:
    """Return a name for the run. Equal documents, settings and benchmarks give an equal name."""
    plain = config.model_dump(
        mode="json",
        exclude={
            "paths",
            "shard_documents",
            "shard_pages",
            "dry_run",
            "gates",
            "screens",
            "recall",
            "answers",
            "budget",
        },
    )
    every: list[DocumentFile | PageFile] = [*sources.documents, *sources.pages]
    named = sorted([one.name, one.digest] for one in every)
    judging = [sources.judging.digest] if sources.pages else []
    if config.ocr == "endpoint":
        settings = load_settings()
        judging.append(digest_of(*written_by(settings.mix(OCR), config.languages)))
    return f"documents-{digest_of(plain, named, sources.reading.digest, against.benchmarks.digest, *judging)[:12]}"


def read(
    line: Line, *, sources: Sources, config: Documents, facts: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each document and file of pages, and their rows in shards, kept or not. `facts` is filled with what the
    lineage says of the pages."""
    inputs, shards = list[dict[str, Any]](), list[Ref]()
    if sources.documents and config.ocr == "endpoint":
        with calls_limited(
            line.tools, config, f"read-{digest_of([one.digest for one in sources.documents])[:12]}"
        ):
            inputs, shards = read_files(line, sources, config)
        facts |= transcribed(line, config)
    elif sources.documents:
        inputs, shards = read_files(line, sources, config)
    if sources.pages:
        check_positives(line.tools, sources.judging.recall)
        counts, pages = read_page_files(
            line, READ, sources.pages, sources.reading, sources.judging.screens, config.shard_pages
        )
        about, pages = judged(line, pages, sources.judging)
        facts["pages"] = about
        inputs, shards = inputs + counts, shards + pages
    return inputs, shards


def read_files(line: Line, sources: Sources, config: Documents) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each document, and the rows of all documents in shards, kept or not."""
    every, reading = sources.documents, sources.reading
    place = Place(str(line.tools.home), line.tools.words_only)
    bar = line.bars.stage(READ.title, len(every))
    beside = line.tools.settings.runner == "threads"
    futures = []
    with TagsContext(current_tags=set()):
        for number, some in enumerate(_shards(every, config.shard_documents)):
            named = read_documents.with_options(task_run_name=f"{READ.title} {number}")
            futures.append(named.submit(place, some, reading, bar if beside else None))
    shards = [Ref.from_dict(future.result()) for future in futures]
    inputs = [counts for ref in shards for counts in ref.facts["documents"]]
    line.record(READ, READ.title, shards)
    bar.close(counted(len(every), "document"))
    return inputs, shards


def _shards(every: list[DocumentFile], most: int) -> list[list[DocumentFile]]:
    shards: list[list[DocumentFile]] = []
    size = 0
    for one in every:
        if not shards or len(shards[-1]) >= most or size + one.size > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(one)
        size += one.size
    return shards


@task(cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def read_documents(
    place: Place, some: list[DocumentFile], reading: DocumentReading, bar: Bar | None
) -> dict[str, Any]:
    """Read documents into one shard, and return its reference. A shard that an earlier run has finished is not made again.

    A shard in which a document could not be read for a reason that is not in it is stored for this run alone.
    """
    tools = tools_of(place.home)
    named = [[one.name, one.digest] for one in some]
    asks = reading.options.ocr == "endpoint"
    written = written_by(tools.settings.mix(OCR), list(reading.languages)) if asks else ()
    asked = [code_version(Transcriber.pages), *written] if asks else []
    address = digest_of(STAGE, code_version(rows_of), named, reading.digest, *asked)
    ref = tools.shards.get(address)
    if ref is None:
        transcriber = Transcriber(lambda: tools.engine(OCR), reading.languages) if asks else None
        rows, facts = [], []
        for one in some:
            own = rows_of(one, reading, transcriber)
            rows += own
            kept = sum(row.reason is None for row in own)
            failed = sum(row.reason is not None and row.reason.failed for row in own)
            facts.append(
                {
                    "file": one.name, "sha256": one.sha256, "records": len(own), "kept": kept,
                    "rejected": len(own) - kept - failed, "failed": failed,
                }
                | undefined(own)
            )  # fmt: skip
            if bar is not None:
                bar.tick(1)
        if any(fact["failed"] for fact in facts):
            address = digest_of(address, str(uuid4()))  # never found in the cache: another run reads it again
        costs = transcriber.costs.facts() if transcriber is not None and transcriber.costs is not None else {}
        ref = tools.shards.put(STAGE, address, to_table(rows), {"documents": facts, **costs})
    elif bar is not None:
        bar.tick(len(some))
    return ref.to_dict()


def undefined(rows: list[Row]) -> dict[str, dict[str, int]]:
    """Return the counts of the macros in the formulas of a document that nothing defines, as a fact; nothing if there are none."""
    counts = undefined_macros(row.question for row in rows)
    return {"undefined_macros": dict(sorted(counts.items()))} if counts else {}


def preview(config: Documents) -> str:
    """Return what is read of each document, as text: headings, kinds of blocks, exercises, quality, SHOWN blocks. Nothing is
    stored. Raises as `check`."""
    sources = check(config.model_copy(update={"dry_run": True}))
    reading = sources.reading
    lines: list[str] = []
    for file in sources.pages:
        lines += preview_of_pages(file, reading, sources.judging.screens)
    for source in sources.documents:
        try:
            document = source.read(reading.options, reading.limits)
        except (UnreadableDocument, ReadingFailed) as error:
            if (
                config.ocr == "endpoint"
                and isinstance(error, UnreadableDocument)
                and error.code == "no_text_layer"
            ):
                lines.append(f"{source.name}: {expected_calls(source, reading)}")
                continue
            lines.append(f"{source.name}: refused: {printable(str(error), 300)}")
            continue
        lines += [f"{source.name}: {_short(document.title)} ({document.format})", *_structure(document)]
        why = reading.refusal(document)
        quality = quality_of(document)
        lines.append(
            f"  language {quality.language}; {quality.legible:.1%} of characters legible; "
            f"{quality.whole:.1%} of {counted(quality.formulas, 'formula')} whole"
            + (f"; rejected: {why.words}" if why else "")
        )
        lines += [f"  missing: {_short(one)}" for one in document.missing[:SHOWN]]
        lines += [f"  {one}" for one in in_words(undefined_macros(one.text for one in document.elements))]
        step = max(1, len(document.elements) // SHOWN)
        for element in document.elements[::step][:SHOWN]:
            name = f"{element.kind} {element.label or ''}".strip()
            lines.append(f"    {_short(name, 30):30}  {_short(element.text)}")
    return "\n".join(lines)


def _structure(document: Document) -> list[str]:
    kinds = Counter(element.kind for element in document.elements)
    solved = {element.of for element in document.elements if element.kind in ("answer", "solution")}
    exercises = [place for place, element in enumerate(document.elements) if element.kind == "exercise"]
    printed = sum(place in solved for place in exercises)
    headings = [f"    {'  ' * (heading.level - 1)}{_short(heading.title)}" for heading in document.headings]
    if len(headings) > 3 * SHOWN:
        headings = [*headings[: 3 * SHOWN], f"    and {counted(len(headings) - 3 * SHOWN, 'heading')} more"]
    return [
        *headings,
        "  " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
        f"  {counted(len(exercises), 'exercise')}: {printed} with a printed answer or solution, "
        f"{len(exercises) - printed} without",
    ]


def _short(text: str, most: int = 100) -> str:
    flat = " ".join(printable(text, 4 * most).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
