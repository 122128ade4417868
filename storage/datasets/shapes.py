"""Converts a version's rows into the shapes that training libraries read, under the names that TRL gives them.

The shapes are `messages`, `prompt-completion`, `prompt-only` (prompt, answer), `preference` (prompt, chosen, rejected), `unpaired-preference` (prompt,
completion, label), `step-preference` and `stepwise-supervision` (storage/datasets/steps.py), and `parquet`, which keeps every column.
The two preference shapes of solutions compare answers with the judge that
the caller passes: a solution counts as the worse one only if its answer is known to be different, or if a critic found a
wrong step in it and its answer is not known to be equal. Every record keeps its `id`, so that a training row can be traced.
A shape is a function from a version to a stream of batches.

Rows of reasoning models have thinking apart from the solution. `Reasoning` says how it is written: as a field of its own
(`reasoning_content` of a message, as the chat templates of reasoning models read it, or a column of that name), "inline" as
<think>...</think> before the solution, or not at all. A version without thinking has the same records in all three.

An interleaved solution (format `tir`) is a chat in the shape `messages`: each program is a call of the tool `python`, what it prints the
turn of this tool, and the record has the tool's schema in `tools`. The other shapes have its text.

Chats (rows of the kind `chat`) are part of the shape `messages`, where a turn that calls tools has `tool_calls` and one of a
tool has `tool_call_id` and `name`, and of `parquet`. A chat that an imported file prefers to another one is part of the preference
shapes (storage/datasets/chat_pairs.py): then prompts and completions of all their records are lists of messages, TRL's conversational
form, since one column has one type. Documents (the kind `text`) are part of `parquet` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.chat_pairs import chat_pairs
from storage.datasets.steps import BELONGS_TO, FLAWED_ROWS, PAIRED_ROWS, WRONG, labelled_steps, step_pairs
from storage.datasets.store import Store
from storage.datasets.turns import CLOSE, FIELD, OF_TOOLS, OPEN, Reasoning, conversation, message_of, one_turn
from storage.datasets.versions import Version
from storage.interleaved import TIR, parts_of
from storage.reasons import Code
from storage.rows import WRONG_STEP, ChatTurn
from storage.sql import connect, texts_in_sql

_BATCH = 8_192

RecordBatches = Iterator[pa.RecordBatch]
PROMPT_ONLY = "prompt-only"
PYTHON = "python"  # the tool that interleaved solutions call
_CODE = pa.struct([("code", pa.string())])
_PYTHON_TOOL = {
    "type": "function",
    "function": {
        "name": PYTHON,
        "description": "Executes a Python program and returns what it prints.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The program."}},
            "required": ["code"],
        },
    },
}
_TOOLS = pa.array([[_PYTHON_TOOL]]).type


def assistant_texts(rows: pa.RecordBatch, *, thinking: bool = False) -> pa.Array:
    """Return the solutions as messages of an assistant, with programs in fenced blocks.

    Reads the columns solution and solution_format. If `thinking`, the column reasoning is read too, and is put before
    the solution in the tags <think> and </think>.
    """
    text = rows.column("solution")
    fenced = pc.binary_join_element_wise("```python", pc.utf8_rtrim_whitespace(text), "```", "\n")
    program = pc.fill_null(pc.equal(rows.column("solution_format"), "pot"), False)
    text = pc.if_else(program, fenced, text)
    if not thinking:
        return text
    reasoning = rows.column("reasoning")
    return pc.if_else(
        reasoning.is_valid(), pc.binary_join_element_wise(OPEN, reasoning, CLOSE, text, ""), text
    )


def has_reasoning(store: Store, version: Version) -> bool:
    """Return whether any solution of the version has thinking."""
    return any(
        batch.num_rows for batch in store.batches(version, ["reasoning"], pc.field("reasoning").is_valid())
    )


def _chats(store: Store, version: Version) -> RecordBatches:
    """Yield id and messages of the rows that are chats."""
    return store.batches(version, ["id", "messages"], pc.field("messages").is_valid())


def _fields_of_chats(store: Store, version: Version) -> set[str]:
    """Return the names of the fields that any turn of the version's chats has."""
    names: set[str] = set()
    for batch in _chats(store, version):
        turns = batch.column("messages").flatten()
        names |= {
            field.name
            for field, values in zip(turns.type, turns.flatten(), strict=True)
            if values.null_count < len(values)
        }
    return names


