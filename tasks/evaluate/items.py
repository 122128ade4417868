"""Benchmark files as items: what is asked, in which form, and the trusted answer. Columns by convention.

The form follows from what a record holds: steps with the place of an error (MR-Ben, MR-GSM8K, PRMBench, BIG-Bench
Mistake), a quiz about knights and knaves, premises with a conclusion (FOLIO), options, or else a free answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.rows import content_id
from tasks.columns import Unfit, read
from tasks.decontaminate.benchmarks import BenchmarkError, pinned, read_records
from tasks.evaluate.domains import DOMAINS, capability_of, domain_of
from tasks.hygiene import LANGUAGE_NAMES, language_of
from tasks.taxonomy import domain_of as topic_of

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("form", pa.string()),  # a module of tasks.evaluate.forms
        ("domain", pa.string()),
        ("capability", pa.string()),
        ("subdomain", pa.string()),
        ("language", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),  # without their letters
        ("solution", pa.string()),  # a worked solution; in the form first_error the one to be judged, a step a line
        ("reference", pa.string()),
        ("rejected", pa.string()),
    ]
)  # fmt: skip

_TOPICS = ("subdomain", "type", "subject", "category", "subfield", "classification")
_OPTION = re.compile(r"(?<![A-Za-z0-9])\(?([A-Ja-j])\s*[).:\uff0e\u3001]\s*")
_LETTER = re.compile(r"\(?([A-Ja-j])\)?[.:]?")
_TRUTHS = ["True", "False", "Unknown"]


def load(paths: Sequence[str | Path], domains: Mapping[str, str] | None = None) -> pa.Table:
    """The items of all files and folders, in order of benchmark and record. `domains`: benchmark -> domain, where the
    name does not tell. BenchmarkError for a file without usable items."""
    chosen = dict(domains or {})
    if unknown := sorted(set(chosen.values()) - set(DOMAINS)):
        raise BenchmarkError(f"no domain {unknown[0]!r}; there are: {', '.join(DOMAINS)}")
    rows = []
    for name, path, _ in pinned(paths):
        found = list(_items(name, read_records(Path(path)), chosen.get(name) or domain_of(name)))
        if not any(row["rejected"] is None for row in found):
            why = found[0]["rejected"] if found else "it holds no record"
            raise BenchmarkError(
                f"benchmark {name}: {path} has no item that can be judged ({why}): mend or drop it"
            )
        rows += found
    return pa.Table.from_pylist(rows, SCHEMA)


def _items(name: str, records: Iterable[Mapping[str, Any]], domain: str) -> Iterable[dict[str, Any]]:
    for number, record in enumerate(records):
        told = {key.strip().lower().replace(" ", "_"): value for key, value in record.items()}
        try:
            item = _item(told)
            why = None if item["reference"] else "items: no trusted answer"
        except Unfit as error:
            item, why = {"form": "open", "question": ""}, f"items: {error}"
        language = str(told.get("language") or language_of(item["question"]) or "en")
        topic = next((told[key] for key in _TOPICS if isinstance(told.get(key), str)), None)
        yield {
            **item,
            "id": f"{name}#{number}",
            "benchmark": name,
            "domain": domain,
            "capability": capability_of(domain, item["form"]),
            "subdomain": topic or domain,
            "language": LANGUAGE_NAMES.get(language.lower(), "en"),
            "rejected": why,
        }


def _item(told: Mapping[str, Any]) -> dict[str, Any]:
    """Form, question, options, solution and reference of one record; Unfit if it has none."""
    if (steps := _steps(told)) is not None:
        return steps
    if isinstance(told.get("quiz"), str) and isinstance(told.get("solution_text"), str):
        return {"form": "roles", "question": told["quiz"], "reference": told["solution_text"]}
    if isinstance(told.get("conclusion"), str) and isinstance(told.get("premises"), list):
        question = "\n".join([*map(str, told["premises"]), "Does it follow that the statement below is true?", told["conclusion"]])  # fmt: skip
        label = {"uncertain": "Unknown"}.get(str(told.get("label")).lower(), str(told.get("label")).title())
        return _choice(question, _TRUTHS, label)
    options = told.get("options") or told.get("choices")
    fields = read(told if not options else {k: v for k, v in told.items() if k not in ("options", "choices")})
    listed = _options(options)
    if listed:
        reference = told.get("answer") if isinstance(told.get("answer"), int) else fields.reference
        return {**_choice(fields.question, listed, reference), "solution": fields.solution}
    return {
        "form": "open",
        "question": fields.question,
        "solution": fields.solution,
        "reference": fields.reference,
    }


def _choice(question: str, options: list[str], reference: Any) -> dict[str, Any]:
    """A question with options; the reference, a letter, a number from 0 or an option's text, becomes a letter."""
    letter = None
    if isinstance(reference, int) and 0 <= reference < len(options):
        letter = chr(65 + reference)
    elif isinstance(reference, str) and (found := _LETTER.fullmatch(reference.strip())):
        letter = found[1].upper()
    elif reference in options:
        letter = chr(65 + options.index(reference))
    if letter is not None and ord(letter) - 65 >= len(options):
        raise Unfit(f"the answer is {letter}, but there are {len(options)} options")
    return {"form": "choice", "question": question, "options": options, "reference": letter}


