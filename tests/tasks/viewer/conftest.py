"""A site over a small store with rows of the real format, and clients of it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from benchmarks.filled_store import DATASET, RUN, fill
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.viewer.access import Access
from tasks.viewer.app import create_app
from tasks.viewer.index import RowIndex
from tasks.viewer.site import Site, TakeOut

ROWS, DROPPED = 600, 80
SECOND = f"{DATASET}@2026.11.21"
FIRST = f"{DATASET}@2026.11.20"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions of one dataset; the second has a promotion and a verdict."""
    home = tmp_path_factory.mktemp("filled")
    store = Store(home)
    first = fill(store, ROWS, dropped=DROPPED)
    new = [
        Row(
            "How many primes are below 10?",
            "en",
            solution="2, 3, 5 and 7: $\\boxed{4}$",
            solution_format="cot",
            answer="4",
            subdomain="primes",
            correctness=0.9,
            scores={"critique": 0.2},
            verdicts={"consistent": "3/4"},
        )
    ]
    second = store.publish(
        DATASET,
        [to_table(new)],
        lineage=first.lineage | {"run": "night-2"},
        date=datetime.date(2026, 11, 21),
    )
    lost = Row(
        "A question that holds an item",
        "en",
        reason=reason("decontaminate", Code.CONTAMINATED, rule="exact", item="gsm8k#1", overlap=1, field=""),
    )
    store.append_candidates(to_table([lost]), run="night-2")
    store.mark(second, "verdict", {"verdict": "effective", "effect": 0.02})
    store.promote(second, "production")
    assert RUN != "night-2"
    return home


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes sites over a home, each with a database of its own; they are closed at the end."""
    sites: list[Site] = []

    def make(home: Path, *, access: Access | None = None, take_out: TakeOut | None = None) -> Site:
        store = Store(home)
        index = RowIndex(store, tmp_path / f"view-{len(sites)}")
        site = Site(
            store,
            home,
            index,
            str(tmp_path / "ledger.sqlite"),
            access=access or Access(),
            take_out=take_out,
        )
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def client(site_of: Callable[..., Site], filled: Path) -> TestClient:
    """A client of a site over the filled home."""
    return client_of(site_of(filled))


def client_of(site: Site, **headers: str) -> TestClient:
    return TestClient(create_app(site), base_url="http://127.0.0.1", headers=headers)
