"""What a rebuild says of itself beside its funnel: all candidates in one line, why they were dropped, and what became of the base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow.compute as pc

from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import NOT_TAKEN
from tasks.arrays import Mask
from tasks.reports.figures import Dropped, grouped_reasons
from tasks.reports.funnel import CANDIDATES
from tasks.stages.rejudge import CandidateArrays

OF_BASE = "of_base"  # key of a lineage
MOST_REASONS = 3  # for which rows of the base were dropped, in a line


def summary(pool: CandidateArrays, base: Version, store: Store) -> dict[str, Any]:
    """Return the parts of the lineage that say what became of the candidates and of the rows of the base.

    `candidates` has the counts of a line of the funnel, over all stages: in = kept + rejected + failed, and `not_taken` are among the
    rejected. A stage that judges only rows that are new has a line with these alone, so that the lines do not follow from each other.
    """
    dropped = ~pool.alive
    failures = sum(one.failed for one in pool.why[dropped])
    ids = store.read(base, ["id"]).column("id").combine_chunks()
    had = np.asarray(pc.is_in(pool.rows.column("id"), value_set=ids).to_numpy(), dtype=bool)
    return {
        CANDIDATES: {
            "stage": CANDIDATES,
            "title": "All candidates",
            "asked": len(pool.alive),
            "kept": int(pool.alive.sum()),
            "rejected": int(dropped.sum()) - failures,
            "not_taken": sum(one.code in NOT_TAKEN for one in pool.why[dropped]),
            "failed": failures,
        },
        "dropped": _reasons(pool, dropped),
        OF_BASE: {
            "rows": base.rows,
            "kept": int((had & pool.alive).sum()),
            "others": int((~had & pool.alive).sum()),
            "without_candidate": base.rows - int(had.sum()),
            "reasons": _reasons(pool, had & dropped),
            "target": (base.lineage.get("ended") or {}).get("target"),
        },
    }


def _reasons(pool: CandidateArrays, mask: Mask) -> list[dict[str, Any]]:
    ids = pool.rows.column("id").to_numpy()[mask]
    return [asdict(one) for one in grouped_reasons(zip(ids.tolist(), pool.why[mask], strict=True))]


def base_in_words(base: str, of_base: Mapping[str, Any]) -> str:
    """Return how many rows of the base the rebuild has and has not, why not, and how many it has besides."""
    gone = of_base["rows"] - of_base["kept"]
    kept = (
        f"{base}: {of_base['kept']:,} of its {counted(of_base['rows'], 'row')} kept, {counted(of_base['others'], 'other row')} taken, "
        f"{gone:,} of its rows left out"
    )
    reasons = [Dropped(**one) for one in of_base["reasons"]]
    named = [f"{one.stage}: {one.reason} ({one.rows:,})" for one in reasons[:MOST_REASONS]]
    if rest := sum(one.rows for one in reasons[MOST_REASONS:]):
        named.append(f"{counted(len(reasons) - MOST_REASONS, 'further reason')} ({rest:,})")
    if of_base["without_candidate"]:
        named.append(f"its runs have no candidate of them ({of_base['without_candidate']:,})")
    return f"{kept}; {'; '.join(named)}" if named else kept


def target_in_words(target: int | None, of_base: Mapping[str, Any]) -> str:
    """Return how many rows the rebuild may have. The target of a night is no limit."""
    if target is not None:
        return f"at most {counted(target, 'row')}, as the setting target says"
    of_night = f" of the night ({of_base['target']:,})" if of_base["target"] else " of a night"
    return f"that{of_night} does not apply: a rebuild takes every row that passes; --set target=N limits it"
