"""Flaws of the embedded teacher: it finds the first wrong line of a solution and goes on rightly, or puts a wrong calculation into a right
one and carries it on.

At the rates of the character another line is named, the corrected solution has an error of its own, or the JSON is broken. A problem
that the teacher cannot work has no line that it names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.answers import extract
from tasks.critics.error_injection import inject, inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import Problem, Worked
from tasks.teacher.character import Character
from tasks.teacher.composition import worked_question
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.judging import examine
from tasks.teacher.reading import PromptRequest, known, undressed
from tasks.teacher.solving import closing_line, ordered

_NUMBER = re.compile(r"^\s*\[(\d{1,6})\] ?")
_TRIES = 12
_SEEDS = 4  # of the errors of one kind that are tried
_KINDS = {
    "arithmetic": "计算错误",
    "algebra": "变形错误",
    "formula": "公式错误",
    "reading": "审题错误",
    "other": "其他",
}
# what a prompt calls a kind of flaw -> the kind, and the injected errors (tasks/critics/error_injection.py) that are of it
_ASKED: dict[str, tuple[str, tuple[str, ...]]] = {
    r"wrong transformation|变形": ("algebra", ("sign",)),
    r"rule that does not|公式|法则": ("formula", ("operator",)),
    r"misread|审题|看错|读错": ("reading", ("misread", "swapped", "operand")),
}
_EXPLANATIONS = {
    "en": "In line {line}, “{wrong}” does not hold; it has to be “{right}”.",
    "zh": "第 {line} 行的“{wrong}”不成立，应为“{right}”。",
}
# how the layouts of the teacher's solutions begin a step (tasks/teacher/solving.py)
_HEADED = re.compile(
    r"(?:Step \d+: |第 \d+ 步：|\d+\. )|(?P<order>(?:First|Next|Then|After that|Finally): |(?:首先|接着|然后|再|随后|最后)，)"
)
_LEADING = (":", "：")  # ends of a line that only leads to the answer
_NOTHING = {"en": "I find no wrong line.", "zh": "我没有找到错误的行。"}


@dataclass(frozen=True, slots=True)
class FlawRequest:
    """A request to correct a wrong solution, or, if `inserted`, to put a flaw of a kind into a right one, near `line`."""

    question: str
    problem: Problem | None
    lines: tuple[str, ...]
    reference: str
    inserted: bool
    line: int
    kind: str
    errors: tuple[str, ...]
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> FlawRequest | None:
    """Return the problem and the numbered lines if the prompt requires corrected lines."""
    words = prompted.words
    questions, solutions = prompted.parts.of("question"), prompted.parts.of("solution")
    if not questions or not solutions or not names_key(words, "corrected"):
        return None
    problem = next((one for text in undressed(questions[0]) if (one := known(text)) is not None), None)
    named = re.search(r"\[(\d{1,6})\]", words)
    sentence = words.split("\n\n")[0]
    kind, errors = next(
        (asked for pattern, asked in _ASKED.items() if re.search(pattern, sentence)), ("arithmetic", ())
    )
    return FlawRequest(
        questions[0],
        problem,
        tuple(_NUMBER.sub("", line) for line in solutions[-1].split("\n")),
        " ".join(prompted.parts.of("reference")).strip(),
        names_key(words, "flawed"),
        int(named[1]) if named else 1,
        kind,
        errors,
        in_chinese("corrected", words),
    )


def answer(
    requested: FlawRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the record of the flaw, in the order that the prompt asks for."""
    worked = requested.problem.worked if requested.problem else worked_question(requested.question, language)
    record = (
        _inserted(requested, language, rng) if requested.inserted else _corrected(requested, language, worked)
    )
    if record["first_wrong_line"] is not None and rng.random() < character.rates.misjudge:
        record["first_wrong_line"] = rng.randint(1, len(requested.lines))
    if rng.random() < character.wrong_rate(None, program=False):
        steps, stated = _apart(str(record["corrected"]))
        changed, value = inject_error(steps, stated, rng)
        record["corrected"] = _joined(list(changed), value)
    if requested.chinese_keys:
        record["flaw_kind"] = _KINDS[record["flaw_kind"]]
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)


def _inserted(requested: FlawRequest, language: str, rng: random.Random) -> dict[str, Any]:
    """Return an error of the requested kind from the requested line on, or from the nearest line that has a place for one; a wrong calculation
    where no line has."""
    steps, stated = _apart("\n".join(requested.lines))
    kind = requested.kind
    nearest = _nearest(_of_its_kind(requested, language, rng), steps, requested.line)
    if nearest is None:
        kind = "arithmetic"
        calculated = (inject_error(steps, stated, rng) for _ in range(_TRIES))
        nearest = _nearest(calculated, steps, requested.line)
    if nearest is None:
        return _record_inserted(None, "", _NOTHING[language], "other", "")
    place, wrong, value = nearest
    explanation = _explained(language, place + 1, wrong[place], steps[place])
    # both sides in the same words, and in other ones than the solution, of which the corrected one would be a copy
    closing = closing_line(language, rng) if not steps[-1].endswith(_LEADING) else None
    sides = [[line for line in side[place:] if not line.endswith(_LEADING)] for side in (wrong, steps)]
    flawed, corrected = (
        _joined([*side, closing] if closing else side, ending)
        for side, ending in zip(sides, (value, stated), strict=True)
    )
    return _record_inserted(place + 1, flawed, explanation, kind, corrected)


