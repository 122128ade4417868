"""Token limits of answers that are learnt from the lengths of earlier ones, with a stated risk of cutting one off.

A limit that is too low is paid for twice, or the answer is lost; one that is too high pays for answers that never end, since a
model that repeats itself goes on to the limit. The limit of a prompt is the conformal upper bound of the lengths seen: of n
answers, the one of rank ceil((n + 1)(1 - risk)). If the next answer is one more of the same kind, it is longer with
probability `risk` at most, whatever the distribution (Vovk et al. 2005). Answers that do not end within the largest limit are
not counted among the n: no limit would have had them whole.

An answer that is cut off at a learnt limit is not requested again. What ends beyond the limit would then never be seen, and the
limit would shrink from night to night. So one request in EXPLORE, chosen by its hash, has the largest limit, and only answers
whose length could be seen whole count. `learn` recognises them in the ledger.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tasks.llm import wire
from tasks.llm.request import Message, request_of
from tasks.seeding import seed_of

if TYPE_CHECKING:
    from storage.ledger import Stored

EXPLORE = 10
MOST_CALLS = 5_000  # the newest calls of a model that are read
STEP = 32  # limits are multiples of it


@dataclass(frozen=True, slots=True)
class LearntLimit:
    """The limit of one prompt, in tokens.

    most: the largest limit that answers to it had. answers: how many ended answers the limit rests on. endless: how many
    answers beside them did not end within `most`.
    """

    limit: int
    most: int
    answers: int
    endless: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths of the answers to one prompt in tokens, ascending. most: the largest limit. endless: how many answers
    did not end within it. firsts: how many requests had each limit first."""

    ended: tuple[int, ...]
    endless: int
    most: int
    firsts: Mapping[int, int]

    def limit(self, risk: float) -> LearntLimit | None:
        """Return the limit that the next answer that ends exceeds with probability `risk` at most, or the largest one where
        it loses no more tokens; None if too few answers have been seen to state one."""
        rank = math.ceil((len(self.ended) + 1) * (1 - risk))
        if rank > len(self.ended) or not self.ended:
            return None
        bound = min(-(-self.ended[rank - 1] // STEP) * STEP, self.most)
        limits = [
            LearntLimit(limit, self.most, len(self.ended), self.endless) for limit in (self.most, bound)
        ]
        return min(limits, key=self.lost_by_learning)

    def cut(self, limit: int) -> float:
        """Return the share of the answers that a limit cuts off."""
        longer = sum(length > limit for length in self.ended)
        return (longer + self.endless) / max(1, len(self.ended) + self.endless)

    def lost(self, limits: Sequence[int]) -> float:
        """Return the tokens per request that are paid for answers that are cut off, if each limit is tried in turn."""
        lost = 0
        for limit in limits:
            lost += limit * (sum(length > limit for length in self.ended) + self.endless)
        return lost / max(1, len(self.ended) + self.endless)

    def lost_by_learning(self, learnt: LearntLimit) -> float:
        """Return the same for a learnt limit, with the requests that have the largest one."""
        return (self.lost([learnt.limit]) * (EXPLORE - 1) + self.lost([self.most])) / EXPLORE


def prompt_of(tag: str, messages: Sequence[Message]) -> str:
    """Return what stands for a prompt: the stage and the digest of its system message, which is the same for all questions."""
    system = "".join(str(message["content"]) for message in messages if message["role"] == "system")
    return f"{tag}-{hashlib.sha256(system.encode('utf-8', 'replace')).hexdigest()[:12]}"


def explores(messages: Sequence[Message], seed: int | None, sample_index: int) -> bool:
    """Return whether a request has the largest limit, so that the length of its answer is seen whole."""
    texts = [str(message["content"]) for message in messages]
    return seed_of("token limit", seed or 0, sample_index, *texts) % EXPLORE == 0


def lengths(calls: Iterable[Stored]) -> dict[str, Lengths]:
    """Return the lengths of the answers among the calls of one model, by prompt.

    A request that was repeated with a larger limit counts with its last answer. Answers under a limit that was final count
    only if nothing was cut off there: of the others the long ones are missing.
    """
    chains: defaultdict[str, defaultdict[bytes, dict[int, tuple[int, bool]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for stored in calls:
        call = stored.call
        reading = wire.read(request_of(call.request), call.key, call.status, call.raw)
        completion = reading.completion
        if completion.error is not None or completion.usage.estimated:
            continue
        fields: dict[str, Any] = orjson.loads(call.request)
        limit = fields.pop("max_tokens")
        answer = (completion.usage.completion_tokens, completion.finish_reason == "length")
        chains[prompt_of(call.tag, fields["messages"])][orjson.dumps(fields)].setdefault(limit, answer)
    return {prompt: _of_chains(list(by_request.values())) for prompt, by_request in chains.items()}


def _of_chains(chains: Sequence[Mapping[int, tuple[int, bool]]]) -> Lengths:
    """Return the lengths of requests, each with its answers (tokens, cut off) by limit."""
    most = max(max(chain) for chain in chains)
    cut, repeated = Counter[int](), Counter[int]()
    for chain in chains:
        first = min(chain)
        if chain[first][1]:
            cut[first] += 1
            repeated[first] += max(chain) > first
    final = {first for first in cut if first < most and 2 * repeated[first] < cut[first]}
    whole = [chain for chain in chains if min(chain) not in final]
    last = [chain[max(chain)] for chain in whole]
    return Lengths(
        tuple(sorted(tokens for tokens, is_cut in last if not is_cut)),
        sum(is_cut for _, is_cut in last),
        most,
        Counter(min(chain) for chain in whole),
    )


def learn(calls: Iterable[Stored], risk: float) -> dict[str, LearntLimit]:
    """Return the limits at this risk by prompt; none for a prompt with too few answers. Raises ValueError for a risk
    outside of (0, 1)."""
    if not 0 < risk < 1:
        raise ValueError(f"risk is {risk}; it must be between 0 and 1")
    limits = {prompt: seen.limit(risk) for prompt, seen in lengths(calls).items()}
    return {prompt: limit for prompt, limit in sorted(limits.items()) if limit is not None}
