"""The numbers of a question with their places, exact values and units; what a rewritten question changed of them; and which of
them can be hidden.

Numbers are digits and number words of English and Chinese. The parts of a fraction are numbers of their own, so that 2/5, two
fifths and 五分之二 have the same ones, and so have twice, double and 两倍. The number 1 is left out, because it is also an article.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tasks.answers.numerals import chinese_integer
from tasks.answers.numerals import read as read_number
from tasks.answers.units import UNITS, Unit
from tasks.seeding import seed_of

LONGEST = 8000  # characters of a question that are read

_SMALL = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_LARGE = "hundred|thousand|million|billion"
_WORD = rf"(?:(?:{_TENS})(?:[- ](?:one|{_SMALL}))?|{_SMALL}|one(?= (?:{_LARGE})))"
_ENGLISH = rf"\b{_WORD}(?:[ -](?:{_LARGE})(?:(?: and)? {_WORD})?)*\b"
# words whose meaning has a number
_OTHER = {
    "half": 2, "halves": 2, "halved": 2, "halve": 2, "twice": 2, "double": 2, "doubled": 2, "doubles": 2, "doubling": 2,
    "thrice": 3, "triple": 3, "tripled": 3, "triples": 3, "tripling": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "quadruple": 4, "dozen": 12, "third": 3, "thirds": 3, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7,
    "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
_DIGITS = r"(?<![A-Za-z_.\d])(?:[1-9]\d{0,2}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?(?!\d)"
_PATTERN = re.compile(
    rf"(?P<digits>{_DIGITS})(?P<scale>\s?[万亿])?|(?P<words>{_ENGLISH})|\b(?P<other>{'|'.join(sorted(_OTHER, key=len, reverse=True))})\b"
    r"|(?P<half>一半|半(?![径圆球轴]))|(?P<chinese>[零〇一二两三四五六七八九十百千万亿]+)(?=(?P<after>.?))",
    re.IGNORECASE,
)
_CHINESE_DIGIT = re.compile("[一二两三四五六七八九十]")
_AFTER_THOUSAND = "克米瓦卡"  # 千克 is a unit
_NO_NUMBER_AFTER = "些样般起共定直致切"  # 一些, 一样, 一起
_SCALES = {"万": 10**4, "亿": 10**8}


@dataclass(frozen=True, slots=True)
class StatedNumber:
    """A number at text[start:end]. `spelled`: written in words. `unit`: the unit behind it, None where there is none."""

    start: int
    end: int
    value: Fraction
    spelled: bool
    unit: Unit | None


def numbers_in(text: str) -> list[StatedNumber]:
    """Return the numbers of a question from left to right."""
    numbers = []
    for match in _PATTERN.finditer(text[:LONGEST]):
        value, end = _value(match)
        if value is not None:
            spelled = match["digits"] is None
            numbers.append(StatedNumber(match.start(), end, value, spelled, _unit(text, match.start(), end)))
    return numbers


def _value(match: re.Match[str]) -> tuple[Fraction | None, int]:
    """Return the value of a match and where its number ends; no value if it is none."""
    if digits := match["digits"]:
        if len(digits) > 60:
            return None, match.end()
        value = Fraction(digits.replace(",", ""))
        return value * _SCALES[match["scale"].strip()] if match["scale"] else value, match.end()
    if words := match["words"]:
        quantity = read_number(words)
        return (quantity.value if quantity else None), match.end()
    if other := match["other"]:
        return Fraction(_OTHER[other.lower()]), match.end()
    if match["half"]:
        return Fraction(2), match.end()
    run, after = match["chinese"], match["after"]
    end = match.end("chinese")
    if run.endswith("千") and after and after in _AFTER_THOUSAND:
        run, end = run[:-1], end - 1
    if (
        not _CHINESE_DIGIT.search(run)
        or len(run) > 16
        or (run[-1] == "一" and after and after in _NO_NUMBER_AFTER)
    ):
        return None, end
    return Fraction(chinese_integer(run)), end


_LATIN_UNIT = re.compile(
    r"[\s$)-]{0,3}(?:\\(?:text|mathrm)\s*\{\s*)?((?:(?:square|cubic|fluid|metric) )?[A-Za-zμ]+|\\?%|\^\\circ|°)"
)
_CHINESE_UNIT = re.compile(r"[\s$)]{0,3}(?!分之)([\u4e00-\u9fff]{1,4})")
_NO_UNIT = ("in", "are")  # "3 in all", "5 are red"
_MONEY = re.compile(r"(\\\$|[€£¥₹])\s?$")  # a dollar sign alone may begin a formula


def _unit(text: str, start: int, end: int) -> Unit | None:
    """Return the unit of a number: the sign of money before it, or the longest name of a unit behind it."""
    if money := _MONEY.search(text, max(0, start - 4), start):
        return UNITS.get(money[1].lstrip("\\"))
    if latin := _LATIN_UNIT.match(text, end):
        word = latin[1]
        name = word if word in UNITS else word.lower()
        if name in UNITS and name not in _NO_UNIT and (len(name) > 1 or name in "mgshtlL"):
            return UNITS[name]
    if chinese := _CHINESE_UNIT.match(text, end):
        for length in range(len(chinese[1]), 0, -1):
            if unit := UNITS.get(chinese[1][:length]):
                return unit
    return None


def values_of(text: str) -> set[Fraction]:
    """Return the values of the numbers of a text, without 1."""
    return {number.value for number in numbers_in(text)} - {Fraction(1)}


def changed_number(question: str, rewritten: str) -> str | None:
    """Return a number that the rewritten question lacks, or that it has in digits and the question has not; None if it has the
    same ones. Which of them it repeats does not count, and a number word up to ten may be new ("the two friends")."""
    given, kept = values_of(question), values_of(rewritten)
    if missing := sorted(given - kept):
        return spelled(missing[0])
    new = [
        number
        for number in numbers_in(rewritten)
        if number.value not in given and number.value != 1 and not (number.spelled and number.value <= 10)
    ]
    return spelled(new[0].value) if new else None


def changed_unit(question: str, rewritten: str) -> str | None:
    """Return a value that the rewritten question has with another unit than the question, None if there is none. A number that
    loses its unit, or gets one, is no change: the unit may be named elsewhere in the sentence."""
    given, kept = _units(question), _units(rewritten)
    for value, units in sorted(given.items()):
        others = kept.get(value, set())
        if units and others and not units & others:
            return spelled(value)
    return None


def _units(text: str) -> dict[Fraction, set[tuple[str, Fraction]]]:
    units: dict[Fraction, set[tuple[str, Fraction]]] = {}
    for number in numbers_in(text):
        if number.unit is not None:
            units.setdefault(number.value, set()).add((number.unit.dimension, number.unit.factor))
    return units


def left_out(question: str, rewritten: str) -> str | None:
    """Return a number of the question that the rewritten one does not have, None if it has all."""
    missing = sorted(values_of(question) - values_of(rewritten))
    return spelled(missing[0]) if missing else None


def spelled(value: Fraction) -> str:
    """Return an exact value in digits: an integer, a decimal that ends, or a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    whole = value.denominator
    for prime in (2, 5):
        while whole % prime == 0:
            whole //= prime
    if whole != 1:
        return f"{value.numerator}/{value.denominator}"
    places = next(count for count in range(1, 400) if (value * 10**count).denominator == 1)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