def has_thinking(store: Store, version: Version) -> bool:
    """Return whether any solution or chat of the version has thinking."""
    return has_reasoning(store, version) or "reasoning" in _fields_of_chats(store, version)


def _solved(
    store: Store, version: Version, reasoning: Reasoning, *, interleaved: bool = True
) -> RecordBatches:
    """Yield id, question, and solution as a message of an assistant; with "field" also the column FIELD, if any row has
    thinking. Unless `interleaved`, solutions of the format TIR are left out."""
    columns = ["id", "question", "solution", "solution_format", "reasoning"]
    field = reasoning == "field" and has_reasoning(store, version)
    solved = pc.field("solution").is_valid()
    if not interleaved:
        solved &= ~pc.coalesce(pc.field("solution_format") == TIR, False)
    for batch in store.batches(version, columns, solved):
        texts = assistant_texts(batch, thinking=reasoning == "inline")
        arrays = [batch.column("id"), batch.column("question"), texts]
        names = ["id", "question", "solution"]
        if field:
            arrays.append(batch.column("reasoning"))
            names.append(FIELD)
        yield pa.RecordBatch.from_arrays(arrays, names)


def messages(store: Store, version: Version, reasoning: Reasoning = "field") -> RecordBatches:
    """Yield id and messages: [{role: user, content: question}, {role: assistant, content: solution}], where the second
    has the further field FIELD if there is thinking and it is written as a field; then the interleaved solutions, as calls of a
    tool; then the chats, with all their turns.

    If there are interleaved solutions, the records have `tools`, null for the others. The arguments of their calls are objects, as
    TRL documents them, unless a chat calls tools: the arguments of chats are the text of a JSON object, and then all are.
    """
    own = _fields_of_chats(store, version)
    mixed = any(batch.num_rows for batch in _interleaved_rows(store, version, ["id"]))
    objects = "tool_calls" not in own
    thinks = reasoning == "field" and ("reasoning" in own or has_reasoning(store, version))
    arguments = _CODE if objects else pa.string()
    kind = conversation(thinks=thinks, of_tools=OF_TOOLS if mixed else own, arguments=arguments)

    def records(ids: pa.Array, turns: pa.Array, *, tools: bool = False) -> pa.RecordBatch:
        arrays, names = [ids, turns], ["id", "messages"]
        if mixed:
            arrays.append(pa.array([[_PYTHON_TOOL] if tools else None] * len(ids), _TOOLS))
            names.append("tools")
        return pa.RecordBatch.from_arrays(arrays, names)

    for batch in _messages_of_solved(store, version, reasoning):
        yield records(batch.column("id"), _with_turns(batch, kind).column("messages"))
    for batch in _interleaved_rows(store, version, ["id", "question", "solution", "reasoning"]):
        listed = [_interleaved_messages(row, reasoning, objects) for row in batch.to_pylist()]
        yield records(batch.column("id"), pa.array(listed, kind), tools=True)
    for batch in _chats(store, version):
        listed = [
            [message_of(turn, reasoning) for turn in turns] for turns in batch.column("messages").to_pylist()
        ]
        yield records(batch.column("id"), pa.array(listed, kind))


def _interleaved_rows(store: Store, version: Version, columns: list[str]) -> RecordBatches:
    return store.batches(version, columns, pc.field("solution_format") == TIR)


def _interleaved_messages(row: dict[str, Any], reasoning: Reasoning, objects: bool) -> list[dict[str, Any]]:
    """Return the messages of an interleaved solution. The thinking, if there is any, is that of the first of the assistant's.

    Ids of calls have nine characters, which is what some chat templates demand.
    """
    messages = [message_of(turn, reasoning) for turn in interleaved_turns(row)]
    for message in messages:
        for call in message.get("tool_calls", ()):
            if objects:
                call["function"]["arguments"] = orjson.loads(call["function"]["arguments"])
    return messages


