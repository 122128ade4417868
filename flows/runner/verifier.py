"""The certificate of the verifier in a run: measured on the answers of the rows that are published, kept in the lineage, and a gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.config.sections import GateSettings
from storage.datasets.gates import Gate, Written
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.answers import Judge
from tasks.training.reward import Verifier
from tasks.verifier.certificate import ErrorLimits, VerifierCertificate, measure
from tasks.verifier.planting import TrustedAnswer, plants

LINEAGE = "verifier"  # its name in the lineage of a version
GATE = "gates.verifier"
A_KIND = 10  # plants of each rule and type of answer
MOST = 20_000  # rows whose answers are drawn from
COLUMNS = ("question", "language", "reference_answer", "answer", "rejected")


def certified(tables: Iterable[pa.Table | pa.RecordBatch], judge: Judge | None = None) -> VerifierCertificate:
    """Return the certificate of the verifier on the answers of rows, which have COLUMNS. Without `judge` it has one of its own."""
    answers = list(islice(_answers(tables), MOST))
    planted = list(plants(answers, a_kind=A_KIND))
    with ExitStack() as stack:
        verifier = stack.enter_context(Verifier(judge=judge or stack.enter_context(Judge(workers=1))))
        return measure(verifier.worths, planted, answers=len(set(answers)))


def certified_version(store: Store, version: Version) -> VerifierCertificate:
    """Return the certificate in the lineage of a version, or measure it for a version that was published without one."""
    record = version.lineage.get(LINEAGE)
    if record is not None:
        return VerifierCertificate.from_dict(record)
    return certified(store.batches(version, list(COLUMNS)))


def reliable_verifier(measured: VerifierCertificate, gates: GateSettings) -> Gate:
    """Return the gate that refuses rows whose answers the verifier misjudges too often. It can be checked without rows."""

    def check(written: Written) -> str | None:
        return why_refused(measured, gates)

    return Gate(GATE, check)


def why_refused(measured: VerifierCertificate, gates: GateSettings) -> str | None:
    """Return why the verifier is refused, None if it is not, or if the settings ask for neither condition."""
    misses, accepts = gates.verifier_misses, gates.verifier_accepts
    if misses is None and accepts is None:
        return None
    limits = ErrorLimits(
        misses=1.0 if misses is None else misses, accepts=1.0 if accepts is None else accepts
    )
    return "; ".join(map(str, measured.refusals(limits))) or None


def lineage_of(measured: VerifierCertificate) -> Mapping[str, Any]:
    """Return the entry of the lineage."""
    return {LINEAGE: measured.to_dict()}


def _answers(tables: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[TrustedAnswer]:
    for table in tables:
        rows = table.select(list(COLUMNS))
        trusted = pc.coalesce(rows.column("reference_answer"), rows.column("answer"))
        usable = pc.and_(pc.is_valid(trusted), pc.is_null(rows.column("rejected")))
        questions, languages = rows.column("question").filter(usable), rows.column("language").filter(usable)
        for question, text, language in zip(
            questions.to_pylist(), trusted.filter(usable).to_pylist(), languages.to_pylist(), strict=True
        ):
            if text.strip():
                yield TrustedAnswer(question, text, language)
