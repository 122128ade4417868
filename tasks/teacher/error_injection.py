"""Error injection: one calculation of a worked solution is made wrong, and the error is carried through to the answer.

"x = 19 - 4 = 15; 15 / 3 = 5" becomes "x = 19 - 4 = 18; 18 / 3 = 6": one false line, then correct arithmetic with a wrong
value, up to the answer. So a critic can name the first wrong line, and reading only the last line does not reveal it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from fractions import Fraction

from tasks.teacher.statements import Statement, statements
from tasks.text.arithmetic import number, written

# a number that is a value: no exponent, index, part of a word, decimal or thousands group
_PLAIN = r"(?<![\w.\\^])(?<!\^\{)(?<!_\{)\d+(?:\.\d+)?(?!\d|\.\d|,\d|st\b|nd\b|rd\b|th\b)"
_NUMBER = re.compile(rf"\\[dt]?frac\{{\d+\}}\{{\d+\}}|{_PLAIN}/\d+(?!\d)|{_PLAIN}")
_SIGNED = re.compile(rf"(?P<sign>[-−] ?)?(?P<size>{_NUMBER.pattern})")
# what precedes a minus that subtracts: a number, a closing bracket or a variable
_SUBTRACTS = re.compile(r"(?:\d|[)}\]|]|(?<![A-Za-z])[A-Za-z]) ?$")
TRIES = 24  # errors that are tried before the answer itself is changed

Mapping = dict[Fraction, Fraction]


def inject_error(steps: tuple[str, ...], answer: str, rng: random.Random) -> tuple[tuple[str, ...], str]:
    """Return the steps and the answer after one wrong calculation; the answer always differs from the right one."""
    text = "\n".join(steps)
    stated = list(statements(text))
    best: tuple[int, str, str] | None = None
    for statement, wrong in _candidates(stated, rng):
        changed, mapping = _propagate(text, stated, statement, wrong)
        new_answer = _replaced(answer, mapping)
        if new_answer == answer or changed.count("\n") != text.count("\n"):
            continue
        cost = _oddness(text[: statement.start], statement.right, answer, new_answer)
        if best is None or cost < best[0]:
            best = (cost, changed, new_answer)
        if cost == 0:
            break
    if best is not None:
        return tuple(best[1].split("\n")), best[2]
    return _misstated(steps, answer, rng)


def _candidates(stated: list[Statement], rng: random.Random) -> Iterator[tuple[Statement, Fraction]]:
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


def _propagate(text: str, stated: list[Statement], first: Statement, wrong: Fraction) -> tuple[str, Mapping]:
    """Return the text with the error and its consequences, and the mapping from old to new values."""
    mapping: Mapping = {first.right: wrong}
    pieces = [text[: first.right_at], written(wrong, first.right_text)]
    at = first.end
    for later in stated:
        if later.right_at < first.end:
            continue
        if later.start < at:  # a link of a chain: its left is the right that was just written
            value = mapping.get(later.left, later.left)
            pieces.append(text[at : later.right_at])
        else:
            left = _replaced(text[later.start : later.right_at], mapping)
            value = number(left.rsplit("=", 1)[0]) or later.left
            pieces += [_replaced(text[at : later.start], mapping), left]
        if value != later.left:
            mapping[later.right] = value
            pieces.append(written(value, later.right_text))
        else:
            pieces.append(text[later.right_at : later.end])
        at = later.end
    pieces.append(_replaced(text[at:], mapping))
    return "".join(pieces), mapping


def _replaced(text: str, mapping: Mapping) -> str:
    """Return the text with all changed values replaced; in "6x - 12" the value may be 12 or -12."""

    def new(match: re.Match[str]) -> str:
        original, sign, size = match.group(0), match["sign"] or "", match["size"]
        value = number(size)
        if value is None:
            return original
        subtracted = sign and _SUBTRACTS.search(text[max(0, match.start() - 3) : match.start()])
        if sign and not subtracted and -value in mapping:
            return written(mapping[-value], size)
        if (subtracted or not sign) and value in mapping:
            return sign + written(mapping[value], size)
        if subtracted and mapping.get(-value, 0) < 0:
            return sign + written(-mapping[-value], size)
        over, slash, under = size.partition("/")
        return sign + _replaced(over, mapping) + slash + _replaced(under, mapping) if slash else original

    return _SIGNED.sub(new, text)


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
    whole = re.compile(rf"(?<![\w.]){re.escape(answer)}(?![\w])")
    return (*steps[:-1], whole.sub(lambda _: new_answer, steps[-1])), new_answer
