"""The pool of the flow weakness: the neighbours of failures in other datasets, and rows of them at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.config.weakness import RANDOM, Weakness
from flows.runner.resources import Tools
from storage.datasets.versions import Version
from storage.indexes.vectors import Vectors
from storage.rows import Row, column, kept, to_table
from tasks.retrieval.published import Published
from tasks.seeding import seeds_of
from tasks.taxonomy import domain_of
from tasks.weakness.failures import FailedItem
from tasks.weakness.neighbours import Neighbour, near_failures, of_skill, precision, recall_of
from tasks.weakness.profile import Labeller, Profile, profile_of


def profiles_of(
    questions: Sequence[str],
    subdomains: Sequence[str | None],
    references: Sequence[str | None],
    encode: Any,
    labeller: Labeller,
    tools: Tools,
) -> tuple[list[Profile], Vectors]:
    """Return the profile of each question, with its guessed subdomain where none is stated, and the vectors (questions, dimensions)."""
    if not questions:
        return [], np.zeros((0, 1), dtype=np.float32)
    vectors = encode(list(questions))
    guesses = labeller.guesses(vectors)
    overlay = tools.settings.overlay()
    profiles = [
        profile_of(question, subdomain, reference, guess=guess, overlay=overlay)
        for question, subdomain, reference, guess in zip(
            questions, subdomains, references, guesses, strict=True
        )
    ]
    return profiles, vectors


def neighbours_of(
    config: Weakness,
    tools: Tools,
    pool: Sequence[Version],
    items: pa.Table,
    failures: Sequence[FailedItem],
    profiles: Sequence[Profile],
    vectors: Vectors,
    labeller: Labeller,
) -> tuple[list[Neighbour], pa.Table, dict[str, Any]]:
    """Return the neighbours, their rows, and the figures: what the nearest would be without a floor and a profile, and what is left."""
    encode, settings = tools.encoder(), config.search.index()
    probe = set(_problem_ids(items))
    published = {str(one): Published(str(tools.home), str(one), one.digest, settings) for one in pool}
    indexes = {name: one.index(encode) for name, one in published.items()} if failures else {}
    every = (
        near_failures(indexes, vectors, most=config.neighbours, floor=-1.0, without=probe) if failures else []
    )
    rows = _rows_of(published, every, tools)
    records = {row["problem_id"]: row for row in rows.to_pylist() if row["kind"] is None}
    every = [one for one in every if one.problem_id in records]
    names = sorted({one.problem_id for one in every})
    known, _ = profiles_of(
        [records[name]["question"] for name in names],
        [records[name]["subdomain"] for name in names],
        [records[name]["reference_answer"] or records[name]["answer"] for name in names],
        encode,
        labeller,
        tools,
    )
    by_problem = dict(zip(names, known, strict=True))
    first: Counter[int] = Counter()
    before = []
    for one in every:
        if first[one.failure] < config.neighbours:
            first[one.failure] += 1
            before.append(one)
    above = [one for one in every if one.cosine >= config.floor]
    if config.same_skill:
        near = of_skill(above, profiles, by_problem, config.neighbours)
    else:
        blank = Profile(None, False, frozenset(), frozenset(), "none")
        near = of_skill(above, [blank] * len(profiles), dict.fromkeys(names, blank), config.neighbours)
    stated = [None if one.guessed else one.subdomain for one in profiles]
    labels = {name: None if one.guessed else one.subdomain for name, one in by_problem.items()}
    touched = {one.problem_id for one in near}
    figures = {
        "precision": {
            "before": precision(before, stated, labels),
            "after": precision(near, stated, labels),
            "by_skill": {
                skill: {
                    "failures": sum(one == skill for one in stated),
                    "before": precision(before, [one if one == skill else None for one in stated], labels),
                    "after": precision(near, [one if one == skill else None for one in stated], labels),
                }
                for skill in sorted({one for one in stated if one})
            },
        },
        "touched": {"before": len({one.problem_id for one in before}), "after": len(touched)},
        "without_neighbour": len(failures) - len({one.failure for one in near}),
        "index": {
            name: {
                "kind": index.kind,
                "questions": index.size,
                "recall": round(recall_of(index, vectors, config.neighbours), 4),
            }
            for name, index in indexes.items()
        },
    }
    subdomains = [
        records[name]["subdomain"]
        if domain_of(records[name]["subdomain"] or "")
        else by_problem[name].subdomain
        for name in names
    ]
    guessed = dict(zip(names, subdomains, strict=True))
    chosen = [
        row | {"subdomain": guessed[row["problem_id"]]}
        for row in records.values()
        if row["problem_id"] in touched
    ]
    return near, pa.Table.from_pylist(chosen, rows.schema), figures


def random_rows_of(
    config: Weakness,
    tools: Tools,
    pool: Sequence[Version],
    items: pa.Table,
    failures: int,
    labeller: Labeller,
) -> pa.Table:
    """Return solved questions of the pool in an order that the seed decides, enough for the arms at random."""
    if not set(RANDOM) & set(config.arms) or not failures:
        return to_table([])
    enough = max(2 * config.rows, failures * (1 + config.examples))
    probe = pa.array(_problem_ids(items), pa.string())
    tables = [tools.store.sample(one, 3 * enough, config.seed, to_table([]).column_names) for one in pool]
    rows = pa.concat_tables([to_table([]), *map(kept, tables)])
    usable = pc.and_(pc.is_null(rows.column("kind")), pc.is_valid(rows.column("solution")))
    rows = rows.filter(pc.and_(usable, pc.invert(pc.is_in(rows.column("problem_id"), value_set=probe))))
    order = np.argsort(seeds_of([config.seed, "random arm"], column(rows, "problem_id")), kind="stable")
    seen: dict[str, int] = {}
    problems = column(rows, "problem_id")
    for place in order.tolist():
        seen.setdefault(problems[place], place)
        if len(seen) == enough:
            break
    return rows.take(pa.array(list(seen.values()), pa.int64()))


def _rows_of(published: Mapping[str, Published], near: Sequence[Neighbour], tools: Tools) -> pa.Table:
    """Return the first row of each neighbour, those of solutions and questions alone."""
    wished: dict[str, set[str]] = {}
    for one in near:
        wished.setdefault(one.source, set()).add(one.problem_id)
    tables = [published[name].rows(sorted(problems)) for name, problems in sorted(wished.items())]
    tables = [kept(table) for table in tables]
    return pa.concat_tables([to_table([]), *tables])


def _problem_ids(items: pa.Table) -> list[str]:
    languages, questions = items.column("language").to_pylist(), items.column("question").to_pylist()
    return [
        Row(question, language).problem_id for language, question in zip(languages, questions, strict=True)
    ]
