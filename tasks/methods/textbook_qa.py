"""Questions and solutions out of textbooks: the exercises that a passage prints first, then pairs that a model extracts.

An exercise with a printed solution becomes a row without a model; one without becomes a question to be solved, held to the printed
answer where there is one. The model then extracts pairs from what the passage explains, after MAmmoTH2 (Yue et al. 2024,
arXiv:2405.03548). Each pair quotes the words that it rests on, and is refused if the passage does not have them. The book's
exercises come first in the plan, and of two similar questions the first is kept, so the book's solution is preferred to the
model's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, replace
from typing import Any

import orjson
import pyarrow as pa

from prompts.asking_again import ReplyFault
from prompts.schemas.quoted_pairs import QuotedPair
from storage.reasons import Code, shortened
from storage.rows import content_id
from tasks.answers import extract
from tasks.answers.extraction import with_closed_box
from tasks.documents.exercises import exercises, explained, not_given, span_of, stated_answer
from tasks.documents.quotations import find_quotation
from tasks.methods import Ask, Item, Makes, Quota, Takes, malformed
from tasks.replies.items import listed
from tasks.seeding import seed_of

prompt = "textbook_qa"
makes: Makes = "questions"
takes: Takes = "documents"

SHORTEST = 300  # characters of explanation below which a passage is not sent to a model
EACH = 400  # characters of explanation per pair that is requested, at most `generate.per_call` of them
DENSER = {"zh": 3}  # English characters that say what one character of the language says
BETWEEN = "\n\n"  # between the blocks of a passage


def plan(pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
    """Return the asks of as many passages as the quota takes, in an order that follows from the random seed: those that the book
    answers first, then one call per passage."""
    rows_asked_for = sum(quota.values())
    passages = sorted(pool.to_pylist(), key=lambda row: seed_of(seed, prompt, row["id"]))
    printed: list[Ask] = []
    calls: list[Ask] = []
    for row in passages:
        if sum(ask.count for ask in [*printed, *calls]) >= rows_asked_for:
            break
        blocks = row["blocks"] or []
        common = {
            "language": row["language"],
            "subdomain": row["subdomain"],
            "parent_ids": [row["id"]],
            "seed": seed_of(seed, prompt, row["id"], "asked"),
            "inherited": {name: row[name] for name in ("source", "license", "domain") if row[name]},
        }
        document = orjson.loads(row["params"] or "{}")
        if inside := exercises(
            blocks, document.get("refers"), document.get("unsure"), document.get("open_ended", ())
        ):
            variables: dict[str, Any] = {"exercises": [asdict(one) for one in inside], "document": document}
            printed.append(Ask(prompt, "", count=len(inside), variables=variables, **common))
        passage, spans = _passage(row, document)
        length = len(passage) * DENSER.get(row["language"], 1)
        if length >= SHORTEST:
            count = min(per_call, max(1, length // EACH))
            variables = {"passage": passage, "count": count, "spans": spans, "document": document}
            calls.append(Ask(prompt, prompt, count=count, variables=variables, at_most=True, **common))
    return printed + calls


def make(ask: Ask) -> list[Item]:
    """Return the exercises of a passage, with the solutions and answers that the book prints.

    Exercises that begin with the same paragraph are parts of one exercise, or of a group with an introduction. Most of their words
    are the same and the book asks different things, so that each is named as derived from those before it: they are no
    near duplicates of each other.
    """
    items = []
    parts: defaultdict[str, list[str]] = defaultdict(list)  # introduction -> problem ids
    for entry in ask.variables["exercises"]:
        item = _printed(entry, ask.variables["document"])
        introduction, _, own = item.question.partition(BETWEEN)
        if own.strip():
            item = replace(item, derived_from=tuple(parts[introduction]))
            parts[introduction].append(content_id(ask.language, item.question))
        items.append(item)
    return items


def _printed(entry: dict[str, Any], document: dict[str, Any]) -> Item:
    solution, reference = entry["solution"], entry["answer"]
    if entry["solution_lacks"] or entry["solution_misread"]:  # nobody could follow it
        solution = None
    if entry["solution_misread"]:
        reference = None
    missing, misread = entry["lacks"], entry["misread"]
    return Item(
        entry["question"],
        solution=solution,
        solution_format="cot" if solution else None,
        solution_by="source" if solution else None,
        answer=stated_answer(solution, entry["question"]) if solution and not entry["open_ended"] else None,
        reference_answer=reference,
        code=Code.NOT_GIVEN if missing else Code.MISREAD if misread else None,
        values={"text": missing or misread} if missing or misread else {},
        params={"document": document, "label": entry["label"], "spans": entry["spans"]},
    )


def read(text: str, *, cut: bool) -> list[Item]:
    """Return the pairs of a completion, each with its quotation in `params`."""
    items = []
    for pair in listed(text, "pairs", QuotedPair, firsts=("quote", "question")):
        if isinstance(pair, ReplyFault):
            items.append(malformed(pair))
            continue
        solution = with_closed_box(pair.solution)
        extraction = extract(solution, cut=cut) if solution else None
        answer = pair.answer.strip() or (extraction.answer if extraction else "")
        if solution and answer and (extraction is None or extraction.kind != "boxed"):
            solution = f"{solution}\n\\boxed{{{answer}}}"
        items.append(
            Item(
                pair.question,
                solution=solution or None,
                solution_format="cot" if solution else None,
                answer=extraction.answer if extraction and extraction.kind == "boxed" else answer or None,
                params={"quote": pair.quote},
            )
        )
    return items or [Item(code=Code.NOTHING_TO_ASK)]


def check(item: Item, ask: Ask) -> Item:
    """Return the pair with the place of its quotation, or the reason why it is refused."""
    missing = not_given(item.question)
    if missing:
        return replace(item, code=Code.NOT_GIVEN, values={"text": missing})
    quote = item.params["quote"]
    place = find_quotation(quote, ask.variables["passage"])
    if place is None:
        return replace(item, code=Code.NOT_QUOTED, values={"quote": shortened(quote, 80)})
    start, end = place
    spans = [span for first, last, span in ask.variables["spans"] if first < end and start < last]
    params = {
        "document": ask.variables["document"],
        "quote": ask.variables["passage"][start:end],
        "spans": spans,
    }
    return replace(item, params=params)


def _passage(
    row: dict[str, Any], document: dict[str, Any]
) -> tuple[str, list[tuple[int, int, dict[str, Any]]]]:
    """Return what a passage explains, without its exercises, and (start, end, span) of each block in it. A row whose structure
    is not known is explanation as a whole."""
    if row["blocks"] is None:
        return row["question"], []
    text = "".join(f"# {heading}{BETWEEN}" for heading in [*document.get("headings", ())][-1:])
    spans = []
    for block in explained(row["blocks"]):
        spans.append((len(text), len(text) + len(block["text"]), span_of(block)))
        text += block["text"] + BETWEEN
    return (text.rstrip() if spans else ""), spans
