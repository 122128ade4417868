"""Converts a version's rows into the shapes that training libraries read, under the names that TRL gives them.

The shapes are `messages`, `prompt-completion`, `preference` (prompt, chosen, rejected), `unpaired-preference` (prompt,
completion, label), and `parquet`, which keeps every column. The two preference shapes compare answers with the judge that
the caller passes: a solution counts as the worse one only if its answer is known to be different, or if a critic found a
wrong step in it and its answer is not known to be equal. Every record keeps its `id`, so that a training row can be traced.
A shape is a function from a version to a stream of batches.
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

RecordBatches = Iterator[pa.RecordBatch]


def assistant_texts(rows: pa.RecordBatch) -> pa.Array:
    """Return the solutions as messages of an assistant, with programs in fenced blocks.

    Reads the columns solution and solution_format.
    """
    text = rows.column("solution")
    fenced = pc.binary_join_element_wise("```python", pc.utf8_rtrim_whitespace(text), "```", "\n")
    program = pc.fill_null(pc.equal(rows.column("solution_format"), "pot"), False)
    return pc.if_else(program, fenced, text)


def _solved(store: Store, version: Version) -> RecordBatches:
    """Yield id, question, and solution as a message of an assistant."""
    columns = ["id", "question", "solution", "solution_format"]
    for batch in store.batches(version, columns, pc.field("solution").is_valid()):
        yield pa.RecordBatch.from_arrays(
            [batch.column("id"), batch.column("question"), assistant_texts(batch)],
            ["id", "question", "solution"],
        )


def messages(store: Store, version: Version) -> RecordBatches:
    """Yield id and messages: [{role: user, content: question}, {role: assistant, content: solution}]."""
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


def prompt_completion(store: Store, version: Version) -> RecordBatches:
    """Yield id, prompt (the question) and completion (the solution)."""
    for batch in _solved(store, version):
        yield batch.rename_columns(["id", "prompt", "completion"])


def every_column(store: Store, version: Version) -> RecordBatches:
    """Yield all columns, with maps as lists of key and value, since `datasets` (5.2) reads no maps."""
    for batch in store.batches(version):
        yield pa.RecordBatch.from_arrays([_listed(column) for column in batch.columns], batch.schema.names)


def _listed(column: pa.Array) -> pa.Array:
    """Return the column with its maps, at any depth of structs, as lists of key and value."""
    kind = column.type
    if pa.types.is_map(kind):
        return column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
    if pa.types.is_struct(kind):
        fields = [_listed(field) for field in column.flatten()]
        return pa.StructArray.from_arrays(fields, [field.name for field in kind], mask=column.is_null())
    return column


# Codes of reasons that are about the solution. A row that was dropped as a duplicate, by the mix, by decontamination, as cut
# off, or because a call or the sandbox failed may be right, and so may one whose reason is unknown; such rows are never used
# as the worse solution.
WORSE = (Code.DIFFERENT, Code.INCOMPARABLE, Code.UNLIKELY, Code.ALONE, Code.BELOW_THRESHOLD, Code.WRONG_STEP)

_ASSISTANT_TEXT = """CASE WHEN {row}.solution_format = 'pot'
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
    SELECT chosen.id AS id, chosen.question AS prompt, {chosen_text} AS chosen, {worse_text} AS rejected,
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
        SELECT id, question AS prompt, {chosen_text} AS completion, true AS label,
               NULL::VARCHAR AS rejected_reason, correctness
        FROM {version} AS chosen WHERE solution IS NOT NULL
        UNION ALL BY NAME
        SELECT id, question AS prompt, {worse_text} AS completion, false AS label,
               code AS rejected_reason, correctness
        FROM wrong AS worse
    ) ORDER BY id