def _of_its_kind(
    requested: FlawRequest, language: str, rng: random.Random
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the steps and the answer of the solution with errors of the requested kind that are carried on to the answer."""
    text = "\n".join(requested.lines)
    for error in requested.errors:
        for _ in range(_SEEDS):
            seed = rng.randrange(1 << 32)
            injected = inject(text, kind=error, seed=seed, question=requested.question, language=language)
            if injected is not None and injected.carried:
                yield _apart(injected.solution)


def _nearest(
    variants: Iterable[tuple[tuple[str, ...], str]], steps: tuple[str, ...], line: int
) -> tuple[int, tuple[str, ...], str] | None:
    """Return (place, steps, answer) of the variant whose first changed step, from 0, is nearest to a line, from 1; None if no step changes."""
    best: tuple[int, tuple[str, ...], str] | None = None
    for changed, value in variants:
        place = next((i for i, (a, b) in enumerate(zip(steps, changed, strict=False)) if a != b), None)
        if place is None or len(changed) != len(steps):
            continue
        if best is None or abs(place + 1 - line) < abs(best[0] + 1 - line):
            best = (place, changed, value)
        if place + 1 == line:
            break
    return best


def _record_inserted(
    place: int | None, flawed: str, explanation: str, kind: str, corrected: str
) -> dict[str, Any]:
    return {
        "first_wrong_line": place,
        "flawed": flawed,
        "explanation": explanation,
        "flaw_kind": kind,
        "corrected": corrected,
    }


def _corrected(requested: FlawRequest, language: str, worked: Worked | None) -> dict[str, Any]:
    """Return the first line that does not hold, and the teacher's own steps from there on."""
    numbered = tuple(f"[{number}] {line}" for number, line in enumerate(requested.lines, 1))
    job = PromptRequest("judge", language, requested.question, requested.problem, numbered)
    place = examine(job).line if worked is not None else None
    if worked is None or place is None:
        return _record_corrected(_NOTHING[language], "other", None, "")
    if "\\boxed" in requested.lines[place - 1]:
        place = _first_other(requested.lines, worked) or place
    wrong = requested.lines[place - 1]
    before = "\n".join(requested.lines[: place - 1])
    own = next((i for i, step in enumerate(worked.steps) if step not in before), len(worked.steps))
    steps = _laid_out_like(requested.lines, place, list(worked.steps[own:]), language)
    closing = [line for line in requested.lines[place:][-2:] if line.endswith(_LEADING)]
    corrected = _joined([*steps, *closing[:1]], worked.answer)
    right = (worked.steps[own:] or (worked.answer,))[0]
    explanation = _explained(language, place, wrong, right)
    kind = "arithmetic" if any(not one.true for one in calculations(wrong)) else "formula"
    return _record_corrected(explanation, kind, place, corrected)


def _explained(language: str, place: int, wrong: str, right: str) -> str:
    """Return what is wrong in a line, without the numbers and the words of order at the heads of the steps."""
    return _EXPLANATIONS[language].format(
        line=place, wrong=_HEADED.sub("", wrong, count=1), right=_HEADED.sub("", right, count=1)
    )


def _first_other(lines: tuple[str, ...], worked: Worked) -> int | None:
    """Return the first line with an equation that is not one of the teacher's steps, None if there is none: a wrong value may pass for a rounded
    one ("1 - 1/4 = 1")."""
    for place, line in enumerate(lines, 1):
        step = line[head.end() :] if (head := _HEADED.match(line)) else line
        if "=" in step and step not in worked.steps:
            return place
    return None


def _record_corrected(explanation: str, kind: str, place: int | None, corrected: str) -> dict[str, Any]:
    return {
        "explanation": explanation,
        "flaw_kind": kind,
        "first_wrong_line": place,
        "corrected": corrected,
    }


def _apart(text: str) -> tuple[tuple[str, ...], str]:
    """Return the lines of a solution without that of its answer, and the answer."""
    lines = [line for line in text.split("\n") if line.strip()]
    stated = extract(text)
    steps = [line for line in lines if "\\boxed" not in line] or lines
    return tuple(steps), stated.answer if stated else ""


def _laid_out_like(lines: tuple[str, ...], place: int, steps: list[str], language: str) -> list[str]:
    """Return steps that take the place of line `place` and of those after it, behind words of order if the lines before or there have some.
    Numbers are continued where the reply is read."""
    heads = [_HEADED.match(line) for line in lines]
    if not any(head["order"] for head in heads[:place] if head):
        return steps
    before = place - 1
    return [ordered(before + index, before + len(steps), step, language) for index, step in enumerate(steps)]


def _joined(lines: list[str], value: str) -> str:
    return "\n".join([*lines, rf"\boxed{{{value}}}"])
