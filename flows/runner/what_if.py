"""Describes what a rebuild would be: its funnel, its shares and those of the base, the calls that it would make."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.rebuild_summary import OF_BASE, base_in_words, summary, target_in_words
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.markdown import inline
from tasks.reports.funnel import CANDIDATES, cells
from tasks.stages.rejudge import CandidateArrays

SHOWN = ("subdomain", "solution_format", "language", "source")


def what_if_text(
    pool: CandidateArrays, to_judge: Mapping[str, int], base: Version, store: Store, target: int | None
) -> str:
    """Return a Markdown page. `target`: the most rows of the rebuild; None: as many as pass."""
    rows = pool.rows.filter(pa.array(pool.alive))
    known = summary(pool, base, store)
    lines = [
        f"What a rebuild of `{base}` would be: **{counted(rows.num_rows, 'row')}** ({base.rows:,} in the base).",
        "",
        f"Base: {inline(base_in_words(str(base), known[OF_BASE]))}.",
        "",
        f"Target: {inline(target_in_words(target, known[OF_BASE]))}.",
        "",
        "| step | in | kept | not taken | rejected | failed |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for line in (*pool.lines, known[CANDIDATES]):
        counts = (count if isinstance(count, str) else f"{count:,}" for count in cells(line).values())
        lines.append(f"| {inline(line['title'])} | {' | '.join(counts)} |")
    for name, count in to_judge.items():
        if count:
            lines += [
                "",
                f"{count:,} of them were never judged by `{name}`, which a rebuild would ask first.",
            ]
    before = store.read(base, list(SHOWN))
    for name in SHOWN:
        lines += ["", f"| {name} | base | rebuilt |", "|---|---:|---:|"]
        old, new = _shares(before, name), _shares(rows, name)
        lines += [
            f"| {_cell(value)} | {old.get(value, 0):.1%} | {new.get(value, 0):.1%} |"
            for value in sorted(old | new, key=lambda value: (-new.get(value, 0), value))
        ]
    return "\n".join(lines) + "\n"


def _shares(rows: pa.Table, name: str) -> dict[str, float]:
    counts = pc.value_counts(rows.column(name)).to_pylist()
    return {str(item["values"] or "none"): item["counts"] / max(rows.num_rows, 1) for item in counts}


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
