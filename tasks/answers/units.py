"""Units of measure and of money with exact factors, so that 90 minutes equals 1.5 hours, and 18 km/h equals 5 m/s.

math-verify drops the units that it knows (5 cm equals 5 m); here units on both sides must agree. A unit on one side
only does not decide, because the question may name the unit. Words that are no unit ("7 apples", "9 pages per hour")
say what is counted: they are kept, and two answers that count different things are not called equal.

The table is not pint's, because pint returns binary floats, evaluates its input as an expression, knows neither Chinese
nor counted things, and takes a hundred times as long per unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit; `value * factor` is the value in the base unit of its dimension.

    dimension: "length^2" for areas, "length time^-1" for speeds. counted: the counted things among its factors ("page"
    in pages per hour). also: the dimension of another unit with the same name (a pound is a mass, and money).
    """

    dimension: str
    factor: Fraction
    counted: str = ""
    also: str = ""


@dataclass(frozen=True, slots=True)
class Tail:
    """The text after a number: whether it may be dropped, the unit that it names, and else the noun that it counts."""

    droppable: bool
    unit: Unit | None = None
    noun: str = ""


_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter meters metre metres 米 公尺",
        "1/1000": "mm millimeter millimeters millimetre millimetres 毫米",
        "1/100": "cm centimeter centimeters centimetre centimetres 厘米 公分",
        "1/10": "dm decimeter decimeters decimetre decimetres 分米",
        "1/1000000": "μm micrometer micrometers micron microns 微米",
        "1/1000000000": "nm nanometer nanometers 纳米",
        "1000": "km kilometer kilometers kilometre kilometres kms 千米 公里",
        "500": "里",
        "0.0254": 'in inch inches " 英寸',
        "0.3048": "ft foot feet 英尺",
        "0.9144": "yd yds yard yards 码",
        "1609.344": "mi mile miles 英里",
    },
    "length^2": {
        "100": "are ares",
        "10000": "ha hectare hectares 公顷",
        "2000/3": "亩",
        "4046.8564224": "acre acres 英亩",
    },
    "length^3": {
        "1/1000": "l L liter liters litre litres 升",
        "1/1000000": "ml milliliter milliliters millilitre millilitres cc 毫升",
        "1/100000": "cl centiliter centiliters centilitre centilitres",
        "1/10000": "dl deciliter deciliters decilitre decilitres",
        "0.003785411784": "gal gallon gallons 加仑",
        "0.000946352946": "qt quart quarts 夸脱",
        "0.000473176473": "pt pint pints 品脱",
        "0.0002365882365": "cup cups",
        "0.0000295735295625": "floz",
        "0.00001478676478125": "tbsp tablespoon tablespoons",
        "0.00000492892159375": "tsp teaspoon teaspoons",
    },
    "mass": {
        "1": "g gram grams gm gms 克",
        "1/1000": "mg milligram milligrams 毫克",
        "1000": "kg kgs kilogram kilograms kilo kilos 千克 公斤",
        "500": "斤",
        "50": "两",
        "1000000": "t ton tons tonne tonnes 吨",
        "453.59237": "lb lbs pound pounds 磅",
        "28.349523125": "oz ounce ounces 盎司",
        "6350.29318": "stone stones",
    },
    "time": {
        "1": "s sec secs second seconds 秒 秒钟",
        "1/1000": "ms millisecond milliseconds 毫秒",
        "60": "min mins minute minutes 分钟",
        "3600": "h hr hrs hour hours 小时 时 个小时 钟头 个钟头",
        "86400": "day days 天 日",
        "604800": "week weeks wk wks 周 星期 个星期 礼拜 个礼拜",
        "1209600": "fortnight fortnights",
    },
    "calendar": {
        "1": "month months 月 个月",
        "3": "季度 个季度",
        "12": "year years yr yrs 年",
        "120": "decade decades",
        "1200": "century centuries 世纪 个世纪",
    },
    "dollar": {"1": "$ dollar dollars usd buck bucks 美元", "1/100": "cent cents 美分 ¢"},
    "yuan": {"1": "元 yuan rmb 人民币 块 块钱 ¥", "1/10": "角 毛 毛钱", "1/100": "分 fen 分钱"},
    "euro": {"1": "€ euro euros eur 欧元"},
    "pound": {"1": "£ gbp 英镑", "1/100": "pence penny"},
    "rupee": {"1": "₹ rupee rupees rs"},
    "angle": {"1": r"^\circ degree degrees deg 度"},
    "radian": {"1": "rad radian radians 弧度"},
    "temperature": {"1": r"^\circc 摄氏度"},
    "fahrenheit": {"1": r"^\circf 华氏度"},
    "length time^-1": {"1609.344/3600": "mph", "1000/3600": "kph kmh kmph", "1852/3600": "knot knots"},
    "length mass time^-2": {"1000": "newton newtons 牛顿 牛", "1000000": "kn kilonewton kilonewtons"},
    "length^2 mass time^-2": {
        "1000": "joule joules 焦耳 焦",
        "1": "mJ millijoule millijoules",
        "1000000": "kj kilojoule kilojoules 千焦",
        "1000000000": "MJ megajoule megajoules 兆焦",
        "4184": "cal calorie calories",
        "4184000": "kcal kilocalorie kilocalories",
        "3600000000": "kwh 千瓦时",
    },
    "length^2 mass time^-3": {
        "1000": "watt watts 瓦 瓦特",
        "1000000": "kw kilowatt kilowatts 千瓦",
        "1": "mW milliwatt milliwatts",
        "1000000000": "MW megawatt megawatts 兆瓦",
    },
    "current": {"1": "amp amps ampere amperes 安 安培", "1/1000": "mA milliampere milliamperes 毫安"},
    "current^-1 length^2 mass time^-3": {
        "1000": "volt volts 伏 伏特",
        "1": "mV millivolt millivolts 毫伏",
        "1000000": "kv kilovolt kilovolts 千伏",
    },
    "current^-2 length^2 mass time^-3": {
        "1000": r"ohm ohms \Omega Ω 欧 欧姆",
        "1000000": "kiloohm kiloohms 千欧",
    },
    "current time": {"1": "coulomb coulombs 库 库仑"},
    "length^-2": {"1609.344/0.003785411784": "mpg"},
    "length^-1 mass time^-2": {
        "1000": "pa pascal pascals 帕 帕斯卡",
        "1000000": "kpa kilopascal kilopascals",
    },
    "time^-1": {"1": "hz hertz 赫兹", "1000": "khz kilohertz", "1/60": "rpm"},
    "data": {
        "1": "byte bytes 字节",
        "1/8": "bit bits",
        "1000": "kb kilobyte kilobytes",
        "1000000": "mb megabyte megabytes",
        "1000000000": "gb gigabyte gigabytes",
        "1000000000000": "tb terabyte terabytes",
    },
}


