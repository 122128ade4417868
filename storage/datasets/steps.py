"""What rows know about the single steps of a solution, as pairs of steps and as labelled steps.

Three kinds of rows do, in their column `params`. A nearly right one has FLAW: the solution with a flaw that its own solution corrects, with
the number of the first wrong line (from 1), the kind of the flaw, its explanation, the wrong answer, and an id of its own. One that was found by a search over
steps has VALUES: per step of its solution the text, its value (the share of continuations that led to the right answer, from 0 to 1), and the
steps that were tried in its place. One of the flow `rft` has WRONG: wrong solutions of its question, the worse sides of pairs with it, with
the number of the first wrong line where it is known; and RIGHT_STEPS, which names what examined the steps of its own solution without
an objection. The column `solution` has right steps only, so that nothing that trains on solutions meets the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.versions import Version

FLAW: Final = "flaw"
VALUES: Final = "steps"
WRONG: Final = "wrong"
RIGHT_STEPS: Final = "right_steps"
# column of records whose ids need not be those of rows: the ids of the rows of the version, to one of which the record belongs. It decides
# whether the record is chosen and in which split it is, and is not written.
BELONGS_TO: Final = "belongs_to"
FLAWED_REASON: Final = "flawed"  # as `rejected_reason` of pairs whose worse side has a flaw
GOOD: Final = 0.5  # value from which on a step counts as right
APART: Final = 0.25  # least difference of the values of a pair

# The solutions with a flaw as rows of their own, in the columns of the view `rejected` that pairs need. `right_id` is the row that
# corrects them.
FLAWED_ROWS: Final = f"""
    SELECT * REPLACE (params->>'$.{FLAW}.id' AS id, params->>'$.{FLAW}.solution' AS solution, params->>'$.{FLAW}.answer' AS answer,
                      params->>'$.{FLAW}.explanation' AS critique, NULL::FLOAT AS correctness, NULL::VARCHAR AS reasoning,
                      MAP {{{{'{{wrong_step}}': params->>'$.{FLAW}.line'}}}} AS verdicts),
           '{FLAWED_REASON}' AS code, id AS right_id, NULL::FLOAT AS margin
    FROM {{version}} WHERE params->>'$.{FLAW}.id' IS NOT NULL
"""
# the same for wrong solutions that rows keep as the worse sides of pairs with them
PAIRED_ROWS: Final = f"""
    SELECT * EXCLUDE (worse)
             REPLACE (worse->>'$.id' AS id, worse->>'$.solution' AS solution, worse->>'$.solution_format' AS solution_format,
                      worse->>'$.answer' AS answer, worse->>'$.critique' AS critique, worse->>'$.model' AS model,
                      (worse->>'$.correctness')::FLOAT AS correctness, worse->>'$.reasoning' AS reasoning,
                      CASE WHEN worse->>'$.step' IS NULL THEN MAP {{{{}}}}::MAP(VARCHAR, VARCHAR)
                           ELSE MAP {{{{'{{wrong_step}}': worse->>'$.step'}}}} END AS verdicts),
           worse->>'$.code' AS code, id AS right_id, (worse->>'$.margin')::FLOAT AS margin
    FROM (SELECT *, unnest(json_extract(params, '$.{WRONG}[*]')) AS worse FROM {{version}} WHERE params LIKE '%"{WRONG}":[%')
