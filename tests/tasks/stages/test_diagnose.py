"""The stage `diagnose`: missing skills out of the teacher's replies; failures of calls stay failures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.rows import Row, column, reasons_of, to_table
from tasks.conditions import conditions
from tasks.llm.engine import Engine
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.stages.diagnose import WRONG_STEP, diagnose
from tasks.stages.outcome import balance


def failures(language: str) -> list[Row]:
    rng = rng_of("diagnose", language)
    return [
        Row(
            one.question,
            language,
            subdomain=one.subdomain,
            solution="The total is 12.\nSo it is 5.",
            solution_format="cot",
            reference_answer=one.worked.answer,
            verdicts={WRONG_STEP: "2"},
        )
        for family in list(families().values())[::4]
        for one in [make(family, rng, 1, language)]
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_embedded_teacher_names_concepts_of_the_problem(
    language: str, engine: Callable[..., Engine]
) -> None:
    rows = failures(language)
    outcome = diagnose(to_table(rows), engine=engine(), seed=1, tick=lambda _: None)
    balance("diagnose", outcome)
    chinese = {en.lower(): zh for pairs in conditions().concepts.values() for en, zh in pairs}
    named = 0
    for skills, subdomain in zip(
        column(outcome.rows, "concepts"), column(outcome.rows, "subdomain"), strict=True
    ):
        own = [f.concepts for f in families().values() if f.subdomain == subdomain]
        known = {one.lower() for concepts in own for one in concepts}
        known |= {pair[1] for pair in conditions().concepts[subdomain]}
        known |= {chinese.get(one, one) for one in known}
        named += bool({one.lower() for one in skills} & known)
    assert named >= 0.8 * len(rows)


def test_a_call_that_fails_makes_a_failed_row(engine: Callable[..., Engine]) -> None:
    table = to_table(failures("en")[:3])
    outcome = diagnose(table, engine=engine(offline=True), seed=1, tick=lambda _: None)
    assert [why is not None and why.failed for why in reasons_of(outcome.rows)] == [True] * 3
