"""What counts as slow follows from what a test does: whatever starts real servers or goes on for minutes."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("e2e") or item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.slow)
