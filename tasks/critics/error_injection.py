"""Error injection: one step of a right solution is made wrong, in a known place and way, and the error is carried on to the answer.

"x = 19 - 4 = 15; 15 / 3 = 5" becomes "x = 19 - 4 = 18; 18 / 3 = 6": one false line, then correct arithmetic with a wrong
value, up to the answer. So a critic can name the first wrong line, and reading only the last line does not reveal it. Where an error
is not carried on, the later steps use the right value, and only the step itself is wrong.

`inject` makes errors of each of KINDS for the training of critics. `inject_error` makes a wrong calculation in steps that are apart from their answer,
for the embedded teacher and for canaries; it always makes the answer wrong.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tasks.answers import extract
from tasks.critics.expressions import side_of
from tasks.critics.recomputing import Calculation, calculations
from tasks.critics.step_checker import Checked, check
from tasks.critics.steps import split_steps
from tasks.critics.values import value_of
from tasks.seeding import rng_of
from tasks.text.arithmetic import number, written

# a number that is a value: no exponent, index, part of a word, decimal or thousands group
_PLAIN = r"(?<![\w.\\^])(?<!\^\{)(?<!_\{)\d+(?:\.\d+)?(?!\d|\.\d|,\d|st\b|nd\b|rd\b|th\b)"
_GROUPED = r"(?<![\w.\\^,])\d{1,3}(?:,\d{3})+(?![\d,])"
_NUMBER = re.compile(rf"\\[dt]?frac\{{\d+\}}\{{\d+\}}|{_GROUPED}|{_PLAIN}/\d+(?!\d)|{_PLAIN}")
_SIGNED = re.compile(rf"(?P<sign>[-−] ?)?(?P<size>{_NUMBER.pattern})")
# what precedes a minus that subtracts: a number, a closing bracket or a variable
_SUBTRACTS = re.compile(r"(?:\d|[)}\]|]|(?<![A-Za-z])[A-Za-z]) ?$")
# what precedes and follows a number that counts lines and is no value: "Row 2:", "第 2 行", "2. So" at the beginning of a line
_COUNTS_AFTER = re.compile(r"(?:\b(?:step|row|line|case) |第 ?)$", re.IGNORECASE)
_COUNTS_BEFORE = re.compile(r" ?[行步]")
_COUNTS_LINE = re.compile(r"[.)] ")
TRIES = 24  # errors that are tried before the answer itself is changed

Replacements = dict[Fraction, Fraction]


def inject_error(steps: tuple[str, ...], answer: str, rng: random.Random) -> tuple[tuple[str, ...], str]:
    """Return the steps and the answer after one wrong calculation; the answer always differs from the right one."""
    text = "\n".join(steps)
    stated = list(calculations(text))
    best: tuple[int, str, str] | None = None
    for statement, wrong in _candidates(stated, rng):
        mapping = {statement.right: wrong}
        prefix = text[: statement.right_at] + _written(wrong, statement.right_text)
        changed = _carried(text, stated, prefix, statement.end, mapping)
        new_answer = _replaced(answer, mapping)
        if changed is None or new_answer == answer or changed.count("\n") != text.count("\n"):
            continue
        cost = _oddness(text[: statement.start], statement.right, answer, new_answer)
        if best is None or cost < best[0]:
            best = (cost, changed, new_answer)
        if cost == 0:
            break
    if best is not None:
        return tuple(best[1].split("\n")), best[2]
    return _misstated(steps, answer, rng)


def _candidates(stated: list[Calculation], rng: random.Random) -> Iterator[tuple[Calculation, Fraction]]:
    """Yield calculations that may be made wrong, each with a wrong value, in random order."""
    candidates = [
        (statement, wrong)
        for statement in stated
        if statement.left == statement.right and re.search(r"\d\D+\d", statement.left_text)
        if number(statement.right_text) is not None and _SIGNED.fullmatch(statement.right_text)
        for wrong in _wrong_values(statement.right, rng)
    ]
    rng.shuffle(candidates)
    yield from candidates[:TRIES]


def _wrong_values(value: Fraction, rng: random.Random) -> list[Fraction]:
    unit = Fraction(1, value.denominator)
    choices = [value + unit * step for step in (1, -1, 2, -2, 10, -10, 3, 9)]
    digits = str(abs(value.numerator))
    if len(digits) > 1 and digits[-1] != digits[-2]:
        swapped = int(digits[:-2] + digits[-1] + digits[-2])
        choices.append(Fraction(swapped if value > 0 else -swapped, value.denominator))
    fitting = [wrong for wrong in choices if (wrong > 0) == (value > 0) and wrong != value] or choices
    return rng.sample(fitting, min(4, len(fitting)))


def _carried(text: str, stated: list[Calculation], prefix: str, at: int, mapping: Replacements) -> str | None:
    """Return the text from `prefix`, which stands for text[:at], with the values of `mapping` replaced and what follows from them
    calculated again; None if a changed value is equated with an expression, which has to be another one then ("630 = 17 * 37 + 1"). New values
    are added to `mapping`."""
    pieces = [prefix]
    for later in stated:
        if later.right_at < at:
            continue
        if later.start < at:  # a link of a chain: its left is the right that was just written
            value = mapping.get(later.left, later.left)
            pieces.append(text[at : later.right_at])
        else:
            left = _replaced(text[later.start : later.right_at], mapping)
            value = _exact(left.rsplit("=", 1)[0]) or later.left
            pieces += [_replaced(text[at : later.start], mapping), left]
        if value != later.left:
            if re.search(r"\d\D+\d", later.right_text) and not _SIGNED.fullmatch(later.right_text):
                return None
            mapping[later.right] = value
            pieces.append(_written(value, later.right_text))
        else:
            pieces.append(text[later.right_at : later.end])
        at = later.end
    pieces.append(_replaced(text[at:], mapping))
    return "".join(pieces)


def _exact(text: str) -> Fraction | None:
    """Return the exact value of a whole text, with its units, None if it has none."""
    text = text.strip()
    # at the end of a text the mark of a factorial is one of exclamation
    side = side_of(f"({text})" if text.endswith("!") else text)
    value = value_of(side.key) if side is not None and not side.letters else None
    return value if isinstance(value, Fraction) else None


def _written(value: Fraction, like: str) -> str:
    """Return the value in the notation of `like`, with marks between thousands if it has some."""
    if "," in like and value.denominator == 1:
        return f"{value.numerator:,}"
    return written(value, like)


def _replaced(text: str, mapping: Replacements) -> str:
    """Return the text with all changed values replaced; in "6x - 12" the value may be 12 or -12."""

    def new(match: re.Match[str]) -> str:
        original, sign, size = match.group(0), match["sign"] or "", match["size"]
        value = number(size)
        if value is None or _counts(text, match):
            return original
        subtracted = sign and _SUBTRACTS.search(text[max(0, match.start() - 3) : match.start()])
        if sign and not subtracted and -value in mapping:
            return _written(mapping[-value], size)
        if (subtracted or not sign) and value in mapping:
            return sign + _written(mapping[value], size)
        if subtracted and mapping.get(-value, 0) < 0:
            return sign + _written(-mapping[-value], size)
        over, slash, under = size.partition("/")
        return sign + _replaced(over, mapping) + slash + _replaced(under, mapping) if slash else original

    return _SIGNED.sub(new, text)


def _counts(text: str, match: re.Match[str]) -> bool:
    """Return whether a number counts steps, rows or lines."""
    before = text[max(0, match.start() - 6) : match.start()]
    if counted := _COUNTS_AFTER.search(before):
        return "第" not in counted.group() or bool(_COUNTS_BEFORE.match(text, match.end()))
    return before.endswith("\n") and bool(_COUNTS_LINE.match(text, match.end()))


def _oddness(before: str, value: Fraction, answer: str, new_answer: str) -> int:
    """Return how unlike a human error it looks: a value that also occurs before, an answer of another kind."""
    known = {number(match.group(0)) for match in _SIGNED.finditer(before)}
    other_kind = re.sub(r"\d+", "0", answer) != re.sub(r"\d+", "0", new_answer)
    return 2 * other_kind + (value in known)


def _misstated(steps: tuple[str, ...], answer: str, rng: random.Random) -> tuple[tuple[str, ...], str]:
    """Return the steps with a wrong answer, also in the last step if it occurs there; used if no calculation leads to it."""
    numbers = list(_NUMBER.finditer(answer))
    if numbers:
        chosen = rng.choice(numbers)
        value = number(chosen.group(0)) or Fraction(0)
        wrong = rng.choice(_wrong_values(value, rng))
        new_answer = answer[: chosen.start()] + written(wrong, chosen.group(0)) + answer[chosen.end() :]
    else:
        opposites = {"yes": "no", "no": "yes", "even": "odd", "odd": "even", "是": "否", "否": "是"}
        new_answer = opposites.get(answer.strip().lower(), "0")
    if not steps:
        return steps, new_answer
    # not where it is an exponent or an index
    whole = re.compile(rf"(?<![\w.^])(?<![\^_]\{{){re.escape(answer)}(?![\w])")
    return (*steps[:-1], whole.sub(lambda _: new_answer, steps[-1])), new_answer


# --- errors of every kind ---------------------------------------------------------------------------------------------

KINDS: Final = (
    "arithmetic", "operator", "operand", "dropped_step", "unit", "sign", "misread", "swapped", "rounding", "final",
)  # fmt: skip
_ANNOTATION: Final = re.compile(r"<<[^<>\n]{0,200}>>")
_LEAST_CARRIED: Final = 0.75  # share of wrong calculations that later steps build on
_OPERATOR: Final = re.compile(r"(?<=[\w)}%] )[-+*/×÷](?= [$(\d\\])|(?<=\d)[+*/×÷](?=[$(\d])")
_OTHER_OPERATORS: Final[Mapping[str, str]] = {"+": "-*", "-": "+", "*": "+/", "/": "*-", "×": "+÷", "÷": "×-"}
_CONVERSIONS: Final[Mapping[int, int]] = {
    60: 100, 12: 10, 100: 10, 1000: 100, 7: 5, 24: 12, 365: 360, 52: 50, 16: 12, 36: 12, 3600: 60,
}  # fmt: skip
_MEASURES: Final = re.compile(
    r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|dozens?|cents?|dollars?|inch(?:es)?|feet|foot|yards?|miles?|ounces?|pounds?|"
    r"grams?|kilograms?|kg|cm|mm|km|m|meters?|kilometers?|liters?|ml)\b|秒|分钟|小时|天|周|星期|个月|年|厘米|毫米|千米|公里|米|克|千克|升|毫升|元|角"
)
_OTHER_UNITS: Final[Mapping[str, str]] = {
    "seconds": "minutes", "minutes": "hours", "hours": "minutes", "days": "weeks", "weeks": "days", "months": "years", "years": "months",
    "cents": "dollars", "dollars": "cents", "inches": "feet", "feet": "inches", "yards": "feet", "miles": "feet", "ounces": "pounds",
    "pounds": "ounces", "grams": "kilograms", "kilograms": "grams", "kg": "g", "g": "kg", "cm": "m", "mm": "cm", "km": "m", "m": "cm",
    "meters": "kilometers", "kilometers": "meters", "liters": "milliliters", "ml": "l", "秒": "分钟", "分钟": "小时", "小时": "分钟", "天": "周",
    "厘米": "米", "毫米": "厘米", "千米": "米", "公里": "米", "米": "厘米", "克": "千克", "千克": "克", "升": "毫升", "毫升": "升", "元": "角", "角": "元",
}  # fmt: skip
_UNIT_BEHIND: Final = re.compile(r"\s?([a-z]{1,10}(?![a-z])|[\u4e00-\u9fff]{1,2})")


@dataclass(frozen=True, slots=True)
class Injected:
    """A solution with an error of `kind` in step `place` (from 0), the first wrong one of `steps`.

    carried: whether the later steps and the answer follow from it; otherwise they use the right value. before, after: the step as it was and as it is. answer: the
    final answer that the solution states now.
    """

    solution: str
    steps: tuple[str, ...]
    place: int
    kind: str
    carried: bool
    before: str
    after: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Change:
    """text[:at] becomes `prefix`. mapping: the values that are replaced behind it, if the error is carried on."""

    prefix: str
    at: int
    mapping: Replacements
    carried: bool = True
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class _Right:
    """A right solution: its text, its steps, its calculations that are true, the numbers of its question, and its answer."""

    text: str
    steps: tuple[str, ...]
    stated: list[Calculation]
    given: list[Fraction]
    answer: str
    checked: Checked


def inject(
    solution: str, *, kind: str, seed: int, question: str = "", language: str = "en"
) -> Injected | None:
    """Return the solution with an error of a kind of KINDS, None if it has no place for one, or is not known to be right.

    The result follows from solution, kind and seed. Annotations of a calculator are left out. An error that is carried on changes the final
    answer. Raises KeyError for another kind.
    """
    changes = _CHANGES[kind]
    text = _ANNOTATION.sub("", solution)
    steps = split_steps(text, language)
    checked = check(steps, question=question)
    stated = extract(text, language)
    if checked.first_wrong is not None or stated is None or len(steps) < 2:
        return None
    right = _Right(
        text,
        steps,
        [one for one in calculations(text) if one.true],
        [value for match in _NUMBER.finditer(question) if (value := number(match.group())) is not None],
        stated.answer,
        checked,
    )
    rng = rng_of("inject", kind, seed, solution)
    candidates = list(changes(right, rng))
    rng.shuffle(candidates)
    for change in candidates[:TRIES]:
        injected = _injected(right, change, kind, question, language)
        if injected is not None:
            return injected
    return None


def _injected(right: _Right, change: _Change, kind: str, question: str, language: str) -> Injected | None:
    """Return the changed solution, None unless it is wrong in one step and, if the error is carried on, from there on."""
    mapping = dict(change.mapping)
    if change.carried:
        carried = _carried(right.text, right.stated, change.prefix, change.at, mapping)
        if carried is None:
            return None
        text = carried
    else:
        text = change.prefix + right.text[change.at :]
    steps = split_steps(text, language)
    if len(steps) != len(right.steps) - change.dropped or not all(
        _is_natural(value) for value in mapping.values()
    ):
        return None
    place = next(
        (i for i, (one, other) in enumerate(zip(steps, right.steps, strict=False)) if one != other), None
    )
    stated = extract(text, language)
    if place is None or stated is None:
        return None
    same = stated.answer == right.answer
    if same and (change.carried or kind == "final"):
        return None
    offset = 1 if change.dropped else 0
    checked = check(steps, question=question)
    if any(verdict == "wrong" and i != place for i, verdict in enumerate(checked.verdicts)):
        return None
    for i in range(place + 1, len(steps)) if change.carried else ():
        if steps[i] != right.steps[i + offset] and not _is_recomputed(
            i, i + offset, steps[i], checked, right.checked
        ):
            return None
    return Injected(text, steps, place, kind, change.carried, right.steps[place], steps[place], stated.answer)


def _is_natural(value: Fraction) -> bool:
    """Whether a value can be written with four decimals or as a fraction of small numbers, and is of a usual size."""
    return abs(value) < 10**9 and (10_000 % value.denominator == 0 or value.denominator < 100)


def _is_recomputed(at: int, before: int, step: str, checked: Checked, earlier: Checked) -> bool:
    """Whether every equation of a changed step was read and is right, as in the step that it was."""
    now = [one.verdict for one in checked.statements if one.step == at]
    then = [one.verdict for one in earlier.statements if one.step == before]
    return now.count("right") == then.count("right") and len(re.findall(r"(?<![<>!≤≥])=", step)) <= now.count(
        "right"
    )


def _results(right: _Right) -> Iterator[Calculation]:
    """Yield the calculations whose result is one number that occurs neither before nor in the question."""
    for one in right.stated:
        if (
            not re.search(r"\d\D+\d", one.left_text)
            or not _SIGNED.fullmatch(one.right_text)
            or one.left != one.right
        ):
            continue
        known = {number(match.group()) for match in _SIGNED.finditer(right.text, 0, one.start)}
        if one.right not in known and one.right not in right.given:
            yield one


def _with_result(right: _Right, one: Calculation, left: str, *, carried: bool = True) -> _Change | None:
    """Return the change of the left side of a calculation, with the result that it has then."""
    value = _exact(left.rsplit("=", 1)[0])
    if value is None or value == one.right or not _is_natural(value) or (value <= 0 < one.right):
        return None
    prefix = right.text[: one.start] + left + _written(value, one.right_text)
    return _Change(prefix, one.end, {one.right: value}, carried)


def _arithmetic(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        for wrong in _wrong_values(one.right, rng):
            if wrong.denominator == 1 < one.right.denominator and abs(wrong - one.right) < 1:
                continue  # that is rounding
            prefix = right.text[: one.right_at] + _written(wrong, one.right_text)
            yield _Change(prefix, one.end, {one.right: wrong}, rng.random() < _LEAST_CARRIED)


def _operator(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        left = right.text[one.start : one.right_at]
        for sign in _OPERATOR.finditer(left):
            other = rng.choice(_OTHER_OPERATORS[sign.group()])
            change = _with_result(right, one, left[: sign.start()] + other + left[sign.end() :])
            if change is not None:
                yield change


def _operand(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        left = right.text[one.start : one.right_at]
        known = [
            value
            for match in _NUMBER.finditer(right.text, 0, one.start)
            if (value := number(match.group())) is not None
        ]
        for operand in _NUMBER.finditer(left):
            value = number(operand.group())
            others = [other for other in {*known, *right.given} if other != value and other > 1]
            if value is None or not others:
                continue
            other = rng.choice(sorted(others))
            change = _with_result(
                right, one, left[: operand.start()] + _written(other, operand.group()) + left[operand.end() :]
            )
            if change is not None:
                yield change


def _swapped(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        left = right.text[one.start : one.right_at]
        operands = list(_NUMBER.finditer(left))
        if len(operands) != 2:
            continue
        first, second = operands
        between = left[first.end() : second.start()]
        if not re.search(r"[-−/÷]", between) or re.search(r"[+*×]", between):
            continue
        turned = left[: first.start()] + second.group() + between + first.group() + left[second.end() :]
        value = _exact(turned.rsplit("=", 1)[0])
        if value is not None and value != one.right and _is_natural(value):
            yield _Change(
                right.text[: one.start] + turned + _written(value, one.right_text),
                one.end,
                {one.right: value},
            )


def _sign(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        if one.right and re.search(r"[-−]", one.left_text):
            yield _Change(
                right.text[: one.right_at] + _written(-one.right, one.right_text),
                one.end,
                {one.right: -one.right},
            )


def _rounding(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        if one.right.denominator == 1 or "/" in one.right_text or "frac" in one.right_text:
            continue
        for wrong in (Fraction(int(one.right)), Fraction(int(one.right) + 1)):
            if wrong and abs(wrong - one.right) >= Fraction(1, 100) * abs(one.right):
                prefix = right.text[: one.right_at] + _written(wrong, one.right_text)
                yield _Change(prefix, one.end, {one.right: wrong})


def _misread(right: _Right, rng: random.Random) -> Iterator[_Change]:
    results = {one.right for one in right.stated}
    used = {
        value
        for one in right.stated
        for match in _NUMBER.finditer(one.left_text)
        if (value := number(match.group())) is not None
    }
    for value in sorted(set(right.given or used) & used - results):
        if value > 2:
            others = [other for other in right.given if other != value and other > 2]
            wrong = rng.choice([*_wrong_values(value, rng), *others])
            if wrong > 0 and wrong not in results:
                yield _Change("", 0, {value: wrong})


def _dropped_step(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        line = right.text.rfind("\n", 0, one.start) + 1
        end = right.text.find("\n", one.end)
        if end < 0 or right.text[line:end].strip() not in right.steps:
            continue
        inside = [other for other in right.stated if line <= other.start < end]
        operands = [
            value for match in _NUMBER.finditer(one.left_text) if (value := number(match.group())) is not None
        ]
        if len(inside) == 1 and operands and operands[0] != one.right:
            yield _Change(right.text[:line], end + 1, {one.right: operands[0]}, dropped=True)


def _unit(right: _Right, rng: random.Random) -> Iterator[_Change]:
    for one in _results(right):
        left = right.text[one.start : one.right_at]
        line = right.text[
            right.text.rfind("\n", 0, one.start) + 1 : (
                right.text.find("\n", one.end) + 1 or len(right.text) + 1
            )
            - 1
        ]
        for operand in _NUMBER.finditer(left) if _MEASURES.search(line) else ():
            value = number(operand.group())
            other = _CONVERSIONS.get(int(value)) if value is not None and value.denominator == 1 else None
            if other is not None:
                change = _with_result(
                    right, one, left[: operand.start()] + str(other) + left[operand.end() :]
                )
                if change is not None:
                    yield change
        behind = _UNIT_BEHIND.match(right.text, one.end)
        unit = _OTHER_UNITS.get(behind.group(1)) if behind else None
        if behind and unit is not None:
            yield _Change(right.text[: behind.start(1)] + unit, behind.end(1), {}, carried=False)


def _final(right: _Right, rng: random.Random) -> Iterator[_Change]:
    last = right.text.rfind(right.steps[-1])
    value = _exact(right.answer)
    if value is None or any(one.start >= last and one.right == value for one in right.stated):
        return
    earlier = [one.right for one in right.stated if one.right != value]
    whole = re.compile(rf"(?<![\w.]){re.escape(right.answer)}(?![\w])")
    for wrong in [*_wrong_values(value, rng), *rng.sample(earlier, min(2, len(earlier)))]:
        changed = whole.sub(lambda _: _written(wrong, right.answer), right.text[last:])  # noqa: B023 - called at once
        yield _Change(right.text[:last] + changed, len(right.text), {}, carried=False)


_CHANGES: Final[Mapping[str, Callable[[_Right, random.Random], Iterator[_Change]]]] = {
    "arithmetic": _arithmetic,
    "operator": _operator,
    "operand": _operand,
    "dropped_step": _dropped_step,
    "unit": _unit,
    "sign": _sign,
    "misread": _misread,
    "swapped": _swapped,
    "rounding": _rounding,
    "final": _final,
}
