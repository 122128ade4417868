"""What completions cost: sums over a shard, kept with its result so that a resumed run still knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion


@dataclass(slots=True)
class Bill:
    """Sums over the completions of one role. `cached`: found in the ledger, paid by an earlier run;
    `usd` counts them too: it is what the rows cost, whenever it was paid. `deferred` were not answered yet."""

    role: str
    model: str
    completions: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    deferred: int = 0
    usd: float = 0.0

    @classmethod
    def of(cls, endpoint: Endpoint) -> Bill:
        return cls(endpoint.role, endpoint.model)

    def add(self, done: Completion) -> None:
        self.completions += 1
        self.cached += done.cached
        self.prompt_tokens += done.usage.prompt_tokens
        self.completion_tokens += done.usage.completion_tokens
        self.estimated += done.usage.estimated
        self.deferred += done.deferred
        self.usd += done.cost

    def facts(self) -> dict[str, Any]:
        return {"bills": [asdict(self)], "deferred": self.deferred}


def total(facts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bills of many shards, one a role and model, in order of role."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for fact in facts:
        for bill in fact.get("bills", ()):
            entry = sums.setdefault((bill["role"], bill["model"]), {**bill, **dict.fromkeys(_COUNTS, 0)})
            for name in _COUNTS:
                entry[name] += bill.get(name, 0)
    return [sums[key] for key in sorted(sums)]


_COUNTS = ("completions", "cached", "prompt_tokens", "completion_tokens", "estimated", "deferred", "usd")
