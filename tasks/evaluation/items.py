"""Read benchmark files as items: the question, its form and the trusted answer. Columns are recognised by convention.

The form follows from the fields of a record: steps with the place of an error (MR-Ben, MR-GSM8K, PRMBench, BIG-Bench
Mistake), a solution with a flag that says whether it is right (verify_cot), a quiz about knights and knaves, premises with
a conclusion (FOLIO), options, or else a free answer.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from storage.counting import counted
from storage.reasons import TYPE as REASON
from storage.reasons import Code, cells, reason
from storage.rows import content_id
from tasks.critics.labelled import checked_steps, stepped
from tasks.decontamination.benchmarks import BenchmarkError, pinned, read_records
from tasks.evaluation.domains import DOMAINS, UNASSIGNED, benchmark_named, capability_of, domain_of
from tasks.evaluation.shapes import choice
from tasks.ingestion.column_names import GOLD, plain
from tasks.ingestion.columns import Habits, read, solution_and_flag, with_own_options
from tasks.ingestion.options import Options, Unreadable, letter_of, options_of
from tasks.ingestion.record import Record
from tasks.ingestion.values import Unfit
from tasks.seeding import rng_of
from tasks.taxonomy import domain_of as topic_of
from tasks.text.cleaning import LANGUAGE_NAMES, language_of

STAGE = "items"
SKIPPED = "skipped"  # the subdomain of a benchmark that cannot be run here
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("form", pa.string()),  # a module of tasks.evaluation.forms
        ("domain", pa.string()),
        ("capability", pa.string()),
        ("subdomain", pa.string()),
        ("language", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),  # without their letters
        ("solution", pa.string()),  # a worked solution; in first_error and judgement: the one to be judged, one step per line
        ("reference", pa.string()),
        ("rejected", pa.string()),
        ("reason", REASON),
        ("accepted", pa.list_(pa.string())),  # of a phrase: all answers that count
        ("tests", pa.string()),  # of unit_tests: the program that is appended to the answer
    ]
)  # fmt: skip

_TOPICS = ("subdomain", "type", "subject", "category", "subfield", "classification")
_TRUTHS = Options(("True", "False", "Unknown"), ("A", "B", "C"))
_SPLIT = re.compile(r"_(?:test|dev|val|train)$")
_FOLDERS = 3  # levels above a file at which the folder of its benchmark is looked for
_OPTIONS = 4  # of a question that is converted to multiple choice
_PLAIN_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def load(paths: Sequence[str | Path], domains: Mapping[str, str] | None = None) -> pa.Table:
    """Return the items of all files and folders, in the order of benchmarks and records.

    domains: benchmark -> domain, for benchmarks whose name does not decide it. Raises BenchmarkError for an unknown domain
    and for a file without usable items.
    """
    chosen = dict(domains or {})
    if unknown := sorted(set(chosen.values()) - set(DOMAINS)):
        raise BenchmarkError(f"no domain {unknown[0]!r}; there are: {', '.join(DOMAINS)}")
    rows = []
    for name, path, _ in pinned(paths):
        known = benchmark_named(name) or _by_folder(Path(path))
        if (skipped := getattr(known, "skipped", None)) is not None:
            rows.append(_skipped(name, known, skipped))
            continue
        items = list(_items(name, Path(path), known, chosen.get(name)))
        if not any(row["rejected"] is None for row in items):
            why = items[0]["rejected"] if items else "it holds no record"
            raise BenchmarkError(
                f"benchmark {name}: {path} has no item that can be judged ({why}). Fix: correct or drop it"
            )
        rows += items
    if rows and all(row["rejected"] is not None for row in rows):
        raise BenchmarkError(
            f"benchmark {rows[0]['benchmark']}: {rows[0]['rejected']}. Fix: name a file of another benchmark"
        )
    return pa.Table.from_pylist(rows, SCHEMA)


def _skipped(name: str, known: ModuleType | None, why: str) -> dict[str, Any]:
    """Return the one row that stands for a file whose benchmark cannot be run here."""
    return {
        "id": name,
        "benchmark": name,
        "form": "open",
        **_place(name, {"form": "open"}, {}, known, None),
        "subdomain": SKIPPED,
        "language": "en",
        "question": "",
        **cells(reason(STAGE, Code.UNREADABLE, place="skipped", why=why)),
    }


def _by_folder(path: Path) -> ModuleType | None:
    """Return the module of the benchmark whose folder holds a file that is named by its subject."""
    for folder in path.absolute().parts[:-1][::-1][:_FOLDERS]:
        known = benchmark_named(folder)
        if known is not None and getattr(known, "folders", False):
            return known
    return None


def _records(path: Path, known: ModuleType | None) -> tuple[list[Record], Habits]:
    """Return the records of a file; a CSV file of a benchmark with `header` may begin without the names of its columns."""
    header = getattr(known, "header", None)
    if header is None or path.suffix.lower() != ".csv":
        return read_records(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            listed = [
                (number, cells) for number, cells in enumerate(csv.reader(file, strict=True), 1) if cells
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(
            f"benchmark file {path}: not CSV in UTF-8 ({error}). Fix: correct it there"
        ) from error
    first = listed[0][1] if listed else []
    if len(first) != len(header) or [cell.strip().lower() for cell in first] == list(header):
        return read_records(path)
    records = [
        Record(f"line {number}", dict(zip(header, cells, strict=True)))
        if len(cells) == len(header)
        else Record(f"line {number}", None, f"{counted(len(cells), 'cell')} instead of {len(header)}")
        for number, cells in listed
    ]
    return records, Habits()


def _items(name: str, path: Path, known: ModuleType | None, domain: str | None) -> Iterable[dict[str, Any]]:
    listed, common = _records(path, known)
    named = [{plain(key): value for key, value in (record.fields or {}).items()} for record in listed]
    judged = _judges_solutions(named)
    own_form = getattr(known, "items", None)
    if getattr(known, "folders", False):
        subject = _SPLIT.sub("", path.name.partition(".")[0]).replace("_", " ")
        for fields in named:
            if not any(isinstance(fields.get(key), str) for key in _TOPICS):
                fields["subject"] = subject
    for number, (record, fields) in enumerate(zip(listed, named, strict=True)):
        why = None
        try:
            if record.fields is None:
                raise Unfit(record.error or "unreadable")
            several = (own_form(fields) if own_form else None) or [_item(fields, common, judged)]
        except Unfit as error:
            several = [{"form": "open", "question": ""}]
            why = reason(STAGE, Code.UNREADABLE, place=record.place, why=error)
        for part, item in enumerate(several):
            lack = why or (None if item["reference"] else reason(STAGE, Code.NO_TRUSTED_ANSWER))
            language = str(fields.get("language") or language_of(item["question"]) or "en")
            topic = next((fields[key] for key in _TOPICS if isinstance(fields.get(key), str)), None)
            place = _place(name, item, fields, known, domain)
            yield {
                **item,
                **place,
                "id": f"{name}#{number}" if len(several) == 1 else f"{name}#{number}.{part}",
                "benchmark": name,
                "subdomain": item.get("subdomain") or topic or place["domain"],
                "language": LANGUAGE_NAMES.get(language.lower(), "en"),
                **cells(lack),
            }


def _place(
    name: str,
    item: Mapping[str, Any],
    fields: Mapping[str, Any],
    known: ModuleType | None,
    chosen: str | None,
) -> dict[str, str]:
    """Return domain and capability of an item: those that the user chose, of its record, of its benchmark, or of its form."""
    if chosen is not None:
        return {"domain": chosen, "capability": capability_of(chosen, item["form"])}
    if known is not None:
        own = getattr(known, "of_record", None)
        place = {"domain": known.domain, "capability": known.capability} | (own(fields) if own else {})
        return place | ({"capability": "coding"} if item["form"] == "program" else {})
    domain = domain_of(name, item["form"], fields.get("domain"))
    return {"domain": domain, "capability": capability_of(domain, item["form"])}


def _judges_solutions(named: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a file holds solutions to be judged rather than questions: a solution is marked as wrong, and no record
    has a trusted answer. verify_cot has both, and a second flag."""
    if any("flag" in fields and "correct" in fields and "final_answer" in fields for fields in named):
        return True
    flags = [flag for solution, flag in map(solution_and_flag, named) if solution is not None]
    return False in flags and not any(
        fields.get(key) for fields in named for key in GOLD if not isinstance(fields.get(key), bool)
    )


