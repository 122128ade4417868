"""The numbers of a comparison. Files that both versions have are equal and never read for their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets import Store
from storage.digest import row_digests
from storage.marks import newest
from storage.rows import SCHEMA
from storage.versions import Version
from tasks.report.figures import reasons

BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
UNKNOWN = "none"
MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Shift:
    """Rows of a value in each version; shares are of the version's rows."""

    value: str
    before: int
    after: int
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class Diff:
    """`before` and `after` are names of versions. `reasons`: stage, reason and rows of what was dropped;
    `changed`: rows with the same id and other contents, `columns` in how many of them each column differs."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: int
    dropped: int
    changed: int
    unchanged: int
    reasons: Sequence[tuple[str, str, int]]
    columns: Mapping[str, int]
    subdomain: Sequence[Shift]
    difficulty: Sequence[Shift]
    usd: tuple[float, float]
    tokens: tuple[int, int]
    benchmarks: tuple[Sequence[str], Sequence[str]]
    clean: tuple[float, float]  # share of rows that were looked at for benchmark items and are clean
    contaminated: tuple[int, int]  # rows that decontamination dropped on the way to each
    verdict: tuple[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(store: Store, a: Version, b: Version) -> Diff:
    """What became of the rows of `a` in `b`; memory holds the ids of the rows of files that differ."""
    old = _digests(store, a, [path for path in a.files if path not in b.files])
    new = _digests(store, b, [path for path in b.files if path not in a.files])
    place = pc.index_in(new.column("id"), value_set=old.column("id").combine_chunks())
    both = np.asarray(pc.is_valid(place).to_numpy(), dtype=bool)
    at = place.drop_null()
    same = np.asarray(
        pc.equal(old.column("digest").take(at), new.column("digest").filter(pa.array(both))).to_numpy(),
        dtype=bool,
    )
    changed = new.column("id").filter(pa.array(both)).filter(pa.array(~same))
    gone = old.column("id").filter(
        pc.invert(pc.is_in(old.column("id"), value_set=new.column("id").combine_chunks()))
    )
    clean_a, shares_a = _shares(store, a)
    clean_b, shares_b = _shares(store, b)
    cost_a, cost_b = _cost(a), _cost(b)
    return Diff(
        before=str(a),
        after=str(b),
        rows_before=a.rows,
        rows_after=b.rows,
        added=len(both) - int(both.sum()),
        dropped=len(gone),
        changed=len(changed),
        unchanged=a.rows - len(gone) - len(changed),
        reasons=_reasons(store, a, b, gone),
        columns=_columns(store, a, b, changed),
        subdomain=_shifts(shares_a["subdomain"], shares_b["subdomain"]),
        difficulty=_shifts(shares_a["difficulty"], shares_b["difficulty"], by_name=True),
        usd=(cost_a[0], cost_b[0]),
        tokens=(cost_a[1], cost_b[1]),
        benchmarks=(_benchmarks(a), _benchmarks(b)),
        clean=(clean_a, clean_b),
        contaminated=(_contaminated(a), _contaminated(b)),
        verdict=(_verdict(store, a), _verdict(store, b)),
    )


def _digests(store: Store, version: Version, paths: Sequence[str]) -> pa.Table:
    """Columns id and digest of the rows of these files."""
    pieces = []
    for batch in store.batches(version, files=paths):
        pieces.append(pa.table({"id": batch.column("id"), "digest": row_digests(batch)}))
    return pa.concat_tables(
        [pa.table({"id": pa.array([], pa.string()), "digest": pa.array([], pa.binary(16))}), *pieces]
    )


def _columns(store: Store, a: Version, b: Version, changed: pa.ChunkedArray) -> dict[str, int]:
    if not len(changed):
        return {}
    chosen = pc.field("id").isin(changed.combine_chunks())
    old, new = (store.read(version, filter=chosen).sort_by("id").combine_chunks() for version in (a, b))
    counts = {}
    for name in SCHEMA.names:
        left, right = (row_digests(table.select([name]).to_batches()[0]) for table in (old, new))
        counts[name] = int(pc.sum(pc.not_equal(left, right)).as_py() or 0)
    return {name: count for name, count in counts.items() if count}


def _reasons(
    store: Store, before: Version, after: Version, gone: pa.ChunkedArray
) -> list[tuple[str, str, int]]:
    """Why rows are gone, as the runs from `before` to `after` wrote it down; a row of which none wrote was left
    out by an overwrite."""
    candidates = store.candidates()
    if not len(gone):
        return []
    ids = gone.combine_chunks()
    between = [
        str(version.lineage.get("run", ""))
        for version in store.versions(after.dataset)
        if before.table_version < version.table_version <= after.table_version
    ]
    chosen = (
        pc.field("run").isin([*between, str(after.lineage.get("run", ""))]) & pc.field("rejected").is_valid()
    )
    told = (
        None
        if candidates is None
        else candidates.to_table(
            ["id", "rejected", "reason", "stage"], filter=chosen & pc.field("id").isin(ids)
        )
    )
    if told is None:
        return [("unknown", "not written down", len(ids))]
    told = told.sort_by([("id", "ascending"), ("rejected", "descending")])
    first: dict[str, int] = {}
    for place, name in enumerate(told.column("id").to_pylist()):
        first.setdefault(name, place)
    told = told.take(pa.array(list(first.values()), pa.int64()))
    found = reasons(told)
    untold = len(ids) - told.num_rows
    return [*found[:MOST_REASONS], *([("unknown", "not written down", untold)] if untold else [])]


def _shares(store: Store, version: Version) -> tuple[float, dict[str, Counter[str]]]:
    shares: dict[str, Counter[str]] = {"subdomain": Counter(), "difficulty": Counter()}
    clean = 0
    for batch in store.batches(version, ["subdomain", "difficulty", "verdicts"], size=65_536):
        for item in pc.value_counts(batch.column("subdomain")).to_pylist():
            shares["subdomain"][item["values"] or UNKNOWN] += item["counts"]
        difficulty = batch.column("difficulty")
        values = difficulty.drop_null().to_numpy()
        for low, high in BINS:
            shares["difficulty"][_bin(low, high)] += int(((values >= low) & (values < high)).sum())
        if difficulty.null_count:
            shares["difficulty"][UNKNOWN] += difficulty.null_count
        said = pc.map_lookup(batch.column("verdicts"), "decontaminated", "last")
        clean += pc.sum(pc.equal(said, "clean")).as_py() or 0
    return clean / max(version.rows, 1), shares


def _bin(low: float, high: float) -> str:
    return f"{low:.2f} to {min(high, 1.0):.2f}"


def _shifts(before: Counter[str], after: Counter[str], *, by_name: bool = False) -> list[Shift]:
    """Every value, the largest shift of share first."""
    total_before, total_after = max(before.total(), 1), max(after.total(), 1)
    found = [
        Shift(value, before[value], after[value], before[value] / total_before, after[value] / total_after)
        for value in before.keys() | after.keys()
    ]
    if by_name:
        return sorted(found, key=lambda shift: shift.value)
    return sorted(found, key=lambda shift: (-abs(shift.share_after - shift.share_before), shift.value))


def _cost(version: Version) -> tuple[float, int]:
    costs = version.lineage.get("costs", [])
    return (
        float(sum(cost["usd"] for cost in costs)),
        int(sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)),
    )


def _benchmarks(version: Version) -> list[str]:
    found = version.lineage.get("parameters", {}).get("decontaminate", {}).get("benchmarks", [])
    return [str(name) for name in found]


def _contaminated(version: Version) -> int:
    return sum(
        line["rejected"] for line in version.lineage.get("funnel", []) if line["stage"] == "decontaminate"
    )


def _verdict(store: Store, version: Version) -> str:
    said = newest(store.marks(version.dataset), version.name, "verdict")
    return str(said.value["verdict"]) if said else "none yet"
