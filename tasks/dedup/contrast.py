"""Finds out whether two similar questions are different problems, which a count of shared words does not show.

"Find the maximum of x^2 + 4x" and "Find the minimum of x^2 - 4x" share nearly all of their words, and
ROUGE-L's tokens have no signs at all. Two questions are different problems if

* one has an operator or a sign where the other has another one, or has a minus, a factorial or a percent sign more;
* one has a word where the other has its opposite, or another of the things that such a word names (largest,
  smallest; and, or; length, width; sum, product; with, without; hours, minutes; 最大, 最小; 和, 积);
* each of them has a word that occurs in both more often than the other has it: they are about the same things and ask for
  different ones ("How old is Tom?", "How old is Ann?", if both texts mention Tom and Ann).

A word that is only added or left out does not make another problem, because people reword in this way. Texts that share less
than two thirds of their words are never called different either, because an opposite in them may be another wording of the
same problem. The test can be wrong in both directions: it misses opposites that no group lists, and it keeps a reworded
question that replaces "more" by "less" and exchanges the names.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.dedup.normalise import canonical
from tasks.dedup.tokens import Bools

_GROUPS: tuple[tuple[str, ...], ...] = (
    (
        "maximum|maximal|maximize[sd]?|maximizing|max|largest|greatest|biggest|highest|longest|tallest|most",
        "minimum|minimal|minimize[sd]?|minimizing|min|smallest|least|lowest|shortest|fewest",
    ),
    (
        "at least|no less than|no fewer than|not less than",
        "at most|no more than|no greater than|not more than|up to",
        "more than|greater than|larger than|bigger than|exceeds?|over",
        "less than|fewer than|smaller than|under",
        "exactly|precisely",
    ),
    (
        "more|greater|larger|bigger|longer|taller|higher|older|heavier|faster|farther|further|wider|deeper|warmer",
        "less|fewer|smaller|shorter|lower|younger|lighter|slower|nearer|closer|narrower|cooler",
    ),
    ("and", "or", "nor"),
    ("both|all", "either|any", "neither|none", "exactly one|only one"),
    (
        "increas(?:e[sd]?|ing)|ris(?:e|es|en|ing)|rose|gain(?:s|ed)?|gr[eo]ws?|rais(?:e[sd]?|ing)|climb(?:s|ed)?",
        "decreas(?:e[sd]?|ing)|reduc(?:e[sd]?|ing)|fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?|los(?:e|es|t|ing)|declin(?:e[sd]?|ing)|shr[ai]nks?",
    ),
    ("profit", "loss"),
    ("markup|surcharge", "discount"),
    ("even", "odd"),
    (
        "sum|total|altogether|in all", "difference", "product", "quotient", "ratio", "average|mean", "median", "mode",
        "remainder|remain(?:s|ed|ing)?|left", "range", "variance", "standard deviation",
    ),
    ("with", "without"),
    ("length|long", "width|wide|breadth", "height|tall|high", "depth|deep"),
    ("area", "perimeter|circumference", "volume", "diagonal", "surface area", "hypotenuse"),
    ("radius|radii", "diameters?"),
    ("positive", "negative", "non-?negative", "non-?positive", "nonzero|non-zero"),
    ("prime", "composite", "rational", "irrational", "real", "complex", "imaginary", "integers?|whole"),
    ("multiples?", "factors?|divisors?"),
    ("squares?|squared", "cubes?|cubed"),
    ("left|leftmost", "right|rightmost"),
    ("north", "south", "east", "west"),
    ("clockwise", "counter-?clockwise|anti-?clockwise"),
    ("horizontal(?:ly)?", "vertical(?:ly)?"),
    ("rows?", "columns?"),
    ("first", "second", "third", "last"),
    ("before|earlier|ago", "after|later|from now"),
    ("start(?:s|ed)?|begin(?:s|ning)?|began", "end(?:s|ed)?|finish(?:es|ed)?"),
    ("ascending", "descending"),
    ("inside|interior|inscribed", "outside|exterior|circumscribed"),
    ("above|upper|top|up|upstream|uphill", "below|lower|bottom|down|downstream|downhill"),
    ("open", "closed"),
    ("deposit(?:s|ed)?", "withdr(?:aws?|ew)|withdrawn"),
    ("buy(?:s|ing)?|bought|purchas(?:e[sd]?)", "sell(?:s|ing)?|sold"),
    ("gives|gave|lends?|lent", "receive[sd]?|receiving|borrow(?:s|ed)?"),
    ("add(?:s|ed)?|plus", "subtract(?:s|ed)?|minus", "multipl(?:y|ie[sd])|times", "divid(?:e[sd]?|ing)"),
    ("twice|double[sd]?", "half|halve[sd]?", "triple[sd]?|thrice", "quarter"),
    ("sin", "cos", "tan", "cot", "sec", "csc"),
    ("sine", "cosine", "tangent"),
    ("log", "ln", "exp", "sqrt"),
    ("derivative|differentiate", "integral|integrate|antiderivative"),
    ("parallel", "perpendicular"),
    ("acute", "obtuse"),
    ("union|cup", "intersection|cap"),
    ("subsets?", "supersets?"),
    ("domain", "range", "image"),
    ("numerator", "denominator"),
    ("simple", "compound"),
    ("permutations?", "combinations?"),
    ("distinct|different|distinguishable", "identical|indistinguishable|same|equal"),
    ("convex", "concave"),
    ("convergent|converges?", "divergent|diverges?"),
    ("true|correct", "false|incorrect|wrong"),
    ("heads?", "tails?"),
    ("boys?|males?|men|man|fathers?|sons?|brothers?|husband|uncle", "girls?|females?|women|woman|mothers?|daughters?|sisters?|wife|aunt"),
    (
        "seconds?", "minutes?", "hours?|hourly", "days?|daily", "weeks?|weekly", "months?|monthly",
        "years?|yearly|annual(?:ly)?", "decades?",
    ),
    (
        "mm|millimet(?:er|re)s?", "cm|centimet(?:er|re)s?", "m|met(?:er|re)s?", "km|kilomet(?:er|re)s?", "inch(?:es)?",
        "feet|foot|ft", "yards?", "miles?",
    ),
    ("mg|milligrams?", "g|grams?", "kg|kilograms?", "ounces?|oz", "pounds?|lbs?", "tons?|tonnes?"),
    ("ml|millilit(?:er|re)s?", "l|lit(?:er|re)s?", "pints?", "quarts?", "gallons?", "cups?"),
    ("cents?|pennies|penny", "nickels?", "dimes?", "quarters?", "dollars?", "euros?", "yuan", "pounds?"),
    ("degrees?", "radians?"),
    ("fractions?", "decimals?", "percent(?:age)?s?"),
    ("triangles?", "squares?", "rectangles?", "pentagons?", "hexagons?", "circles?", "trapezoids?", "rhombus"),
    ("cone", "cylinder", "sphere", "pyramid", "prism", "cube"),
    ("arithmetic", "geometric", "harmonic"),
    ("rounded up|ceil(?:ing)?", "rounded down|floor"),
)  # fmt: skip

_GROUPS_ZH: tuple[tuple[str, ...], ...] = (
    ("最大|最多|最高|最长|最重", "最小|最少|最低|最短|最轻"),
    ("至少|不少于|不小于|不低于", "至多|不多于|不大于|不超过|最多", "大于|多于|超过|高于", "小于|少于|不足|低于", "恰好|正好|刚好"),
    ("多|大|长|高|重|快|贵|远", "少|小|短|矮|低|轻|慢|便宜|近"),
    ("和|且|并且|以及", "或|或者"),
    ("都", "任一|任意", "都不"),
    ("增加|增长|上升|提高|增大|扩大|上涨|涨", "减少|降低|下降|减小|缩小|下跌|跌"),
    ("盈利|利润|赚", "亏损|亏|赔"),
    ("奇数|单数", "偶数|双数"),
    ("之和|的和|总和|一共|总共|共有|共", "之差|的差|相差", "之积|的积|乘积", "之商|的商|商", "平均|均值", "中位数", "众数", "余数|剩下|还剩|剩", "比值|的比"),
    ("有放回|放回", "不放回|无放回"),
    ("长", "宽", "高", "深"),
    ("面积", "周长", "体积", "表面积", "对角线", "容积"),
    ("半径", "直径"),
    ("正数|正整数|正", "负数|负整数|负"),
    ("质数|素数", "合数"),
    ("有理数", "无理数", "实数", "复数", "整数", "自然数"),
    ("倍数", "因数|约数"),
    ("平方", "立方"),
    ("左", "右"), ("东", "南", "西", "北"), ("上", "下"), ("里|内", "外"), ("前", "后"),
    ("顺时针", "逆时针"), ("横", "竖"), ("行", "列"),
    ("第一", "第二", "第三", "最后"),
    ("开始|首", "结束|末"),
    ("升序|从小到大", "降序|从大到小"),
    ("存入|存", "取出|取"), ("买|购", "卖|售"), ("给|送|借出", "收到|得到|借入"),
    ("加上|加", "减去|减", "乘以|乘", "除以|除"),
    ("一半", "两倍|2倍", "三倍|3倍"),
    ("正弦", "余弦", "正切"),
    ("导数|求导", "积分"),
    ("平行", "垂直"), ("锐角", "钝角", "直角"), ("并集", "交集"), ("子集", "真子集"),
    ("定义域", "值域"), ("分子", "分母"), ("单利", "复利"), ("排列", "组合"),
    ("不同|互异", "相同"), ("凸", "凹"), ("收敛", "发散"), ("正确", "错误"), ("正面", "反面"),
    ("男", "女"), ("爸爸|父亲", "妈妈|母亲"), ("哥哥|弟弟", "姐姐|妹妹"), ("爷爷", "奶奶"),
    ("秒", "分钟", "小时", "天", "星期|周", "个月|月", "年"),
    ("毫米", "厘米", "分米", "米", "千米|公里"),
    ("毫克", "克", "千克|公斤", "吨"), ("毫升", "升"), ("分", "角", "元"),
    ("三角形", "正方形", "长方形", "圆形|圆", "梯形", "平行四边形"),
    ("圆锥", "圆柱", "球", "棱锥", "棱柱", "正方体", "长方体"),
    ("等差", "等比"),
)  # fmt: skip

_ALONE = ("-", "!", "%")  # signs that make a different problem if they are the only difference
_FUNCTIONS = "sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|max|min|gcd|lcm|det|infty"
_SIGN = re.compile(r"<=|>=|!=|[-+*/^_=<>!%]|\\frac")
_BEFORE_HYPHEN, _AFTER_HYPHEN = (
    re.compile(rf"(?!(?:{_FUNCTIONS})\b)[A-Za-z]{{2,}}\s?$"),
    re.compile(rf"\s?(?!(?:{_FUNCTIONS})\b)[A-Za-z]{{2,}}"),
)
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[\u4e00-\u9fff]")
# words whose number may differ in a reworded question
_PLAIN = frozenset(
    re.findall(
        r"\w+",
        """
        a an the of in on at to for from by as is are was were be been being do does did has have had will would can could it its he
        she they his her their him them this that these those there then than if so what how many much which who when where why each
        every per find compute determine calculate evaluate solve let given suppose value number answer express your please following
        i you we my our
        """,
    )
) | frozenset("的了是在有个一这那他她它们求问请多少几吗呢么什哪为与及也就还已知设若则得着过把被到从每")
_FEW, _REWORDED = (
    4,
    0.35,
)  # number and share of extra words from which a text counts as reworded as a whole
_NEAR = 6  # most extra words of either question for the third rule


_SPELLED = {
    "-": frozenset({"minus", "negative", "subtract", "subtracted", "减", "负"}),
    "!": frozenset({"factorial", "阶"}),
    "%": frozenset({"percent", "percentage", "百"}),
}


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a question that are compared: signs (in order, and how often each), words of the groups (group,
    member), all words.
    """

    order: tuple[str, ...]
    signs: Counter[str]
    named: Counter[tuple[int, int]]
    words: Counter[str]


