"""Compute the comparison of two versions. The rows of files that both versions share are equal and are not compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.annotations import newest
from storage.datasets.candidates import SCHEMA as CANDIDATE
from storage.datasets.digest import row_digests
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import SET_ASIDE
from storage.rows import SCHEMA, reasons_of
from tasks.reports.figures import EXAMPLES, Dropped, reasons, sample_ids

BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
UNKNOWN = "none"
NOT_WRITTEN = "not written down"
ROWS = 10  # added, dropped and changed rows that are shown
WIDTH = 200  # characters of a cell that changed


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A row that was added or dropped; `reason` is empty for added rows."""

    id: str
    question: str
    answer: str
    subdomain: str
    solution_format: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A row that is in both versions and differs. `cells` maps column to the text before and after, around the difference."""

    id: str
    question: str
    cells: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ValueShift:
    """The rows with a value in each version; shares are of all rows of the version."""

    value: str
    before: int
    after: int
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class Diff:
    """The comparison of the versions named `before` and `after`.

    `changed` counts rows with the same id and different contents; `columns` counts in how many of them each column differs.
    `added_rows`, `dropped_rows` and `changed_rows` are examples; they are the same at every comparison of the two versions.
    """

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: int
    dropped: int
    changed: int
    unchanged: int
    reasons: Sequence[Dropped]
    columns: Mapping[str, int]
    subdomain: Sequence[ValueShift]
    difficulty: Sequence[ValueShift]
    usd: tuple[float, float]
    tokens: tuple[int, int]
    benchmarks: tuple[Sequence[str], Sequence[str]]
    clean: tuple[float, float]  # share of rows that were checked for benchmark items and are clean
    contaminated: tuple[int, int]  # rows that decontamination dropped in the run of each version
    verdict: tuple[str, str]
    added_rows: Sequence[ExampleRow] = ()
    dropped_rows: Sequence[ExampleRow] = ()
    changed_rows: Sequence[Change] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values, for JSON."""
        return asdict(self)


def compare(store: Store, a: Version, b: Version, rows: int = ROWS) -> Diff:
    """Compare version `b` with version `a`, with at most `rows` examples each of added, dropped and changed rows. The ids of the
    rows of files that differ are held in memory."""
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
    fresh = new.column("id").filter(pa.array(~both))
    written = _written_down(store, a, b, gone)
    why = {
        name: reason.text
        for name, reason in zip(written.column("id").to_pylist(), reasons_of(written), strict=True)
        if reason is not None
    }
    chosen = [sample_ids(ids.to_pylist(), f"{a} {b}", rows) for ids in (fresh, gone, changed)]
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
        reasons=_reasons(written, gone),
        columns=_columns(store, a, b, changed),
        subdomain=_shifts(shares_a["subdomain"], shares_b["subdomain"]),
        difficulty=_shifts(shares_a["difficulty"], shares_b["difficulty"], by_name=True),
        usd=(cost_a[0], cost_b[0]),
        tokens=(cost_a[1], cost_b[1]),
        benchmarks=(_benchmarks(a), _benchmarks(b)),
        clean=(clean_a, clean_b),
        contaminated=(_contaminated(a), _contaminated(b)),
        verdict=(_verdict(store, a), _verdict(store, b)),
        added_rows=_rows(store, b, chosen[0]),
        dropped_rows=_rows(store, a, chosen[1], why),
        changed_rows=_changes(store, a, b, chosen[2]),
    )


def _digests(store: Store, version: Version, paths: Sequence[str]) -> pa.Table:
    """Return the columns id and digest of the rows of these files."""
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


def _written_down(store: Store, before: Version, after: Version, gone: pa.ChunkedArray) -> pa.Table:
    """Return the reasons that the runs from `before` to `after` recorded for the dropped rows: columns id, rejected, reason and
    stage, one row per id. A row without a recorded reason was removed by an overwrite."""
    candidates = store.candidates()
    columns = ["id", "rejected", "reason", "stage"]
    if candidates is None or not len(gone):
        return CANDIDATE.empty_table().select(columns)
    between = [
        str(version.lineage.get("run", ""))
        for version in store.versions(after.dataset)
        if before.table_version < version.table_version <= after.table_version
    ]
    chosen = (
        pc.field("run").isin([*between, str(after.lineage.get("run", ""))]) & pc.field("rejected").is_valid()
    )
    recorded = candidates.to_table(columns, filter=chosen & pc.field("id").isin(gone.combine_chunks()))
    # a row that was also solved for calibration was not dropped because of that
    aside = pc.is_in(
        pc.struct_field(recorded.column("reason"), "code"), pa.array(sorted(SET_ASIDE), pa.string())
    )
    recorded = recorded.filter(pc.invert(aside)).sort_by([("id", "ascending"), ("rejected", "descending")])
    first: dict[str, int] = {}
    for place, name in enumerate(recorded.column("id").to_pylist()):
        first.setdefault(name, place)
    return recorded.take(pa.array(list(first.values()), pa.int64()))


