"""Recomputes the steps of a worked solution and points at the first wrong one.

Every equation, approximation and inequality that `statements` reads is recomputed: in exact arithmetic, with units, percentages and
rounding as people write them. What a calculator's annotation (<<48/2=24>>) gives must be what is printed behind it, and the final
answer must be a value that the steps derive. A step is called wrong only where no reading of what it states is true; what cannot be
decided says nothing. Values of unknowns are put into the equations around them (tasks/critics/unknowns.py), and states that steps show are
followed (tasks/critics/states.py). So a solution without a wrong step is not known to be right: a wrong plan with right arithmetic has none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tasks.answers import extract
from tasks.critics.expressions import side_of
from tasks.critics.recomputing import StepVerdict, verdict
from tasks.critics.statements import StepStatement, read
from tasks.critics.states import state_verdicts
from tasks.critics.unknowns import wrong_by_unknowns
from tasks.critics.values import ExactOrFloat, value_of

VERSION: Final = 3  # counted up with a change of opinions
StatementKind = Literal["arithmetic", "annotation", "answer"]


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A statement of step `step` (from 0) at step[start:end], with the values of both sides (None where they have none)."""

    step: int
    start: int
    end: int
    text: str
    relation: str
    left: ExactOrFloat | None
    right: ExactOrFloat | None
    verdict: StepVerdict
    kind: StatementKind = "arithmetic"


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked solution.

    verdicts: one per step; "unchecked" where nothing in it could be decided. statements: what was recomputed, in order. first_wrong: the first wrong
    step, from 0, None if none is. derived: whether the final answer is a value that the steps derive, None where it is no number.
    answer_wrong: whether the final answer is wrong because it is not derived, although the steps calculate in plain numbers; which step is
    wrong does not follow from that.
    invented: per step, the numbers that it calculates with and that neither the question nor an earlier step has. unused: the share of the
    question's numbers that no step has.
    """

    verdicts: tuple[StepVerdict, ...]
    statements: tuple[CheckedStatement, ...]
    first_wrong: int | None
    derived: bool | None
    invented: tuple[int, ...]
    unused: float
    answer: Fraction | None
    answer_wrong: bool = False


def check(steps: Sequence[str], *, question: str = "", answer: str | None = None) -> Checked:
    """Return what is right and wrong in the steps of a solution. `answer`: its final answer, which is else read from the last steps."""
    checked: list[CheckedStatement] = []
    asked = set(map(_plain, _NUMBER.findall(question)))
    known = set(asked)
    written: set[str] = set()  # in the steps before the last
    in_steps: set[str] = set()
    derived_values: set[Fraction] = set()
    rounded: set[Fraction] = set()
    invented: list[int] = []
    verdicts: list[StepVerdict] = []
    unknowns: list[tuple[int, StepStatement]] = []
    stated = _stated(steps, answer)
    answer_in_last = False
    unusual = _UNUSUAL.search(question) is not None
    continued = fenced = False
    for index, step in enumerate(steps):
        fenced, apart = _fence(step, fenced)
        statements = [] if apart else read(step)
        of_step: list[CheckedStatement] = []
        for statement in statements:
            one = _checked(index, step, statement, rounded)
            if one.verdict == "wrong" and (
                unusual or (continued and not statement.chained) or _UNUSUAL.search(step)
            ):
                one = replace(one, verdict="unchecked")
            if statement.left.letters or statement.right.letters:
                unknowns.append((len(checked) + len(of_step), statement))
            of_step.append(one)
        numbers = set(map(_plain, _NUMBER.findall(step)))
        in_steps |= numbers
        if "<<" in step:
            of_step += _annotations(index, step, {one.end for one in of_step if one.verdict != "unchecked"})
            numbers = set(map(_plain, _NUMBER.findall(_ANNOTATION.sub("", step))))
        operands = {
            _plain(text)
            for statement in statements
            if statement.left.operations
            for text in _NUMBER.findall(statement.left_text)
        }
        invented.append(len(operands - known - _CONSTANTS))
        values = {value for one in of_step for value in (one.left, one.right) if isinstance(value, Fraction)}
        if index == len(steps) - 1 and stated is not None:
            answer_in_last = any(_same(value, stated) for one in of_step for value in (one.left, one.right))
        else:
            written |= numbers
            derived_values |= values
        known |= numbers
        known.update(map(_decimal, values))
        checked += of_step
        verdicts.append(_of_step(of_step))
        continued = step.rstrip()[-1:] in _BROKEN
    derived = None
    if stated is not None and len(steps) > 1:
        derived = (
            answer_in_last
            or _decimal(stated) in written
            or any(_same(value, stated) for value in derived_values)
            or any(_same(_number(text), stated) for text in written)
        )
    if not unusual:
        _follow_unknowns(steps, unknowns, checked, verdicts)
    for index, shown in state_verdicts(question, steps).items():
        if shown == "wrong" or verdicts[index] == "unchecked":
            verdicts[index] = shown
    first = next((index for index, one in enumerate(verdicts) if one == "wrong"), None)
    unused = len(asked - in_steps) / len(asked) if asked else 0.0
    # of formulas too little is read to say so: of 268 solutions whose answer is not derived 181 are wrong, of these in plain numbers 27 of 30
    answer_wrong = (
        derived is False
        and first is None
        and any(one.verdict == "right" and one.relation in "=≈" for one in checked)
        and not any("\\" in step for step in steps)
    )
    return Checked(
        tuple(verdicts), tuple(checked), first, derived, tuple(invented), unused, stated, answer_wrong
    )


# begins with a digit and looks behind it, which is faster to search for than what looks behind first
_NUMBER: Final = re.compile(
    r"\d(?:(?<![\w.]\d)\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?|(?<![\d.]\d)\d{0,29}(?:\.\d{1,30})?)"
)
_ANNOTATION: Final = re.compile(r"<<([^<>\n]{1,120})=([^<>=\n]{1,40})>>\s*\\?[$€£¥]?\s*(-?[\d,]*\.?\d+)?")
_CONSTANTS: Final = frozenset(
    str(value) for value in (0, 1, 2, 3, 4, 7, 10, 12, 24, 30, 52, 60, 100, 365, 1000)
)


@functools.lru_cache(maxsize=65536)
def _plain(text: str) -> str:
    """Return a number of a text in one spelling: without marks between thousands and without zeros that say nothing. Texts are compared,
    because fractions are slow to make and to hash."""
    whole, _, decimals = text.replace(",", "").partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


@functools.lru_cache(maxsize=65536)
def _decimal(value: Fraction) -> str:
    """Return a value in the spelling of `_plain`, "" if it has none."""
    if value.denominator == 1:
        return str(value)
    places, left = 0, value.denominator
    for prime in (2, 5):
        count = 0
        while left % prime == 0:
            left //= prime
            count += 1
        places = max(places, count)
    if left > 1 or value < 0:
        return ""
    digits = str(value.numerator * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


@functools.lru_cache(maxsize=65536)
def _number(text: str) -> Fraction:
    return Fraction(text)


def _follow_unknowns(
    steps: Sequence[str],
    unknowns: Sequence[tuple[int, StepStatement]],
    checked: list[CheckedStatement],
    verdicts: list[StepVerdict],
) -> None:
    """Call the statements wrong that the values of unknowns make wrong. `unknowns`: those with letters, each with its number among `checked`."""
    supposed = []
    for number, statement in unknowns:
        step = steps[checked[number].step]
        near = (max(0, statement.start - 80), statement.end + 80)
        supposed.append(
            _SUPPOSED.search(step, *near) is not None
            or _HYPOTHETICAL.search(step, *near) is not None
            or _UNUSUAL.search(step) is not None
        )
    for at in wrong_by_unknowns([statement for _, statement in unknowns], supposed):
        number = unknowns[at][0]
        checked[number] = replace(checked[number], verdict="wrong")
        verdicts[checked[number].step] = "wrong"


def _checked(index: int, step: str, statement: StepStatement, rounded: set[Fraction]) -> CheckedStatement:
    left, right = value_of(statement.left.key), value_of(statement.right.key)
    judged = verdict(statement, rounded)
    if judged == "wrong" and _HYPOTHETICAL.search(step, max(0, statement.start - 60), statement.end + 80):
        judged = "unchecked"
    if judged != "wrong" and left != right and isinstance(right, Fraction) and statement.relation in "=≈":
        rounded.add(right)
    text = f"{statement.left_text} {statement.relation} {statement.right_text}"
    return CheckedStatement(
        index, statement.start, statement.end, text, statement.relation, left, right, judged
    )


def _fence(step: str, inside: bool) -> tuple[bool, bool]:
    """Return whether a fence is open behind a step, and whether the step belongs to a program or to what it printed."""
    if "```" not in step and "~~~" not in step:
        return inside, inside
    marks = sum(line.lstrip().startswith(("```", "~~~")) for line in step.split("\n"))
    return inside ^ (marks % 2 == 1), inside or marks > 0


_BROKEN: Final = frozenset("+-*/=×÷·^(,&\\")  # at the end of a line whose expression goes on in the next
# other arithmetic than that of numbers: in a base, modulo a number, with an operation that the question defines
_UNUSUAL: Final = re.compile(
    r"\bbase[- ]?\$?(?:\d|two|three|four|five|six|seven|eight|nine|ten|b\b)|\bin base\b|[\d}]_\{?\d|进制|\\p?mod(?![a-z])|\bmod(?:ulo)?\b|\\equiv"
    r"|\bdefined?\b[^.]{0,60}(?:[*@#&★◆⊕⊗]|\\(?:ast|star|oplus|otimes|circ|diamond))|\boperation\b|定义[^。]{0,20}运算"
)
# what is supposed, asked or denied is not stated
_HYPOTHETICAL: Final = re.compile(
    r"\b(?:if|whether|suppose|assum\w+|try|trying|guess|not|n['’]t|cannot|contradiction|impossible|incorrect|wrong|false|mistake|instead of)\b"
    r"|n['’]t\b|\?|？|如果|假设|假如|是否|若|不|矛盾|错误",
    re.IGNORECASE,
)


# what holds in one of several cases, or for numbers whose digits do not end
_SUPPOSED: Final = re.compile(
    r"\b(?:when|consider|cases?|either|or|otherwise|for|WLOG|mod)\b|当|或|情况|\[asy\]|\\overline|\.\.\.|\\[lc]?dots",
    re.IGNORECASE,
)


def _annotations(index: int, step: str, done: set[int]) -> list[CheckedStatement]:
    """Return the annotations of a calculator whose result is not the number behind them, where nothing else has checked that."""
    annotations = []
    for match in _ANNOTATION.finditer(step):
        result, printed = side_of(match[2]), match[3]
        if printed is None or result is None or match.end() in done:
            continue
        value, shown = value_of(result.key), value_of(printed.replace(",", ""))
        if value is None or shown is None:
            continue
        difference = abs(float(value) - float(shown))
        same = difference <= 0.01 * max(abs(float(value)), 1) or (
            difference < 1 and isinstance(value, Fraction) and value.denominator > 1
        )
        scaled = abs(float(value) * 100 - float(shown)) <= 0.01 * abs(float(shown))
        annotations.append(
            CheckedStatement(
                index,
                match.start(),
                match.end(),
                match.group(),
                "=",
                value,
                shown,
                "right" if same else "unchecked" if scaled else "wrong",
                "annotation",
            )
        )
    return annotations


def _of_step(statements: Sequence[CheckedStatement]) -> StepVerdict:
    judged = {statement.verdict for statement in statements}
    return "wrong" if "wrong" in judged else "right" if "right" in judged else "unchecked"


def _stated(steps: Sequence[str], answer: str | None) -> Fraction | None:
    """Return the value of the final answer, None where it is no number."""
    if answer is None:
        extraction = extract("\n".join(steps[-2:])) if steps else None
        answer = extraction.answer if extraction is not None else ""
    side = side_of(answer)
    value = value_of(side.key) if side is not None else None
    return value if isinstance(value, Fraction) else None


def _same(value: ExactOrFloat | None, stated: Fraction) -> bool:
    """Whether a derived value is the final answer: the same, rounded, or as a percentage or in cents."""
    if value is None:
        return False
    if value == stated:
        return True
    a, b = abs(float(value)), abs(float(stated))
    return any(abs(one - b) <= max(0.005 * b, 0) for one in (a, 100 * a, a / 100)) or (
        abs(a - b) < 1 and stated.denominator == 1
    )


FEATURES: Final = (
    "steps", "statements", "share_checked", "share_right", "wrong_steps", "first_wrong", "has_wrong", "derived", "not_derived", "invented",
    "steps_inventing", "unused", "approximations", "negative", "fractional_answer", "unchecked_statements", "largest_ratio",
)  # fmt: skip


def features(checked: Checked) -> npt.NDArray[np.float32]:
    """Return the features of a checked solution, one per name of FEATURES, each of the order of 1."""
    steps = max(1, len(checked.verdicts))
    judged = [statement.verdict for statement in checked.statements]
    values = [value for one in checked.statements for value in (one.left, one.right) if value is not None]
    right_values = [float(one.right) for one in checked.statements if one.right is not None]
    answer = checked.answer
    return np.array(
        [
            min(steps, 40) / 10,
            min(len(judged), 40) / 10,
            sum(one != "unchecked" for one in checked.verdicts) / steps,
            sum(one == "right" for one in checked.verdicts) / steps,
            sum(one == "wrong" for one in checked.verdicts) / steps,
            1.0 if checked.first_wrong is None else checked.first_wrong / steps,
            float(checked.first_wrong is not None),
            float(checked.derived is True),
            float(checked.derived is False),
            min(sum(checked.invented), 10) / 5,
            sum(count > 0 for count in checked.invented) / steps,
            checked.unused,
            sum(one.relation == "≈" for one in checked.statements) / max(1, len(judged)),
            float(any(value < 0 for value in right_values)),
            float(answer is not None and answer.denominator != 1),
            sum(one == "unchecked" for one in judged) / max(1, len(judged)),
            min(10.0, max((abs(float(value)) for value in values), default=0.0) / (abs(float(answer)) + 1))
            / 10
            if answer is not None
            else 0.0,
        ],
        dtype=np.float32,
    )
