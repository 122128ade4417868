"""The drift gate: a night whose model outputs differ from earlier nights' publishes nothing and raises an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.runner.events import DRIFT, alarm
from flows.runner.night import Night
from flows.settings import ROLES
from storage.datasets.gates import Gate
from storage.stage_cache.shards import digest_of
from tasks.drift import Mean, Shift, from_record, measure, shifts, to_record

# sections of the configuration under which nights are comparable; others, such as the target, do not move the measures
COMPARABLE = ("generate", "solve", "verify", "score")
# of the measures; nights measured by another definition are not compared. 2: samples without an answer are counted
DEFINITION = 2
CRITIC = "critique"  # the scorer whose scores are measured


@dataclass(frozen=True, slots=True)
class Drift:
    """A night's measures, the earlier nights that they were compared with, and the measures outside of their range."""

    key: str
    measures: dict[str, Mean]
    nights: int
    shifts: list[Shift]

    def record(self) -> dict[str, Any]:
        """Return what the version's lineage keeps; later nights compare themselves with it."""
        return {
            "key": self.key,
            "measures": to_record(self.measures),
            "nights": self.nights,
            "shifts": [str(shift) for shift in self.shifts],
        }

    def gate(self) -> Gate:
        """Return the gate that refuses to publish where a measure has shifted."""
        reason = "; ".join(str(shift) for shift in self.shifts)
        advice = (
            "Fix: look at the model behind each role and at its replies (./mathmill sql, ./mathmill why). If the change is "
            "intended, run the same command with --set gates.drift=null: nothing is asked or paid again"
        )
        return Gate("gates.drift", lambda written: f"{reason}. {advice}" if reason else None)


def drift(night: Night) -> Drift:
    """Compare the measures of this night with those of the dataset's earlier nights that had the same settings and models.

    Raises the drift alarm where something has shifted and the gate is not off.
    """
    tools, chance = night.line.tools, night.config.gates.drift
    tables = {
        stage: [
            tools.shards.read(ref) for entry in night.judged if entry.stage == stage for ref in entry.refs
        ]
        for stage in ("verify", CRITIC, "weigh")
    }
    measures = measure(tables["verify"], tables[CRITIC], tables["weigh"])
    mixes = {role: tools.settings.mix(role) for role in ROLES}
    models = {
        role: mix[0][0].model if len(mix) == 1 else [[one.model, weight] for one, weight in mix]
        for role, mix in mixes.items()
    }
    key = digest_of(DEFINITION, night.config.model_dump(mode="json", include=set(COMPARABLE)), models)[:12]
    earlier = [
        from_record(record["measures"])
        for version in tools.store.versions(night.config.dataset)
        if (record := version.lineage.get("drift") or {}).get("key") == key
    ]
    outside = shifts(measures, earlier, chance) if chance else []
    if outside:
        words = "; ".join(str(shift) for shift in outside)
        alarm(DRIFT, night.config.dataset, words, measures=[shift.measure for shift in outside])
    return Drift(key, measures, len(earlier), outside)
