"""What a model says about the concepts of a text, and rows with it filled in.

A text is a question or a passage, identified by `problem_id`, which is a hash of its language and its words. So equal texts are asked about
once, and a text of which a model has named the concepts is never sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from prompts.asking_again import FaultKind, ReplyFault
from storage.rows import CHAT, Row, column, replace, to_table
from tasks.concepts.graph import normal
from tasks.conditions import readable_concepts
from tasks.replies.items import names, text_of
from tasks.seeding import seed_of
from tasks.taxonomy import SUBDOMAINS, domain_of, local_name

PROMPT: Final = "extract_concepts"
MOST: Final = 8  # concepts of one text
LONGEST: Final = 6_000  # characters of a text that are shown
_DECORATION = re.compile(r"^(?:\s|[-*•·]|[(（]?\d{1,2}[.)、）])+|[\s.。;；,，]+$")
_QUOTES = "\"'`“”‘’「」《》$*"
_WORDS: Final = 8  # of an English name; a longer one is a sentence


@dataclass(frozen=True, slots=True)
class Extracted:
    """The concepts of a text, and the subdomain that it belongs to, None if it is none of the taxonomy."""

    concepts: tuple[str, ...]
    subdomain: str | None = None


def extracted(text: str, language: str) -> Extracted | ReplyFault:
    """Return what a completion of the prompt PROMPT names in a text in `language`, without concepts if it says that there are none, or the
    fault for which it cannot be used. English names that a Chinese text's completion has are put into Chinese where they are known, and
    left out where not."""
    listed = names(text, "concepts")
    if isinstance(listed, ReplyFault):
        return listed
    concepts: dict[str, str] = {}
    field = _subdomain(text_of(text, "field") or "")
    bare = [_DECORATION.sub("", _DECORATION.sub("", one).strip(_QUOTES)).strip(_QUOTES) for one in listed]
    for name in readable_concepts(bare, field, language):
        if len(name.split()) <= _WORDS and (key := normal(name)) and re.search(r"[^\W\d_]{2}", name):
            concepts.setdefault(key, " ".join(name.split()))
    if listed and not concepts:
        return ReplyFault(FaultKind.OTHER, "no name of the list of concepts can be used")
    return Extracted(tuple(list(concepts.values())[:MOST]), field)


def _subdomain(field: str) -> str | None:
    named = field.strip(_QUOTES + " .。").casefold()
    return next(
        (
            one
            for one in SUBDOMAINS
            if named in (one.casefold(), *(local_name(one, code).casefold() for code in ("en", "zh")))
        ),
        None,
    )


def without_concepts(rows: pa.Table) -> pa.Table:
    """Return a row per text of the rows that have no concepts, with nothing but the text and what it is about, in an order that follows
    from their hashes. Chats are left out."""
    names = ["problem_id", "question", "language", "domain", "subdomain", "concepts"]
    kinds = column(rows, "kind") if "kind" in rows.column_names else [None] * rows.num_rows
    texts: dict[str, Row] = {}
    described = set()
    for kind, problem, question, language, domain, subdomain, concepts in zip(
        kinds, *(column(rows, name) for name in names), strict=True
    ):
        if concepts:
            described.add(problem)
        elif kind != CHAT:
            texts.setdefault(
                problem,
                Row(question, language, problem_id=problem, domain=domain, subdomain=subdomain, kind=kind),
            )
    left = sorted(texts.keys() - described, key=lambda problem: seed_of(PROMPT, problem))
    return to_table([texts[problem] for problem in left])


def with_concepts(rows: pa.Table, known: Mapping[str, Extracted]) -> pa.Table:
    """Return the rows with the concepts of their texts (problem id -> concepts) where they have none, and with the subdomain where they name
    none."""
    problems = column(rows, "problem_id")
    concepts, subdomains, domains = (list(column(rows, name)) for name in ("concepts", "subdomain", "domain"))
    changed = False
    for place, problem in enumerate(problems):
        one = known.get(problem)
        if one is None or concepts[place]:
            continue
        changed = True
        concepts[place] = list(one.concepts)
        if subdomains[place] is None and one.subdomain is not None:
            subdomains[place] = one.subdomain
            domains[place] = domains[place] or domain_of(one.subdomain)
    return replace(rows, concepts=concepts, subdomain=subdomains, domain=domains) if changed else rows