def interleaved_turns(row: Mapping[str, Any]) -> list[ChatTurn]:
    """Return an interleaved solution as the turns of a chat; reads question, solution and reasoning."""
    turns = [_turn("user", row["question"])]
    words, calls = "", 0
    for part in parts_of(row["solution"]):
        if part.kind == "words":
            words = f"{words}\n\n{part.text}" if words else part.text
            continue
        if part.kind == "program":
            calls += 1
            function = {"name": PYTHON, "arguments": orjson.dumps({"code": part.text}).decode()}
            call = {"id": f"program{calls:02d}", "type": "function", "function": function}
            turns.append(_turn("assistant", words, tool_calls=orjson.dumps([call]).decode()))
        else:
            turns.append(_turn("tool", part.text, tool_call_id=f"program{calls:02d}", name=PYTHON))
        words = ""
    if words:
        turns.append(_turn("assistant", words))
    first = next((turn for turn in turns if turn["role"] == "assistant"), None)
    if first is not None:
        first["reasoning"] = row["reasoning"]
    return turns


def _turn(role: str, content: str, **fields: str) -> ChatTurn:
    turn: ChatTurn = {
        "role": role,
        "content": content,
        "reasoning": None,
        "tool_calls": fields.get("tool_calls"),
        "tool_call_id": fields.get("tool_call_id"),
        "name": fields.get("name"),
    }
    return turn


def _with_turns(batch: pa.RecordBatch, kind: pa.DataType) -> pa.RecordBatch:
    """Return the batch with its messages as the type `kind`, whose further fields are null."""
    turns = batch.column("messages")
    if turns.type == kind:
        return batch
    parts = dict(zip((field.name for field in turns.values.type), turns.values.flatten(), strict=True))
    arrays = [parts.get(field.name, pa.nulls(len(turns.values), field.type)) for field in kind.value_type]
    struct = pa.StructArray.from_arrays(arrays, fields=list(kind.value_type))
    listed = pa.ListArray.from_arrays(turns.offsets, struct)
    return pa.RecordBatch.from_arrays([batch.column("id"), listed], ["id", "messages"])


def _messages_of_solved(store: Store, version: Version, reasoning: Reasoning) -> RecordBatches:
    for batch in _solved(store, version, reasoning, interleaved=False):
        count = batch.num_rows
        turns = pa.array(
            np.arange(2 * count).reshape(2, count).T.reshape(-1)
        )  # question, solution, question, ...
        contents = pa.concat_arrays([batch.column("question"), batch.column("solution")])
        roles = pa.DictionaryArray.from_arrays(
            pa.array(np.tile([0, 1], count), pa.int8()), pa.array(["user", "assistant"])
        )
        parts = {"role": roles.cast(pa.string()), "content": contents.take(turns)}
        if FIELD in batch.schema.names:
            thoughts = pa.concat_arrays([pa.nulls(count, pa.string()), batch.column(FIELD)])
            parts[FIELD] = thoughts.take(turns)
        turn = pa.StructArray.from_arrays(list(parts.values()), list(parts))
        listed = pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * count + 1, 2), pa.int32()), turn)
        yield pa.RecordBatch.from_arrays([batch.column("id"), listed], ["id", "messages"])


def prompt_completion(store: Store, version: Version, reasoning: Reasoning = "field") -> RecordBatches:
    """Yield id, prompt (the question), completion (the solution) and, if there is thinking and it is written as a field,
    FIELD."""
    for batch in _solved(store, version, reasoning):
        yield batch.rename_columns(["id", "prompt", "completion", *batch.schema.names[3:]])


def prompt_only(
    store: Store, version: Version, reasoning: Reasoning = "field", ids: pa.Array | None = None
) -> RecordBatches:
    """Yield each question with a known answer once: id, prompt, answer (the trusted one, or else that of a row), language and, where it was
    measured, the pass rate. ids: of the rows that are read; None: all."""
    among = "" if ids is None else "AND id IN (SELECT id FROM chosen)"
    query = f"""
        SELECT min(id) AS id, min(question) AS prompt, min(coalesce(reference_answer, answer)) AS answer,
               min(language) AS language, min(scores['pass_rate'])::FLOAT AS pass_rate
        FROM "{version}" WHERE kind IS NULL AND coalesce(reference_answer, answer) IS NOT NULL {among}
        GROUP BY problem_id ORDER BY problem_id
    """
    with connect(store) as connection:
        if ids is not None:
            connection.register("chosen", pa.table({"id": ids}))
        yield from connection.sql(query).to_arrow_reader(_BATCH)