def different_problems(left: Sequence[str], right: Sequence[str]) -> Bools:
    """Return for each pair (left[k], right[k]) of questions whether they are different problems, however similar
    their texts are.
    """
    distinct = list(dict.fromkeys([*left, *right]))
    plain = dict(
        zip(distinct, canonical(distinct), strict=True)
    )  # one call for all texts, because the cost per call is higher than the cost per text
    pairs = ((content(plain[a]), content(plain[b])) for a, b in zip(left, right, strict=True))
    return np.fromiter((differ(a, b) for a, b in pairs), dtype=bool, count=len(left))


def differ(a: Content, b: Content) -> bool:
    """Return whether two questions are different problems."""
    if a.words == b.words and a.order != b.order:
        return True
    added, missing = a.words - b.words, b.words - a.words
    length = max(a.words.total(), b.words.total())
    if max(added.total(), missing.total()) > max(_FEW, _REWORDED * length):
        return False
    more, fewer = a.signs - b.signs, b.signs - a.signs
    if more and fewer:
        return True
    for sign in _ALONE:
        # a sign may be spelled as a word in the other text
        if (sign in more and not _SPELLED[sign] & b.words.keys()) or (
            sign in fewer and not _SPELLED[sign] & a.words.keys()
        ):
            return True
    more_named, fewer_named = a.named - b.named, b.named - a.named
    if any(group == other for group, _ in more_named for other, _ in fewer_named):
        return True
    return _asks_for_another(a.words, b.words)


