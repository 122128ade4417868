"""What the tests of a worker share with each other."""

from __future__ import annotations

import sys

import pytest


def test_configuring_logs_anew_leaves_the_captured_output_open(capsys: pytest.CaptureFixture[str]) -> None:
    absl = pytest.importorskip("absl.logging")
    handler = absl.get_absl_handler().python_handler
    assert handler.stream is sys.__stderr__
    assert handler.stream is not sys.stderr  # which would be closed as soon as another one takes its place