def every_column(store: Store, version: Version, reasoning: Reasoning = "field") -> RecordBatches:
    """Yield all columns, with maps as lists of key and value, since `datasets` (5.2) reads no maps. Thinking is a column
    of its own, whatever `reasoning` says."""
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
WORSE = (
    Code.DIFFERENT,
    Code.INCOMPARABLE,
    Code.UNLIKELY,
    Code.ALONE,
    Code.BELOW_THRESHOLD,
    Code.WRONG_STEP,
    Code.FLAGGED_WRONG,
    Code.NOT_PREFERRED,
)

_ASSISTANT_TEXT = """CASE WHEN {row}.solution_format = 'pot'
    THEN '```python' || chr(10) || rtrim({row}.solution, chr(10) || ' ') || chr(10) || '```'
    ELSE {row}.solution END"""
_THINKING = """CASE WHEN {row}.reasoning IS NULL THEN ''
    ELSE '<think>' || chr(10) || {row}.reasoning || chr(10) || '</think>' || chr(10) || chr(10) END"""
_CANDIDATES = (
    """
    SELECT * FROM (SELECT * FROM rejected
    WHERE solution IS NOT NULL AND code IN ({codes}) AND NOT reason.failed {of_runs}
      AND (coalesce(verdicts['equivalent'], 'different') = 'different' AND answer IS NOT NULL
           OR coalesce(verdicts['equivalent'], 'unknown') = 'unknown' AND verdicts['{wrong_step}'] IS NOT NULL)
      AND problem_id IN (SELECT problem_id FROM {version}) AND id NOT IN (SELECT id FROM {version})
      AND problem_id NOT IN (SELECT problem_id FROM {version} WHERE params LIKE '%"{wrong}":[%')
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY run DESC, stage) = 1)
    UNION ALL BY NAME ("""
    + FLAWED_ROWS
    + ") UNION ALL BY NAME ("
    + PAIRED_ROWS
    + ")"
)
_ACCEPTED = """
    SELECT DISTINCT problem_id, coalesce(answer, reference_answer) AS accepted
    FROM {version} WHERE solution IS NOT NULL
"""
_COMPARED = """
    SELECT worse.id AS id, worse.answer AS answer, accepted.accepted AS accepted,
           worse.verdicts['{wrong_step}'] IS NOT NULL AS misstepped
    FROM ({candidates}) AS worse JOIN ({accepted}) AS accepted USING (problem_id) ORDER BY ALL
"""
# Both sides have one format, else the pair teaches the format. Of the wrong solutions to a question, the one that the row itself corrects,
# then the one whose length is nearest, then the smallest id, so that an export can be repeated.
_PAIRS = """
    SELECT chosen.id AS id, chosen.question AS prompt, {chosen_text} AS chosen, {worse_text} AS rejected,
           {chosen_field} {worse_field} worse.code AS rejected_reason,
           coalesce(worse.margin, greatest(chosen.correctness - worse.correctness, 0), 0)::FLOAT AS margin,
           chosen.correctness AS chosen_correctness, worse.correctness AS rejected_correctness
    FROM {version} AS chosen JOIN wrong AS worse USING (problem_id)
    WHERE chosen.solution IS NOT NULL AND worse.solution_format IS NOT DISTINCT FROM chosen.solution_format
    QUALIFY row_number() OVER (
        PARTITION BY chosen.id
        ORDER BY (worse.right_id IS DISTINCT FROM chosen.id), abs(length(worse.solution) - length(chosen.solution)), worse.id
    ) = 1
    ORDER BY id
"""
_LABELLED = """
    SELECT * FROM (
        SELECT id, question AS prompt, {chosen_text} AS completion, {chosen_field} true AS label,
               NULL::VARCHAR AS rejected_reason, correctness, [id] AS {belongs_to}
        FROM {version} AS chosen WHERE solution IS NOT NULL
        UNION ALL BY NAME
        SELECT id, question AS prompt, {worse_text} AS completion, {worse_field} false AS label,
               code AS rejected_reason, correctness, CASE WHEN right_id IS NULL THEN ids ELSE [right_id] END AS {belongs_to}
        FROM wrong AS worse JOIN (SELECT problem_id, list(id ORDER BY id) AS ids FROM {version} GROUP BY problem_id) USING (problem_id)
    ) ORDER BY id
"""

