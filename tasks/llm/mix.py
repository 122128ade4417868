"""Several models for one role: which of them answers a call, and an engine that sends each call to its model."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import chain

from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import CompletionCheck
from tasks.llm.request import Completion, Request, encode
from tasks.llm.stats import Stats, TagStats
from tasks.seeding import seed_of


def chosen(weights: Mapping[str, float], request: Request) -> str:
    """Return the model that answers a request, by weighted rendezvous hashing of its seed (of its messages if it has none).

    Each model gets calls in proportion to its weight. The choice depends on nothing but the request and the weights, and
    after a change of one weight only calls from or to that model change.
    """
    call = request.seed if request.seed is not None else encode(list(request.messages))

    def rank(model: str) -> float:
        uniform = (seed_of("model of a call", call, request.sample_index, model) + 0.5) / 2**63
        return math.log(uniform) / weights[model]

    return max(sorted(weights), key=rank)


def identity(members: Sequence[tuple[Endpoint, float]]) -> str:
    """Return what decides the answers of a role: the identity of its model, or those of its models with their weights."""
    if len(members) == 1:
        return members[0][0].identity
    return ", ".join(f"{weight:g} {one.identity}" for one, weight in members)


class MixedEngine(Engine):
    """The engines of several models, which answer the calls of one role.

    Its completions say in `asked` which model a call went to. `endpoint` is that of the first model; the model that a request
    names is replaced by the one that answers it.
    """

    def __init__(self, members: Sequence[tuple[Engine, float]]) -> None:
        self._engines = {engine.endpoint.model: engine for engine, _ in members}
        self._weights = {engine.endpoint.model: weight for engine, weight in members}
        first = members[0][0]
        self.endpoint, self.ledger, self.limits = first.endpoint, first.ledger, first.limits

    @property
    def members(self) -> tuple[Engine, ...]:
        return tuple(self._engines.values())

    def asked_of(self, completion: Completion) -> Endpoint:
        return self._engines[completion.asked].endpoint

    def run(self, requests: Iterable[Request], check: CompletionCheck | None = None) -> Iterator[Completion]:
        """Yield the completions of `requests`, in their order, as Engine.run does."""
        parts = _Parts(requests, lambda request: chosen(self._weights, request))
        runs = {model: engine.run(parts.of(model), check) for model, engine in self._engines.items()}
        try:
            # All begin at once: with a Batch API the first completion comes when the batches of a model have ended.
            with ThreadPoolExecutor(len(runs)) as pool:
                firsts = list(pool.map(lambda run: list(_first(run)), runs.values()))
            whole = {
                model: chain(first, run) for (model, run), first in zip(runs.items(), firsts, strict=True)
            }
            while (model := parts.following()) is not None:
                yield replace(next(whole[model]), asked=model)
        finally:
            for run in runs.values():
                run.close()  # type: ignore[attr-defined]

    def check(self) -> list[str]:
        return sorted({name for engine in self.members for name in engine.check()})

    def stats(self) -> Stats:
        """Return the counters of all models together; of latencies the greatest."""
        every = [engine.stats() for engine in self.members]
        tags: dict[str, TagStats] = {}
        errors: Counter[str] = Counter()
        for one in every:
            errors.update(one.errors)
            for tag, sums in one.by_tag.items():
                total = tags.setdefault(tag, TagStats())
                for column in fields(TagStats):
                    setattr(total, column.name, getattr(total, column.name) + getattr(sums, column.name))
        values = {
            column.name: [getattr(one, column.name) for one in every]
            for column in fields(Stats)
            if column.name not in ("by_tag", "errors", "dialect")
        }
        return Stats(
            **{
                name: max(several) if name.startswith("latency") else sum(several)
                for name, several in values.items()
            },
            by_tag=tags,
            errors=dict(errors),
            dialect=tuple(dict.fromkeys(note for one in every for note in one.dialect)),
        )

    def close(self) -> None:
        for engine in self.members:
            engine.close()


def _first(run: Iterator[Completion]) -> Iterator[Completion]:
    for completion in run:
        yield completion
        return


class _Parts:
    """The requests of a run, divided among models. Each part may be read in a thread of its own; what belongs to the others
    waits for them meanwhile."""

    def __init__(self, requests: Iterable[Request], choose: Callable[[Request], str]) -> None:
        self._source = iter(requests)
        self._choose = choose
        self._order: deque[str] = deque()
        self._waiting: dict[str, deque[Request]] = {}
        self._lock = threading.Lock()

    def of(self, model: str) -> Iterator[Request]:
        """Yield the requests that one model answers, each with its name."""
        while True:
            with self._lock:
                waiting = self._waiting.setdefault(model, deque())
                while not waiting:
                    if not self._pull():
                        return
                request = waiting.popleft()
            yield request

    def following(self) -> str | None:
        """Return the model of the next request in the order of the run, None after the last one."""
        with self._lock:
            if not self._order and not self._pull():
                return None
            return self._order.popleft()

    def _pull(self) -> bool:
        request = next(self._source, None)
        if request is None:
            return False
        model = self._choose(request)
        self._order.append(model)
        self._waiting.setdefault(model, deque()).append(replace(request, model=model))
        return True
