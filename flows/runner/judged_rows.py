"""What people said of published rows, as the calibration of the votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import SCHEMA, column, replace
from tasks.review.decisions import decisions
from tasks.review.refit import COLUMNS, JUDGED, new_truths, refitted
from tasks.voting import Calibration


def judged_calibration(store: Store, base: Version | None) -> tuple[Calibration, dict[str, Any], int]:
    """Return the calibration of a version, refitted to the judgements that it has not seen, what a lineage says of all
    judgements behind it (empty if there are none), and to how many rows it was refitted."""
    record = base.lineage.get("calibration", {}) if base else {}
    if base is None or not (judgements := store.judgements(base.dataset)):
        return Calibration.from_dict(record), dict(record.get(JUDGED, {})), 0
    truths, through = new_truths(judgements, record)
    calibration, judged = refitted(_rows(store, base, set(truths)), truths, through, record)
    return calibration, judged, judged["rows"] - record.get(JUDGED, {}).get("rows", 0)


def judged_solutions(store: Store, base: Version) -> pa.Table | None:
    """Return the published solutions that people decided on, with the probability of being right that they gave: 1 or 0. None if there
    are none.

    Whether an answer equals a trusted one is taken out, since people had the last word.
    """
    decided = decisions(store.judgements(base.dataset)).values()
    truths = {
        one.row: not one.goes for one in decided if one.decided and not one.disputed and one.edit is None
    }
    if not truths:
        return None
    rows = _rows(store, base, set(truths), SCHEMA.names).sort_by("id")
    rows = rows.filter(pc.and_(rows.column("solution").is_valid(), rows.column("answer").is_valid()))
    if not rows.num_rows:
        return None
    right = [float(truths[row]) for row in column(rows, "id")]
    return replace(rows, correctness=right, verdicts=[{}] * rows.num_rows)


def _rows(store: Store, base: Version, ids: set[str], columns: Sequence[str] = COLUMNS) -> pa.Table:
    """Return rows by id as they were published last. Those of retired versions alone are not there any more."""
    tables = [store.read(base, list(columns), _among(ids))]
    for version in reversed(store.versions(base.dataset)):
        ids = ids - set(tables[-1].column("id").to_pylist())
        if not ids:
            break
        tables.append(store.read(version, list(columns), _among(ids)))
    return pa.concat_tables(tables)


def _among(ids: set[str]) -> pc.Expression:
    """Return the condition that a row has one of the ids, of which there may be none: an empty list alone has no type."""
    return pc.field("id").isin(pa.array(sorted(ids), pa.string()))