# Judges pairs of answers, each as "equal", "different" or "unknown": tasks.answers.Judge.equal
ComparePairs = Callable[[Sequence[tuple[str, str]]], Sequence[str]]


def preference(
    store: Store, version: Version, compare: ComparePairs, reasoning: Reasoning = "field"
) -> RecordBatches:
    """Yield preference pairs: a published solution and a wrong one (see `with_wrong`) to the same question, then the pairs of chats.

    The columns are id, prompt, chosen, rejected, rejected_reason (a code of storage/reasons.py), margin (the difference of
    the correctnesses, 0 if one is unknown), chosen_correctness and rejected_correctness; if there is thinking and it is
    written as a field, also chosen_reasoning and rejected_reasoning, or the field FIELD of the messages where there are chats.
    Both sides have the same format. Rows whose question has no wrong solution in their format are left out.
    """
    fields = ("chosen_reasoning", "rejected_reasoning")
    kind = _conversation_of_pairs(store, version, reasoning)
    for batch in _query(store, version, compare, reasoning, _PAIRS, fields):
        yield batch if kind is None else _as_conversations(batch, kind, ("chosen", "rejected"), fields)
    if kind is None:
        return
    for pair in chat_pairs(store, version):
        prompt, chosen, rejected = pair.messages(reasoning)
        yield _record(
            kind,
            {
                "id": pair.id,
                "prompt": prompt,
                "chosen": chosen,
                "rejected": rejected,
                "rejected_reason": pair.code,
            }
            | {"margin": 0.0, "chosen_correctness": None, "rejected_correctness": None},
        )


def unpaired_preference(
    store: Store, version: Version, compare: ComparePairs, reasoning: Reasoning = "field"
) -> RecordBatches:
    """Yield every published solution (label true) and every wrong one (see `with_wrong`) to the same questions (false), then both
    sides of the pairs of chats.

    The columns are id, prompt, completion, label, rejected_reason, correctness and BELONGS_TO; if there is thinking and it is written
    as a field, also FIELD, which is a field of the messages where there are chats.
    """
    kind = _conversation_of_pairs(store, version, reasoning)
    for batch in _query(store, version, compare, reasoning, _LABELLED, (FIELD, FIELD)):
        yield batch if kind is None else _as_conversations(batch, kind, ("completion",), (FIELD,))
    if kind is None:
        return
    for pair in chat_pairs(store, version):
        prompt, chosen, rejected = pair.messages(reasoning)
        for row, completion, code in ((pair.id, chosen, None), (pair.worse_id, rejected, pair.code)):
            yield _record(
                kind,
                {"id": row, "prompt": prompt, "completion": completion, "label": code is None}
                | {"rejected_reason": code, "correctness": None, BELONGS_TO: [pair.id]},
            )


def _conversation_of_pairs(store: Store, version: Version, reasoning: Reasoning) -> pa.DataType | None:
    """Return the type of the conversations in the preference shapes, None if the version has no pair of chats."""
    own: set[str] = set()
    none = True
    for pair in chat_pairs(store, version):
        none = False
        own |= {name for turn in pair.turns() for name, value in turn.items() if value is not None}
    if none:
        return None
    thinks = reasoning == "field" and ("reasoning" in own or has_reasoning(store, version))
    return conversation(thinks=thinks, of_tools=own)


def _as_conversations(
    batch: pa.RecordBatch, kind: pa.DataType, completions: Sequence[str], thoughts: Sequence[str]
) -> pa.RecordBatch:
    """Return a batch whose prompts and completions are texts with conversations in their place. `thoughts` are the columns with the
    thinking of the completions, which become a field of their messages."""
    columns = {"prompt": one_turn("user", batch.column("prompt"), kind)}
    for name, thinking in zip(completions, thoughts, strict=True):
        thought = batch.column(thinking) if thinking in batch.schema.names else None
        columns[name] = one_turn("assistant", batch.column(name), kind, thought)
    kept = [name for name in batch.schema.names if name not in thoughts]
    return pa.RecordBatch.from_arrays([columns.get(name, batch.column(name)) for name in kept], kept)


