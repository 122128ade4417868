"""Describes what a rebuild would be: its funnel, its shares and those of the base, the calls that it would make."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.stages.rejudge import CandidateArrays

SHOWN = ("subdomain", "solution_format", "language", "source")


def what_if_text(
    pool: CandidateArrays, to_judge: Mapping[str, int], base: Version, store: Store, target: int | None
) -> str:
    """Return a Markdown page. `target`: the most rows of the rebuild; None: as many as pass."""
    rows = pool.rows.filter(pa.array(pool.alive))
    lines = [
        f"What a rebuild of `{base}` would be: **{counted(rows.num_rows, 'row')}** ({base.rows:,} in the base).",
        "",
        _limit(base, target),
        "",
        "| step | in | kept | rejected | failed |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {line['title']} | {line['asked']:,} | {line['kept']:,} | {line['rejected']:,} | {line['failed']:,} |"
        for line in pool.lines
    ]
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


def _limit(base: Version, target: int | None) -> str:
    """Return a sentence on how many rows a rebuild may have. The target of a night is no limit."""
    if target is not None:
        return f"At most {counted(target, 'row')}, as `target` says."
    ended = base.lineage.get("ended") or {}
    of_night = f" of the night ({ended['target']:,})" if ended.get("target") else " of a night"
    return f"The target{of_night} does not apply: a rebuild takes every row that passes. `--set target=N` limits it."


def _shares(rows: pa.Table, name: str) -> dict[str, float]:
    counts = pc.value_counts(rows.column(name)).to_pylist()
    return {str(item["values"] or "none"): item["counts"] / max(rows.num_rows, 1) for item in counts}


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