def _item(record: Mapping[str, Any], common: Habits, judged: bool) -> dict[str, Any]:
    """Return form, question, options, solution and reference of one record. Raises Unfit if it has no such fields."""
    if (steps := _steps(record)) is not None:
        return steps
    if judged:
        solution, right = solution_and_flag(record)
        fields = read(record, common)
        reference = None if right is None or solution is None else "right" if right else "wrong"
        return {"form": "judgement", "question": fields.asked, "solution": solution, "reference": reference}
    if isinstance(record.get("quiz"), str) and isinstance(record.get("solution_text"), str):
        return {"form": "roles", "question": record["quiz"], "reference": record["solution_text"]}
    fields = read(record, common)
    if isinstance(record.get("conclusion"), str) and record.get("premises") and fields.options is None:
        label = record.get("label", record.get("answer"))
        truth = {"uncertain": "Unknown"}.get(str(label).strip().lower(), str(label).strip().title())
        return choice(fields.question, _TRUTHS, letter_of(_TRUTHS, truth))
    fields = with_own_options(fields)
    if fields.options:
        return {**choice(fields.question, fields.options, fields.reference), "solution": fields.solution}
    return {
        "form": "open",
        "question": fields.question,
        "solution": fields.solution,
        "reference": fields.reference,
    }


