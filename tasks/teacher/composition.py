"""Worked solutions of compound questions (tasks/teacher/compound.py): their parts are worked, and then what joins them.

A question backwards is worked by trial: the numbers that a pupil would try are put in place of the letter until the stated answer comes
out. Only whole numbers are tried.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from tasks.problems.machinery.family import Worked, recognise
from tasks.problems.machinery.notation import fraction
from tasks.problems.machinery.typesetting import typeset
from tasks.rewriting.numbers import hideable
from tasks.teacher.comparing import same_answer
from tasks.teacher.compound import Compound, split, write
from tasks.teacher.equations import worked_text
from tasks.teacher.named_results import worked_named
from tasks.text.arithmetic import number

_TOKEN = re.compile(r"\d+|[^\d]")
TRIED = range(2, 400)  # whole numbers that are put in place of a letter


@functools.lru_cache(maxsize=4096)  # the samples of one question follow each other
def worked_compound(question: str) -> Worked | None:
    """Return the worked solution of a compound question; None for other questions, and where a part cannot be worked."""
    compound = split(question)
    worked = _worked(compound) if compound is not None else None
    if compound is None or worked is None:
        return None
    return replace(worked, steps=typeset(worked.steps, question, compound.language))


def _worked(compound: Compound) -> Worked | None:
    """Return the solution, in which the steps that join the parts are plain."""
    if "letter" in compound.slots:
        return _by_trial(compound)
    first = worked_question(compound.slots["first"], compound.language)
    value = number(first.answer) if first else None
    if first is None or value is None:
        return None
    if "third" in compound.slots:
        return _summed(compound)
    if "second" in compound.slots:
        return _joined(compound, first, value)
    return _carried_on(compound, first, value)


def joined(first: str, second: str, manner: str, language: str, rng: random.Random) -> str:
    """Return two questions as one: in `sequence`, where the first has a whole number as its answer and the second a number to replace;
    else `parallel`, or compared (`condition`)."""
    worked = worked_question(first, language)
    value = number(worked.answer) if worked else None
    numbers = [one for one in hideable(second) if one.value.denominator == 1]
    if manner == "sequence" and value is not None and value.denominator == 1 and numbers:
        spot = rng.choice(numbers)
        shift = int(spot.value - value)
        given = f"(A {'+' if shift >= 0 else '-'} {abs(shift)})"
        return write(
            "sequence", language, first=first, second=second[: spot.start] + given + second[spot.end :]
        )
    return write("parallel" if manner == "sequence" else manner, language, first=first, second=second)


def side_by_side(questions: Sequence[str], language: str) -> str:
    """Return three or four questions as one, whose answer is the sum of theirs."""
    form, slots = (
        ("three", ("first", "second", "third"))
        if len(questions) == 3
        else ("four", ("first", "second", "third", "fourth"))
    )
    return write(form, language, **dict(zip(slots, questions, strict=True)))


def worked_question(text: str, language: str) -> Worked | None:
    """Return the worked solution of a question, compound or not; None if the teacher does not know it."""
    problem = recognise(text.strip(), language)
    if problem is not None:
        return problem.worked
    return (
        worked_compound(text) if split(text) else worked_named(text, language) or worked_text(text, language)
    )


def _carried_on(compound: Compound, first: Worked, value: Fraction) -> Worked | None:
    """Return the solution of one step further: a product and a sum, or a remainder."""
    zh = compound.language == "zh"
    if compound.form == "remainder":
        divisor = int(compound.slots["divisor"])
        if value.denominator != 1 or divisor < 2:
            return None
        rest = value.numerator % divisor
        times = (value.numerator - rest) // divisor
        step = (
            f"{value} = {divisor} * {times} + {rest}，余数是 {rest}。"
            if zh
            else f"{value} = {divisor} * {times} + {rest}, so the remainder is {rest}."
        )
        return _with(first, step, str(rest), f"print(int(first()) % {divisor})")
    factor, addend = int(compound.slots["factor"]), int(compound.slots["addend"])
    product = value * factor
    result = product + addend
    shown = f"({value})" if value < 0 or value.denominator != 1 else str(value)
    total = f"({product})" if product.denominator != 1 else str(product)
    steps = f"{shown} * {factor} = {product}", f"{total} + {addend} = {result}"
    step = f"{steps[0]}，{steps[1]}。" if zh else f"{steps[0]}, and {steps[1]}."
    return _with(first, step, fraction(result), f"print(Fraction(str(first())) * {factor} + {addend})")


_REPLACED = re.compile(r"\(A ([+-]) (\d{1,9})\)")


def _joined(compound: Compound, first: Worked, value: Fraction) -> Worked | None:
    """Return the solution of two parts: in sequence, side by side, or compared."""
    language, text = compound.language, compound.slots["second"]
    zh = language == "zh"
    if compound.form == "sequence":
        spots = list(_REPLACED.finditer(text))
        if len(spots) != 1 or value.denominator != 1:
            return None
        (spot,) = spots
        shift = int(f"{spot[1]}{spot[2]}")
        given = value.numerator + shift
        second = worked_question(f"{text[: spot.start()]}{given}{text[spot.end() :]}", language)
        if second is None:
            return None
        sign = "+" if shift >= 0 else "-"
        step = (
            f"A = {value}，{value} {sign} {abs(shift)} = {given}。"
            if zh
            else f"So A = {value}, and {value} {sign} {abs(shift)} = {given}."
        )
        return Worked(second.answer, (*first.steps, step, *second.steps), second.program)
    second = worked_question(text, language)
    other = number(second.answer) if second else None
    if second is None or other is None:
        return None
    programs = _functions(first=first, second=second)
    if compound.form == "parallel":
        result = value + other
        shown = [f"({one})" if one < 0 or one.denominator != 1 else str(one) for one in (value, other)]
        step = f"{shown[0]} + {shown[1]} = {result}{'。' if zh else '.'}"
        program = f"{programs}\nprint(Fraction(str(first())) + Fraction(str(second())))"
    else:
        result = max(value, other)
        step = (
            f"比较 {value} 和 {other}，较大的是 {result}。"
            if zh
            else f"Of {value} and {other}, the larger one is {result}."
        )
        program = f"{programs}\nprint(max(Fraction(str(first())), Fraction(str(second()))))"
    return Worked(fraction(result), (*first.steps, *second.steps, step), program)


def _summed(compound: Compound) -> Worked | None:
    """Return the solution of three or four parts side by side."""
    parts = {name: worked_question(text, compound.language) for name, text in compound.slots.items()}
    worked = {name: part for name, part in parts.items() if part is not None}
    values = [number(part.answer) for part in worked.values()]
    if len(worked) < len(parts) or None in values:
        return None
    known = [value for value in values if value is not None]
    result = sum(known, Fraction())
    shown = [f"({one})" if one < 0 or one.denominator != 1 else str(one) for one in known]
    step = f"{' + '.join(shown)} = {result}{'。' if compound.language == 'zh' else '.'}"
    terms = " + ".join(f"Fraction(str({name}()))" for name in worked)
    steps = [line for part in worked.values() for line in part.steps]
    return Worked(fraction(result), (*steps, step), f"{_functions(**worked)}\nprint({terms})")


def _by_trial(compound: Compound) -> Worked | None:
    """Return the solution of a question backwards."""
    letter, text, language = compound.slots["letter"], compound.slots["first"], compound.language
    stated = compound.slots["answer"].strip().strip("$")
    place = re.compile(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])")
    inner = split(text)
    if not place.search(text) or (inner is not None and "letter" in inner.slots):
        return None  # trials within trials would take hours
    for tried in TRIED:
        worked = worked_question(place.sub(str(tried), text), language)
        if worked is None or not (worked.answer == stated or same_answer(worked.answer, stated)):
            continue
        zh = language == "zh"
        opening = (
            f"从 {TRIED[0]} 起逐个试整数，试到 {letter} = {tried}。"
            if zh
            else f"Whole numbers from {TRIED[0]} on are put in place of {letter}, up to {letter} = {tried}."
        )
        shown = f"${stated}$" if "\\" in stated else stated
        step = (
            f"这与已知的结果 {shown} 相符，所以 {letter} = {tried}。"
            if zh
            else f"This agrees with the known result {shown}, so {letter} = {tried}."
        )
        other = worked_question(place.sub(str(tried + 1), text), language)
        program = _search(worked, other, letter, tried, number(stated))
        return Worked(str(tried), (opening, *worked.steps, step), program)
    return None


def _search(worked: Worked, other: Worked | None, letter: str, tried: int, target: Fraction | None) -> str:
    """Return a program that puts the numbers of TRIED in place of the letter and prints the first that gives `target`; no
    statement if the place of the number does not show in the program for the next one (`other`)."""
    given, following = (_TOKEN.findall(one.program) if one else [] for one in (worked, other))
    differ = [place for place, (a, b) in enumerate(zip(given, following, strict=False)) if a != b]
    same_length = len(given) == len(following)
    literal = all(given[place] == str(tried) and following[place] == str(tried + 1) for place in differ)
    if target is None or not differ or not same_length or not literal:
        return f"# no program: {letter} was found by putting numbers in its place"
    used = set(re.findall(r"[A-Za-z_]\w*", worked.program))
    name = next(one for one in (letter, "unknown", "candidate") if one not in used)
    for place in differ:
        given[place] = name
    function = _functions(first=replace(worked, program="".join(given)))
    return (
        f"{function.replace('def first()', f'def first({name})')}\n"
        f"print(next({name} for {name} in range({TRIED.start}, {TRIED.stop}) "
        f'if Fraction(str(first({name}))) == Fraction("{target}")))'
    )


def _with(first: Worked, step: str, answer: str, last: str) -> Worked:
    return Worked(answer, (*first.steps, step), f"{_functions(first=first)}\n{last}")


def _functions(**parts: Worked) -> str:
    """Return the programs of the parts as functions of their names, which return what the programs print."""
    lines = ["from fractions import Fraction"]
    for name, part in parts.items():
        *body, last = part.program.strip().split("\n")
        inner = last.removeprefix("print(").removesuffix(")") if last.startswith("print(") else None
        indented = [f"    {line}" if line else line for line in body]
        lines += ["", "", f"def {name}():", *indented, f"    return {inner}" if inner else f"    {last}"]
    return "\n".join([*lines, ""])