_EXPONENT_BEFORE = re.compile(r"(?:\^|_|\*\*)\s*\{?\s*-?\s*$")
_ORDINAL = re.compile(r"\s?(?:st|nd|rd|th)\b|:\d")  # 3rd, 12:30
_NAMED_BEFORE = re.compile(r"(?:\b(?:problem|exercise|example|figure|step|no\.?)|第|\d:)\s*$", re.IGNORECASE)


def hideable(question: str) -> list[StatedNumber]:
    """Return the numbers of a question that can be replaced by a letter: in digits, other than 0 and 1, no exponent and no factor of a
    letter; those that occur once come alone if there are any."""
    numbers = numbers_in(question)
    values = [number.value for number in numbers]
    candidates = [
        number
        for number in numbers
        if not number.spelled
        and number.value not in (0, 1)
        and question[number.end - 1].isdigit()
        and not _EXPONENT_BEFORE.search(question, max(0, number.start - 8), number.start)
        and not _NAMED_BEFORE.search(question, max(0, number.start - 12), number.start)
        and not _ORDINAL.match(question, number.end)
        and not _adjoins(question, number)
    ]
    once = [number for number in candidates if values.count(number.value) == 1]
    return once or candidates


def _adjoins(question: str, number: StatedNumber) -> bool:
    """Return whether a letter, a bracket or a command stands directly behind the number, so that a letter would be its factor."""
    behind = question[number.end : number.end + 1]
    return (behind.isascii() and behind.isalpha()) or behind in ("(", "\\", "!", "^")


UNKNOWNS: Sequence[str] = ("x", "y", "z", "k", "n", "w", "u", "v")


def free_letter(question: str) -> str | None:
    """Return a letter that the question does not use as a variable, None if it uses all of UNKNOWNS."""
    return next(
        (letter for letter in UNKNOWNS if not re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", question)),
        None,
    )


@dataclass(frozen=True, slots=True)
class MaskedQuestion:
    """A question in which a letter stands in place of the number `value`, written in digits."""

    question: str
    letter: str
    value: str


# what has the same value for several numbers, so that its value does not say which number it was: 7^100 leaves 9 when it is divided by 13,
# 26, 52 and 104
SEVERAL_FIT: Final = re.compile(
    r"\b(?:remainders?|modulo|mod|divisors?|(?:common|prime) (?:factors?|multiples?)|gcd|lcm|digits?|round(?:s|ed|ing)?|nearest|floor|"
    r"ceiling|parity)\b|divisible|\\(?:[bp]?mod|gcd|lcm|lfloor|lceil)\b|余数|余\s*[0-9]|取模|同余|整除|约数|公因数|公倍数|质因数|数位|位数|[个十百千]位|四舍五入|取整",
    re.IGNORECASE,
)


def hidden(question: str, *seed: object) -> MaskedQuestion | None:
    """Return the question with one of its numbers hidden, chosen by a hash of `seed`; None if no number can be, or if the answer would not say
    which one it was."""
    numbers, letter = hideable(question), free_letter(question)
    if not numbers or letter is None or SEVERAL_FIT.search(question):
        return None
    number = numbers[seed_of(*seed, "hidden") % len(numbers)]
    masked = question[: number.start] + letter + question[number.end :]
    return MaskedQuestion(masked, letter, spelled(number.value))


def stated(answer: str) -> str:
    """Return an answer as it is written in a sentence: between dollars if it is LaTeX or an equation."""
    text = answer.strip()
    return f"${text}$" if re.search(r"[\\^_=]", text) and "$" not in text else text
