"""The shapes that training libraries read, as TRL names them, and how a version's rows become them.

`messages`, `prompt-completion`, `preference` (prompt, chosen, rejected), `unpaired-preference`
(prompt, completion, label), and `parquet`, which keeps every column. The two preferences compare answers, by the
judge that their caller hands in: a solution is the worse one only where its answer is known to be different, or where
a critic found a step of it wrong and its answer is not known to be the same. `id` stays on every record: a training
row can always be traced. Everything streams; a shape is a function from a version to batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code
from storage.rows import WRONG_STEP
from storage.sql import connect

_BATCH = 8_192

Batches = Iterator[pa.RecordBatch]


def said(rows: pa.RecordBatch) -> pa.Array:
    """The solutions as an assistant says them: a program is a fenced block. Columns solution, solution_format."""
    text = rows.column("solution")
    fenced = pc.binary_join_element_wise("```python", pc.utf8_rtrim_whitespace(text), "```", "\n")
    program = pc.fill_null(pc.equal(rows.column("solution_format"), "pot"), False)
    return pc.if_else(program, fenced, text)


def _solved(store: Store, version: Version) -> Batches:
    """id, question, solution as an assistant says it."""
    columns = ["id", "question", "solution", "solution_format"]
    for batch in store.batches(version, columns, pc.field("solution").is_valid()):
        yield pa.RecordBatch.from_arrays(
            [batch.column("id"), batch.column("question"), said(batch)], ["id", "question", "solution"]
        )


def messages(store: Store, version: Version) -> Batches:
    """id, messages: [{role: user, content: question}, {role: assistant, content: solution}]."""
    for batch in _solved(store, version):
        count = batch.num_rows
        turns = np.arange(2 * count).reshape(2, count).T.reshape(-1)  # question, solution, question, ...
        contents = pa.concat_arrays([batch.column("question"), batch.column("solution")])
        roles = pa.DictionaryArray.from_arrays(
            pa.array(np.tile([0, 1], count), pa.int8()), pa.array(["user", "assistant"])
        )
        turn = pa.StructArray.from_arrays(
            [roles.cast(pa.string()), contents.take(pa.array(turns))], ["role", "content"]
        )
        listed = pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * count + 1, 2), pa.int32()), turn)
        yield pa.RecordBatch.from_arrays([batch.column("id"), listed], ["id", "messages"])


def prompt_completion(store: Store, version: Version) -> Batches:
    """id, prompt: question, completion: solution."""
    for batch in _solved(store, version):
        yield batch.rename_columns(["id", "prompt", "completion"])


def every_column(store: Store, version: Version) -> Batches:
    """All columns; maps as lists of key and value, since `datasets` (5.2) reads no maps."""
    for batch in store.batches(version):
        yield pa.RecordBatch.from_arrays([_listed(column) for column in batch.columns], batch.schema.names)


def _listed(column: pa.Array) -> pa.Array:
    """The column with its maps, at any depth of structs, as lists of key and value."""
    kind = column.type
    if pa.types.is_map(kind):
        return column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
    if pa.types.is_struct(kind):
        fields = [_listed(field) for field in column.flatten()]
        return pa.StructArray.from_arrays(fields, [field.name for field in kind], mask=column.is_null())
    return column


# Reasons that say something about a solution. A row that was dropped as a duplicate, by the mix, for a
# benchmark's sake, as cut off or because our own machinery failed may be perfectly right, and so may one whose reason
# is unknown; neither is ever taught as the worse one.
WORSE = (Code.DIFFERENT, Code.INCOMPARABLE, Code.UNLIKELY, Code.ALONE, Code.BELOW_THRESHOLD, Code.WRONG_STEP)

_SAID = """CASE WHEN {row}.solution_format = 'pot'
    THEN '```python' || chr(10) || rtrim({row}.solution, chr(10) || ' ') || chr(10) || '```'
    ELSE {row}.solution END"""
_CANDIDATES = """
    SELECT * FROM rejected
    WHERE solution IS NOT NULL AND code IN ({codes}) AND NOT reason.failed
      AND (coalesce(verdicts['equivalent'], 'different') = 'different' AND answer IS NOT NULL
           OR coalesce(verdicts['equivalent'], 'unknown') = 'unknown' AND verdicts['{wrong_step}'] IS NOT NULL)
      AND problem_id IN (SELECT problem_id FROM {version}) AND id NOT IN (SELECT id FROM {version})
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY run DESC, stage) = 1
"""
_ACCEPTED = """
    SELECT DISTINCT problem_id, coalesce(answer, reference_answer) AS accepted
    FROM {version} WHERE solution IS NOT NULL
"""
_COMPARED = """
    SELECT worse.id AS id, worse.answer AS answer, accepted.accepted AS accepted,
           worse.verdicts['{wrong_step}'] IS NOT NULL AS misstepped
    FROM ({candidates}) AS worse JOIN ({accepted}) AS accepted USING (problem_id) ORDER BY ALL
