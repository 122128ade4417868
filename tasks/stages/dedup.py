"""The stage `dedup`: drop duplicates among judged rows.

Rows of one question (k samples, in words and as programs) are not duplicates of each other by their
question. Questions are therefore compared across problem_ids, and a duplicate question takes all its rows
with it. Within one problem_id, solutions of the same format are compared, each with the reasoning before it: equal
solutions after different reasoning are different rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.indexes.sketches import History
from storage.reasons import Code, Reason, reason
from tasks.dedup import jaccard
from tasks.dedup.cluster import rank_of
from tasks.dedup.decisions import pool_segments, with_reasons
from tasks.dedup.jaccard import F64
from tasks.dedup.normalise import canonical_array, template_array
from tasks.dedup.questions import clustered, comparable, judge
from tasks.dedup.segment import Questions
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64, Ragged, mix, number_multisets, shingle_sets, text_hashes, tokens

DEFAULTS = DedupSettings()


def dedup(
    table: pa.Table,
    *,
    history: History | None = None,
    beside: pa.Table | None = None,
    settings: DedupSettings = DEFAULTS,
    tick: Callable[[int], None] | None = None,
) -> pa.Table:
    """Return the rows with `rejected` set on duplicates and the verdict dedup=unique on the others.

    Reasons read "dedup: exact of <row id>", "dedup: there already, word for word", "dedup: jaccard 0.83
    with <row id>", "dedup: lcs 0.75 with <row id>" or "dedup: template: ...". `beside` holds rows accepted
    earlier in the run: together with `history` they are the pool that rows are compared with, and are never
    dropped. Rows that come in rejected are left as they are and are not compared.
    """
    live = np.flatnonzero(pc.is_null(table.column("rejected")).to_numpy())
    rows = table.take(pa.array(live))
    quality = quality_of(rows)
    reasons = repeated_solutions(rows, quality, settings)
    problem = (
        rows.column("problem_id").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    )
    # the best row of a problem represents its question
    order = np.lexsort((rank_of(quality, rows.column("id").combine_chunks()), problem))
    first = order[np.unique(problem[order], return_index=True)[1]]
    questions = Questions.of(rows.take(pa.array(first)))
    for k, why in enumerate(
        judge(questions, pool_segments(history, beside, settings), quality[first], settings)
    ):
        if why is not None:
            for row in np.flatnonzero(problem == k).tolist():
                reasons[row] = why
    return with_reasons(table, live, reasons, "dedup", "unique", tick)


def quality_of(rows: pa.Table) -> F64:
    """Rate each row, to choose which duplicate is kept: a verified answer first, then `correctness`, or
    else the mean score.
    """
    count = len(rows)
    mean = _map_mean(rows.column("scores"), count)
    correctness = rows.column("correctness").to_numpy(zero_copy_only=False).astype(np.float64)
    verified = _has_entry(rows.column("verdicts"), "equivalent", "equal", count)
    return verified + np.where(np.isnan(correctness), mean, correctness)


def _map_mean(column: pa.ChunkedArray, count: int) -> F64:
    flat = column.combine_chunks().cast(pa.list_(column.type.field(0).type))
    if not count or not len(flat.flatten()):
        return np.zeros(count)
    parent = pc.list_parent_indices(flat).to_numpy()
    value = pc.struct_field(flat.flatten(), 1).to_numpy(zero_copy_only=False).astype(np.float64)
    value = np.nan_to_num(value)
    sums = np.bincount(parent, weights=value, minlength=count)
    means: F64 = sums / np.maximum(np.bincount(parent, minlength=count), 1)
    return means


def _has_entry(column: pa.ChunkedArray, key: str, item: str, count: int) -> F64:
    flat = column.combine_chunks().cast(pa.list_(column.type.field(0).type))
    if not count or not len(flat.flatten()):
        return np.zeros(count)
    entries = flat.flatten()
    hit = pc.and_(pc.equal(pc.struct_field(entries, 0), key), pc.equal(pc.struct_field(entries, 1), item))
    parent = pc.list_parent_indices(flat).to_numpy()
    return (
        np.bincount(parent[hit.to_numpy(zero_copy_only=False)], minlength=count)
        .clip(max=1)
        .astype(np.float64)
    )


def repeated_solutions(rows: pa.Table, quality: F64, settings: DedupSettings) -> list[Reason | None]:
    """Compare solutions of one question and one format, with their reasoning: equal canonical text, or a Jaccard of at
    least solution_jaccard.
    """
    ids = rows.column("id").to_pylist()
    reasons: list[Reason | None] = [None] * len(rows)
    solved = np.flatnonzero(pc.is_valid(rows.column("solution")).to_numpy())
    with_solution = rows.take(pa.array(solved))
    group = _groups(with_solution)
    texts = canonical_array(_with_reasoning(with_solution))
    keys = pa.table({"group": group, "text": texts})
    quality, ids = quality[solved], [ids[k] for k in solved.tolist()]
    rank = rank_of(quality, ids)
    first: dict[tuple[int, str], int] = {}
    pairs = list(zip(keys.column("group").to_pylist(), keys.column("text").to_pylist(), strict=True))
    for k in np.argsort(rank).tolist():
        best = first.setdefault(pairs[k], k)
        if best != k:
            reasons[int(solved[k])] = reason("dedup", Code.EXACT, other=ids[best])
    similar = jaccard.join(
        _salted(texts, with_solution, group, settings.n), threshold=settings.solution_jaccard
    )
    fresh = np.array([reasons[int(k)] is None for k in solved.tolist()], dtype=bool)
    similar = similar.where(
        fresh[similar.left] & fresh[similar.right] & (group[similar.left] == group[similar.right])
    )
    templates, numbers = text_hashes(template_array(texts)), number_multisets(texts)
    similar = similar.where(
        comparable((templates,) * 2, (numbers,) * 2, similar.left, similar.right, settings)
    )
    for row, other, score in clustered(similar, quality, ids):
        reasons[int(solved[row])] = reason(
            "dedup", Code.NEAR, measure="jaccard", score=f"{score:.2f}", other=ids[other]
        )
    return reasons


def _with_reasoning(rows: pa.Table) -> pa.ChunkedArray:
    """Return each solution behind the reasoning that was written before it, where there is some."""
    solutions, reasonings = rows.column("solution"), pc.fill_null(rows.column("reasoning"), "")
    return pc.if_else(
        pc.equal(reasonings, ""), solutions, pc.binary_join_element_wise(reasonings, solutions, "\n")
    )


def _groups(rows: pa.Table) -> I64:
    """Return a number for each (problem, format)."""
    names = pc.binary_join_element_wise(
        rows.column("problem_id"), pc.fill_null(rows.column("solution_format"), ""), "\x1f"
    )
    numbers: I64 = names.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _salted(texts: pa.Array, rows: pa.Table, group: I64, n: int) -> Ragged:
    """Return shingle sets that only rows of one group can share, so that no pairs across groups are
    compared.
    """
    sets = shingle_sets(tokens(texts, pc.fill_null(rows.column("language"), "en")), n)
    salt = mix(group.astype(np.uint64) + np.uint64(1))
    return Ragged(sets.offsets, mix(sets.values ^ salt[sets.row_of_value]))
