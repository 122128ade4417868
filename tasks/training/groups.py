"""Rows that measurements on a small student compare: samples of the values of a column, and items that a version does not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.ingestion.sources import sources
from tasks.ingestion.values import Unfit
from tasks.problems.machinery.family import LEVELS, families, make
from tasks.seeding import rng_of, seeds_of
from tasks.stages.ingest import language_of_text
from tasks.training.errors import TrainError

ITEMS = 64  # held-out items at most


def samples(store: Store, version: Version, by: str, rows: int, most: int) -> Mapping[str, pa.Table]:
    """Return up to `rows` rows with a solution of each of the `most` most frequent values of the column `by`, chosen by a hash."""
    solved = store.read(version, ["id", by], pc.field("solution").is_valid() & pc.field(by).is_valid())
    by_rows = sorted(
        solved.column(by).value_counts().to_pylist(), key=lambda one: (-one["counts"], one["values"])
    )
    chosen: dict[str, pa.Array] = {}
    for one in by_rows[:most]:
        ids = solved.filter(pc.equal(solved.column(by), one["values"])).column("id").combine_chunks()
        hashes = pa.array(seeds_of(("interference", str(version)), ids.to_pylist()))
        chosen[str(one["values"])] = ids.take(pc.array_sort_indices(hashes)[:rows])
    columns = ["id", "question", "solution"]
    return {name: store.read(version, columns, pc.field("id").isin(ids)) for name, ids in chosen.items()}


def held_out(store: Store, version: Version) -> pa.Table:
    """Return worked problems of the version's subdomains that are not among its problems, ITEMS at most."""
    known = store.read(version, ["problem_id", "subdomain", "language"])
    topics = {
        (one["language"], one["subdomain"]) for one in known.select(["language", "subdomain"]).to_pylist()
    }
    drawn = [
        (language, family)
        for language, subdomain in sorted((str(a), str(b)) for a, b in topics)
        for family in families().values()
        if family.subdomain == subdomain and language in family.phrasings
    ]
    seen = set(known.column("problem_id").to_pylist())
    rows: list[Row] = []
    for number in range(2 * ITEMS if drawn else 0):
        language, family = drawn[number % len(drawn)]
        rng = rng_of("attribution items", number)
        problem = make(family, rng, rng.choice(LEVELS), language)
        worked = "\n".join([*problem.worked.steps, f"\\boxed{{{problem.worked.answer}}}"])
        row = Row(problem.question, language, solution=worked, answer=problem.worked.answer)
        if row.problem_id not in seen and len(rows) < ITEMS:
            seen.add(row.problem_id)
            rows.append(row)
    return to_table(rows)


def of_file(path: Path) -> pa.Table:
    """Return the first ITEMS records of a file as rows. Raises TrainError for one without question and solution."""
    rows: list[Row] = []
    for source in sources([str(path)]):
        for record in source.records():
            fields = record.fields or {}
            question, solution = fields.get("question"), fields.get("solution")
            if not isinstance(question, str) or not isinstance(solution, str):
                raise TrainError(
                    f"{path}, {record.place}: no question and solution. Fix: a file with both columns as texts"
                )
            try:
                language = language_of_text(fields.get("language"), question)
            except Unfit as error:
                raise TrainError(f"{path}, {record.place}: {error}. Fix: leave the record out") from None
            rows.append(Row(question, language, solution=solution))
            if len(rows) == ITEMS:
                return to_table(rows)
    return to_table(rows)
