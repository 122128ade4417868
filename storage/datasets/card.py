"""Writes the dataset card: the README.md of an export, with the front matter that the Hugging Face Hub reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

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
# Licences of the Hub's own list, by the SPDX name that rows carry; the others are "other" there.
_HUB_LICENSES = {
    "apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "bsd-3-clause", "odc-by",
}  # fmt: skip


def card(store: Store, version: Version, *, shape: str, rows: int, files: Mapping[str, str]) -> str:
    """Return the text of the card.

    Args:
        rows: how many records were exported.
        files: the glob of their files, by split. Its end names their kind.
    """
    counts = _counts(store, version)
    front = yaml.safe_dump(_front(version, counts, rows, files), sort_keys=False, allow_unicode=True)
    tables = [
        _table((name, "rows"), _most(counts[name])) for name in _COUNTED if set(counts[name]) != {"unknown"}
    ]
    parts = [
        f"---\n{front}---\n\n# {inline(version)}\n",
        f"{counted(rows, 'record')} in the shape {code(shape)}, made by mathmill from version {code(version)} "
        f"({counted(version.rows, 'row')}, published {version.created}).\n",
        _usage(files),
        "## What is in it\n",
        *tables,
        _making(version),
    ]
    return "\n".join(parts)


def _front(
    version: Version, counts: Mapping[str, Counter[str]], rows: int, files: Mapping[str, str]
) -> dict[str, Any]:
    licenses = [name.lower() for name in counts["license"]]
    known = [name if name in _HUB_LICENSES else "other" for name in licenses]
    front: dict[str, Any] = {
        "pretty_name": str(version),
        "license": sorted(set(known)) if len(set(known)) != 1 else known[0],
        "language": sorted(map(visible, counts["language"])),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1M")],
        "tags": ["mathematics", "synthetic"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": path} for split, path in files.items()],
            }
        ],
    }
    return front


def _counts(store: Store, version: Version) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    for batch in store.batches(version, _COUNTED, size=65_536):
        for name in _COUNTED:
            for item in pc.value_counts(batch.column(name)).to_pylist():
                counts[name][item["values"] or "unknown"] += item["counts"]
    return counts


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent values, and the sum of the others in one line."""
    most = counts.most_common(MOST_VALUES)
    if rest := len(counts) - len(most):
        most.append((f"{rest:,} more", counts.total() - sum(count for _, count in most)))
    return most


def _usage(files: Mapping[str, str]) -> str:
    kind = files["train"].rpartition(".")[2]
    reader = f"read_{'json' if kind == 'jsonl' else kind}"
    return (
        "## How to load it\n\n"
        "```python\n"
        "from datasets import load_dataset\n\n"
        'rows = load_dataset("path/to/this/folder", split="train")\n'
        "```\n\n"
        f"```sql\nSELECT * FROM {reader}('path/to/this/folder/{files['train']}') LIMIT 5;\n```\n"
    )


def lineage_text(version: Version) -> str:
    """Return the whole lineage as JSON, for the file LINEAGE beside the data."""
    return (
        visible(json.dumps(version.lineage, ensure_ascii=False, indent=2, sort_keys=True), json=True) + "\n"
    )


def _making(version: Version) -> str:
    """List what the version was made from and with. Facts that the lineage lacks are left out."""
    lineage = version.lineage
    costs, models = lineage.get("costs") or [], lineage.get("models") or {}
    items = [f"Content digest: {code(version.digest)}"]
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
        "## How it was made\n\n"
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