def _options(value: Any) -> list[str]:
    """Options without their letters, from a list, a mapping or one text ("a ) 12 , b ) 16 , ...")."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        texts = [str(option).strip() for option in value if option is not None]
        lettered = all((m := _OPTION.match(t)) and ord(m[1].upper()) - 65 == i for i, t in enumerate(texts))
        return [_OPTION.sub("", text, count=1).strip() if lettered else text for text in texts]
    if not isinstance(value, str):
        return []
    # the letters in their order: an "a)" inside an option's text does not begin another one
    cuts: list[tuple[int, int]] = []
    for match in _OPTION.finditer(value):
        if ord(match[1].upper()) - 65 == len(cuts):
            cuts.append((match.start(), match.end()))
    ends = [start for start, _ in cuts[1:]] + [len(value)]
    return [value[begin:end].strip(" ,\n") for (_, begin), end in zip(cuts, ends, strict=True)]


def _steps(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """A solution in steps and its first wrong one, counted from 1; "0" where none is wrong."""
    steps: Any = None
    wrong: Any = None
    if "model_solution_first_error_step" in told:
        steps, wrong = told.get("model_solution_steps"), told["model_solution_first_error_step"]
        wrong = 0 if told.get("model_solution_correctness") == "correct" else wrong
    elif "model_output_solution_first_error_step" in told:
        steps, wrong = told.get("model_output_steps"), told["model_output_solution_first_error_step"]
        wrong = 0 if told.get("model_output_solution_correctness") == "correct" else wrong
    elif "error_steps" in told:
        steps, wrong = told.get("modified_process"), min(told["error_steps"] or [0])
    elif "mistake_index" in told:
        steps, wrong = told.get("steps"), told["mistake_index"]
        wrong = 0 if wrong is None else wrong + 1
    if not isinstance(steps, list):
        return None
    if not str(wrong).isdigit():
        raise Unfit(f"the first wrong step is {wrong!r}, not a number")
    question = next((told[key] for key in ("modified_question", "question", "input") if isinstance(told.get(key), str)), None)  # fmt: skip
    if not question:
        raise Unfit("no question")
    return {
        "form": "first_error",
        "question": question,
        "solution": "\n".join(" ".join(str(step).split()) for step in steps),
        "reference": str(int(wrong)),
    }


def as_form(items: pa.Table, form: str) -> pa.Table:
    """Items of free answers asked in another form: `choice` (GSM8K as multiple choice) or `program`. Those that the
    form does not fit are left out."""
    from tasks.evaluate.distractors import with_options

    rows = [row for row in items.to_pylist() if row["form"] == "open" and row["rejected"] is None]
    if form == "choice":
        rows = [row for row in map(with_options, rows) if row is not None]
    made = [
        row
        | {
            "form": form,
            "id": f"{row['id']}:{form}",
            "benchmark": f"{row['benchmark']}:{form}",
            "capability": capability_of(row["domain"], form),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(made, SCHEMA)


def of_rows(rows: pa.Table, benchmark: str) -> pa.Table:
    """Rows of the project's row type (questions with trusted answers) as items of free answers; their topic is kept as
    the subdomain."""
    made = []
    for row in rows.select(["language", "question", "solution", "subdomain", "reference_answer"]).to_pylist():
        topic = row["subdomain"]
        made.append(
            {
                "id": f"{benchmark}#{content_id(row['language'], row['question'])}",
                "benchmark": benchmark,
                "form": "open",
                "domain": "arithmetic" if topic_of(topic or "") == "arithmetic" else "competition",
                "capability": "mathematics",
                "subdomain": topic or "unknown",
                "language": row["language"],
                "question": row["question"],
                "solution": row["solution"],
                "reference": row["reference_answer"],
                "rejected": None if row["reference_answer"] else "items: no trusted answer",
            }
        )
    return pa.Table.from_pylist(made, SCHEMA)
