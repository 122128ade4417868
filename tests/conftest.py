"""Marks tests as slow by what they do: those that start real servers or run for minutes."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# The suite tries the same examples on every run, Hypothesis' usual 100 at most, so that a change is what makes it fail;
# a search for new ones is `--hypothesis-profile=search`. So a test sets `max_examples` only to try fewer, and never
# `derandomize`. A busy machine is slow: neither profile measures time.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "search", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# A worker imports torch, Prefect and every test file. Nothing of that is ever garbage, and looking through all of it again
# and again was a quarter of the time of collection and a share of every test's: the collector skips it.
gc.disable()

# The handler of absl (which rouge-score imports) closes the stream that was sys.stderr at its import, if sys.stderr is another
# one when logging is configured anew. pytest replaces sys.stderr for every test, so it would close the stream that pytest
# captures into, and every later test of the worker would fail: it has the stream that is never closed.
if importlib.util.find_spec("absl"):
    with contextlib.redirect_stderr(sys.__stderr__):
        importlib.import_module("absl.logging")

# no test reads the settings of the checkout that it runs in, nor those of the person who runs it: a paid teacher may be among them
OF_TESTS = ("MATHMILL_VLLM_PYTHON",)  # says where a test finds vLLM
for name in [
    name for name in os.environ if name.startswith(("MATHMILL_", "PREFECT_")) and name not in OF_TESTS
]:
    del os.environ[name]
os.environ["MATHMILL_ENV_FILE"] = ""

# Seconds until a test counts as hung; what has none of these markers has pyproject.toml's. They are many times
# what the tests take, since a busy machine is slow: they end hangs and measure nothing.
TIMEOUTS = {"soak": 7200, "e2e": 1200}

# Files whose tests take minutes. They are started first, because one that is started last would run alone while other cores idle.
LONGEST = (
    "tests/e2e/test_readme.py",
    "tests/e2e/test_examples.py",
    "tests/e2e/test_night.py",
    "tests/e2e/test_server.py",
    "tests/e2e/test_kill.py",
)


def _place(item: pytest.Item) -> tuple[int, bool]:
    """Return where a test stands among the others: the longest files, then end-to-end tests, then the rest as it is."""
    file = item.nodeid.partition("::")[0]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST), not item.get_closest_marker("e2e")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            for marker, seconds in TIMEOUTS.items():
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.timeout(seconds))
                    break
        if item.get_closest_marker("e2e") or item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.slow)
    items.sort(key=_place)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
