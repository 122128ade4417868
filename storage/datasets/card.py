"""Writes the dataset card: the README.md of an export, with the front matter that the Hugging Face Hub reads.

The card describes the records in the folder first, and then the version that they were exported from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.markdown import code, inline
from storage.visible import visible

LINEAGE = "lineage.json"
MOST_SETS = 8  # benchmarks that are named
MOST_VALUES = 10  # values of a column that are listed
_COUNTED = ("license", "language", "source", "subdomain", "solution_format")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_KINDS = {"jsonl": "JSON lines", "parquet": "Parquet", "csv": "CSV"}
_REASONING = {
    "inline": "The thinking of reasoning models is written before the solution, between `<think>` and `</think>`",
    "none": "The thinking of reasoning models is left out",
}
# Licences of the Hub's own list, by the SPDX name that rows carry; the others are "other" there.
_HUB_LICENSES = {
    "apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "bsd-3-clause", "odc-by",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportedRecords:
    """The records of an export.

    `files` is the glob of the files by split; its end names their kind. `rows` is the number of records by split, `fields` the names of their
    fields. `ids` are the rows that the records were made of, one per record; None where a record is made of several rows. `where` is the SQL
    condition that chose rows, `columns` are the further columns that were asked for, `reasoning` is how thinking was written, empty where nothing was asked for.
    """

    shape: str
    files: Mapping[str, str]
    rows: Mapping[str, int]
    fields: Sequence[str]
    ids: pa.ChunkedArray | None = None
    where: str | None = None
    columns: Sequence[str] = ()
    reasoning: str = ""

    @property
    def total(self) -> int:
        """Return the number of records of all splits."""
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class _Counts:
    """The records by the values of the columns _COUNTED; how many rows of the version they were made of, and how many records are of rows
    that are not in it, such as rejected solutions."""

    values: Mapping[str, Counter[str]]
    rows: int
    elsewhere: int


def card(store: Store, version: Version, records: ExportedRecords) -> str:
    """Return the text of the card."""
    counts = _counts(store, version, records.ids)
    front = yaml.safe_dump(_front(version, counts, records), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---\n\n# {inline(version)}, exported as {inline(records.shape)}\n",
        f"{counted(records.total, 'record')} in the shape {code(records.shape)}, made by mathmill from {code(version)}.\n",
        _contents(version, counts, records),
        _usage(records.files),
        _making(version),
    ]
    return "\n".join(parts)


def _contents(version: Version, counts: _Counts, records: ExportedRecords) -> str:
    """Describe the records in the folder: their number, form and filter, and how many have each value of some columns."""
    kind = _kind(records.files)
    splits = ", ".join(
        f"{count:,} in the split {code(split)} ({code(records.files[split])})"
        for split, count in records.rows.items()
    )
    fields = ", ".join(map(code, records.fields))
    items = [f"Records: {splits}, as {_KINDS.get(kind, kind)}", f"Fields of a record: {fields}"]
    if records.where is None:
        items.append("Filter: none")
    else:
        items.append(f"Filter: rows of the version that meet the SQL condition {code(records.where)}")
    if records.columns:
        items.append(
            f"Columns of the version that were added to the records: {', '.join(map(code, records.columns))}"
        )
    if records.reasoning in _REASONING:
        items.append(_REASONING[records.reasoning])
    if records.ids is None:
        items.append(
            "A record is made of several rows of the version; the tables below count the rows of the version"
        )
    else:
        items.append(
            f"Rows: each record has the {code('id')} of one row; {counts.rows:,} of the {counted(version.rows, 'row')} of the version occur"
        )
    if counts.elsewhere:
        items.append(
            f"{counted(counts.elsewhere, 'record')} {'has' if counts.elsewhere == 1 else 'have'} a solution that is not in the version, "
            "such as a rejected one; the tables below leave such records out"
        )
    heading = "rows" if records.ids is None else "records"
    tables = [
        _table((name, heading), _most(values))
        for name, values in counts.values.items()
        if set(values) - {"unknown"}
    ]
    return "\n".join(["## What is in this folder\n", "".join(f"- {item}\n" for item in items), *tables])


def _front(version: Version, counts: _Counts, records: ExportedRecords) -> dict[str, Any]:
    licenses = [name.lower() for name in counts.values["license"]]
    known = [name if name in _HUB_LICENSES else "other" for name in licenses]
    front: dict[str, Any] = {
        "pretty_name": str(version),
        "license": sorted(set(known)) if len(set(known)) != 1 else known[0],
        "language": sorted(map(visible, counts.values["language"])),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if records.total < limit), "n>1M")],
        "tags": ["mathematics", "synthetic"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": path} for split, path in records.files.items()],
            }
        ],
    }
    return front


def _counts(store: Store, version: Version, ids: pa.ChunkedArray | None) -> _Counts:
    """Count the records by the values of their rows; the rows of the version if `ids` is None."""
    values: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    if ids is None:
        for batch in store.batches(version, _COUNTED, size=65_536):
            for name in _COUNTED:
                for item in pc.value_counts(batch.column(name)).to_pylist():
                    values[name][item["values"] or "unknown"] += item["counts"]
        return _Counts(values, version.rows, 0)
    exported = pc.value_counts(ids)
    distinct, times = exported.field("values"), exported.field("counts")
    rows = there = 0
    for batch in store.batches(version, ["id", *_COUNTED], size=65_536):
        places = pc.index_in(batch.column("id"), value_set=distinct)
        table = pa.Table.from_batches([batch]).append_column("records", times.take(places))
        table = table.filter(table.column("records").is_valid())
        rows += table.num_rows
        there += pc.sum(table.column("records")).as_py() or 0
        for name in _COUNTED:
            for item in table.group_by(name).aggregate([("records", "sum")]).to_pylist():
                values[name][item[name] or "unknown"] += item["records_sum"]
    return _Counts(values, rows, len(ids) - there)


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent values, and the sum of the others in one line."""
    most = counts.most_common(MOST_VALUES)
    if rest := len(counts) - len(most):
        most.append((f"{rest:,} more", counts.total() - sum(count for _, count in most)))
    return most


