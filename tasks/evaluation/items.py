"""Read benchmark files as items: the question, its form and the trusted answer. Columns are recognised by convention.

The form follows from the fields of a record: steps with the place of an error (MR-Ben, MR-GSM8K, PRMBench, BIG-Bench
Mistake), a solution with a flag that says whether it is right (verify_cot), a quiz about knights and knaves, premises with
a conclusion (FOLIO), options, or else a free answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.counting import counted
from storage.reasons import TYPE as REASON
from storage.reasons import Code, cells, reason
from storage.rows import content_id
from tasks.critics.labelled import stepped
from tasks.decontamination.benchmarks import BenchmarkError, pinned, read_records
from tasks.evaluation.domains import DOMAINS, capability_of, domain_of
from tasks.ingestion.column_names import GOLD, plain
from tasks.ingestion.columns import Habits, Unfit, read, solution_and_flag, with_own_options
from tasks.ingestion.options import Options, Unreadable, letter_of, options_of
from tasks.ingestion.record import Record
from tasks.seeding import rng_of
from tasks.taxonomy import domain_of as topic_of
from tasks.text.cleaning import LANGUAGE_NAMES, language_of

STAGE = "items"
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
    ]
)  # fmt: skip

_TOPICS = ("subdomain", "type", "subject", "category", "subfield", "classification")
_TRUTHS = Options(("True", "False", "Unknown"), ("A", "B", "C"))
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
        listed, common = read_records(Path(path))
        items = list(_items(name, listed, common, chosen.get(name)))
        if not any(row["rejected"] is None for row in items):
            why = items[0]["rejected"] if items else "it holds no record"
            raise BenchmarkError(
                f"benchmark {name}: {path} has no item that can be judged ({why}). Fix: correct or drop it"
            )
        rows += items
    return pa.Table.from_pylist(rows, SCHEMA)


def _items(
    name: str, listed: Sequence[Record], common: Habits, domain: str | None
) -> Iterable[dict[str, Any]]:
    named = [{plain(key): value for key, value in (record.fields or {}).items()} for record in listed]
    judged = _judges_solutions(named)
    for number, (record, fields) in enumerate(zip(listed, named, strict=True)):
        try:
            if record.fields is None:
                raise Unfit(record.error or "unreadable")
            item = _item(fields, common, judged)
            why = None if item["reference"] else reason(STAGE, Code.NO_TRUSTED_ANSWER)
        except Unfit as error:
            item = {"form": "open", "question": ""}
            why = reason(STAGE, Code.UNREADABLE, place=record.place, why=error)
        language = str(fields.get("language") or language_of(item["question"]) or "en")
        topic = next((fields[key] for key in _TOPICS if isinstance(fields.get(key), str)), None)
        item_domain = domain or domain_of(name, item["form"], fields.get("domain"))
        yield {
            **item,
            "id": f"{name}#{number}",
            "benchmark": name,
            "domain": item_domain,
            "capability": capability_of(item_domain, item["form"]),
            "subdomain": topic or item_domain,
            "language": LANGUAGE_NAMES.get(language.lower(), "en"),
            **cells(why),
        }


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
        return _choice(fields.question, _TRUTHS, letter_of(_TRUTHS, truth))
    fields = with_own_options(fields)
    if fields.options:
        return {**_choice(fields.question, fields.options, fields.reference), "solution": fields.solution}
    return {
        "form": "open",
        "question": fields.question,
        "solution": fields.solution,
        "reference": fields.reference,
    }


def _choice(question: str, options: Options, reference: str | None) -> dict[str, Any]:
    """Return a question with options. The reference is a letter, several letters, or a value that the judge compares with the
    options. Raises Unfit if it is a letter that no option has."""
    if (
        reference is not None
        and len(reference) == 1
        and reference.isalpha()
        and letter_of(options, reference) is None
    ):
        raise Unfit(f"the answer is {reference.upper()}, but there are {counted(len(options), 'option')}")
    return {"form": "choice", "question": question, "options": list(options.texts), "reference": reference}


def _steps(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a solution in steps and the number of its first wrong step, counted from 1, or "0" if all are right. Returns None
    for records of other kinds."""
    shape = stepped(record)
    if shape is None:
        return None
    steps, wrong = shape
    if not isinstance(steps, list):
        return None
    if not str(wrong).isdigit():
        raise Unfit(f"the first wrong step is {wrong!r}, not a number")
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
        "solution": "\n".join(" ".join(str(step).split()) for step in steps),
        "reference": str(int(wrong)),
    }


def as_form(items: pa.Table, form: str) -> pa.Table:
    """Convert items with free answers to another form: `choice` (GSM8K as multiple choice) or `program`. Items that the form
    does not fit are left out."""
    rows = [row for row in items.to_pylist() if row["form"] == "open" and row["rejected"] is None]
    if form == "choice":
        rows = [row for row in map(as_multiple_choice, rows) if row is not None]
    converted = [
        row
        | {
            "form": form,
            "id": f"{row['id']}:{form}",
            "benchmark": f"{row['benchmark']}:{form}",
            "capability": capability_of(row["domain"], form),
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
        items.append(
            {
                "id": f"{benchmark}#{content_id(row['language'], row['question'])}",
                "benchmark": benchmark,
                "form": "open",
                "domain": topic_of(topic or "") or "competition",
                "capability": "mathematics",
                "subdomain": topic or "unknown",
                "language": row["language"],
                "question": row["question"],
                "solution": row["solution"],
                "reference": row["reference_answer"],
                **cells(None if row["reference_answer"] else reason(STAGE, Code.NO_TRUSTED_ANSWER)),
            }
        )
    return pa.Table.from_pylist(items, SCHEMA)
