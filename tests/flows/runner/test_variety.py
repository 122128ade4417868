"""The variety of a night's questions, out of its funnel."""

from __future__ import annotations

from typing import Any

from flows.runner.stages import FunnelEntry
from flows.runner.variety import variety
from storage.stage_cache.shards import Ref
from tasks.stages.outcome import Balance


def entry(stage: str, title: str, asked: int, kept: int, *shards: dict[str, Any]) -> FunnelEntry:
    refs = [Ref("digest", "path", 0, 0, 0, 0, {"variety": facts}) for facts in shards]
    return FunnelEntry(stage, title, Balance(asked, kept, asked - kept, 0), refs, 0)


def test_calls_combinations_and_new_questions_are_counted_per_wave() -> None:
    funnel = [
        entry("ingest", "Ingest seeds", 9, 9),
        entry("generate", "Write questions", 20, 18, {"calls": 2, "combinations": ["a", "b"]},
              {"calls": 2, "combinations": ["b", "c"]}),
        entry("similarity", "Drop similar questions, wave 1", 18, 12),
        entry("semantic", "Look for paraphrases, wave 1", 12, 10),
        entry("solve", "Solve, wave 1", 40, 40),
        entry("generate", "Write questions", 5, 5, {"calls": 1, "combinations": ["c"]}),
        entry("similarity", "Drop similar questions, wave 2", 5, 5),
    ]  # fmt: skip
    figures = variety(funnel)
    first, second = figures["waves"]
    assert (first["wave"], first["calls"], first["combinations"]) == ("wave 1", 4, 3)
    assert (first["questions"], first["novel"], first["novelty"]) == (18, 10, 0.5556)
    assert first["novel_per_1000_calls"] == 2500.0
    assert (second["wave"], second["calls"], second["novelty"]) == ("wave 2", 1, 1.0)
    assert (figures["calls"], figures["combinations"], figures["novel"]) == (5, 3, 15)


def test_a_run_that_writes_no_question_has_no_figures() -> None:
    assert variety([entry("ingest", "Ingest seeds", 9, 9)]) == {}
