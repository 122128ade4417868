"""What people said of published rows, as the calibration of the votes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.versions import Version
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


def _rows(store: Store, base: Version, ids: set[str]) -> pa.Table:
    """Return rows by id as they were published last. Those of retired versions alone are not there any more."""
    tables = [store.read(base, list(COLUMNS), pc.field("id").isin(sorted(ids)))]
    for version in reversed(store.versions(base.dataset)):
        ids = ids - set(tables[-1].column("id").to_pylist())
        if not ids:
            break
        tables.append(store.read(version, list(COLUMNS), pc.field("id").isin(sorted(ids))))
    return pa.concat_tables(tables)