def _factor(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or 1)


UNITS: dict[str, Unit] = {
    name: Unit(dimension, _factor(factor))
    for dimension, scales in _TABLE.items()
    for factor, names in scales.items()
    for name in names.split()
}
for _name in ("pound", "pounds"):
    UNITS[_name] = Unit("mass", UNITS["lb"].factor, also="pound")
for _name in ("ounce", "ounces", "oz"):
    for _fluid in ("fluid ", "fl ", "fl. "):
        UNITS[_fluid + _name] = UNITS["floz"]
for _name in ("tonne", "tonnes", "ton", "tons"):
    UNITS["metric " + _name] = UNITS["t"]

# single capitals are units if they are set upright (\\text{N}), and variables otherwise
_UPRIGHT = {
    "N": UNITS["newton"], "J": UNITS["joule"], "W": UNITS["watt"], "V": UNITS["volt"], "A": UNITS["ampere"],
}  # fmt: skip
_POWERS = {
    "square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3, "平方": 2, "立方": 3,
}  # fmt: skip
_ASIDE = re.compile(r"\s*\([^()\d=]*\)$")
_WORD = re.compile(r"[^\W\d_]+")
_PLAIN = re.compile(r"[^\W\d_]+(?:[\s'’./-]+[^\W\d_]+)*[\s.]*")

# words after a number that make it another number, a bound or a list: never dropped as if they were a unit
_MATHEMATICS = (
    "and or not to mod modulo more less least most than at below above between over under up from plus minus times "
    "million billion thousand hundred dozen trillion half halves third thirds quarter fourth fourths fifth fifths sixth "
    "sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth thousandths "
    "remainder percent x y z n e i pi sin cos tan log ln exp sqrt if when for where with infinity am pm noon midnight "
    "或 和 与 及 到 至 万 亿 千 百 十 倍 以上 以下 或者 成 折 分之 又 余 点 半 多"
)
_NOT_UNITS = frozenset(_MATHEMATICS.split())
_ONE_LETTER = frozenset("mgshtlL")
# words after a unit that do not change it: "years old", "feet tall", "dollars each"
_AFTER = re.compile(
    r"(?<=\S)\s+(?:each|old|long|wide|tall|high|deep|thick|away|apart|total|altogether|in total|in all|left|remaining|"
    r"of age|later|ago|respectively|only)$"
)
_PER = re.compile(r"\s*/\s*|(?:^|\s+)per\s+|每(?=.)")
_BETWEEN = re.compile(r"\s*(?:\\cdot(?![a-zA-Z])|\\times(?![a-zA-Z])|\*|-)\s*|\s+")
_EXPONENT = re.compile(r"\s*\^\s*\{?\s*(-?[1-4])\s*\}?$|(?<=[a-z])([23])$")
_SYMBOLS = ("^\\circ", "$", "€", "£", "¥", "¢", "₹")
_ARTICLES = frozenset(("a", "an", "the", "of", "more", "total", "whole", "full"))


_LETTERED = re.compile(r"(.*\d)\s*([NJWVA])")