def _record(kind: pa.DataType, values: dict[str, Any]) -> pa.RecordBatch:
    """Return a record of a pair of chats, with the types that the others have."""
    types = {"prompt": kind, "chosen": kind, "rejected": kind, "completion": kind}
    types |= {"id": pa.string(), "rejected_reason": pa.string(), "label": pa.bool_()}
    types[BELONGS_TO] = pa.list_(pa.string())
    return pa.RecordBatch.from_arrays(
        [pa.array([value], types.get(name, pa.float32())) for name, value in values.items()], list(values)
    )


@contextmanager
def with_wrong(
    store: Store, version: Version, compare: ComparePairs, runs: Collection[str] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection of storage.sql with the additional view `wrong` (columns of the view `rejected`).

    `runs`: those whose candidates are read; None: all, those of runs after the version too.

    The view has the solutions with a flaw that rows of the version correct (storage/datasets/steps.py), the candidates whose answer is different from every accepted answer of their question, and those in which a
    critic found a wrong step and whose answer is missing or cannot be compared. A solution whose answer equals an accepted
    one is not in it, whatever the critic's judgement.
    """
    codes = ", ".join(f"'{code}'" for code in WORSE)
    parts = {"version": f'"{version}"', "codes": codes, "wrong_step": WRONG_STEP, "wrong": WRONG}
    parts["of_runs"] = "" if runs is None else f"AND list_contains({texts_in_sql(runs)}, run)"
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


def _query(
    store: Store,
    version: Version,
    compare: ComparePairs,
    reasoning: Reasoning,
    text: str,
    fields: tuple[str, str],
) -> RecordBatches:
    """Yield the rows of the SQL `text`; `fields` are the columns for the thinking of the published and the wrong row."""
    field = reasoning == "field" and has_reasoning(store, version)
    parts = {}
    for row, name in zip(("chosen", "worse"), fields, strict=True):
        shown = _ASSISTANT_TEXT.format(row=row)
        parts[f"{row}_text"] = f"{_THINKING.format(row=row)} || {shown}" if reasoning == "inline" else shown
        parts[f"{row}_field"] = f"{row}.reasoning AS {name}," if field else ""
    with with_wrong(store, version, compare) as connection:
        relation = connection.sql(text.format(version=f'"{version}"', belongs_to=BELONGS_TO, **parts))
        yield from relation.to_arrow_reader(_BATCH)


SHAPES: dict[str, Callable[[Store, Version, Reasoning], RecordBatches]] = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    PROMPT_ONLY: prompt_only,
    "parquet": every_column,
    "step-preference": step_pairs,
    "stepwise-supervision": labelled_steps,
}
COMPARING: dict[str, Callable[[Store, Version, ComparePairs, Reasoning], RecordBatches]] = {
    "preference": preference,
    "unpaired-preference": unpaired_preference,
}


def shape_of(
    name: str,
    store: Store,
    version: Version,
    compare: ComparePairs,
    reasoning: Reasoning = "field",
    ids: pa.Array | None = None,
) -> RecordBatches:
    """Return the version's rows in the shape `name`, a key of SHAPES or COMPARING; of the rows `ids` only, if they are given. Batches of
    shapes whose records need not have the ids of rows have the column BELONGS_TO."""
    if name == PROMPT_ONLY:
        # a record is a question, whose rows may be chosen in part: the choice comes before the grouping
        return prompt_only(store, version, reasoning, ids)
    whole = (
        SHAPES[name](store, version, reasoning)
        if name in SHAPES
        else COMPARING[name](store, version, compare, reasoning)
    )
    return whole if ids is None else _only(whole, ids)


def _only(batches: RecordBatches, ids: pa.Array) -> RecordBatches:
    for batch in batches:
        yield batch.filter(of_rows(batch, ids))


def of_rows(batch: pa.RecordBatch, ids: pa.Array) -> pa.Array:
    """Return which records are of the rows `ids`, or belong to one of them."""
    if BELONGS_TO not in batch.schema.names:
        return pc.is_in(batch.column("id"), value_set=ids)
    lists = batch.column(BELONGS_TO)
    inside = pc.is_in(pc.list_flatten(lists), value_set=ids)
    places = pc.list_parent_indices(lists).filter(inside)
    return pc.is_in(pa.array(range(batch.num_rows), pa.int64()), value_set=places.cast(pa.int64()))