def _asks_for_another(a: Counter[str], b: Counter[str]) -> bool:
    more, fewer = a - b, b - a
    if not more or not fewer or max(more.total(), fewer.total()) > _NEAR:
        return False
    # every word that is not a plain one must occur in both, because a new word means a rewording
    own, other = ({word for word in extra if word not in _PLAIN} for extra in (more, fewer))
    return bool(own and other) and all(word in b for word in own) and all(word in a for word in other)


@functools.lru_cache(maxsize=1 << 14)
def content(plain: str) -> Content:
    """Return the parts of a question that are compared, from its canonical text."""
    order = tuple(_signs(plain))
    words = _TOKEN.findall(plain.lower())
    return Content(order, Counter(order), Counter(_named(words)), Counter(words))


def _signs(text: str) -> Iterator[str]:
    for match in _SIGN.finditer(text):
        sign = match.group()
        if sign == "-" and (
            _BEFORE_HYPHEN.search(text, max(0, match.start() - 24), match.start())
            or _AFTER_HYPHEN.match(text, match.end())
        ):
            continue  # a hyphen or a dash
        if (
            sign == "!"
            and not text[: match.start()].rstrip()[-1:].isdigit()
            and text[max(0, match.start() - 2) : match.start()].isalpha()
        ):
            continue  # an exclamation
        yield "/" if sign == "\\frac" else sign


