"""The stage `label_steps`: solutions of which it is known which steps are right, for process supervision."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from storage.datasets.steps import RIGHT_STEPS, WRONG, lines_of
from storage.reasons import Code, Reason, reason
from storage.rows import WRONG_STEP, column, reject, replace
from tasks.critics.step_checker import Checked, check
from tasks.plugins import module
from tasks.solution_paths import calculation
from tasks.stages.outcome import Tick
from tasks.stages.pair import WORTH, wrong_record
from tasks.stages.score import PLUGINS
from tasks.worth import Worth

STAGE: Final = "label_steps"
CHECKER: Final = "step_checker"
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_READ: Final = [
    "id", "problem_id", "question", "solution", "solution_format", "reasoning", "answer", "model", "correctness", "critique", "verdicts",
    "scores", "params",
]  # fmt: skip


def label_steps(rows: pa.Table, *, scorers: Sequence[str], recompute: bool, tick: Tick) -> pa.Table:
    """Return the rows, right and wrong ones (verdict WORTH), after the scorers have scored them; those stay that are right and know about
    steps, their own or those of wrong solutions of their question.

    The steps of a right solution are right where every scorer has scored it and points at no wrong step. Of a wrong solution the steps before
    the first one that a scorer points at are right. recompute: whether the step checker looks at them too. Then a right solution also needs
    steps that were recomputed, all as stated, and an answer that they derive; and of a wrong one the first step with wrong arithmetic counts if
    it comes before the one that a scorer points at. A scorer that points at a line which only repeats an answer that an earlier line has, or
    which says nothing, has not found the wrong step: that solution is not labelled.

    Without scorers the checker alone labels. It sees no wrong plan, and the steps before an error of arithmetic may follow one (6 of 11 in
    docs/log.md). So a wrong solution is labelled only where its first step is the wrong one, or where each step before that one is a step of a
    right solution whose steps are right: the same text, or equations that are all among those of that solution. Programs have no steps.
    """
    table = [
        row | {"verdicts": dict(row["verdicts"] or ()), "scores": dict(row["scores"] or ())}
        for row in rows.select(_READ).to_pylist()
    ]
    looking = [tuple(getattr(module(PLUGINS, name), "scores", (name,))) for name in scorers]
    by = [*scorers, *([CHECKER] if recompute else [])]
    questions: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        if row["solution_format"] == "cot":
            questions[row["problem_id"]].append(place)
    checked = {
        i: check(lines_of(table[i]["solution"]), question=table[i]["question"], answer=table[i]["answer"])
        for places in questions.values()
        for i in places
        if recompute
    }
    for i, one in checked.items():
        pointed_at = _place(table[i])
        if pointed_at is not None and one.first_wrong is not None:
            table[i]["verdicts"][WRONG_STEP] = str(min(pointed_at, one.first_wrong + 1))
    for places in questions.values():
        for i in places:
            if table[i]["verdicts"].get(WORTH) != Worth.RIGHT and _only_repeats(table[i]):
                del table[i]["verdicts"][WRONG_STEP]
    params = column(rows, "params")
    reasons: list[Reason | None] = [reason(STAGE, Code.STEPS_UNKNOWN) for _ in table]
    for places in questions.values():
        right = [i for i in places if table[i]["verdicts"].get(WORTH) == Worth.RIGHT]
        flawless = [
            i
            for i in right
            if WRONG_STEP not in table[i]["verdicts"]
            and (looking or i in checked)
            and all(any(name in table[i]["scores"] for name in names) for names in looking)
            and (i not in checked or _is_derived(checked[i]))
        ]
        vouched = (
            _vouched(table, checked, flawless, [i for i in places if i not in right]) if not looking else {}
        )
        for i in vouched:
            table[i]["verdicts"][WRONG_STEP] = str((checked[i].first_wrong or 0) + 1)
        objected = [i for i in places if i not in right and _place(table[i]) is not None]
        known: defaultdict[int, dict[str, object]] = defaultdict(dict)
        for i in flawless:
            known[i][RIGHT_STEPS] = by
        carriers = flawless or right
        wrong: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
        for number, i in enumerate(objected if carriers else []):
            like = vouched.get(i)
            better = carriers[number % len(carriers)] if like is None else like
            wrong[better].append(wrong_record(table[better], table[i]) | {"by": by})
            reasons[i] = reason(STAGE, Code.WORSE_SIDE, other=table[better]["id"])
        for i, records in wrong.items():
            known[i][WRONG] = records
        for i, more in known.items():
            reasons[i] = None
            params[i] = orjson.dumps(orjson.loads(table[i]["params"] or "{}") | more).decode()
    tick(rows.num_rows)
    return reject(replace(rows, params=params), reasons)


def _vouched(
    table: Sequence[dict[str, Any]],
    checked: Mapping[int, Checked],
    flawless: Sequence[int],
    wrong: Sequence[int],
) -> dict[int, int | None]:
    """Return wrong solution -> the flawless one that has all steps before its first wrong one; None where that is its first step."""
    lines = {i: [_plain(line) for line in lines_of(table[i]["solution"])] for i in flawless}
    equations = {i: {one for line in own for one in _equations(line)} for i, own in lines.items()}
    vouched: dict[int, int | None] = {}
    for i in wrong:
        first = checked[i].first_wrong if i in checked else None
        if first is None:
            continue
        before = [_plain(line) for line in lines_of(table[i]["solution"])[:first]]
        if not before:
            vouched[i] = next(iter(flawless), None)
            continue
        having = [
            good
            for good in flawless
            if all(
                line in lines[good] or ((own := _equations(line)) and own <= equations[good])
                for line in before
            )
        ]
        # one that begins with the same steps is a pair of steps with it
        having.sort(key=lambda good: lines[good][:first] != before)
        if having:
            vouched[i] = having[0]
    return vouched


def _plain(line: str) -> str:
    return " ".join(line.split())


def _equations(line: str) -> frozenset[str]:
    """Return the equations of a step in one notation; empty if it has none."""
    return frozenset(one for one in calculation(line).split("\n") if "=" in one)


def _is_derived(checked: Checked) -> bool:
    """Return whether some steps were recomputed, none is wrong, and the answer is a value that the steps derive."""
    return checked.first_wrong is None and "right" in checked.verdicts and checked.derived is True


def _only_repeats(row: dict[str, Any]) -> bool:
    """Return whether the step that a solution is said to go wrong at calculates nothing, and states the final answer, which a line before
    it has too, or nothing at all. Then the wrong step is an earlier one, and which is not known."""
    step = _place(row)
    if step is None:
        return False
    *before, line = lines_of(row["solution"])[:step]
    if _equations(line):
        return False
    if not any(character.isalnum() for character in line):
        return True
    stated = set(_NUMBER.findall(row["answer"] or ""))
    return (
        bool(stated)
        and stated <= set(_NUMBER.findall(line))
        and any(stated <= set(_NUMBER.findall(one)) for one in before)
    )


def _place(row: dict[str, Any]) -> int | None:
    """Return the number of the first wrong step of a solution, from 1; None if it is not known or there is no such step."""
    step = int(row["verdicts"].get(WRONG_STEP) or 0)
    return step if 0 < step <= len(lines_of(row["solution"])) else None
