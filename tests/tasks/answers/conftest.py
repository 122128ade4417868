"""One judge for all tests of answers: its workers take seconds to import sympy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.answers import Judge


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with Judge(workers=2, timeout_s=4) as judge:
        yield judge
