"""Units of measure and of money, with exact factors, so that 90 minutes and 1.5 hours are one answer.

math-verify drops the units it knows (5 cm equals 5 m); here a known unit on both sides must agree. A unit on
one side only, or a word that is no unit ("7 apples"), does not decide: questions name their unit themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """`value * factor` is the value in the base unit of `dimension` (`length^2` for areas)."""

    dimension: str
    factor: Fraction


_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter meters metre metres 米 公尺",
        "1/1000": "mm millimeter millimeters millimetre millimetres 毫米",
        "1/100": "cm centimeter centimeters centimetre centimetres 厘米 公分",
        "1/10": "dm decimeter decimeters 分米",
        "1000": "km kilometer kilometers kilometre kilometres 千米 公里",
        "0.0254": 'inch inches "',
        "0.3048": "ft foot feet 英尺",
        "0.9144": "yd yard yards 码",
        "1609.344": "mi mile miles 英里",
    },
    "mass": {
        "1": "g gram grams 克",
        "1/1000": "mg milligram milligrams 毫克",
        "1000": "kg kilogram kilograms 千克 公斤",
        "500": "斤",
        "1000000": "t ton tons tonne tonnes 吨",
        "453.59237": "lb lbs pound_mass",
        "28.349523125": "oz ounce ounces",
    },
    "time": {
        "1": "s sec secs second seconds 秒 秒钟",
        "60": "min mins minute minutes 分钟",
        "3600": "h hr hrs hour hours 小时 时",
        "86400": "day days 天 日",
        "604800": "week weeks 周 星期 个星期",
    },
    "calendar": {"1": "month months 月 个月", "12": "year years yr yrs 年"},
    "volume": {
        "1": "l liter liters litre litres 升",
        "1/1000": "ml milliliter milliliters millilitre millilitres 毫升",
        "3.785411784": "gallon gallons",
    },
    "dollar": {"1": "$ dollar dollars usd 美元", "1/100": "cent cents 美分 ¢"},
    "yuan": {"1": "元 yuan rmb 人民币 块 块钱 ¥", "1/10": "角 毛", "1/100": "分 fen"},
    "euro": {"1": "€ euro euros eur 欧元"},
    "pound": {"1": "£ gbp 英镑"},
    "rupee": {"1": "₹ rupee rupees rs"},
    "angle": {"1": r"^\circ degree degrees deg 度"},
    "temperature": {"1": r"^\circc 摄氏度", "1.0f": r"^\circf 华氏度"},
}
UNITS: dict[str, Unit] = {}
for _dimension, _scales in _TABLE.items():
    for _factor, _names in _scales.items():
        _scale = Fraction(_factor.removesuffix("f"))
        for _name in _names.split():
            _own = _dimension if not _factor.endswith("f") else f"{_dimension} f"
            UNITS[_name] = Unit(_own, _scale)

_POWERS = {"square": 2, "sq": 2, "cubic": 3, "平方": 2, "立方": 3}
_ASIDE = re.compile(r"\s*\([^()\d=]*\)$")
_WORD = re.compile(r"[^\W\d_]+")

# words after a number that make it another number, a bound or a list: never dropped as if they were a unit
_MATHEMATICS = (
    "and or not to mod modulo more less least most than at below above between over under up from plus minus times "
    "million billion thousand hundred dozen trillion half third quarter percent x y z n e i pi sin cos tan log "
    "ln exp sqrt if when for where with infinity 或 和 与 及 到 至 万 亿 千 百 十 倍 以上 以下 或者 成 折 分之"
)
_NOT_UNITS = frozenset(_MATHEMATICS.split())
_ONE_LETTER = frozenset("mgshtlL")


def unit_of(text: str) -> tuple[bool, Unit | None]:
    """Whether the text that follows a number may be dropped from it, and the unit it names.

    (True, Unit) a known unit, (True, None) words that only say what is counted, (False, None) mathematics.
    """
    text = _ASIDE.sub("", text.strip()).strip(".").strip()
    if not text:
        return True, None
    if text.startswith(("^\\circ", "$", "€", "£", "¥", "¢", "₹")):
        unit = UNITS.get(text.replace(" ", "").lower())
        return unit is not None, unit
    power = 1
    match = re.search(r"\s*\^\s*\{?([23])\}?$", text)
    if match:
        power, text = int(match.group(1)), text[: match.start()]
    for word, exponent in _POWERS.items():
        if text.startswith(word) and (word[0] > "\u4e00" or text[len(word) : len(word) + 1] in " .-"):
            power, text = exponent, text[len(word) :].lstrip(" .-")
            break
    name = text if text in UNITS else text.lower()
    unit = UNITS.get(name)
    if unit is not None and not (
        len(text) == 1 and text.isascii() and text.isalpha() and text not in _ONE_LETTER
    ):
        if power == 1:
            return True, unit
        return True, Unit(f"{unit.dimension}^{power}", unit.factor**power)
    words = _WORD.findall(text)
    plain = re.fullmatch(r"/?\s*[^\W\d_]+(?:[\s'’./-]+[^\W\d_]+)*[\s.]*", text)
    if not plain or any(word.lower() in _NOT_UNITS for word in words):
        return False, None
    if len(words) > 1 and all(word in UNITS or word == "per" for word in words):
        return True, None  # km/h, m/s
    if all(len(word) == 1 and word.isascii() for word in words):
        return False, None  # 5x, 3a: variables
    return text.isascii() is False or max(map(len, words)) >= 3, None
