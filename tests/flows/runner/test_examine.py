"""The measurement of the rules outside of a night: made once per benchmarks, rules and encoder, and announced before."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.runner.decontamination import (
    MEASURING,
    Decontamination,
    certificate_of,
    examine,
    measured_rules,
    stored_measurement,
)
from flows.runner.limits import RunLimits
from flows.runner.progress import Bars
from flows.runner.resources import opened
from flows.runner.stages import Line
from flows.settings import load_settings
from tasks.decontamination import certificate
from tasks.llm.budget import Budget
from tasks.llm.costs import total
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


@pytest.mark.slow
def test_what_measuring_costs_is_part_of_the_run_and_is_not_kept_where_a_limit_ended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path / "home"))
    exam = tmp_path / "exam.jsonl"
    exam.write_text(
        '{"question": "A train travels 120 km in 3 hours; what is its average speed?", "answer": "40"}\n'
    )
    monkeypatch.setattr(Bars, "say", lambda bars, text: None)  # there is no flow run to log it
    config = DecontaminateSettings(benchmarks=[str(exam)], planted=2)
    against = Decontamination.of(config)
    with opened(load_settings()) as tools:
        tools.limits = RunLimits("measures", "online", Budget(tokens=1))
        ended = measured_rules(tools, against)
        assert ended.facts["stopped"]["by"] == "tokens"
        assert "stopped by --budget-tokens" in ended.facts["stopped"]["why"]
        assert stored_measurement(tools, against) is None
    with opened(load_settings()) as tools, Bars() as bars:
        tools.limits = RunLimits("measures")
        for number in (1, 2):  # the second one reads what the first has stored, and has the same costs
            line = Line(tools, bars)
            assert certificate_of(line, against).sets
            (costs,) = total(line.facts())
            assert costs["role"] == "critic"
            assert costs["completions"] > 0
            (served,) = tools.ledger().served("measures")
            assert (served.tag, served.calls) == ("decontaminate", costs["completions"]), number
