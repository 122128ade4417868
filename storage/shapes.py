"""The shapes that training libraries read, as TRL names them, and how a version's rows become them.

`messages`, `prompt-completion`, `preference` (prompt, chosen, rejected), `unpaired-preference`
(prompt, completion, label), and `parquet`, which keeps every column. `id` stays on every record: a
training row can always be traced. Everything streams; a shape is a function from a version to batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets import Store
from storage.reasons import Code
from storage.sql import connect
from storage.versions import Version

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


# Of the bad solutions to a question, one of the same format if there is one (else the pair teaches
# the format), then the smallest id, so that an export can be repeated.
_SAID = """CASE WHEN {row}.solution_format = 'pot'
    THEN '```python' || chr(10) || rtrim({row}.solution, chr(10) || ' ') || chr(10) || '```'
    ELSE {row}.solution END"""
_PAIRS = """
    SELECT chosen.id AS id, chosen.question AS prompt, {said_chosen} AS chosen, {said_worse} AS rejected
    FROM {version} AS chosen JOIN ({worse}) AS worse USING (problem_id)
    WHERE chosen.solution IS NOT NULL AND worse.solution <> chosen.solution
    QUALIFY row_number() OVER (
        PARTITION BY chosen.id
        ORDER BY (worse.solution_format IS DISTINCT FROM chosen.solution_format), worse.id
    ) = 1
    ORDER BY id
"""
_LABELLED = """
    SELECT * FROM (
        SELECT id, question AS prompt, {said_chosen} AS completion, true AS label
        FROM {version} AS chosen WHERE solution IS NOT NULL
        UNION ALL BY NAME
        SELECT id, question AS prompt, {said_worse} AS completion, false AS label
        FROM ({worse}) AS worse WHERE problem_id IN (SELECT problem_id FROM {version})
        AND id NOT IN (SELECT id FROM {version})
    ) ORDER BY id
"""
_WORSE = """
    SELECT id, problem_id, any_value(question) AS question, any_value(solution) AS solution,
           any_value(solution_format) AS solution_format
    FROM rejected
    WHERE solution IS NOT NULL AND code = '{different}'
    GROUP BY id, problem_id
"""


def preference(store: Store, version: Version) -> Batches:
    """id, prompt, chosen, rejected: a published solution beside a candidate to the same question that
    a judging stage rejected. Rows without such a candidate are left out."""
    yield from _query(store, version, _PAIRS)


def unpaired_preference(store: Store, version: Version) -> Batches:
    """id, prompt, completion, label: every published solution (true) and every rejected one to the same
    questions (false)."""
    yield from _query(store, version, _LABELLED)


def _query(store: Store, version: Version, text: str) -> Batches:
    worse = _WORSE.format(different=Code.DIFFERENT)
    with connect(store) as connection:
        said = {f"said_{row}": _SAID.format(row=row) for row in ("chosen", "worse")}
        found = connection.sql(text.format(version=f'"{version}"', worse=worse, **said))
        yield from found.to_arrow_reader(_BATCH)


SHAPES: dict[str, Callable[[Store, Version], Batches]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    "preference": preference,
    "unpaired-preference": unpaired_preference,
    "parquet": every_column,
}