"""

# Judges pairs of answers, each as "equal", "different" or "unknown": tasks.answers.Judge.equal
ComparePairs = Callable[[Sequence[tuple[str, str]]], Sequence[str]]


def preference(store: Store, version: Version, compare: ComparePairs) -> RecordBatches:
    """Yield preference pairs: a published solution and a wrong one (see `with_wrong`) to the same question.

    The columns are id, prompt, chosen, rejected, rejected_reason (a code of storage/reasons.py), margin (the difference of
    the correctnesses, 0 if one is unknown), chosen_correctness and rejected_correctness. Rows whose question has no wrong
    solution are left out.
    """
    yield from _query(store, version, compare, _PAIRS)


def unpaired_preference(store: Store, version: Version, compare: ComparePairs) -> RecordBatches:
    """Yield every published solution (label true) and every wrong one (see `with_wrong`) to the same questions (false).

    The columns are id, prompt, completion, label, rejected_reason and correctness.
    """
    yield from _query(store, version, compare, _LABELLED)


@contextmanager
def with_wrong(store: Store, version: Version, compare: ComparePairs) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection of storage.sql with the additional view `wrong` (columns of the view `rejected`).

    The view has the candidates whose answer is different from every accepted answer of their question, and those in which a
    critic found a wrong step and whose answer is missing or cannot be compared. A solution whose answer equals an accepted
    one is not in it, whatever the critic's judgement.
    """
    codes = ", ".join(f"'{code}'" for code in WORSE)
    parts = {"version": f'"{version}"', "codes": codes, "wrong_step": WRONG_STEP}
    candidates, accepted = _CANDIDATES.format(**parts), _ACCEPTED.format(**parts)
    with connect(store) as connection:
        worse: dict[str, bool] = {}  # stays false once one accepted answer contradicts it
        query = connection.sql(_COMPARED.format(candidates=candidates, accepted=accepted, **parts))
        for batch in query.to_arrow_reader(_BATCH):
            names = ("id", "answer", "accepted", "misstepped")
            ids, answers, others, misstepped = (batch.column(name).to_pylist() for name in names)
            judgements = _judgements(list(zip(answers, others, strict=True)), compare)
            for row, judgement, step in zip(ids, judgements, misstepped, strict=True):
                evidence = judgement == "different" or (judgement == "unknown" and step)
                worse[row] = worse.get(row, True) and evidence
        ids = pa.array([row for row, evidence in worse.items() if evidence], pa.string())
        connection.register("wrong_ids", pa.table({"id": ids}))
        connection.execute(
            f"CREATE TEMP VIEW wrong AS SELECT * FROM ({candidates}) WHERE id IN (SELECT id FROM wrong_ids)"
        )
        yield connection


def _judgements(pairs: Sequence[tuple[str | None, str | None]], compare: ComparePairs) -> list[str]:
    """Return the judgement of each pair of answers, "unknown" if one of the two is missing."""
    complete = [(one, other) for one, other in pairs if one and other]
    judgements = iter(compare(complete))
    return [next(judgements) if one and other else "unknown" for one, other in pairs]


def _query(store: Store, version: Version, compare: ComparePairs, text: str) -> RecordBatches:
    with with_wrong(store, version, compare) as connection:
        texts = {f"{row}_text": _ASSISTANT_TEXT.format(row=row) for row in ("chosen", "worse")}
        relation = connection.sql(text.format(version=f'"{version}"', **texts))
        yield from relation.to_arrow_reader(_BATCH)


SHAPES: dict[str, Callable[[Store, Version], RecordBatches]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    "parquet": every_column,
}
COMPARING: dict[str, Callable[[Store, Version, ComparePairs], RecordBatches]] = {
    "preference": preference,
    "unpaired-preference": unpaired_preference,
}


def shape_of(name: str, store: Store, version: Version, compare: ComparePairs) -> RecordBatches:
    """Return the version's rows in the shape `name`, a key of SHAPES or COMPARING."""
    return SHAPES[name](store, version) if name in SHAPES else COMPARING[name](store, version, compare)
