"""Reads numbers in digits, English words or Chinese numerals exactly, as fractions and never as floats."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from tasks.answers.units import UNITS, Unit, unit_of

_MAX_DIGITS = 400  # int() is quadratic: longer numbers are left to the bounded worker
_MAX_POWER = 400


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value and how it was written.

    decimals: the number of digits after the point, None for whole numbers and fractions. significant: the number of
    digits; 15 or more look like a printed float.
    """

    value: Fraction
    decimals: int | None = None
    significant: int = 0
    percent: bool = False
    unit: Unit | None = None
    noun: str = ""


_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<money>[$€£¥₹]|\\\$)?\s*(?P<sign2>[-+]?)(?:"
    r"(?P<whole>[1-9]\d{0,2}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?![\d/])|\d+)?(?P<point>\.\d*)?"
    r"(?:[eE](?P<exp>[-+]?\d{1,4})(?!\d)|\s*(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*\{?\s*(?P<exp2>[-+]?\d{1,4})\s*\}?)?"
    r")(?P<rest>.*)",
    re.DOTALL,
)
_SIMPLE = re.compile(r"-?\d{1,400}")
_HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]{1,400}")
_FRACTION = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<mixed>\d{1,400})\s*(?:\\frac|(?<=\s)|\s*(?=\\frac)|又\s*|(?<=\s)and\s+))?"
    r"(?:(?:\\frac)?\s*\{\s*(?P<n1>-?\d{1,400})\s*\}\s*\{\s*(?P<d1>-?\d{1,400})\s*\}|(?P<n2>\d{1,400})\s*/\s*(?P<d2>\d{1,400}))"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_POWER_OF_TEN = re.compile(r"(?P<sign>-?)10\s*(?:\^|\*\*)\s*\{?\s*(?P<exp>-?\d{1,3})\s*\}?")
_OPERATOR = re.compile(r"[,.^/*+\-_(\[{=<>|!:]")
_UNIT_AHEAD = re.compile(r"\^\\circ|/\s*(?:[a-zA-Z]{2}|\\text)")
_PERCENT = re.compile(r"\s*(?:%|percentage points?|per\s?cent|pct)", re.IGNORECASE)
_SCALE = re.compile(r"\s*(hundred|thousand|million|billion|trillion|dozen|万|亿)(?![a-z])", re.IGNORECASE)
_SCALES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
    "万": 10**4, "亿": 10**8,
}  # fmt: skip


def read(text: str) -> Quantity | None:
    """Return the quantity that a canonical text spells, None if it is not exactly one number.

    It reads signs, thousands (commas or spaces), decimals (repeating ones too), a/b, \\frac, mixed numbers, percents, powers of
    ten, money, units, counted things ("7 apples"), English and Chinese number words.
    """
    if _SIMPLE.fullmatch(text):
        return Quantity(Fraction(int(text)))
    if not text or len(text) > 2 * _MAX_DIGITS:
        return None
    if _HEXADECIMAL.fullmatch(text):
        return Quantity(Fraction(int(text, 16)))
    return (
        _fraction(text)
        or _decimal(text)
        or _repeating(text)
        or _unending(text)
        or _words(text)
        or _compound(text)
    )


def _finish(
    value: Fraction, rest: str, decimals: int | None, significant: int, money: str
) -> Quantity | None:
    if _PARTED.match(rest):
        parted = _parted(value, rest)
        return None if parted is None else _finish(*parted, None, 0, money)
    scale = _SCALE.match(rest)
    if scale:
        value, rest = value * _SCALES[scale.group(1).lower()], rest[scale.end() :]
        decimals = None
    percent = _PERCENT.match(rest)
    if percent:
        rest = rest[percent.end() :]
    tail = unit_of(_untext(rest), upright=rest.lstrip().startswith("\\"))
    if not tail.droppable or (tail.noun and _PRODUCT.fullmatch(rest)):
        return None
    unit = tail.unit
    if money:
        money_unit = unit_of(money.lstrip("\\")).unit
        rated = unit is not None and money_unit is not None and unit.dimension != money_unit.dimension
        if (
            money_unit is not None
            and rated
            and not str(unit and unit.dimension).startswith(f"{money_unit.dimension} ")
        ):
            # "$5 per hour": the sign is the first factor of the rate
            money_unit = unit_of(f"{money_unit.dimension} {rest}".replace(" /", "/")).unit
            if money_unit is None:
                return None
        unit = money_unit
    return Quantity(value, decimals, significant, bool(percent), unit, tail.noun)


_TEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox|textbf|operatorname)\s*\{([^{}]*)\}")


def _untext(rest: str) -> str:
    return _TEXT.sub(r" \1", rest) if "\\" in rest else rest


def _fraction(text: str) -> Quantity | None:
    if "/" not in text and "\\frac" not in text:
        return None
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    numerator, denominator = int(match["n1"] or match["n2"]), int(match["d1"] or match["d2"])
    if denominator == 0:
        return None
    value = Fraction(numerator, denominator)
    if match["mixed"]:
        if not 0 <= value < 1:
            return None  # 3 7/2 is a product or an error, not a mixed number
        value += int(match["mixed"])
    rest = match["rest"]
    if rest.lstrip()[:1] in ("/", "^", "\\") and not rest.lstrip().startswith(
        ("\\text", "\\mathrm", "\\circ")
    ):
        return None
    return _finish(-value if match["sign"] == "-" else value, rest, None, 0, "")


def _decimal(text: str) -> Quantity | None:
    match = _NUMBER.fullmatch(text)
    if match is None or (match["whole"] is None and match["point"] in (None, ".")):
        power = _POWER_OF_TEN.fullmatch(text)
        return None if power is None else _ten(power)
    whole = (match["whole"] or "0").replace(",", "").replace(" ", "")
    point = (match["point"] or ".")[1:]
    exponent = int(match["exp"] or match["exp2"] or 0)
    if len(whole) + len(point) > _MAX_DIGITS or abs(exponent) > _MAX_POWER:
        return None
    rest = match["rest"].lstrip()
    if (match["sign"] and match["sign2"]) or (_OPERATOR.match(rest) and not _UNIT_AHEAD.match(rest)):
        power = _POWER_OF_TEN.fullmatch(text)
        return None if power is None else _ten(power)
    value = Fraction(int(whole + point), 10 ** len(point)) * Fraction(10) ** exponent
    if "-" in (match["sign"], match["sign2"]):
        value = -value
    decimals = max(len(point) - exponent, 0) if match["point"] and point else None
    significant = len((whole + point).lstrip("0"))
    return _finish(
        value, match["rest"], decimals, significant if decimals is not None else 0, match["money"] or ""
    )


def _ten(match: re.Match[str]) -> Quantity | None:
    exponent = int(match["exp"])
    if abs(exponent) > _MAX_POWER:
        return None
    value = Fraction(10) ** exponent
    return Quantity(-value if match["sign"] else value)


_REPEATING = re.compile(
    r"(-?)(\d{0,40})\.(\d{0,40})(?:\\(?:overline|bar|dot)\s*\{?\s*|\()(\d{1,40})(?:\s*\}|\))?(?:\s*(?:\.{3}|\\[lc]?dots))?"
)


def _repeating(text: str) -> Quantity | None:
    match = _REPEATING.fullmatch(text)
    if match is None:
        return None
    sign, whole, head, cycle = match.groups()
    scale = 10 ** len(head)
    value = Fraction(int((whole or "0") + head), scale) + Fraction(int(cycle), scale * (10 ** len(cycle) - 1))
    return Quantity(-value if sign else value)


_PRODUCT = re.compile(r"[a-z]{2,3}")  # 2xyz
UNENDING = re.compile(r"(-?)(\d{0,40})\.(\d{1,60})\s*(?:\.{3,}|…|\\[lc]?dots(?![a-zA-Z]))")


