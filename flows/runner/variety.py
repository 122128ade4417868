"""How varied the questions of a night were: combinations of conditions and new questions, in all and per wave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.runner.stages import FunnelEntry


@dataclass(slots=True)
class WaveVariety:
    """The calls for questions of one wave and what became of their questions.

    questions: those that were read from the completions. novel: those of them that are no duplicates.
    """

    wave: str
    calls: int = 0
    combinations: set[str] = field(default_factory=set)
    questions: int = 0
    novel: int = 0

    def record(self) -> dict[str, Any]:
        """Return the figures as JSON: `novelty` is the share of new questions, None without questions."""
        return {
            "wave": self.wave,
            "calls": self.calls,
            "combinations": len(self.combinations),
            "questions": self.questions,
            "novel": self.novel,
            "novelty": round(self.novel / self.questions, 4) if self.questions else None,
            "novel_per_1000_calls": round(1000 * self.novel / self.calls, 1) if self.calls else None,
        }


def variety(funnel: Sequence[FunnelEntry]) -> dict[str, Any]:
    """Return the figures of all calls, and those per wave under `waves`; empty if no question was requested.

    A wave is named as in the titles of the stages after `generate`, which follow it in the funnel.
    """
    waves: dict[str, WaveVariety] = {}
    plans: list[FunnelEntry] = []
    current: WaveVariety | None = None
    for entry in funnel:
        if entry.stage == "generate":
            plans.append(entry)
        elif entry.stage == "similarity" and plans:
            name = entry.title.rpartition(", ")[2]
            current = waves.setdefault(name, WaveVariety(name))
            for plan in plans:
                for ref in plan.refs:
                    facts = ref.facts.get("variety") or {}
                    current.calls += facts.get("calls", 0)
                    current.combinations.update(facts.get("combinations", ()))
            plans = []
            current.questions += entry.balance.asked
            current.novel += entry.balance.kept
        elif entry.stage == "semantic" and current is not None:
            current.novel -= entry.balance.asked - entry.balance.kept
    if not waves:
        return {}
    total = WaveVariety("all")
    for wave in waves.values():
        total.calls += wave.calls
        total.combinations |= wave.combinations
        total.questions += wave.questions
        total.novel += wave.novel
    return {**total.record(), "waves": [wave.record() for wave in waves.values()]}