"""

_PAIR: Final = pa.schema(
    [(name, pa.string()) for name in ("id", "prompt", "chosen", "rejected")]
    + [("step", pa.int64()), ("margin", pa.float32()), ("kind", pa.string()), ("explanation", pa.string())]
)
_LABELLED: Final = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        ("values", pa.list_(pa.float32())),
        (BELONGS_TO, pa.list_(pa.string())),
    ]
)


class StepPair(NamedTuple):
    """Two steps after the same steps `before`; `margin` is the difference of their values."""

    before: Sequence[str]
    chosen: str
    rejected: str
    margin: float
    kind: str | None = None
    explanation: str | None = None


def lines_of(solution: str) -> list[str]:
    """Return the lines of a solution as critics number them, from 1: those that are not blank."""
    return [line for line in solution.splitlines() if line.strip()]


def step_pairs(store: Store, version: Version, reasoning: object = None) -> Iterator[pa.RecordBatch]:
    """Yield pairs of steps (Step-DPO, arXiv:2406.18629): id, prompt (the question and the steps before), chosen, rejected, step (its
    number, from 1), margin, and of a flaw its kind and explanation. Solutions without such steps have none."""
    for row, params in _rows(store, version):
        pairs = [
            {
                "id": row["id"],
                "prompt": "\n".join([row["question"], *pair.before]),
                "chosen": pair.chosen,
                "rejected": pair.rejected,
                "step": len(pair.before) + 1,
                "margin": pair.margin,
                "kind": pair.kind,
                "explanation": pair.explanation,
            }
            for pair in _pairs(row["solution"], params)
        ]
        if pairs:
            yield pa.RecordBatch.from_pylist(pairs, _PAIR)


def labelled_steps(store: Store, version: Version, reasoning: object = None) -> Iterator[pa.RecordBatch]:
    """Yield labelled steps in TRL's shape for stepwise supervision: id, prompt, completions, labels, and `values` where they are known;
    and BELONGS_TO, since a wrong solution that a row keeps has an id of its own.

    Of a solution with a flaw the steps before it are right, and it and those after it wrong; the solution that corrects it is right in
    all steps. A step that was searched for is right if its value is GOOD or more; the steps that were tried in its place are labelled too, each
    behind the steps before it.
    """
    for row, params in _rows(store, version):
        listed = [
            {
                "id": row_id,
                "prompt": row["question"],
                "completions": steps,
                "labels": labels,
                "values": values,
                BELONGS_TO: [row["id"]],
            }
            for row_id, steps, labels, values in _labels(row, params)
        ]
        if listed:
            yield pa.RecordBatch.from_pylist(listed, _LABELLED)


def _rows(store: Store, version: Version) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the rows that know about their steps, with what they know."""
    columns = ["id", "question", "solution", "params"]
    for batch in store.batches(version, columns, pc.field("solution").is_valid()):
        for row in batch.to_pylist():
            params = orjson.loads(row["params"] or "{}")
            if params.keys() & {FLAW, VALUES, WRONG, RIGHT_STEPS}:
                yield row, params


def _pairs(solution: str, params: dict[str, Any]) -> Iterator[StepPair]:
    if flaw := params.get(FLAW):
        right, wrong, place = lines_of(solution), lines_of(flaw["solution"]), flaw["line"] - 1
        if place < min(len(right), len(wrong)):
            yield StepPair(right[:place], right[place], wrong[place], 1.0, flaw["kind"], flaw["explanation"])
    for other in params.get(WRONG, ()):
        right, wrong, place = lines_of(solution), lines_of(other["solution"]), (other.get("step") or 0) - 1
        # only where both begin with the same steps does one of them stand in the place of the other
        if (
            0 <= place < min(len(right), len(wrong))
            and right[:place] == wrong[:place]
            and right[place] != wrong[place]
        ):
            yield StepPair(right[:place], right[place], wrong[place], 1.0, None, other.get("critique"))
    before: list[str] = []
    for step in params.get(VALUES, ()):
        for other in step["others"]:
            if step["value"] - other["value"] >= APART and step["value"] >= GOOD:
                yield StepPair(list(before), step["text"], other["text"], step["value"] - other["value"])
        before.append(step["text"])


def _labels(
    row: dict[str, Any], params: dict[str, Any]
) -> Iterator[tuple[str, list[str], list[bool], list[float] | None]]:
    if flaw := params.get(FLAW):
        right, wrong = lines_of(row["solution"]), lines_of(flaw["solution"])
        yield row["id"], right, [True] * len(right), None
        yield flaw["id"], wrong, [place < flaw["line"] - 1 for place in range(len(wrong))], None
    if RIGHT_STEPS in params:
        steps = lines_of(row["solution"])
        yield row["id"], steps, [True] * len(steps), None
    for other in params.get(WRONG, ()):
        steps = lines_of(other["solution"])
        if 0 < (other.get("step") or 0) <= len(steps):
            yield other["id"], steps, [place < other["step"] - 1 for place in range(len(steps))], None
    before: list[dict[str, Any]] = []
    for number, step in enumerate(params.get(VALUES, ()), 1):
        for turn, other in enumerate(step["others"]):
            yield (f"{row['id']}-{number}-{turn}", *_valued([*before, other]))
        before.append(step)
    if before:
        yield (row["id"], *_valued(before))


def _valued(steps: Sequence[dict[str, Any]]) -> tuple[list[str], list[bool], list[float]]:
    values = [float(step["value"]) for step in steps]
    return [step["text"] for step in steps], [value >= GOOD for value in values], values
