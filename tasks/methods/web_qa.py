"""Questions and answers out of pages of the web, after MAmmoTH2 (Yue et al. 2024, arXiv:2405.03548): extracted, and completed in the same call.

MAmmoTH2 asks twice: one model extracts pairs, another adds missing steps. Here one completion does both, because the words that the page
answers with are quoted beside the completed solution: what was there and what was added stay apart, at one call instead of
two. A pair is refused if the page does not have the quoted words, or if the question states numbers that the page does not have.
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pyarrow as pa

from storage.reasons import Code, shortened
from tasks.methods import Ask, Item, Makes, Quota, Takes, textbook_qa
from tasks.seeding import seed_of

prompt = "web_qa"
makes: Makes = "questions"
takes: Takes = "documents"
read = textbook_qa.read

SHORTEST = 200  # characters of a page below which it is not sent to a model
EACH = 800  # characters of a page per pair that is requested, at most `generate.per_call` of them
_NUMBER = re.compile(r"\d+")


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return one call per page, for as many pages as the quota takes, in an order that follows from the random seed."""
    rows_asked_for = sum(quota.values())
    asks: list[Ask] = []
    planned = 0
    for row in sorted(pool.to_pylist(), key=lambda row: seed_of(seed, prompt, row["id"])):
        if planned >= rows_asked_for:
            break
        length = len(row["question"]) * textbook_qa.DENSER.get(row["language"], 1)
        if length < SHORTEST:
            continue
        count = min(per_call, max(1, length // EACH))
        planned += count
        asks.append(
            Ask(
                prompt,
                prompt,
                language=row["language"],
                subdomain=row["subdomain"],
                count=count,
                variables={
                    "passage": row["question"],
                    "count": count,
                    "spans": [],
                    "document": orjson.loads(row["params"] or "{}"),
                },
                parent_ids=[row["id"]],
                seed=seed_of(seed, prompt, row["id"], "asked"),
                at_most=True,
                inherited={name: row[name] for name in ("source", "license", "domain") if row[name]},
            )
        )
    return asks


def check(item: Item, ask: Ask) -> Item:
    """Return the pair with its quotation, or the reason that the page does not have what it quotes or asks about."""
    quoted = textbook_qa.check(item, ask)
    numbers = set(_NUMBER.findall(ask.variables["passage"]))
    missing = next((one for one in _NUMBER.findall(item.question) if one not in numbers), None)
    if quoted.code is None and missing is not None:
        return replace(item, code=Code.NOT_QUOTED, values={"quote": shortened(item.question, 80)})
    return quoted
