"""1,000 planted bit flips and truncations: each is detected and named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.datasets.candidates import TABLE
from storage.datasets.store import Store
from storage.datasets.verify import check_table
from storage.errors import Corrupt

PLANTED = 1000


@pytest.mark.soak
def test_a_thousand_flips_and_cuts_are_found_and_named(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 400)], lineage={"seeds": "x"}, date=day)
    store.append_candidates(rows(0, 400), run="r", stage="mix")
    version = store.publish("d", [rows(400, 500)], lineage={}, date=day)
    store.append_candidates(rows(400, 500), run="s", stage="mix")
    table, kept = Path(store.where.url("d")), Path(store.where.url(TABLE))
    paths = [table / name for name in version.files] + sorted((table / "_delta_log").glob("*.json"))
    paths += sorted(kept.glob("*.parquet"))
    assert len(paths) == 6
    rng = random.Random(1000)
    missed = []
    for number in range(PLANTED):
        path = rng.choice(paths)
        good = path.read_bytes()
        bad = bytearray(good)
        if number % 4:
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        else:
            del bad[rng.randrange(len(bad)) :]
        path.write_bytes(bad)
        try:
            check_table(store.where, TABLE) if kept in path.parents else store.verify(version)
            missed.append(f"{number}: {path.name}: not found")
        except Corrupt as error:
            if path.name not in str(error):
                missed.append(f"{number}: {path.name}: not named in {error}")
        path.write_bytes(good)
    assert missed == []
    store.verify(version)
    check_table(store.where, TABLE)
