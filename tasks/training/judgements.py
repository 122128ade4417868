"""Training rows for a critic: a judged solution in the critique prompt, and the judgement in the prompt's reply format.

Whether a solution is right follows from comparing its answer with the accepted one. The text of the critique is that of the
critic that scored the solution, if one did.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import prompts
from prompts.schemas import keys_of
from prompts.schemas.critique import Assessment
from storage.atomic import replacing
from storage.datasets.shapes import with_wrong
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import WRONG_STEP
from tasks.answers import Judge
from tasks.critics.kinds.prompted import PARTS
from tasks.scorers.critique import PREFIX
from tasks.training.config import TrainError
from tasks.training.rejection import SAMPLED
from tasks.training.tokens import SYSTEM

# what a critique says where no critic wrote one: right and wrong, in English and in Chinese
PLAIN = (("Every step is right.", "The final answer is wrong."), ("各步正确。", "最终结果错误。"))
JUDGED = SAMPLED.append(pa.field(SYSTEM, pa.string()))

_ROWS = """
    SELECT * FROM (
        SELECT id, question, solution, language, critique, scores['instruction'] AS instruction, scores['answer'] AS score,
               scores['clarity'] AS clarity, scores['solvability'] AS solvability, scores['value'] AS value,
               verdicts['{wrong_step}'] AS step, true AS right
        FROM "{version}" WHERE solution IS NOT NULL
        UNION ALL BY NAME
        SELECT id, question, solution, language, critique, scores['instruction'] AS instruction,
               scores['answer'] AS score, scores['clarity'] AS clarity, scores['solvability'] AS solvability,
               scores['value'] AS value, verdicts['{wrong_step}'] AS step, false AS right
        FROM wrong
    ) ORDER BY id
"""


def write(store: Store, versions: Sequence[Version], path: Path, overlay: Path | None = None) -> None:
    """Write the judgements of the versions as training rows (Parquet), in the prompt of the `overlay` where it has one. Raises
    TrainError if no wrong solution is known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with replacing(path) as beside:
        with Judge() as judge, pq.ParquetWriter(beside, JUDGED) as writer:
            for version in versions:
                with with_wrong(store, version, judge.equal) as connection:
                    for batch in connection.sql(
                        _ROWS.format(version=version, wrong_step=WRONG_STEP)
                    ).to_arrow_reader(2_048):
                        rows = batch.to_pylist()
                        wrong += sum(not row["right"] for row in rows)
                        writer.write_table(
                            pa.Table.from_pylist([_judged(row, overlay) for row in rows], JUDGED)
                        )
        if not wrong:
            names = ", ".join(map(str, versions))
            raise TrainError(
                f"{names}: no wrong solution is known, so a critic would learn to praise. Fix: another dataset"
            )


def _judged(row: dict[str, Any], overlay: Path | None) -> dict[str, Any]:
    prompt = prompts.load("critique", row["language"], overlay)
    messages = prompt.messages(question=row["question"], solution=row["solution"])
    words = row["critique"] or PLAIN[row["language"] == "zh"][not row["right"]]
    step = None if row["step"] is None else int(row["step"])
    score = row["score"] if row["score"] is not None else float(row["right"])
    question = 1.0 if row["instruction"] is None else row["instruction"]
    # the working of the critic is not stored with the row, so it is left out
    judgement = {
        "critique": words if step is None else words.removeprefix(PREFIX.format(step=step)),
        "first_wrong_step": None if row["right"] else step,
        "instruction_score": round(10 * question),
        # a critic that judged the question as a whole gave its parts the same score
        **{name: round(10 * (question if row[name] is None else row[name])) for name in PARTS},
        # a critic that was wrong about the answer is not believed about the score
        "answer_score": max(7, round(10 * score)) if row["right"] else min(3, round(10 * score)),
    }
    # a prompt that names no schema states the form in words; the reader of critiques takes the newest one from all
    keys = keys_of(prompt.front.schema_name or Assessment.__name__, row["language"])
    turns = {turn["role"]: turn["content"] for turn in messages}
    return {
        "system": turns.get("system"),
        "question": turns["user"],
        "solution": json.dumps(
            {key: judgement[name] for name, key in keys.items() if name in judgement}, ensure_ascii=False
        ),
        "solution_format": "cot",
        "loss_weight": None,
    }
