"""The gate on measured recall, and the rules and benchmarks that are active by default."""

from __future__ import annotations

from typing import Any

from flows.runner.decontamination import Decontamination, enough_recall
from tasks.decontamination.certificate import Certificate, Recall
from tasks.decontamination.rules import RULES
from tasks.plugins import names
from tasks.stages.decontaminate import DecontaminateSettings


def certificate(*recall: Recall) -> Certificate:
    return Certificate((), (), recall, (), 0, None, 0)


def test_too_little_recall_stops_a_version() -> None:
    summary = certificate(Recall("verbatim", 100, 98, 98, {}), Recall("renamed", 100, 10, 10, {}))
    written: Any = None  # the gate asks the certificate alone
    assert enough_recall(summary, {"verbatim": 0.98, "re-wrapped": 1.0}).check(written) is None
    why = enough_recall(summary, {"verbatim": 0.99}).check(written)
    assert why is not None
    assert why.startswith("98 of 100 verbatim leaks were found, gates.min_recall asks for 0.99: add rules")


def test_every_rule_is_on_and_nothing_is_registered() -> None:
    removal = Decontamination.of(DecontaminateSettings())
    assert sorted(removal.config.rules) == sorted(RULES) == list(names("tasks.decontamination.rules"))
    assert not removal.benchmarks.files
    assert len(removal.clean.items()) > 200
