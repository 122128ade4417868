"""`mathmill show`: a version as text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storage.versions import Version
from tasks.decontaminate import Certificate


def print_version(
    version: Version, schema: pa.Schema, counts: dict[str, dict[str, int]], samples: list[dict[str, Any]]
) -> None:
    """Counts, funnel, schema, lineage and sample rows; text of rows is shown as it is, never as markup."""
    console = Console(highlight=False)
    console.print(f"[bold]{version}[/]: {version.rows:,} rows, {version.added:,} added, {version.created}")
    console.print(f"content digest {version.digest}\n")
    for name, values in counts.items():
        shown = ", ".join(f"{escape(value)} {count:,}" for value, count in values.items())
        console.print(f"[bold]{name}[/]  {shown}")
    lineage = dict(version.lineage)
    console.print()
    console.print(funnel_table(lineage.pop("funnel", [])))
    if certificate := lineage.pop("decontamination", None):
        console.print("\n[bold]decontamination[/]")
        for line in Certificate.from_dict(certificate).lines():
            console.print(escape(line), soft_wrap=True)
    console.print("\n[bold]schema[/]  " + escape(", ".join(f"{field.name} {field.type}" for field in schema)))
    console.print("\n[bold]lineage[/]")
    console.print(escape(yaml.safe_dump(lineage, sort_keys=False, allow_unicode=True)))
    console.print(f"[bold]{len(samples)} sample rows[/]")
    for row in samples:
        console.print(
            f"\n[dim]{row['id']}  {escape(str(row['subdomain']))}, {row['language']}, {row['solution_format']}[/]"
        )
        console.print(escape(row["question"]))
        console.print(escape(row["solution"] or ""))
        console.print(f"[bold]answer[/] {escape(str(row['answer']))}")


def funnel_table(lines: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for heading in ("in", "kept", "rejected", "failed"):
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(line["title"], *(f"{line[key]:,}" for key in ("asked", "kept", "rejected", "failed")))
    return table
