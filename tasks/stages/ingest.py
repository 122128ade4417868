"""The stage `ingest`: read users' files as rows; bad records are rejected with their place and the reason.

Every record becomes one row (in = kept + rejected), in the order of the file; duplicates within and between
files are left to de-duplication. If a file is unusable, nothing is read and the error names all such files.
Nothing in a record is ever executed, followed or looked up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from storage.counting import counted
from storage.interleaved import TIR, is_interleaved, parts_of, written
from storage.reasons import Code, reason
from storage.rows import Row, content_id, empty, reasons_of, to_table
from tasks.ingestion.column_names import QUESTIONS, is_known, names_question
from tasks.ingestion.columns import Fields, Habits, habits, read
from tasks.ingestion.files import fault_of, kind_of
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.records import NO_RECORDS, records
from tasks.ingestion.values import Unfit
from tasks.settings import Section
from tasks.taxonomy import SUBDOMAINS
from tasks.text.cleaning import (
    LANGUAGE_NAMES,
    MAX_ANSWER,
    MAX_QUESTION,
    MAX_SOLUTION,
    cleaned,
    language_of,
    printable,
    refusal,
)

__all__ = ["FileCount", "IngestError", "Ingested", "check", "ingest", "read_shards"]

STAGE = "ingest"
ROWS = 4096
_PEEK = (
    500  # records at the beginning of a file that are searched for a question column and for what they share
)
_FENCED = re.compile(r"```(?:python|py)[ \t]*\n((?:(?!```).)*?)\n?```", re.DOTALL | re.IGNORECASE)


class SeedSettings(Section, title="Seeds"):
    files: list[str] = Field(
        [],
        description="files of seed problems (JSONL, JSONL.gz, Parquet or CSV), used in addition to the project's own, or instead of them if seeds.own is false",
    )
    own: bool = Field(True, description="also use the project's own seed problems; false: the files alone")
    distill: bool = Field(False, description="also solve the seed questions themselves")
    license: str = Field("unknown", description="licence of seed files that state none")


@dataclass(frozen=True, slots=True)
class FileCount:
    """The counts of one file: records = kept + rejected."""

    path: Path
    kept: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]  # of the rejected records, without their places, most frequent first

    @property
    def records(self) -> int:
        return self.kept + self.rejected


@dataclass(frozen=True, slots=True)
class Ingested:
    """Rows of SCHEMA in file order, kept and rejected, and the count of each file."""

    table: pa.Table
    files: tuple[FileCount, ...]


def ingest(paths: Sequence[Path], *, default_license: str | None = None) -> Ingested:
    """Read all files into one table in memory; use `read_shards` for files that may not fit.

    `default_license` is for records that state none. Raises IngestError, which names every unusable file,
    if a file is missing, unreadable, empty, not what its name says, without a question column, or without
    one usable record.
    """
    check(paths)
    tables, counts, faults = [empty()], [], []
    for path, source in zip(paths, _sources(paths), strict=True):
        try:
            shards = list(read_shards(path, default_license=default_license, source=source))
        except IngestError as error:
            faults.append(str(error))
            continue
        tables += shards
        counts.append(_count(path, shards))
    if faults:
        raise IngestError("\n".join(faults))
    return Ingested(pa.concat_tables(tables), tuple(counts))


def read_shards(
    path: Path, rows: int = ROWS, *, default_license: str | None = None, source: str | None = None
) -> Iterator[pa.Table]:
    """Read a file as tables of at most `rows` rows of SCHEMA, with one of them in memory at a time.

    `source` is used where a record names no data set; its default is the file's name. Raises IngestError
    before the first table if the file is unusable, and after the last one if no record was usable.
    """
    check([path])
    kept = 0
    reasons: Counter[str] = Counter()
    source = source or path.name
    common = habits_of(path)
    stream = records(path, is_known)
    while chunk := list(islice(stream, rows)):
        shard = [_row(record, source, default_license, common) for record in chunk]
        for row in shard:
            if row.reason is None:
                kept += 1
            else:
                reasons[row.reason.values["why"]] += 1
        yield to_table(shard)
    if not kept:
        commonest = "; ".join(f"{why} ({counted(count, 'time')})" for why, count in reasons.most_common(3))
        raise IngestError(
            f"{path}: none of its {counted(reasons.total(), 'record')} is usable: {commonest}. Fix: correct them or drop the file"
        )


def habits_of(path: Path) -> Habits:
    """Return what the records at the beginning of a file have in common (see
    tasks.ingestion.columns.habits).

    Raises IngestError as `records` does.
    """
    beginning = islice(records(path, is_known), _PEEK)
    return habits([record.fields for record in beginning if record.fields is not None])


def _sources(paths: Sequence[Path]) -> list[str]:
    """Name each file, with as many of its folders as tell it from the others (train.jsonl is a common
    name).
    """
    names = []
    for path in paths:
        parts = path.absolute().parts
        others = [other.absolute().parts for other in paths if other != path]
        depth = next(n for n in range(1, len(parts) + 1) if all(other[-n:] != parts[-n:] for other in others))
        names.append("/".join(parts[-depth:]))
    return names


def check(paths: Sequence[Path]) -> None:
    """Raise IngestError with one line for every file that is unusable as far as its beginning shows."""
    faults = [f"{path}: {fault}" for path in dict.fromkeys(paths) if (fault := _fault(path))]
    repeated = [path for path, times in Counter(path.absolute() for path in paths).items() if times > 1]
    faults += [f"{path}: given more than once. Fix: name it once" for path in repeated]
    if faults:
        raise IngestError("\n".join(faults))


def _fault(path: Path) -> str | None:
    """Return what is wrong with a file, with the fix, or None if its beginning is usable."""
    return fault_of(path) or _wrong_columns(path)


def _wrong_columns(path: Path) -> str | None:
    """Return the fault if no record at the beginning has a column that could hold a question."""
    seen: list[tuple[str, ...]] = []
    try:
        if kind_of(path) == ".parquet":
            with pq.ParquetFile(path) as file:
                if not file.metadata.num_rows:
                    return NO_RECORDS
                seen = [tuple(file.schema_arrow.names)]
        else:
            beginning = list(islice(records(path), _PEEK))
            seen = [tuple(r.fields) for r in beginning if r.fields is not None]
    except IngestError as error:
        return str(error).removeprefix(f"{path}: ")
    except (pa.ArrowException, OSError) as error:
        return f"damaged Parquet ({str(error).split('. ')[0]}). Fix: write the file again"
    if seen and not any(names_question(names) for names in seen):
        columns = ", ".join(" ".join(printable(name, 40).split()) for name in seen[0][:12]) or "none"
        return f"no question column (found: {columns}). Fix: rename one to {', '.join(QUESTIONS[:3])} or add messages"
    return None


def _row(record: Record, file: str, default_license: str | None, common: Habits) -> Row:
    """Return a record as a row; a rejected one keeps the beginning of its question, made safe to show."""
    fields = Fields("")
    why = record.error
    if record.fields is not None:
        try:
            fields = read(record.fields, common)
            return kept_row(fields, record.place, file, default_license)
        except Unfit as error:
            why = str(error)
            if not fields.question:
                fields = replace(fields, question=any_question(record.fields))
    name = content_id(file, record.place)  # rejected rows may have no text at all, and must not share an id
    return Row(
        printable(fields.question).strip(), "", id=name, problem_id=name, source=file, license=default_license,
        reason=reason(STAGE, Code.UNREADABLE, place=record.place, why=why),
    )  # fmt: skip


def kept_row(fields: Fields, place: str, file: str, default_license: str | None) -> Row:
    """Return the row of a record's fields. Raises Unfit if a text of it cannot be stored."""
    question, removed = fit("question", fields.asked, MAX_QUESTION)
    if not question:
        raise Unfit("the question is empty")
    solution, more = fit("solution", fields.solution, MAX_SOLUTION)
    interleaved = is_interleaved(solution)
    program = None if interleaved else _FENCED.fullmatch(solution)
    if interleaved:
        solution = written(parts_of(solution))
    if program is not None:  # programs are stored without a fence; exports add it
        solution = program[1]
    reasoning, further = fit("reasoning", fields.reasoning, MAX_SOLUTION)
    answer, _ = fit("answer", fields.answer, MAX_ANSWER)
    reference, _ = fit("reference answer", fields.reference, MAX_ANSWER)
    given = (fields.domain, fields.subdomain, fields.source, fields.license)
    domain, subdomain, source, license = (fit("description", value, 200)[0] or None for value in given)
    if subdomain in SUBDOMAINS:
        domain = SUBDOMAINS[subdomain][0]
    invisible = removed + more + further
    return Row(
        question,
        language_of_text(fields.language, question),
        reasoning=reasoning or None,
        solution=solution or None,
        solution_format=(TIR if interleaved else _format(solution, fields.program)) if solution else None,
        answer=answer or None,
        reference_answer=reference or None,
        domain=domain,
        subdomain=subdomain,
        source=source or file,
        license=license or default_license,
        verdicts={
            STAGE: f"{place} of {file}"
            + (f"; {invisible} invisible characters removed" if invisible else "")
            + ("; its solution is marked as wrong and left out" if fields.wrong else "")
        },
    )


