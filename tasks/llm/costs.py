"""The cost of completions: sums per role over a shard, stored with its output so that a resumed run still has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion


@dataclass(slots=True)
class RoleCosts:
    """Sums over the completions of one role and model, and in `others` those of the role's other models.

    `cached` completions were in the ledger already, paid for by an earlier run. `usd` includes them: it is what the rows
    cost, whenever it was paid, and so do the tokens; answers that a longer one or one that was asked for again replaced are
    included. `deferred` calls have no answer yet. `truncated` completions were cut off at their token
    limit, and `truncated_tokens` were paid for answers that were cut off.
    """

    role: str
    model: str
    completions: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    deferred: int = 0
    usd: float = 0.0
    truncated: int = 0
    truncated_tokens: int = 0
    others: dict[str, RoleCosts] = field(default_factory=dict)

    @classmethod
    def of(cls, endpoint: Endpoint) -> RoleCosts:
        """Return empty sums for the role and model of an endpoint."""
        return cls(endpoint.role, endpoint.model)

    def add(self, done: Completion) -> None:
        """Add one completion to the sums of its model."""
        if done.asked and done.asked != self.model:
            self.others.setdefault(done.asked, RoleCosts(self.role, done.asked)).add(done)
            return
        self.completions += 1
        self.cached += done.cached
        self.prompt_tokens += done.usage.prompt_tokens + done.replaced.prompt_tokens
        self.completion_tokens += done.usage.completion_tokens + done.replaced.completion_tokens
        self.estimated += done.usage.estimated
        self.deferred += done.deferred
        self.usd += done.cost
        cut = done.finish_reason == "length"
        self.truncated += cut
        self.truncated_tokens += done.truncated_tokens + cut * done.usage.completion_tokens

    def facts(self) -> dict[str, Any]:
        """Return the sums as the facts that a stage stores with its output."""
        every = [self, *self.others.values()]
        used = [costs for costs in every if costs.completions] or [self]
        bills = [{name: value for name, value in asdict(costs).items() if name != "others"} for costs in used]
        return {"bills": bills, "deferred": sum(costs.deferred for costs in every)}


def total(facts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums over many shards, one entry per role and model, in order of role. `facts` are those of the shards."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for fact in facts:
        for costs in fact.get("bills", ()):
            entry = sums.setdefault((costs["role"], costs["model"]), {**costs, **dict.fromkeys(_COUNTS, 0)})
            for name in _COUNTS:
                entry[name] += costs.get(name, 0)
    return [sums[key] for key in sorted(sums)]


_COUNTS = (
    "completions",
    "cached",
    "prompt_tokens",
    "completion_tokens",
    "estimated",
    "deferred",
    "usd",
    "truncated",
    "truncated_tokens",
)