def _steps(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a solution in steps and the number of its first wrong step, counted from 1, or "0" if all are right. Returns None
    for records of other kinds."""
    shape = stepped(record)
    if shape is None:
        return None
    steps, wrong = shape
    if not isinstance(steps, list):
        return None
    texts, number = checked_steps(steps, wrong)
    try:
        options = options_of(record)
    except Unreadable as error:
        raise Unfit(str(error)) from error
    question = next((record[key] for key in ("modified_question", "question", "input") if isinstance(record.get(key), str)), None)  # fmt: skip
    if not question:
        raise Unfit("no question")
    return {
        "form": "first_error",
        "question": "\n".join([question, *(options.lines() if options else ())]),
        "solution": "\n".join(" ".join(step.split()) for step in texts),
        "reference": str(number),
    }


def as_form(items: pa.Table, form: str) -> pa.Table:
    """Convert items to another form: free answers to `choice` (GSM8K as multiple choice), `program` or `words_or_program`, multiple choice
    to `likelihood`. Items that the form does not fit are left out."""
    fits = "choice" if form == "likelihood" else "open"
    rows = [row for row in items.to_pylist() if row["form"] == fits and row["rejected"] is None]
    if form == "likelihood":
        rows = [
            row for row in rows if len(row["reference"]) == 1
        ]  # several right options have no one likeliest
    if form == "choice":
        rows = [row for row in map(as_multiple_choice, rows) if row is not None]
    converted = [
        row
        | {
            "form": form,
            "id": f"{row['id']}:{form}",
            "benchmark": f"{row['benchmark']}:{form}",
            "capability": "coding" if form == "program" else row["capability"],
        }
        for row in rows
    ]
    return pa.Table.from_pylist(converted, SCHEMA)


def as_multiple_choice(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return an item with a free answer as multiple choice (after GSM-MC, Zhang et al. 2024), with the letter of the right option
    as its reference. Returns None if the answer is not a plain number.

    The wrong ones of its four options are intermediate results of the solution first, then near misses of the answer. Their
    random order is fixed by the id of the item.
    """
    reference = str(item["reference"]).replace(",", "").replace("$", "").strip()
    if not _PLAIN_NUMBER.fullmatch(reference):
        return None
    right = Fraction(reference)
    intermediate = [
        Fraction(text) for text in _PLAIN_NUMBER.findall((item["solution"] or "").replace(",", ""))
    ]
    near_misses = [right + 1, right * 2, right - 1, right + 10, right / 2, right * 10, right + 2]
    rng = rng_of("distractors", item["id"])
    values = list(dict.fromkeys(value for value in reversed(intermediate) if value != right))
    rng.shuffle(values)
    if right.denominator == 1:
        near_misses = [value for value in near_misses if value.denominator == 1]
    wrong = list(dict.fromkeys([*values, *(value for value in near_misses if value != right)]))[
        : _OPTIONS - 1
    ]
    options = [right, *wrong]
    rng.shuffle(options)
    shown = [_as_option(value) for value in options]
    return item | {"options": shown, "reference": chr(65 + options.index(right))}


def _as_option(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"


def of_rows(rows: pa.Table, benchmark: str) -> pa.Table:
    """Convert rows (questions with trusted answers) to items with free answers; their subdomain is kept."""
    items = []
    for row in rows.select(["language", "question", "solution", "subdomain", "reference_answer"]).to_pylist():
        topic = row["subdomain"]
        domain = topic_of(topic or "") or UNASSIGNED
        items.append(
            {
                "id": f"{benchmark}#{content_id(row['language'], row['question'])}",
                "benchmark": benchmark,
                "form": "open",
                "domain": domain,
                "capability": capability_of(domain, "open"),
                "subdomain": topic or "unknown",
                "language": row["language"],
                "question": row["question"],
                "solution": row["solution"],
                "reference": row["reference_answer"],
                **cells(None if row["reference_answer"] else reason(STAGE, Code.NO_TRUSTED_ANSWER)),
            }
        )
    return pa.Table.from_pylist(items, SCHEMA)
