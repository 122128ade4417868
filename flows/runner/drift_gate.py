"""The drift gate: a night whose models have changed publishes nothing and raises an alarm, until the change is accepted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

import prompts
from flows.runner.events import DRIFT, alarm
from flows.runner.night import Night
from flows.runner.stages import FunnelEntry
from prompts import conditions
from storage.datasets.gates import Gate
from storage.stage_cache.shards import digest_of
from tasks.canaries.batch import records
from tasks.drift.history import NightHistory, Watched
from tasks.drift.measures import MEASURES, Mean, measure
from tasks.llm.endpoint import Endpoint

# sections of the configuration under which nights are comparable; others, such as the target, do not move the measures
COMPARABLE = ("generate", "solve", "verify", "score")
# of the measures; nights measured by another definition are not compared
DEFINITION = 4
CRITIC = "critique"  # the scorer whose scores are measured
LABELLED = "known answers"  # end of the titles of the lines about questions with known answers


@dataclass(frozen=True, slots=True)
class Drift:
    """A night's measures, the state of the tests over the nights, and the measures that raise an alarm."""

    dataset: str
    measures: dict[str, Mean]
    states: list[Watched]
    accepted: dict[str, Any] | None

    @property
    def shifts(self) -> list[Watched]:
        return [state for state in self.states if state.alarm]

    def record(self) -> dict[str, Any]:
        """Return what the version's lineage keeps."""
        return {
            "measures": {
                name: {key: round(value, 6) for key, value in asdict(mean).items()}
                for name, mean in self.measures.items()
            },
            "nights": max((state.nights for state in self.states), default=0),
            "shifts": [str(state) for state in self.shifts],
            "evidence": {
                state.measure: {
                    "role": state.role,
                    "model": state.model,
                    "before": state.before,
                    "nights": state.nights,
                    "evidence": round(state.evidence, 4),
                }
                for state in self.states
            },
            "accepted": self.accepted,
        }

    def gate(self) -> Gate:
        """Return the gate that refuses to publish where a measure has shifted."""
        reason = "; ".join(str(state) for state in self.shifts)
        advice = (
            "Fix: look at the model behind each role and at its replies (./mathmill sql, ./mathmill why). If the change is "
            f"intended, ./mathmill drift {self.dataset} --accept, then run the same command again: nothing is asked or paid "
            "again"
        )
        return Gate("gates.drift", lambda written: f"{reason}. {advice}" if reason else None)


def drift(night: Night) -> Drift:
    """Store what this night measured, and test whether the models have changed since the dataset's earlier nights that had
    the same settings, models and prompts.

    Raises the drift alarm where something has changed and the gate is not off.
    """
    tools, config, facts = night.line.tools, night.config, night.line.facts()
    labelled = [entry for entry in night.line.funnel if entry.title.endswith(LABELLED)]
    measured = measure(
        written=_tables(night, [entry for entry in night.line.funnel if entry.stage == "generate"]),
        verified=_tables(night, [entry for entry in night.judged if entry.stage == "verify"]),
        scored=_tables(night, [entry for entry in night.judged if entry.stage == CRITIC]),
        weighed=_tables(night, [entry for entry in night.judged if entry.stage == "weigh"]),
        answered=_tables(night, [entry for entry in labelled if entry.stage == "verify"]),
        known=_tables(night, [entry for entry in labelled if entry.stage == CRITIC]),
        canaries=[record for record in records(facts, "canaries") if record["role"] == "critic"],
        canary_answers=records(facts, "answered"),
        discarded=records(_facts(night.judged), "discarded"),
        discarded_known=records(_facts(labelled), "discarded"),
    )
    nights = NightHistory(tools.home, config.dataset)
    nights.add(f"{night.inputs.seed:016x}", night.inputs.run, measured, _keys(night))
    chance = config.gates.drift
    states = nights.watch(chance) if chance else []
    state = Drift(
        config.dataset, {name: one.mean for name, one in measured.items()}, states, nights.accepted()
    )
    if state.shifts:
        words = "; ".join(str(shift) for shift in state.shifts)
        alarm(DRIFT, config.dataset, words, measures=[shift.measure for shift in state.shifts])
    return state


def _tables(night: Night, entries: list[FunnelEntry]) -> list[pa.Table]:
    return [night.line.tools.shards.read(ref) for entry in entries for ref in entry.refs]


def _facts(entries: list[FunnelEntry]) -> list[dict[str, Any]]:
    return [ref.facts for entry in entries for ref in entry.refs]


def _keys(night: Night) -> dict[str, tuple[str, str]]:
    """Return the key of each measure, and the model of its role. Canaries depend on the critic and its prompts only."""
    tools, config = night.line.tools, night.config
    roles = {measure.role for measure in MEASURES.values()}
    mixes = {role: tools.settings.mix(role) for role in sorted(roles)}
    models = {role: _models(mix) for role, mix in mixes.items()}
    overlay = mixes["critic"][0][0].prompts
    texts = {name: prompts.load(*name.rsplit(".", 1), overlay=overlay).digest for name in prompts.names()}
    critic = {name: digest for name, digest in texts.items() if name.startswith(CRITIC)}
    stated = [conditions.load(overlay)[1]] if conditions.replaced(overlay) else []
    compared = config.model_dump(mode="json", include=set(COMPARABLE))
    every = digest_of(DEFINITION, compared, models, texts, *stated)[:12]
    canaries = digest_of(DEFINITION, models["critic"], critic)[:12]
    return {
        name: (canaries if name == "canaries" else every, models[one.role]) for name, one in MEASURES.items()
    }


def _models(mix: list[tuple[Endpoint, float]]) -> str:
    """Return the model of a role with its revision, or those of a mix with their weights."""
    names = [f"{one.model}@{one.revision}" if one.revision else one.model for one, _ in mix]
    if len(names) == 1:
        return names[0]
    return ", ".join(f"{name} ({weight:g})" for name, (_, weight) in zip(names, mix, strict=True))
