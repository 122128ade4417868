"""What verdicts on earlier arms have shown: the state of the allocator, which is stored as marks of the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.config.weakness import ARMS, RANDOM, Weakness
from storage.datasets.annotations import Mark
from storage.datasets.store import Store
from tasks.weakness.allocation import Gain
from tasks.weakness.clusters import KnownCluster

MARK = "weakness"  # the kind of the mark on the version of an arm
_NORMAL = 3.92  # width of a 95 % interval in standard errors


@dataclass(frozen=True, slots=True)
class WeaknessState:
    """gains: one per night, cluster and arm that has a verdict. clusters: of all nights, the newest with a name. nights: runs in the order of
    their marks. open: versions of arms without a verdict."""

    gains: list[Gain]
    clusters: list[KnownCluster]
    nights: list[str]
    open: list[str]

    @classmethod
    def of(cls, config: Weakness, store: Store) -> WeaknessState:
        """Read the marks of the arms' versions. The state follows from them alone, so that it is the same wherever the store is read."""
        marks: list[tuple[str, Mark]] = []
        verdicts: dict[str, Mark] = {}
        for arm in ARMS:
            dataset = config.name_of(arm)
            marks += [(arm, one) for one in store.marks(dataset, MARK)]
            verdicts |= {f"{one.dataset}@{one.version}": one for one in store.marks(dataset, "verdict")}
        marks.sort(key=lambda entry: entry[1].number)
        nights = list(dict.fromkeys(str(one.value["run"]) for _, one in marks))
        clusters: dict[str, KnownCluster] = {}
        gains, waiting = [], []
        for arm, one in marks:
            for name, known in one.value["clusters"].items():
                clusters[name] = KnownCluster(name, known["subdomain"], tuple(known["centroid"]))
            version = f"{one.dataset}@{one.version}"
            if version not in verdicts:
                waiting.append(version)
            elif arm not in RANDOM:
                night = nights.index(str(one.value["run"]))
                gains += _gains(night, arm, one.value["clusters"], verdicts[version].value)
        return cls(gains, list(clusters.values()), nights, list(dict.fromkeys(waiting)))

    def paid(self) -> float:
        """Return what the newest night with verdicts cost."""
        newest = max((one.night for one in self.gains), default=-1)
        return sum(one.cost for one in self.gains if one.night == newest)


def _gains(
    night: int, arm: str, clusters: Mapping[str, Mapping[str, Any]], verdict: Mapping[str, Any]
) -> list[Gain]:
    """Return the gains of the clusters that the version has rows for and that the verdict measured."""
    gains = []
    for name, effect in verdict.get("subdomains", {}).items():
        known = clusters.get(name)
        if known is None or not known["cost"]:
            continue
        error = max((effect["high"] - effect["low"]) / _NORMAL, 1e-4)
        gains.append(
            Gain(night, name, arm, effect["effect"], error, known["cost"], max(known["headroom"], 1e-3))
        )
    return gains
