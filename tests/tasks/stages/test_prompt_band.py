"""Prompts for reinforcement learning: questions whose samples differ in their reward."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from storage.reasons import NOT_TAKEN, Code
from storage.rows import Row, column, reasons_of, to_table
from tasks.selection import PASS_RATE
from tasks.stages.prompt_band import WITHOUT_SIGNAL, PromptSettings, prompt_band

RATES = (0.0, 0.25, 0.75, 1.0, None)


def left(settings: PromptSettings) -> list[str | None]:
    rows = to_table(
        Row(f"What is {number} + 1?", "en", scores={} if rate is None else {PASS_RATE: rate})
        for number, rate in enumerate(RATES)
    )
    done = prompt_band(rows, settings=settings, tries=16, tick=lambda rows: None)
    assert column(done, "question") == column(rows, "question")
    return [None if why is None else str(why.code) for why in reasons_of(done)]


def test_only_questions_that_some_samples_solve_are_prompts() -> None:
    unsolved, always, unknown = WITHOUT_SIGNAL
    assert left(PromptSettings()) == [unsolved, None, None, always, unknown]
    assert set(WITHOUT_SIGNAL) <= NOT_TAKEN  # no judgement on the questions


def test_others_are_kept_by_setting() -> None:
    assert left(PromptSettings(keep=["unsolved"])) == [None, None, None, Code.ALWAYS_SOLVED, Code.NOT_JUDGED]
    assert left(PromptSettings(keep=["unsolved", "always_solved", "not_judged"])) == [None] * 5


def test_the_band_is_for_questions_that_some_samples_solve() -> None:
    settings = PromptSettings(keep=["always_solved"], least_pass_rate=0.25, most_pass_rate=0.5)
    assert left(settings) == [Code.UNSOLVED, None, Code.OUTSIDE_BAND, None, Code.NOT_JUDGED]
    with pytest.raises(ValidationError, match=r"least_pass_rate 0\.5 is over most_pass_rate 0\.2"):
        PromptSettings(least_pass_rate=0.5, most_pass_rate=0.2)


def test_the_reason_states_the_bound_of_samples() -> None:
    rows = to_table([Row("Who knows?", "en", scores={PASS_RATE: 0.0})])
    (why,) = reasons_of(prompt_band(rows, settings=PromptSettings(), tries=16, tick=lambda rows: None))
    assert why is not None
    assert why.text == "prompt_band: unsolved: none of its samples is right, at most 16"
