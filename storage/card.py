"""The dataset card: README.md of an export, with the front matter that the Hugging Face Hub reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.compute as pc
import yaml

from storage.datasets import Store
from storage.markdown import code, fenced, inline
from storage.versions import Version

_COUNTED = ("license", "language", "source", "subdomain", "solution_format")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# Licences of the Hub's own list, by the SPDX name that rows carry; the others are "other" there.
_HUB_LICENSES = {
    "apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "bsd-3-clause", "odc-by",
}  # fmt: skip


def card(store: Store, version: Version, *, shape: str, rows: int, files: str, kind: str) -> str:
    """The card's text. `rows`: records exported; `files`: their glob; `kind`: "json" or "parquet"."""
    counts = _counts(store, version)
    front = yaml.safe_dump(_front(version, counts, rows, files), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---\n\n# {inline(version)}\n",
        f"{rows:,} records in the shape {code(shape)}, made by mathmill from version {code(version)} "
        f"({version.rows:,} rows, published {version.created}).\n",
        _usage(files, kind),
        "## What is in it\n",
        *(_table((name, "rows"), counts[name].most_common()) for name in _COUNTED),
        _funnel(version.lineage),
        "## Lineage\n",
        f"Content digest `{version.digest}`. What the version was made from and with:\n",
        fenced(json.dumps(version.lineage, ensure_ascii=False, indent=2, sort_keys=True), "json"),
    ]
    return "\n".join(parts)


def _front(version: Version, counts: Mapping[str, Counter[str]], rows: int, files: str) -> dict[str, Any]:
    licenses = [name.lower() for name in counts["license"]]
    known = [name if name in _HUB_LICENSES else "other" for name in licenses]
    front: dict[str, Any] = {
        "pretty_name": str(version),
        "license": sorted(set(known)) if len(set(known)) != 1 else known[0],
        "language": sorted(counts["language"]),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1M")],
        "tags": ["mathematics", "synthetic"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": files}]}],
    }
    return front


def _counts(store: Store, version: Version) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    for batch in store.batches(version, _COUNTED, size=65_536):
        for name in _COUNTED:
            for item in pc.value_counts(batch.column(name)).to_pylist():
                counts[name][item["values"] or "unknown"] += item["counts"]
    return counts


def _usage(files: str, kind: str) -> str:
    reader = "read_json" if kind == "json" else "read_parquet"
    return (
        "## How to load it\n\n"
        "```python\n"
        "from datasets import load_dataset\n\n"
        'rows = load_dataset("path/to/this/folder", split="train")\n'
        "```\n\n"
        f"```sql\nSELECT * FROM {reader}('path/to/this/folder/{files}') LIMIT 5;\n```\n"
    )


def _funnel(lineage: Mapping[str, Any]) -> str:
    lines = lineage.get("funnel")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines) or not lines:
        return ""
    columns = list(lines[0])
    rows = [[line.get(column, "") for column in columns] for line in lines]
    return "## Funnel\n\n" + _table(columns, rows)


def _table(heads: Any, rows: Any) -> str:
    lines = [_line(heads), "|" + " --- |" * len(heads) + "\n", *(_line(row) for row in rows)]
    return "".join(lines)


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(inline(value) for value in cells) + " |\n"
