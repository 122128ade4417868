"""Files of pages in the flow `documents`: one task run per file reads them in shards, then all pages are compared and recalled."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from flows.runner.code_version import code_version
from flows.runner.progress import Bar
from flows.runner.resources import Tools, tools_of
from flows.runner.stages import Line, Place, Stage
from storage.atomic import write_bytes
from storage.counting import counted
from storage.rows import to_table
from storage.stage_cache.shards import Ref, digest_of
from tasks.documents.web.page_files import is_page_file, is_warc, pages, texts_of_file
from tasks.documents.web.reading import batches, read_pages
from tasks.documents.web.recall import Classifier, RecallReport, RecallSettings, sampled, trained
from tasks.documents.web.screens import ScreenSettings, rare_templates
from tasks.ingestion.files import fault_of
from tasks.ingestion.record import IngestError
from tasks.stages.documents import STAGE, DocumentReading
from tasks.stages.pages import (
    FORMATS,
    RECALL,
    page_counts,
    page_formats,
    page_recall,
    page_texts,
    rows_of_pages,
)
from tasks.text.cleaning import printable

# folder below the home, with an .npz file and a report as JSON for each classifier, by the digest of what it was trained on
CLASSIFIERS = "classifiers"
SHARD_BYTES = 256 << 20  # of the bodies of a shard's pages, which are in memory at once
TRIED = 500  # pages of a file that a dry run reads
SHOWN = 10  # rows of a dry run


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of pages. name: as rows and reasons name it. digest: SHA-256 of its bytes."""

    name: str
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class PageJudging:
    """What pages must be like beside what is asked of every document."""

    screens: ScreenSettings
    recall: RecallSettings

    @property
    def digest(self) -> str:
        """A digest of the settings, the lists of words that they use, and the files of positives."""
        files = [_sha256(path) for path in map(Path, self.recall.positives) if path.is_file()]
        return digest_of(self.screens.digest, self.recall.model_dump(mode="json"), files)


def page_files(paths: Sequence[str]) -> tuple[list[PageFile], list[str]]:
    """Return the files of pages among what the paths name, and the paths of other documents. A folder may hold both.

    Raises IngestError with one line per file of pages that cannot be used.
    """
    files: list[PageFile] = []
    others: list[str] = []
    for given in dict.fromkeys(paths):
        path = Path(given).expanduser()
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and is_page_file(one))
            real = path.resolve()
            inside = [one for one in inside if one.resolve().is_relative_to(real)]
            files += [PageFile(one.relative_to(path.parent).as_posix(), one, _sha256(one)) for one in inside]
            if not inside or _has_others(path):
                others.append(given)
        elif path.is_file() and is_page_file(path):
            files.append(PageFile(path.name, path, _sha256(path)))
        else:
            others.append(given)
    return files, others


def _has_others(folder: Path) -> bool:
    return any(one.is_file() and not is_page_file(one) for one in folder.rglob("*"))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise IngestError(
            f"{path}: cannot be read ({error.strerror}). Fix: change its permissions"
        ) from error


