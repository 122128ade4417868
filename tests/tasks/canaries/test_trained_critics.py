"""A trained critic as the judge of a batch: one that does what it did where it was calibrated is believed, a sabotaged one is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from flows.runner import critic_gate
from storage.reasons import Code
from storage.rows import JUDGED_BY, column, reasons_of, to_table
from tasks.canaries.batch import FREE, GOOD_ERROR, TRAINED
from tasks.critics.error_injection import inject_error
from tasks.critics.heads import SAMPLES, TEXT
from tasks.critics.kinds import CriticTools
from tasks.critics.labelled import LabelledSolution, grouped
from tasks.critics.steps import split_steps
from tasks.critics.trained import CriticTraining, TrainedCritic, train
from tasks.problems.machinery.family import LEVELS, families, make
from tasks.problems.machinery.notation import Unworkable
from tasks.seeding import rng_of
from tasks.stages.outcome import Outcome
from tasks.stages.score import score
from tasks.teacher.solving import laid_out_words
from tests.tasks.canaries.test_solutions import judged_rows
from tests.tasks.critics.test_trained import TOOLS

SETTINGS = CriticTraining(own={"components": 8, "rounds": 40})


def family_solutions() -> list[LabelledSolution]:
    """Right solutions of all problem families, and each with a wrong calculation."""
    solutions = []
    for name, family in families().items():
        for level in LEVELS:
            rng = rng_of("critic", name, level)
            language = rng.choice(("en", "zh"))
            try:
                problem = make(family, rng, level, language)
            except Unworkable:
                continue
            text = laid_out_words(problem.worked, language, rng)
            lines, answer = inject_error(tuple(text.split("\n")), problem.worked.answer, rng)
            for whole, right in ((text, True), ("\n".join(lines), False)):
                if right or answer != problem.worked.answer:
                    steps = split_steps(whole, language)
                    solutions.append(LabelledSolution(problem.question, steps, right, language=language))
    return grouped(solutions)


@pytest.fixture(scope="module")
def solutions() -> list[LabelledSolution]:
    return family_solutions()


@pytest.fixture(scope="module")
def honest(solutions: list[LabelledSolution]) -> TrainedCritic:
    return train(solutions, SETTINGS, "words", TOOLS)


def constant(critic: TrainedCritic) -> TrainedCritic:
    """Return the critic with a head that says the same of every solution."""
    weights = {f"{head}.weights": critic.heads[f"{head}.weights"] * 0 for head in (TEXT, SAMPLES)}
    return TrainedCritic(critic.record, {**critic.heads, **weights}, critic.reader)


def flipped(
    solutions: list[LabelledSolution], encoder: str = "words", tools: CriticTools = TOOLS
) -> TrainedCritic:
    """Return a critic that learned from labels that are all the opposite, as far as it knows a good one."""
    wrong_labels = [replace(one, correct=not one.correct, first_error=None) for one in solutions]
    return train(wrong_labels, SETTINGS, encoder, tools)


def judged(critic: TrainedCritic, canaries: int = 2) -> Outcome:
    return score(
        to_table(judged_rows(150, sure=True)),
        name="trained_critic",
        thresholds={},
        canaries=canaries,
        tick=lambda rows: None,
        trained_critic=critic,
    )


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    raised: list[tuple[str, str]] = []
    monkeypatch.setattr(
        critic_gate, "alarm", lambda event, about, words, **payload: raised.append((event, words))
    )
    return raised


def refusal(facts: Mapping[str, Any]) -> str | None:
    gate = critic_gate.trusted_critics("math-sft", [facts])
    written: Any = None
    return gate.check(written)


@pytest.mark.slow
def test_a_critic_as_good_as_it_says_is_believed_and_named(
    honest: TrainedCritic, alarms: list[tuple[str, str]]
) -> None:
    outcome = judged(honest)
    (record,) = outcome.facts["canaries"]
    assert (record["role"], record["model"], record["dropped"]) == (TRAINED, honest.identity, 0)
    assert sum(record["asked"].values()) == FREE  # they cost no call
    assert record["error"] == max(GOOD_ERROR, honest.error) < 0.4
    assert not any(reasons_of(outcome.rows))
    scored = [dict(pairs or ()).get("trained_critic") for pairs in column(outcome.rows, "scores")]
    named = [dict(pairs or ()).get(JUDGED_BY) for pairs in column(outcome.rows, "verdicts")]
    assert [name == honest.identity for name in named] == [value is not None for value in scored]
    assert any(named)
    assert refusal(outcome.facts) is None
    assert alarms == []


@pytest.mark.slow
@pytest.mark.parametrize("sabotage", ["constant", "flipped"])
def test_a_sabotaged_critic_is_not_believed(
    honest: TrainedCritic,
    solutions: list[LabelledSolution],
    alarms: list[tuple[str, str]],
    sabotage: str,
) -> None:
    critic = constant(honest) if sabotage == "constant" else flipped(solutions)
    outcome = judged(critic)
    (record,) = outcome.facts["canaries"]
    assert (record["again"], record["dropped"]) == (1, 1)
    reasons = [why for why in reasons_of(outcome.rows) if why is not None]
    assert {why.code for why in reasons} == {Code.CANARIES_MISJUDGED}
    assert not any("trained_critic" in dict(pairs or ()) for pairs in column(outcome.rows, "scores"))
    assert not any(JUDGED_BY in dict(pairs or ()) for pairs in column(outcome.rows, "verdicts"))
    words = refusal(outcome.facts)
    assert words is not None
    assert critic.identity in words
    assert "Fix: train it on versions like this one" in words
    ((event, _),) = alarms
    assert event == "mathmill.critic.alarm"


@pytest.mark.slow
def test_a_batch_without_solutions_in_words_asks_the_critic_nothing(honest: TrainedCritic) -> None:
    programs = [row for row in judged_rows(12, sure=True) if row.solution_format == "pot"]
    outcome = score(
        to_table(programs),
        name="trained_critic",
        thresholds={},
        canaries=2,
        tick=lambda rows: None,
        trained_critic=honest,
    )
    assert outcome.rows.num_rows == len(programs)
    assert "canaries" not in outcome.facts
    assert not any(reasons_of(outcome.rows))


@pytest.mark.slow
def test_without_canaries_nothing_is_examined(honest: TrainedCritic) -> None:
    assert "canaries" not in judged(honest, canaries=0).facts