"""
# Of the wrong solutions to a question, one of the same format if there is one (else the pair teaches
# the format), then the smallest id, so that an export can be repeated.
_PAIRS = """
    SELECT chosen.id AS id, chosen.question AS prompt, {said_chosen} AS chosen, {said_worse} AS rejected,
           worse.code AS rejected_reason,
           coalesce(greatest(chosen.correctness - worse.correctness, 0), 0)::FLOAT AS margin,
           chosen.correctness AS chosen_correctness, worse.correctness AS rejected_correctness
    FROM {version} AS chosen JOIN wrong AS worse USING (problem_id)
    WHERE chosen.solution IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY chosen.id
        ORDER BY (worse.solution_format IS DISTINCT FROM chosen.solution_format), worse.id
    ) = 1
    ORDER BY id
"""
_LABELLED = """
    SELECT * FROM (
        SELECT id, question AS prompt, {said_chosen} AS completion, true AS label,
               NULL::VARCHAR AS rejected_reason, correctness
        FROM {version} AS chosen WHERE solution IS NOT NULL
        UNION ALL BY NAME
        SELECT id, question AS prompt, {said_worse} AS completion, false AS label,
               code AS rejected_reason, correctness
        FROM wrong AS worse
    ) ORDER BY id
"""

# Verdicts of pairs of answers, each "equal", "different" or "unknown": tasks.answers.Judge.equal
Compare = Callable[[Sequence[tuple[str, str]]], Sequence[str]]


def preference(store: Store, version: Version, compare: Compare) -> Batches:
    """id, prompt, chosen, rejected, rejected_reason (a code of storage/reasons.py), margin (the difference of the
    correctnesses, 0 where one is unknown), chosen_correctness, rejected_correctness: a published solution beside a
    wrong one (`with_wrong`) to the same question. Rows without such a one are left out."""
    yield from _query(store, version, compare, _PAIRS)


def unpaired_preference(store: Store, version: Version, compare: Compare) -> Batches:
    """id, prompt, completion, label, rejected_reason, correctness: every published solution (true) and every wrong
    one (`with_wrong`) to the same questions (false)."""
    yield from _query(store, version, compare, _LABELLED)


@contextmanager
def with_wrong(store: Store, version: Version, compare: Compare) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of storage.sql with one view more: `wrong`, the candidates (columns of the view `rejected`) whose
    answer is different from every accepted answer of their question, and those that have a wrong step by a critic
    and whose answer is missing or cannot be compared. A solution whose answer agrees with an accepted one is not in
    it, whatever a critic thought of it."""
    codes = ", ".join(f"'{code}'" for code in WORSE)
    parts = {"version": f'"{version}"', "codes": codes, "wrong_step": WRONG_STEP}
    candidates, accepted = _CANDIDATES.format(**parts), _ACCEPTED.format(**parts)
    with connect(store) as connection:
        worse: dict[str, bool] = {}  # false for good where one accepted answer speaks against it
        query = connection.sql(_COMPARED.format(candidates=candidates, accepted=accepted, **parts))
        for batch in query.to_arrow_reader(_BATCH):
            names = ("id", "answer", "accepted", "misstepped")
            ids, answers, others, misstepped = (batch.column(name).to_pylist() for name in names)
            verdicts = _verdicts(list(zip(answers, others, strict=True)), compare)
            for row, verdict, step in zip(ids, verdicts, misstepped, strict=True):
                evidence = verdict == "different" or (verdict == "unknown" and step)
                worse[row] = worse.get(row, True) and evidence
        ids = pa.array([row for row, evidence in worse.items() if evidence], pa.string())
        connection.register("wrong_ids", pa.table({"id": ids}))
        connection.execute(
            f"CREATE TEMP VIEW wrong AS SELECT * FROM ({candidates}) WHERE id IN (SELECT id FROM wrong_ids)"
        )
        yield connection


def _verdicts(pairs: Sequence[tuple[str | None, str | None]], compare: Compare) -> list[str]:
    """The verdict of each pair of answers; "unknown" where one of the two is missing."""
    there = [(one, other) for one, other in pairs if one and other]
    verdicts = iter(compare(there))
    return [next(verdicts) if one and other else "unknown" for one, other in pairs]


def _query(store: Store, version: Version, compare: Compare, text: str) -> Batches:
    with with_wrong(store, version, compare) as connection:
        said = {f"said_{row}": _SAID.format(row=row) for row in ("chosen", "worse")}
        found = connection.sql(text.format(version=f'"{version}"', **said))
        yield from found.to_arrow_reader(_BATCH)


SHAPES: dict[str, Callable[[Store, Version], Batches]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    "parquet": every_column,
}
COMPARING: dict[str, Callable[[Store, Version, Compare], Batches]] = {
    "preference": preference,
    "unpaired-preference": unpaired_preference,
}


def shape_of(name: str, store: Store, version: Version, compare: Compare) -> Batches:
    """The version's rows in a shape of SHAPES or COMPARING."""
    return SHAPES[name](store, version) if name in SHAPES else COMPARING[name](store, version, compare)
