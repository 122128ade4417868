"""The measurement of the rules outside of a night: made once per benchmarks, rules and encoder, and announced before."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.runner.decontamination import MEASURING, Decontamination, examine
from flows.runner.resources import opened
from flows.settings import load_settings
from tasks.decontamination import certificate
from tasks.stages import certify
from tasks.stages.decontaminate import DecontaminateSettings


def test_the_rules_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path / "home"))
    exam = tmp_path / "exam.jsonl"
    exam.write_text(
        '{"question": "A train travels 120 km in 3 hours; what is its average speed?", "answer": "40"}\n'
    )
    measured: list[int] = []

    def measure(*arguments: object, **more: object) -> certificate.Certificate:
        measured.append(1)
        return certificate.measure(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(certify, "measure", measure)

    def examined(**settings: object) -> tuple[certificate.Certificate, list[str]]:
        config = DecontaminateSettings(benchmarks=[str(exam)], planted=2, **({"rules": ["exact"]} | settings))
        logged: list[str] = []
        with opened(load_settings()) as tools:
            return examine(tools, [], Decontamination.of(config), logged.append)[0], logged

    first, logged = examined()
    assert (len(measured), logged) == (1, [MEASURING])
    assert examined() == (first, [])
    assert len(measured) == 1
    assert examined(rules=["exact", "ngram13"])[1] == [MEASURING]  # other rules are another measurement
    exam.write_text(
        exam.read_text() + '{"question": "What is the derivative of x squared?", "answer": "2x"}\n'
    )
    assert examined()[1] == [MEASURING]  # and so are other benchmarks
    assert len(measured) == 3