def _reasons(written: pa.Table, gone: pa.ChunkedArray) -> list[Dropped]:
    """Return every reason with its number of rows; the numbers add up to the dropped rows."""
    unwritten = sorted(set(gone.to_pylist()) - set(written.column("id").to_pylist()))
    rest = [Dropped("unknown", NOT_WRITTEN, len(unwritten), tuple(unwritten[:EXAMPLES]))] if unwritten else []
    return [*reasons(written), *rest]


def _rows(
    store: Store, version: Version, ids: Sequence[str], why: Mapping[str, str] | None = None
) -> list[ExampleRow]:
    """Return rows of a version in the order of `ids`. `why` maps ids to the recorded reasons for dropping them."""
    columns = ["id", "question", "subdomain", "solution_format", "answer"]
    return [
        ExampleRow(
            id=record["id"],
            question=_text(record["question"]),
            answer=_text(record["answer"]),
            subdomain=_text(record["subdomain"]),
            solution_format=_text(record["solution_format"]),
            reason="" if why is None else why.get(record["id"], NOT_WRITTEN),
        )
        for record in _records(store, version, ids, columns)
    ]


def _changes(store: Store, a: Version, b: Version, ids: Sequence[str]) -> list[Change]:
    """Return the differences of these rows per column."""
    pairs = zip(_records(store, a, ids), _records(store, b, ids), strict=True)
    changes = []
    for old, new in pairs:
        cells = {
            name: _around_difference(_text(old.get(name)), _text(new.get(name)))
            for name in SCHEMA.names
            if old.get(name) != new.get(name)
        }
        changes.append(Change(new["id"], _text(new["question"]), cells))
    return changes


def _records(
    store: Store, version: Version, ids: Sequence[str], columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    if not ids:
        return []
    chosen = pc.field("id").isin(pa.array(ids, pa.string()))
    rows = {record["id"]: record for record in store.read(version, columns, filter=chosen).to_pylist()}
    return [rows[name] for name in ids]


def _text(value: Any) -> str:
    """Return a cell as text: strings unchanged, lists and maps as JSON."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _around_difference(before: str, after: str) -> tuple[str, str]:
    """Return both texts, cut to WIDTH characters around the first difference."""
    same = next(
        (at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)),
    )
    start = max(0, same - WIDTH // 4) if max(len(before), len(after)) > WIDTH else 0
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    end = start + WIDTH
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


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
        results = pc.map_lookup(batch.column("verdicts"), "decontaminated", "last")
        clean += pc.sum(pc.equal(results, "clean")).as_py() or 0
    return clean / max(version.rows, 1), shares


def _bin(low: float, high: float) -> str:
    return f"{low:.2f} to {min(high, 1.0):.2f}"


def _shifts(before: Counter[str], after: Counter[str], *, by_name: bool = False) -> list[ValueShift]:
    """Return the shift of every value, the largest change of share first, or in the order of names."""
    total_before, total_after = max(before.total(), 1), max(after.total(), 1)
    shifts = [
        ValueShift(
            value, before[value], after[value], before[value] / total_before, after[value] / total_after
        )
        for value in before.keys() | after.keys()
    ]
    if by_name:
        return sorted(shifts, key=lambda shift: shift.value)
    return sorted(shifts, key=lambda shift: (-abs(shift.share_after - shift.share_before), shift.value))


def _cost(version: Version) -> tuple[float, int]:
    costs = version.lineage.get("costs", [])
    return (
        float(sum(cost["usd"] for cost in costs)),
        int(sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)),
    )


def _benchmarks(version: Version) -> list[str]:
    names = version.lineage.get("parameters", {}).get("decontaminate", {}).get("benchmarks", [])
    return [str(name) for name in names]


def _contaminated(version: Version) -> int:
    return sum(
        line["rejected"] for line in version.lineage.get("funnel", []) if line["stage"] == "decontaminate"
    )


def _verdict(store: Store, version: Version) -> str:
    mark = newest(store.marks(version.dataset), version.name, "verdict")
    return str(mark.value["verdict"]) if mark else "none yet"