def upright_letter(text: str, dimension: str) -> str:
    """Return "1000 J" with its letter set upright where it is a unit of this dimension, any other text unchanged."""
    match = _LETTERED.fullmatch(text)
    if match is None or _UPRIGHT[match[2]].dimension != dimension:
        return text
    return rf"{match[1]} \text{{{match[2]}}}"


def unit_of(text: str, upright: bool = False) -> Tail:
    """Return how to read the text after a number. `upright`: it was set as text, not as mathematics."""
    text = _ASIDE.sub("", text.strip()).strip(".").strip()
    if not text:
        return Tail(True)
    if text.startswith(_SYMBOLS):
        unit = UNITS.get(text.replace(" ", "").lower())
        if unit is None and "/" in text:
            unit = _compound(text, upright)
        return Tail(unit is not None, unit)
    unit = UNITS.get(text) or (UNITS.get(text.lower()) if len(text) > 1 else None)
    lone = len(text) == 1 and text.isascii() and text.isalpha()
    if unit is not None and (not lone or text in _ONE_LETTER):
        return Tail(True, unit)
    if lone:
        unit = _UPRIGHT.get(text) if upright else None
        return Tail(unit is not None, unit)
    text = _AFTER.sub("", text)
    measure, of, thing = text.partition(" of ")
    unit = _compound(measure, upright)
    if unit is not None and of and _counted(thing).droppable:
        return Tail(True, replace(unit, counted=noun(thing)))
    unit = _compound(text, upright)
    if unit is not None:
        return Tail(True, unit)
    return _counted(text)


def _counted(text: str) -> Tail:
    words = _WORD.findall(text)
    if not words or not _PLAIN.fullmatch(text) or any(word.lower() in _NOT_UNITS for word in words):
        return Tail(False)
    if all(len(word) == 1 and word.isascii() for word in words):
        return Tail(False)  # 5x, 3a: variables
    if text.isascii() and max(map(len, words)) < 3:
        return Tail(False)
    return Tail(True, None, noun(text))


def noun(text: str) -> str:
    """Return the name of counted things in one spelling: lower case, singular, without articles."""
    words = [_singular(word) for word in _WORD.findall(text.lower()) if word not in _ARTICLES]
    return " ".join(words)


_IRREGULAR = {
    "children": "child",
    "people": "person",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
    "geese": "goose",
}


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.isascii() or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("shes", "ches", "xes", "sses", "oes")) else word[:-1]


def _compound(text: str, upright: bool) -> Unit | None:
    """Return the unit of a product or quotient of powers of units, None where no factor is a unit.

    Examples are km/h, square metres, m s^{-1} and pages per hour.
    """
    if len(text) > 80:
        return None
    powers: dict[str, int] = {}
    counted: list[str] = []
    factor, known = Fraction(1), False
    for position, side in enumerate(_PER.split(text)):
        sign = -1 if position else 1
        side = side.strip().strip("()").strip()
        if position == 0 and not side:
            continue  # "5 per hour", "5/h"
        parts = _parts(side, upright)
        if parts is None:
            tail = _counted(side)
            if not tail.droppable:
                return None
            counted.append(("per " if position else "") + tail.noun)
            continue
        known = True
        for unit, exponent in parts:
            factor *= unit.factor ** (sign * exponent)
            for word in unit.dimension.split():
                name, _, power = word.partition("^")
                powers[name] = powers.get(name, 0) + sign * exponent * int(power or 1)
    if not known:
        return None
    dimension = " ".join(
        name if power == 1 else f"{name}^{power}" for name, power in sorted(powers.items()) if power
    )
    return Unit(dimension or "number", factor, ", ".join(counted))


def _parts(side: str, upright: bool) -> list[tuple[Unit, int]] | None:
    """Return the units of a product, each with its exponent, None if one factor is no unit."""
    for word in ("平方", "立方"):
        if side.startswith(word):
            unit = UNITS.get(side[2:])
            return None if unit is None else [(unit, _POWERS[word])]
    whole = _power(side, upright)
    if whole is not None:
        return [whole]
    units: list[tuple[Unit, int]] = []
    pending = 1
    for word in _BETWEEN.split(side.strip()):
        power = _POWERS.get(word.strip(".").lower())
        if power is not None and word.lower() in ("squared", "cubed"):
            if not units:
                return None
            units[-1] = (units[-1][0], units[-1][1] * power)
        elif power is not None:
            pending = power
        else:
            part = _power(word, upright)
            if part is None:
                return None
            units.append((part[0], part[1] * pending))
            pending = 1
    return units if units and pending == 1 else None


def _power(text: str, upright: bool) -> tuple[Unit, int] | None:
    exponent = 1
    match = _EXPONENT.search(text)
    if match:
        exponent, text = int(match[1] or match[2]), text[: match.start()]
    text = text.strip(".")
    unit = UNITS.get(text) or UNITS.get(text.lower())
    if len(text) == 1 and text.isascii() and text.isalpha():
        unit = (_UPRIGHT.get(text) if upright else None) or (unit if text in _ONE_LETTER else None)
    return None if unit is None else (unit, exponent)