def _format(solution: str, program: bool) -> str:
    fenced = solution.startswith("```")
    return "pot" if (solution.startswith("```python") if fenced else program) else "cot"


def fit(name: str, text: str | None, longest: int) -> tuple[str, int]:
    """Return a text as it is stored, and how many invisible characters were removed. Raises Unfit with `name` if it is refused."""
    if not text:
        return "", 0
    text, removed = cleaned(text)
    why = refusal(name, text, longest)
    if why:
        raise Unfit(why)
    return text, removed


def language_of_text(given: str | None, question: str) -> str:
    """Return the language that a record states, or else that of its question. Raises Unfit if it is neither en nor zh."""
    if given is not None and given.strip():
        language = LANGUAGE_NAMES.get(given.strip().lower())
        if language is None:
            raise Unfit(f"language {printable(given, 20)!r} is neither English nor Chinese")
        return language
    language = language_of(question)
    if language is None:
        raise Unfit("the question is neither in English nor in Chinese letters")
    return language


def any_question(fields: Mapping[str, Any]) -> str:
    """Return the text of a rejected record's question column, if it has one, so that people recognise the
    record.
    """
    texts = (fields.get(name) for name in QUESTIONS)
    return next((text for text in texts if isinstance(text, str)), "")


def _count(path: Path, shards: list[pa.Table]) -> FileCount:
    rejected = [why for shard in shards for why in reasons_of(shard) if why is not None]
    total = sum(shard.num_rows for shard in shards)
    reasons = Counter(why.values["why"] for why in rejected).most_common()
    return FileCount(path, total - len(rejected), len(rejected), tuple(reasons))