def _usage(files: Mapping[str, str]) -> str:
    kind = _kind(files)
    reader = f"read_{'json' if kind == 'jsonl' else kind}"
    return (
        "## How to load it\n\n"
        "```python\n"
        "from datasets import load_dataset\n\n"
        'rows = load_dataset("path/to/this/folder", split="train")\n'
        "```\n\n"
        f"```sql\nSELECT * FROM {reader}('path/to/this/folder/{files['train']}') LIMIT 5;\n```\n"
    )


def _kind(files: Mapping[str, str]) -> str:
    """Return how the names of the files end."""
    return files["train"].rpartition(".")[2]


def lineage_text(version: Version) -> str:
    """Return the whole lineage as JSON, for the file LINEAGE beside the data."""
    return (
        visible(json.dumps(version.lineage, ensure_ascii=False, indent=2, sort_keys=True), json=True) + "\n"
    )


def _making(version: Version) -> str:
    """List what the version was made from and with. Facts that the lineage lacks are left out."""
    lineage = version.lineage
    costs, models = lineage.get("costs") or [], lineage.get("models") or {}
    items = [
        f"Version: {code(version)}, {counted(version.rows, 'row')}, published {inline(version.created)}",
        f"Content digest of all rows of the version: {code(version.digest)}",
    ]
    if lineage.get("flow"):
        after = f", after {code(lineage['base'])}" if lineage.get("base") else ""
        items.append(f"Made by: {code(lineage['flow'])}{after}")
    if costs:
        tokens = sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)
        completions = sum(cost["completions"] for cost in costs)
        usd = sum(cost["usd"] for cost in costs)
        items.append(
            f"Cost: ${usd:,.2f} for {counted(completions, 'completion')}, {counted(tokens, 'token')}"
        )
    items += _certificate(lineage.get("decontamination"))
    items += _verifier(lineage.get("verifier"))
    by_model: dict[str, list[str]] = {}
    for role, facts in models.items():
        revision = f" ({inline(facts['revision'])})" if facts.get("revision") else ""
        by_model.setdefault(inline(facts["model"]) + revision, []).append(inline(role))
    if by_model:
        named = [f"{model} as {', '.join(roles)}" for model, roles in by_model.items()]
        items.append(f"Models: {'; '.join(named)}")
    return (
        "## The whole version that it was exported from\n\n"
        + "".join(f"- {item}\n" for item in items)
        + f"\nThe whole lineage, with the funnel, the prompts by their hash and every parameter, is in [{LINEAGE}]({LINEAGE}).\n"
    )


def _verifier(record: Mapping[str, Any] | None) -> list[str]:
    """Return the certificate of the verifier in one line; nothing for a version without one."""
    cells = record["cells"] if record else []
    rewrites = [cell for cell in cells if cell["group"] == "rewrite"]
    others = [cell for cell in cells if cell["group"] != "rewrite"]
    planted, wrong = (sum(cell["planted"] for cell in part) for part in (rewrites, others))
    if not planted:
        return []
    misses, accepts = (sum(cell["errors"] for cell in part) for part in (rewrites, others))
    return [
        f"Verifier: {misses:,} of {counted(planted, 'planted equivalent answer')} judged wrong, {accepts:,} of "
        f"{counted(wrong, 'wrong answer')} judged right"
    ]


def _certificate(record: Mapping[str, Any] | None) -> list[str]:
    """Return the certificate of decontamination in at most two lines."""
    if not record:
        return ["Benchmarks: not looked for"]
    sets = record["sets"]
    if not sets:
        return ["Benchmarks: none was registered, so rows were not compared with any"]
    count = sum(items for _, _, items in sets)
    names = ", ".join(inline(name) for name, _, _ in sets[:MOST_SETS])
    more = f" and {len(sets) - MOST_SETS:,} more" if len(sets) > MOST_SETS else ""
    lines = [
        f"Benchmarks: {counted(record['rows'], 'row')} compared with {counted(count, 'item')} of {names}{more}; "
        f"{sum(record['hits'].values()):,} rejected"
    ]
    planted = sum(part["planted"] for part in record["recall"])
    if planted:
        hits = sum(part["found"] for part in record["recall"])
        lines.append(
            f"Of {counted(planted, 'leak')} that were planted to test the rules, {hits / planted:.1%} were found"
        )
    return lines


def _table(heads: Any, rows: Any) -> str:
    lines = [_line(heads), "|" + " --- |" * len(heads) + "\n", *(_line(row) for row in rows)]
    return "".join(lines)


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(inline(value) for value in cells) + " |\n"
