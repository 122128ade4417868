"""The gate of the verifier, on rows, at publication and at promotion."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.config.sections import GateSettings
from flows.runner.gates import promote
from flows.runner.verifier import (
    GATE,
    certified,
    certified_version,
    lineage_of,
    reliable_verifier,
    why_refused,
)
from storage.datasets.store import Store
from storage.errors import GateFailed
from storage.rows import Row, to_table
from tasks.verifier.certificate import VerifierCertificate, of_judgements
from tasks.verifier.planting import TrustedAnswer, plants
from tasks.worth import Worth

NUMBERS = [
    Row(
        f"What is {n} + 1?",
        "en",
        solution=f"\\boxed{{{n + 1}}}",
        answer=str(n + 1),
        reference_answer=str(n + 1),
    )
    for n in range(1, 40)
]


def broken() -> VerifierCertificate:
    planted = list(plants([TrustedAnswer(f"q{n}", str(n)) for n in range(40)], a_kind=20))
    return of_judgements([(plant, Worth.RIGHT) for plant in planted], answers=40)


def test_answers_of_kept_rows_are_planted() -> None:
    table = to_table(NUMBERS)
    certificate = certified([table])
    assert certificate.answers == 39
    assert certificate.cells
    assert why_refused(certificate, GateSettings()) is None
    nothing = certified([to_table([Row("q", "en")])])
    assert (nothing.answers, why_refused(nothing, GateSettings())) == (0, None)


def test_a_version_behind_a_broken_verifier_is_neither_published_nor_promoted(tmp_path: Path) -> None:
    store, table = Store(tmp_path), to_table(NUMBERS)
    with pytest.raises(
        GateFailed, match=r"wrong answers \(integer\) were judged right, gates\.verifier_accepts allows 0\.01"
    ) as refused:
        store.publish("d", [table], lineage={}, gates=[reliable_verifier(broken(), GateSettings())])
    assert [gate for gate, _ in refused.value.failures] == [GATE]
    assert store.versions("d") == []
    version = store.publish(
        "d",
        [table],
        lineage=dict(lineage_of(broken())),
        gates=[reliable_verifier(broken(), GateSettings(verifier_accepts=None))],
    )
    with pytest.raises(GateFailed, match="was not promoted") as refused:
        promote(store, version, "candidate", tmp_path)
    assert [gate for gate, _ in refused.value.failures] == [GATE]
    (tmp_path / "gates.yaml").write_text("candidate: {verifier_accepts: null, verifier_misses: null}\n")
    promote(store, version, "candidate", tmp_path)


def test_a_version_without_a_certificate_is_measured_at_promotion(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = store.publish("d", [to_table(NUMBERS)], lineage={})
    assert certified_version(store, version).answers == 39
    promote(store, version, "candidate", tmp_path)
    assert store.resolve("d@candidate") == version