def read_page_files(
    line: Line,
    read: Stage,
    files: Sequence[PageFile],
    reading: DocumentReading,
    screens: ScreenSettings,
    pages: int,
) -> tuple[list[dict[str, Any]], list[Ref]]:
    """Return the counts of each file, and the rows of all its pages in shards of at most so many pages, kept or not."""
    place = Place(str(line.tools.home), line.tools.words_only)
    bar = line.bars.stage("Read pages", 0)
    beside = line.tools.settings.runner == "threads"
    workers = max(1, (os.cpu_count() or 1) // max(1, len(files)))
    futures = []
    with TagsContext(current_tags=set()):
        for file in files:
            named = read_page_file.with_options(task_run_name=f"Read pages {file.name}")
            futures.append(
                named.submit(place, file, reading, screens, pages, workers, bar if beside else None)
            )
    inputs: list[dict[str, Any]] = []
    shards: list[Ref] = []
    for file, future in zip(files, futures, strict=True):
        refs = [Ref.from_dict(record) for record in future.result()]
        counts = {name: sum(getattr(ref, name) for ref in refs) for name in ("kept", "rejected", "failed")}
        records = sum(int(ref.facts["pages"]) for ref in refs)
        inputs.append({"file": file.name, "sha256": file.digest, "records": records} | counts)
        shards += refs
    line.record(read, "Read pages", shards)
    bar.close(f"{sum(entry['records'] for entry in inputs):,} pages")
    return inputs, shards


@task(cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def read_page_file(
    place: Place,
    file: PageFile,
    reading: DocumentReading,
    screens: ScreenSettings,
    size: int,
    workers: int,
    bar: Bar | None,
) -> list[dict[str, Any]]:
    """Read a file of pages into shards, and return their references. A shard that an earlier run has finished is not read again."""
    tools = tools_of(place.home)
    refs: list[dict[str, Any]] = []
    for chunk in batches(pages(file.path), size, SHARD_BYTES):
        address = digest_of(
            STAGE,
            code_version(rows_of_pages),
            file.name,
            file.digest,
            reading.digest,
            screens.digest,
            size,
            SHARD_BYTES,
            len(refs),
        )
        ref = tools.shards.get(address)
        if ref is None:
            rows = rows_of_pages(read_pages(chunk, workers=workers), file.name, reading, screens)
            ref = tools.shards.put(STAGE, address, to_table(rows), {"pages": len(chunk)})
        refs.append(ref.to_dict())
        if bar is not None:
            bar.tick(len(chunk))
    return refs


def judged(line: Line, shards: list[Ref], judging: PageJudging) -> tuple[dict[str, Any], list[Ref]]:
    """Compare the formats of the pages of each host, and recall mathematics. Return what the lineage says of it, and the shards.

    Raises IngestError or TooFewTexts if the positives cannot be used.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for ref in shards:
        counts += page_counts(line.kept([ref], ["params", "rejected"]))
    rare: dict[str, dict[str, float]] = defaultdict(dict)
    for (host, template), share in sorted(rare_templates(counts, judging.screens).items()):
        rare[host][template] = share
    threshold = judging.screens.min_template_share
    stage = Stage(FORMATS, "Compare formats of hosts", ScreenSettings)
    shards = line.run(stage, partial(page_formats, rare=dict(rare), threshold=threshold), shards)
    facts: dict[str, Any] = {"rare_templates": sum(map(len, rare.values()))}
    if judging.recall.positives:
        classifier, report = _classifier(line, shards, judging.recall)
        facts["recall"] = report
        shards = line.run(
            Stage(RECALL, "Recall mathematics", RecallSettings),
            partial(page_recall, classifier=classifier),
            shards,
        )
    return facts, shards


def check_positives(tools: Tools, settings: RecallSettings) -> None:
    """Raise VersionNotFound or IngestError for a positive that cannot be read, before any page is."""
    for name in settings.positives:
        path = Path(name)
        if not path.is_file():
            tools.store.resolve(name)
        elif not is_warc(path) and (fault := fault_of(path)):
            raise IngestError(f"setting recall.positives: {path}: {fault}")


def preview_of_pages(file: PageFile, reading: DocumentReading, screens: ScreenSettings) -> list[str]:
    """Return what would be made of the first TRIED pages of a file, as lines: SHOWN of them, and why others are refused."""
    texts = list(read_pages(islice(pages(file.path), TRIED)))
    rows = rows_of_pages(texts, file.name, reading, screens)
    kept = [row for row in rows if row.reason is None]
    whys = Counter(row.reason.kind for row in rows if row.reason is not None)
    lines = [f"{file.name}: of the first {counted(len(texts), 'page')}, {counted(len(kept), 'row')} kept"]
    for row in kept[:SHOWN]:
        shown = " ".join(printable(row.question, 400).split())[:100]
        lines += [f"  {printable(row.source or '', 100)} ({row.language}, {row.license})", f"    {shown}"]
    lines += [
        f"  refused {counted(count, 'time')}: {printable(why, 200)}" for why, count in whys.most_common()
    ]
    return lines


def _classifier(
    line: Line, shards: Sequence[Ref], settings: RecallSettings
) -> tuple[Classifier, dict[str, Any]]:
    """Return the classifier for these pages and its report, trained or as an earlier run has stored it."""
    positives = sampled(
        ((text, "") for text in _positives(line.tools, settings.positives)), settings.negatives
    )
    own = [one.text for one in positives]
    address = digest_of(
        code_version(trained), settings.model_dump(mode="json"), own, [ref.digest for ref in shards]
    )
    path = line.tools.home / CLASSIFIERS / f"{address}.npz"
    about = path.with_suffix(".json")
    if about.is_file():  # written last
        return Classifier.from_bytes(path.read_bytes()), orjson.loads(about.read_bytes())
    negatives = sampled((page for ref in shards for page in page_texts(line.kept([ref]))), settings.negatives)
    classifier, report = trained(positives, negatives, settings)
    line.bars.say(_report_line(report))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, classifier.to_bytes())
    facts = dataclasses.asdict(report) | {"classifier": classifier.digest}
    write_bytes(about, orjson.dumps(facts))
    return classifier, orjson.loads(orjson.dumps(facts))


def _report_line(report: RecallReport) -> str:
    return (
        f"Recall of mathematics: {report.recall:.1%} of {report.held_out_positives} held-out positives at a threshold of "
        f"{report.threshold:.4f}, precision at least {report.precision:.1%}"
    )


def _positives(tools: Tools, named: Sequence[str]) -> Iterator[str]:
    for name in named:
        if Path(name).is_file():
            yield from texts_of_file(Path(name))
            continue
        version = tools.store.resolve(name)
        for batch in tools.store.batches(version, ["question", "solution"]):
            for row in batch.to_pylist():
                yield "\n\n".join(filter(None, (row["question"], row["solution"])))
