"""The stage `pair`: right solutions with a wrong one beside each, for preference training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from storage.datasets.steps import WRONG
from storage.reasons import Code, Reason, reason
from storage.rows import WRONG_STEP, column, reject, replace
from tasks.answers import Judge, extract, group_all
from tasks.ingestion.solution_texts import TRUSTED
from tasks.replies.frames import is_broken
from tasks.rft.pairing import PairSettings, PairSide, pairs_of
from tasks.stages.outcome import Tick
from tasks.worth import Worth

STAGE: Final = "pair"
WORTH: Final = "worth"  # verdict: the Worth of a sample
CRITIC: Final = "answer"  # the critic's score of a solution
_READ: Final = [
    "id", "problem_id", "language", "solution", "solution_format", "reasoning", "answer", "model", "correctness", "critique",
    "verdicts", "scores", "params",
]  # fmt: skip


def pair(rows: pa.Table, *, settings: PairSettings, judge: Judge, tick: Tick) -> pa.Table:
    """Return the rows, right and wrong ones (verdict WORTH); those stay that are right and have a wrong partner, which is in their params.

    A wrong solution is a partner only if it is whole and marks its answer, and the judge says that the two answers differ. Right ones are
    taken as they come: the flow has dropped those that are not whole.
    """
    table = [
        row | {"verdicts": dict(row["verdicts"] or ()), "scores": dict(row["scores"] or ())}
        for row in rows.select(_READ).to_pylist()
    ]
    questions: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        questions[row["problem_id"]].append(place)
    params = column(rows, "params")
    reasons: list[Reason | None] = [
        reason(STAGE, Code.NO_PARTNER, name="wrong" if _is_right(row) else "right") for row in table
    ]

    def different(answers: Sequence[tuple[str, str]]) -> list[bool]:
        return [judgement == "different" for judgement in judge.equal(list(answers))]

    for places in questions.values():
        by_id = {table[i]["id"]: i for i in places}
        right = [_side(table[i]) for i in places if _is_right(table[i])]
        for good, bad in pairs_of(right, wrong_sides([table[i] for i in places], judge), settings, different):
            better, worse = table[by_id[good.id]], table[by_id[bad.id]]
            reasons[by_id[good.id]] = None
            reasons[by_id[bad.id]] = reason(STAGE, Code.WORSE_SIDE, other=good.id)
            known = orjson.loads(better["params"] or "{}")
            params[by_id[good.id]] = orjson.dumps(known | {WRONG: [wrong_record(better, worse)]}).decode()
        tick(len(places))
    return reject(replace(rows, params=params), reasons)


def wrong_sides(table: Sequence[Mapping[str, Any]], judge: Judge) -> list[PairSide]:
    """Return the wrong solutions of one question that may be the worse side of a pair, with how plausible each is."""
    wrong = [row for row in table if not _is_right(row) and _is_whole(row) and _marks_its_answer(row)]
    if not wrong:
        return []
    (group,) = group_all([[row["answer"] for row in wrong]], judge)
    sides = []
    for row, number in zip(wrong, group.classes, strict=True):
        same = sum(other == number for other in group.classes) if number is not None else 1
        score = row["scores"].get(CRITIC)
        sides.append(_side(row, same / len(wrong) if score is None else float(score)))
    return sides


def wrong_record(better: Mapping[str, Any], worse: Mapping[str, Any]) -> dict[str, Any]:
    """Return a wrong solution as the row that is better than it keeps it, in an entry of params; see storage/datasets/steps.py."""
    of_critic = [row["scores"].get(CRITIC) for row in (better, worse)]
    values = of_critic if None not in of_critic else [better["correctness"], worse["correctness"]]
    step = worse["verdicts"].get(WRONG_STEP)
    record = {
        "id": worse["id"],
        "solution": worse["solution"],
        "solution_format": worse["solution_format"],
        "reasoning": worse["reasoning"],
        "answer": worse["answer"],
        "model": worse["model"],
        "code": str(Code.DIFFERENT),
        "correctness": worse["correctness"],
        "margin": max(0.0, round(float(values[0] or 0.0) - float(values[1] or 0.0), 4)),
        "step": None if step is None else int(step),
        "critique": worse["critique"],
    }
    return {name: value for name, value in record.items() if value is not None}


def _is_right(row: Mapping[str, Any]) -> bool:
    return bool(row["verdicts"].get(WORTH) == Worth.RIGHT)


def _is_whole(row: Mapping[str, Any]) -> bool:
    return row["solution_format"] == "pot" or not is_broken(row["solution"])


def _marks_its_answer(row: Mapping[str, Any]) -> bool:
    """Return whether a wrong solution states its answer as such: a program prints it, and words mark it. A number that merely comes last may
    not be the answer that the solution means."""
    if not row["answer"]:
        return False
    if row["solution_format"] != "cot":
        return True
    stated = extract(row["solution"], row["language"])
    return stated is not None and (stated.marked or stated.kind in TRUSTED)


def _side(row: Mapping[str, Any], plausible: float = 0.0) -> PairSide:
    length = len(row["solution"]) + len(row["reasoning"] or "")
    return PairSide(row["id"], row["solution_format"] or "", length, row["answer"] or "", plausible)