def _unending(text: str) -> Quantity | None:
    """Return the repeating decimal of 0.333... or 0.1666..., None where no cycle is visible.

    The cycle is the shortest that ends the digits and occurs at least twice, a single digit three times: 1.4142... and
    0.33... show too little.
    """
    match = UNENDING.fullmatch(text)
    if match is None:
        return None
    sign, whole, digits = match.groups()
    for length in range(1, len(digits) // 2 + 1):
        cycle, times = digits[-length:], 1
        while digits.endswith(cycle * (times + 1)):
            times += 1
        if times >= (3 if length == 1 else 2):
            head = digits[: len(digits) - length * times]
            return _repeating(f"{sign}{whole}.{head}\\overline{{{cycle}}}")
    return None


_PIECE = re.compile(r"\s*(?:,|and|又|零)?\s*(\d{1,18}(?:\.\d{1,9})?)\s*([^\W\d_]+)\.?")


def _compound(text: str) -> Quantity | None:
    """Return the quantity of 1 hour 30 minutes, 5米20厘米 or 3元5角 in the last unit that is named."""
    position, total = 0, Fraction(0)
    units: list[Unit] = []
    text = _untext(text)
    while position < len(text):
        match = _PIECE.match(text, position)
        unit = None if match is None else unit_of(match.group(2)).unit
        if match is not None and match.group(2) == "分" and units and units[0].dimension == "time":
            unit = UNITS["分钟"]  # after hours it is no money
        if match is None or unit is None or (units and unit.dimension != units[0].dimension):
            return None
        if units and unit.factor >= units[-1].factor:
            return None
        units.append(unit)
        total += Fraction(match.group(1)) * unit.factor
        position = match.end()
    return Quantity(total / units[-1].factor, unit=units[-1]) if len(units) > 1 else None


_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {word: value for value, word in enumerate(_SMALL.split())}
_ENGLISH |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_CHINESE_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_NUMBER = re.compile(
    r"(负)?(?:(百)分之)?([零〇一二两三四五六七八九十百千万亿]+)(?:分之([零〇一二两三四五六七八九十百千万亿]+))?(?:点([零〇一二三四五六七八九]+))?(.*)"
)


_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = (
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
)
_PARTS = {word: value for value, word in enumerate(_ORDINALS.split(), 3)}
_PARTS |= {"half": 2, "quarter": 4, "hundredth": 100, "thousandth": 1000, "millionth": 10**6}
_PARTS |= {f"{word}s": value for word, value in _PARTS.items()} | {"halves": 2}
_PARTED = re.compile(
    rf"\s*-?\s*(?:and\s+(?:an?|one|two|three|four|five|six|seven|eight|nine)[\s-]+)?(?:{'|'.join(sorted(_PARTS, key=len, reverse=True))})(?![^\s-])"
)


def _parted(value: Fraction, rest: str) -> tuple[Fraction, str] | None:
    """Return the value of 5 hundredths, 2 and a half, two and three quarters, and the text after the fraction.

    None where it may be an ordinal or a noun ("5 quarters" may be coins).
    """
    words = rest.replace("-", " ").split()
    if words[0] == "and":
        count = 1 if words[1] in ("a", "an") else _ENGLISH[words[1]]
        part = Fraction(count, _PARTS[words[2]])
        return (value + part, " ".join(words[3:])) if value.denominator == 1 and part < 1 else None
    if words[0] == "quarters" and value > 4:
        return None
    following = " ".join(words[1:])
    following = following.removeprefix("of a ").removeprefix("of an ").removeprefix("a ").removeprefix("an ")
    return value / _PARTS[words[0]], following


def _words(text: str) -> Quantity | None:
    if text[0] > "\u3000":
        return _chinese(text)
    words = _untext(text).lower().replace("-", " ").replace(",", " ").split()
    minus = bool(words) and words[0] in ("minus", "negative")
    words = words[minus:]
    if not words or len(words) > 60:
        return None
    if words[0] in ("a", "an") and len(words) > 1 and (words[1] in _PARTS or words[1] in _LARGE_OR_HUNDRED):
        words[0] = "one"
    if words[0] == "half":
        words = ["one", *words]
        if len(words) > 2 and words[2] in ("a", "an"):
            del words[2]
    taken, value = _counting(words)
    if taken == 0 or (taken < len(words) and words[taken] in _NUMBER_WORDS):
        return None
    decimals = None
    if words[taken : taken + 1] == ["point"]:
        digits = ""
        while (
            taken + 1 + len(digits) < len(words)
            and 0 <= _ENGLISH.get(words[taken + 1 + len(digits)], 99) < 10
        ):
            digits += str(_ENGLISH[words[taken + 1 + len(digits)]])
        if not digits:
            return None
        value, decimals = value + Fraction(int(digits), 10 ** len(digits)), len(digits)
        taken += 1 + len(digits)
    return _finish(-value if minus else value, " ".join(words[taken:]), decimals, decimals or 0, "")


_LARGE_OR_HUNDRED = frozenset((*_LARGE, "hundred", "dozen"))
_NUMBER_WORDS = frozenset((*_ENGLISH, "hundred", *_LARGE))


def _counting(words: list[str]) -> tuple[int, Fraction]:
    """Return how many words the English integer at the beginning takes, and its value: "two hundred and five" is 205."""
    total = current = position = 0
    last = 10**18  # each word must be smaller than the one before it: "two three" is no number
    while position < len(words):
        word = words[position]
        if word == "and" and position and words[position - 1] in _LARGE_OR_HUNDRED:
            follows = words[position + 1 : position + 2]
            if (
                not follows
                or follows[0] not in _ENGLISH
                or (set(words[position + 2 : position + 3]) & _PARTS.keys())
            ):
                break
        elif word in _ENGLISH:
            value = _ENGLISH[word]
            if value >= last or (last == 100 and current % 100):
                break
            current, last = current + value, (10 if value >= 20 else 0)
        elif word == "hundred" and 0 < current < 100:
            current, last = current * 100, 100
        elif word in _LARGE and current:
            total, current, last = total + current * _LARGE[word], 0, 10**18
        else:
            break
        position += 1
    return position, Fraction(total + current)


_CHINESE_HALF = re.compile(r"(?:一)?半")
_CHINESE_MIXED = re.compile(r"([零〇一二两三四五六七八九十百千万]+)又(.+分之.+)")


def _chinese(text: str) -> Quantity | None:
    if _CHINESE_HALF.fullmatch(text):
        return Quantity(Fraction(1, 2))
    mixed = _CHINESE_MIXED.fullmatch(text)
    if mixed:
        part = _chinese(mixed[2])
        return (
            replace(part, value=part.value + chinese_integer(mixed[1]))
            if part is not None and 0 < part.value < 1 and not part.percent
            else None
        )
    match = _CHINESE_NUMBER.fullmatch(text)
    if match is None:
        return None
    minus, hundredth, first, numerator, point, rest = match.groups()
    value = Fraction(chinese_integer(first))
    if numerator:
        if value == 0 or point:
            return None
        value = Fraction(chinese_integer(numerator)) / value
    digits = "".join(str(_CHINESE_DIGITS[digit]) for digit in point or "")
    if digits:
        value += Fraction(int(digits), 10 ** len(digits))
    decimals = len(digits) if digits else None
    quantity = _finish(-value if minus else value, rest, decimals, len(digits), "")
    if quantity is None or not hundredth:
        return quantity
    return replace(quantity, percent=True)


def chinese_integer(text: str) -> int:
    """Return the value of a Chinese numeral: 二百零五 is 205, 三万 is 30000; a row of digits (二〇二六) is read as digits."""
    if not any(char in "十百千万亿" for char in text):
        return int("".join(str(_CHINESE_DIGITS[char]) for char in text))
    total = section = digit = 0
    for char in text:
        if char in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[char]
        elif char in "十百千":
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[char]
            digit = 0
        else:
            total = (total + section + digit) * (10**4 if char == "万" else 10**8)
            section = digit = 0
    return total + section + digit