def _named(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (group, member) of the words and phrases that a group lists; the longest phrase at each place."""
    table, longest = _meaning()
    place = 0
    while place < len(words):
        for count in range(min(longest.get(words[place], 0), len(words) - place), 0, -1):
            if members := table.get(tuple(words[place : place + count])):
                yield from members
                place += count
                break
        else:
            place += 1


@functools.cache
def _meaning() -> tuple[dict[tuple[str, ...], list[tuple[int, int]]], dict[str, int]]:
    """Return the (group, member) of each listed phrase, and the longest phrase by its first token.

    A phrase is its tokens; a word may be in several groups.
    """
    table: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for group, members in enumerate(_GROUPS + _GROUPS_ZH):
        for member, words in enumerate(members):
            for phrase in spellings(words):
                table.setdefault(tuple(_TOKEN.findall(phrase)), []).append((group, member))
    longest: dict[str, int] = {}
    for tokens in table:
        longest[tokens[0]] = max(longest.get(tokens[0], 0), len(tokens))
    return table, longest


def spellings(pattern: str) -> list[str]:
    """Return all texts of a pattern of alternatives, (?:groups), [sets] and ?, as the groups above use
    them.
    """
    spelled = []
    for alternative in _alternatives(pattern):
        texts, place = [""], 0
        while place < len(alternative):
            if alternative.startswith("(?:", place):
                end = _closing(alternative, place)
                options, place = spellings(alternative[place + 3 : end]), end + 1
            elif alternative[place] == "[":
                end = alternative.index("]", place)
                options, place = list(alternative[place + 1 : end]), end + 1
            else:
                options, place = [alternative[place]], place + 1
            if alternative.startswith("?", place):
                options, place = [*options, ""], place + 1
            texts = [text + option for text in texts for option in options]
        spelled += texts
    return spelled


def _closing(text: str, start: int) -> int:
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    raise ValueError(f"a group is not closed: {text}")


def _alternatives(pattern: str) -> list[str]:
    """Split a pattern into its alternatives at the top level."""
    alternatives, depth, start = [], 0, 0
    for place, character in enumerate(pattern):
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            alternatives.append(pattern[start:place])
            start = place + 1
    return [*alternatives, pattern[start:]]
