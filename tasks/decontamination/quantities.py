"""The numbers of a word problem in their order, and the things that it counts, which a translation does not change.

Numbers are digits and number words of English and Chinese, as values: "twenty-five", "25" and "二十五" are
equal. The number 1 is left out, because it is also an article or part of a phrase in both languages. Things are a small
glossary of the subjects of word problems (hours, dollars, students, percent), each with its English and
Chinese words. Texts in other languages are compared by their digits alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.dedup.bands import multisets
from tasks.dedup.contrast import spellings
from tasks.dedup.jaccard import Pairs, join
from tasks.dedup.normalise import as_array, folded_array
from tasks.dedup.tokens import Ragged, tokens

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(re.findall(r"\w+", _UNITS))} | {
    word: 10 * place for place, word in enumerate(re.findall(r"\w+", _TENS), 2)
}
_OTHER = {
    "half": "1/2", "halves": "1/2", "quarter": "1/4", "quarters": "1/4", "third": "1/3", "thirds": "1/3", "fourth": "1/4",
    "fourths": "1/4", "fifth": "1/5", "fifths": "1/5", "twice": "2", "double": "2", "doubled": "2", "doubles": "2", "thrice": "3",
    "triple": "3", "tripled": "3", "triples": "3", "dozen": "12", "couple": "2", "pair": "2",
}  # fmt: skip
_ENGLISH = re.compile(
    r"(?P<digits>\d+(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?)|\\frac\{(?P<over>\d+)\}\{(?P<under>\d+)\}"
    rf"|\b(?P<word>(?:{'|'.join(re.findall(r'[a-z]+', _TENS))})(?:[- ](?:{'|'.join(re.findall(r'[a-z]+', _UNITS)[1:10])}))?|{'|'.join(sorted(_SMALL, key=len, reverse=True))}|{'|'.join(_OTHER)})\b",
    re.IGNORECASE,
)
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = re.compile(
    r"(?P<digits>\d+(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?)(?P<wan>[万亿])?|\\frac\{(?P<over>\d+)\}\{(?P<under>\d+)\}"
    r"|(?P<parts>[一二三四五六七八九十百]{1,4})分之(?P<of>[一二三四五六七八九十]{1,3})|(?P<half>一半|半)"
    r"|(?P<word>[零〇一二两三四五六七八九十百千万]{1,12})(?![些样般起共性])"
)

# (English words, Chinese words) of things that word problems count or ask for
_GLOSSARY: tuple[tuple[str, str], ...] = (
    ("hours?", "小时"), ("minutes?", "分钟"), ("seconds?", "秒"), ("days?|daily", "天|日"), ("weeks?|weekly", "周|星期"),
    ("months?|monthly", "月"), ("years?|yearly|ages?|old", "年|岁"), ("percent|%", "%|百分"), ("dollars?|$", "美元|元|美金|$"),
    ("cents?", "美分"), ("miles?", "英里"), ("feet|foot", "英尺"), ("inch(?:es)?", "英寸"), ("pounds?|lbs?", "磅"),
    ("ounces?", "盎司"), ("gallons?", "加仑"), ("kilograms?|kg", "千克|公斤"), ("grams?", "克"), ("met(?:er|re)s?", "米"),
    ("km|kilomet(?:er|re)s?", "千米|公里"), ("lit(?:er|re)s?", "升"), ("degrees?", "度"), ("cups?", "杯"), ("bags?", "袋|包"),
    ("box(?:es)?", "盒|箱"), ("bottles?", "瓶"), ("pages?", "页"), ("books?", "书"), ("students?", "学生"), ("teachers?", "老师|教师"),
    ("class(?:es)?|classrooms?", "班|课"), ("schools?", "学校"), ("boys?", "男"), ("girls?", "女"), ("child|children|kids?", "孩子|儿童|小孩"),
    ("people|persons?", "人"), ("friends?", "朋友"), ("brothers?", "哥哥|弟弟|兄弟"), ("sisters?", "姐姐|妹妹|姐妹"), ("mother|mom", "妈妈|母亲"),
    ("father|dad", "爸爸|父亲"), ("grandmother|grandma", "奶奶|祖母|外婆"), ("dogs?|pupp(?:y|ies)", "狗"), ("cats?|kittens?", "猫"),
    ("chickens?|hens?", "鸡"), ("ducks?", "鸭"), ("cows?", "牛"), ("sheep|lambs?", "羊"), ("horses?", "马"), ("fish", "鱼"), ("birds?", "鸟"),
    ("eggs?", "蛋"), ("apples?", "苹果"), ("oranges?", "橙|橘"), ("bananas?", "香蕉"), ("lemons?", "柠檬"), ("fruits?", "水果"), ("cookies?", "饼干|曲奇"),
    ("cakes?|cupcakes?", "蛋糕"), ("pizzas?", "披萨|比萨"), ("pies?", "派|馅饼"), ("bread|loaf|loaves", "面包"), ("milk", "牛奶"), ("water", "水"),
    ("coffee", "咖啡"), ("juice", "果汁"), ("cand(?:y|ies)", "糖"), ("toys?", "玩具"), ("balls?", "球"), ("cars?", "车"), ("bus(?:es)?", "公交|巴士|公共汽车|公车"),
    ("trains?", "火车"), ("bikes?|bicycles?", "自行车"), ("houses?", "房"), ("rooms?", "房间"), ("trees?", "树"), ("flowers?|roses?", "花|玫瑰"),
    ("shirts?", "衬衫|衬衣"), ("shoes?", "鞋"), ("dress(?:es)?", "裙|连衣"), ("pants|jeans", "裤"), ("hats?", "帽"), ("glasses|glass", "玻璃|眼镜"),
    ("phones?", "电话|手机"), ("games?", "游戏|比赛"), ("movies?|films?", "电影"), ("videos?", "视频"), ("songs?", "歌"), ("photos?|pictures?", "照片"),
    ("letters?", "信|字母"), ("tickets?", "票"), ("money", "钱"), ("profit", "利润"), ("price|costs?", "价|花费|成本|费用"), ("discount|off", "折|优惠"),
    ("tax(?:es)?", "税"), ("salary|wage|earn(?:s|ed)?", "工资|薪|挣|赚"), ("sells?|sold", "卖|出售"), ("buy|buys|bought|purchase[sd]?", "买|购"),
    ("reads?|reading", "读|看"), ("writes?|wrote", "写"), ("runs?|running|ran", "跑"), ("walks?|walked", "走|步"), ("swims?|swimming", "游泳"),
    ("drives?|drove|driving", "开车|驾驶"), ("works?|worked|working", "工作"), ("sleeps?|slept", "睡"), ("eats?|ate|eating", "吃"), ("drinks?|drank", "喝"),
    ("speed|faster|mph", "速度|时速|快"), ("distance|far", "距离|多远|远"), ("height|tall", "高"), ("weigh[ts]?|weight|weighs", "重"), ("length|long", "长"),
    ("width|wide", "宽"), ("area", "面积"), ("volume", "体积"), ("perimeter", "周长"), ("circle", "圆"), ("triangle", "三角"), ("square", "正方|平方"),
    ("rectang(?:le|ular)", "长方|矩形"), ("total|altogether|in all", "一共|总共|共|总"), ("average", "平均"), ("left|remain(?:s|ing|ed)?|rest", "剩|余"),
    ("more", "多"), ("less|fewer", "少"), ("each|every|per", "每"), ("half", "半"), ("twice|double", "两倍|2倍|加倍|翻倍"), ("times", "倍|次"),
    ("red", "红"), ("blue", "蓝"), ("green", "绿"), ("yellow", "黄"), ("white", "白"), ("black", "黑"), ("monday", "周一|星期一"), ("tuesday", "周二|星期二"),
    ("wednesday", "周三|星期三"), ("thursday", "周四|星期四"), ("friday", "周五|星期五"), ("saturday", "周六|星期六"), ("sunday", "周日|星期日|星期天"),
    ("morning", "早上|早晨|上午"), ("afternoon", "下午"), ("night|evening", "晚"), ("store|shop", "店"), ("farm(?:er|s)?", "农"), ("garden", "花园|园"),
    ("birthday", "生日"), ("part(?:y|ies)", "派对|聚会"), ("teams?", "队"), ("points?|scores?", "分"), ("legs?|feet", "腿|脚"), ("seats?|chairs?", "座|椅"),
    ("tables?", "桌"), ("cards?", "卡"), ("coins?|quarters|dimes|pennies", "硬币"), ("bank|savings?|save[sd]?", "银行|存|储蓄|省"), ("phone|call", "电话"),
    ("dinner|lunch|breakfast|meals?", "餐|饭"), ("restaurant", "餐厅|餐馆"), ("company|business", "公司"), ("employees?|workers?", "员工|工人"), ("hair", "头发"),
    ("probability|chance", "概率"), ("integers?", "整数"), ("primes?", "质数|素数"), ("equations?", "方程"), ("functions?", "函数"), ("roots?", "根"), ("sequence", "数列"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantities:
    """The quantities of a text. `numbers`: values in their order in the text; `things`: entries of the glossary that it
    mentions.
    """

    numbers: tuple[str, ...]
    things: frozenset[int]


ALIKE = 0.4  # Jaccard similarity of the multisets of numbers from which two texts are compared


def multiset(texts: Sequence[Quantities]) -> Ragged:
    """Return the numbers of each text as a set of (number, how many times it came before)."""
    joined = [
        " ".join("n" + number.replace(".", "p").replace("/", "q") for number in one.numbers) for one in texts
    ]
    return multisets(tokens(as_array(joined), None))


def near(own: Ragged, other: Ragged) -> Pairs:
    """Return the pairs of texts that have enough numbers in common to be compared."""
    return join(own, other, threshold=ALIKE)


def quantities(texts: Sequence[str]) -> list[Quantities]:
    """Return the quantities of each text."""
    return [_quantities(text) for text in folded_array(list(texts)).to_pylist()]


def bits(number: str) -> float:
    """Return the information in bits of a number that two problems have in common: little for round and small numbers."""
    digits = number.replace(".", "").replace("/", "")
    significant = digits.rstrip("0") or "0"
    if "/" in number:
        return 3.5
    return min(9.0, 2.5 + 2.5 * (len(significant) - 1) + 0.8 * (len(digits) - len(significant)))


def _quantities(text: str) -> Quantities:
    chinese = any("\u4e00" <= character <= "\u9fff" for character in text)
    values = []
    for match in (_CHINESE if chinese else _ENGLISH).finditer(text):
        value = _chinese(match) if chinese else _english(match)
        if value and value not in ("1", "0"):
            values.append(value)
    things: set[int] = set()
    if chinese:
        for word, places in _chinese_things().items():
            if word in text:
                things.update(places)
    else:
        table = _english_things()
        for word in set(_ENGLISH_WORD.findall(text.lower())):
            things.update(table.get(word, ()))
    return Quantities(tuple(values), frozenset(things))


_ENGLISH_WORD = re.compile(r"[a-z]+|[%$]")


def _english(match: re.Match[str]) -> str:
    if digits := match.group("digits"):
        return re.sub(r"\s", "", digits)
    if match.group("over"):
        return f"{match.group('over')}/{match.group('under')}"
    word = match.group("word").lower()
    if word in _OTHER:
        return _OTHER[word]
    return str(sum(_SMALL[part] for part in re.split(r"[- ]", word)))


def _chinese(match: re.Match[str]) -> str:
    if digits := match.group("digits"):
        digits = re.sub(r"\s", "", digits)
        if match.group("wan") and "/" not in digits:
            scaled = float(digits) * (10_000 if match.group("wan") == "万" else 100_000_000)
            return f"{scaled:.0f}"
        return digits
    if match.group("over"):
        return f"{match.group('over')}/{match.group('under')}"
    if match.group("half"):
        return "1/2"
    if match.group("parts"):
        parts = _numeral(match.group("parts"))
        of = _numeral(match.group("of"))
        return str(of) if parts == 100 else f"{of}/{parts}"
    return str(_numeral(match.group("word")))


def _numeral(word: str) -> int:
    total = section = digit = 0
    for character in word:
        if character in _DIGITS:
            digit = (
                digit * 10 + _DIGITS[character]
                if digit and len(word) > 1 and not set(word) & set("十百千万")
                else _DIGITS[character]
            )
        else:
            unit = {"十": 10, "百": 100, "千": 1000, "万": 10_000}[character]
            if unit == 10_000:
                total, section, digit = (total + section + digit) * unit, 0, 0
            else:
                section += (digit or 1) * unit
                digit = 0
    return total + section + digit


# information in bits of a thing, where it is less than 5: -log2 of the share of GSM8K's training questions that mention it
_COMMON = {
    "hours?": 3,
    "minutes?": 4,
    "seconds?": 4,
    "days?|daily": 3,
    "weeks?|weekly": 3,
    "months?|monthly": 4,
    "years?|yearly|ages?|old": 3,
    "percent|%": 3,
    "schools?": 4,
    "people|persons?": 4,
    "friends?": 4,
    "money": 3,
    "price|costs?": 3,
    "sells?|sold": 4,
    "buy|buys|bought|purchase[sd]?": 3,
    "works?|worked|working": 4,
    "eats?|ate|eating": 4,
    "length|long": 4,
    "total|altogether|in all": 2,
    "left|remain(?:s|ing|ed)?|rest": 2,
    "more": 3,
    "less|fewer": 4,
    "each|every|per": 1,
    "half": 3,
    "twice|double": 3,
    "times": 3,
    "store|shop": 4,
}


def rarity(thing: int) -> float:
    """Return the information in bits of a thing (an entry of the glossary) that two texts mention."""
    return float(_COMMON.get(_GLOSSARY[thing][0], 5))


@functools.cache
def _english_things() -> dict[str, tuple[int, ...]]:
    table: dict[str, tuple[int, ...]] = {}
    for place, (english, _) in enumerate(_GLOSSARY):
        for word in spellings(english):
            table[word] = (*table.get(word, ()), place)
    return table


@functools.cache
def _chinese_things() -> dict[str, tuple[int, ...]]:
    table: dict[str, tuple[int, ...]] = {}
    for place, (_, chinese) in enumerate(_GLOSSARY):
        for word in spellings(chinese):
            table[word] = (*table.get(word, ()), place)
    return table


def common(a: Sequence[str], b: Sequence[str]) -> float:
    """Return the information in bits of the common subsequence of numbers that has the most."""
    before = [0.0] * (len(b) + 1)
    for number in a:
        row = [0.0]
        for place, other in enumerate(b):
            row.append(
                before[place] + bits(number) if number == other else max(before[place + 1], row[place])
            )
        before = row
    return before[-1]


def share(a: Sequence[str], b: Sequence[str]) -> float:
    """Return `common` as a share (0..1) of the information of all numbers of both texts."""
    total = sum(map(bits, a)) + sum(map(bits, b))
    return 2 * common(a, b) / total if total else 0.0
