"""Two problems joined into one, after MathFusion (Pei et al. 2025, arXiv:2503.16212): in sequence, in parallel, or conditionally.

A pair is a problem and the nearest one among those that come after it: by common concepts, then by subdomain and domain. Both have the same
licence. The numbers of both have to occur in the new problem, but for one of the second that the first result replaces; a problem without
numbers of its own has to occur by its words, and words have to join the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from prompts.schemas.fused_problem import FusedProblem
from storage.reasons import Code
from tasks.conditions import local_concepts
from tasks.dedup.normalise import canonical
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.additions import unused_half
from tasks.rewriting.numbers import spelled, values_of
from tasks.rewriting.parents import Parent, in_turn, inherited, is_open, topic_for
from tasks.rewriting.replies import written_question
from tasks.seeding import seed_of

prompt = "fuse"
makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("method",)

MANNERS = ("sequence", "parallel", "condition")
LOOKED_AT = 200  # problems that the partner of a problem is chosen among


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one call per pair, until the quota of the topic of its first problem is met; the manners take turns. A problem is in one
    pair."""
    first = seed_of(seed, prompt, "manner")
    asks: list[Ask] = []
    rows = [row for row in in_turn(pool, seed, prompt) if row["method"] != prompt and is_open(row)]
    for one, other in pairs(rows, quota):
        sources = list(dict.fromkeys(row["source"] for row in (one, other) if row["source"]))
        concepts = list(
            dict.fromkeys(
                name
                for row in (one, other)
                for name in local_concepts(row["concepts"] or (), row["subdomain"], row["language"])
            )
        )
        asks.append(
            Ask(
                prompt,
                prompt,
                language=one["language"],
                subdomain=one["subdomain"],
                count=1,
                variables={
                    "first": one["question"],
                    "second": other["question"],
                    "manner": MANNERS[(first + len(asks)) % len(MANNERS)],
                    "parents": [one["problem_id"], other["problem_id"]],
                },
                parent_ids=[one["id"], other["id"]],
                seed=seed_of(seed, prompt, one["id"], other["id"], "asked"),
                inherited=inherited(one) | {"source": "; ".join(sources), "concepts": concepts},
            )
        )
    return asks


def pairs(rows: Sequence[Parent], quota: Quota) -> list[tuple[Parent, Parent]]:
    """Return pairs of the rows, in their order; each row is in one pair at most."""
    missing = Counter({topic: count for topic, count in quota.items() if count > 0})
    free = list(rows)
    chosen = []
    while free and any(count > 0 for count in missing.values()):
        one = free.pop(0)
        topic = topic_for(one, missing, stand_in=True)
        if topic is None:
            continue
        partners = [
            row
            for row in free[:LOOKED_AT]
            if row["language"] == one["language"] and row["license"] == one["license"]
        ]
        if partners:
            other = max(partners, key=lambda row: nearness(one, row))
            free.remove(other)
            chosen.append((one, other))
            missing[topic] -= 1
    return chosen


def nearness(one: Parent, other: Parent) -> tuple[float, bool, bool]:
    """Return how near two problems are, to be compared: the Jaccard similarity of their concepts, then whether they share the
    subdomain and the domain."""
    points, others = set(one["concepts"] or ()), set(other["concepts"] or ())
    common = len(points & others) / len(points | others) if points | others else 0.0
    return common, *(one[name] is not None and one[name] == other[name] for name in ("subdomain", "domain"))  # type: ignore[return-value]


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the problem of a completion as one item."""
    return written_question(text, FusedProblem, "fused")


def check(item: Item, ask: Ask) -> Item:
    """Return the problem with the manner in which it joins the two, or the reason that it does not use both."""
    given = ask.variables
    if canonical([item.question])[0] in canonical([given["first"], given["second"]]):
        return replace(item, code=Code.UNCHANGED)
    values = values_of(item.question)
    missing = sorted(values_of(given["first"]) - values)
    replaced = sorted(values_of(given["second"]) - values)
    missing += replaced[1:] if given["manner"] == "sequence" else replaced
    if missing:
        return replace(item, code=Code.NUMBER_LEFT_OUT, values={"text": spelled(missing[0])})
    if (why := unused_half(given["first"], given["second"], item.question)) is not None:
        return replace(item, code=Code.HALF_UNUSED, values={"why": why})
    return replace(item, derived_from=tuple(given["parents"]), params={"manner": given["manner"]})
