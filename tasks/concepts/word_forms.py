"""Forms in which names of one concept agree: word endings, British and American spellings, "of", abbreviations, and a thesaurus.

`signature("area of a triangle", "en") == signature("triangle areas", "en")`. In Chinese the characters count and not their order, since
分解质因数 and 质因数分解 are one concept, and words that only say that something is done with it (计算, 解法, 求) are left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

# names of one concept, the first of which stands for all; one line per concept. Words inside a name are replaced, too
_ENGLISH: Final = """
greatest common divisor | greatest common factor | highest common factor | highest common divisor | gcd | gcf | hcf
least common multiple | lowest common multiple | smallest common multiple | lcm
chinese remainder theorem | crt
fundamental theorem of calculus | ftc
arithmetic mean | average | mean
expected value | expectation | mathematical expectation
rule of product | multiplication principle | fundamental counting principle | product principle
rule of sum | addition principle | sum principle
scalar product | dot product | inner product
vector product | cross product
antiderivatives | indefinite integrals | primitive functions
slope | gradient of a line | slope of a line
surds | radicals
sequence | progression
rule | law | theorem | principle
pythagorean | pythagoras
euclidean | euclid
surface area | area of the surface
simultaneous linear equations | systems of linear equations
simultaneous equations | systems of equations
differentiation | derivatives
integration | integrals
logarithms | logs
trigonometric | trig
standard deviation | sd
probability density function | pdf
cumulative distribution function | cdf
ordinary differential equations | odes
partial differential equations | pdes
reduced row echelon form | rref
sine | sin
cosine | cos
tangent function | tan
absolute value | modulus of a number
prime numbers | primes
maximum | maxima | largest value
minimum | minima | smallest value
"""
_CHINESE: Final = """
质数 | 素数
约数 | 因数 | 因子
勾股定理 | 毕达哥拉斯定理 | 商高定理
中国剩余定理 | 孙子定理
数学期望 | 期望值 | 期望
向量积 | 叉积 | 外积 | 叉乘
数量积 | 点积 | 内积 | 点乘 | 标量积
辗转相除法 | 欧几里得算法 | 欧几里德算法
平均数 | 算术平均数 | 均值 | 平均值
百分数 | 百分比 | 百分率
根与系数的关系 | 韦达定理
概率 | 几率 | 或然率
同余方程 | 同余式
分类计数原理 | 加法原理
分步计数原理 | 乘法原理
行程 | 路程
定理 | 定律
不定积分 | 原函数
坐标系 | 座标系
拋物线 | 抛物线
导数 | 微商
求导 | 微分法
标准差 | 均方差
"""
_DROPPED = frozenset(
    ["of", "the", "a", "an", "in", "for", "to", "and", "with", "on", "by", "from", "at", "its"]
)
_IRREGULAR: Final = {
    "matrices": "matrix", "vertices": "vertex", "indices": "index", "axes": "axis", "bases": "basis", "radii": "radius",
    "loci": "locus", "foci": "focus", "series": "series", "polyhedra": "polyhedron", "hypotheses": "hypothesis",
    "dice": "die", "halves": "half", "maths": "math", "completion": "complet", "conversion": "convert", "inversion": "invers",
    "division": "divid", "expansion": "expand", "subtraction": "subtract", "percentage": "percent",
}  # fmt: skip
_ENDINGS: Final = (
    "isations", "izations", "isation", "ization", "ications", "ication", "ations", "ation", "ising", "izing", "ised", "ized", "ises",
    "izes", "ise", "ize", "ings", "ing", "ies", "ees", "es", "ed", "s", "e", "y",
)  # fmt: skip
_AMERICAN: Final = (
    ("centre", "center"),
    ("colour", "color"),
    ("metre", "meter"),
    ("modelling", "modeling"),
    ("labelled", "labeled"),
)
_WORD = re.compile(r"[a-z0-9]+")
_CJK = re.compile(r"[\u4e00-\u9fff]")
# what is done with a concept in general, which makes no other concept of it; longest first
_DONE: Final = ("计算方法", "问题", "的计算", "的求法", "的解法", "的求解", "的运算", "的概念", "的定义", "计算", "求解", "解法", "求法", "概念", "求", "解")  # fmt: skip
# 和 joins two names; after 的 and at the end it is a sum
_JOINING = re.compile(r"[的与及、，,\s·（）()]|(?<![的求])和(?!$)")


def signature(name: str, language: str) -> tuple[str, ...]:
    """Return the form of a name in which other wordings of its concept agree; empty if it has no word."""
    return _chinese(name) if language == "zh" or _CJK.search(name) else _english(name)


def reordered(one: str, other: str) -> bool:
    """Return whether two English names have the same words in another order (`unit conversion`, `converting units`), and are not two
    nouns that changed their places around "of" (`sets of functions`, `functions of sets`)."""
    if " of " in one.casefold() and " of " in other.casefold():
        return False
    stems = _english(one)
    return len(stems) > 1 and sorted(stems) == sorted(_english(other))


def initials(name: str) -> str:
    """Return the first letters of an English name of three words or more, as an abbreviation of it has them; else empty."""
    words = _WORD.findall(name.casefold())
    return "".join(word[0] for word in words) if len(words) >= 3 else ""


@functools.cache
def stem(word: str) -> str:
    """Return an English word without its ending: `factorising`, `factorization` and `factoring` give `factor`."""
    word = _IRREGULAR.get(word, word)
    for ending in _ENDINGS:
        if (
            word.endswith(ending)
            and len(word) - len(ending) >= (4 if len(ending) > 1 else 3)
            and not word.endswith("ss")
        ):
            return stem(word[: -len(ending)])
    return word


@functools.lru_cache(maxsize=65_536)
def _english(name: str) -> tuple[str, ...]:
    stems = _stems(name)
    for names in _thesaurus():
        for other in names[1:]:
            stems = _replaced(stems, other, names[0])
    return stems


def _stems(name: str) -> tuple[str, ...]:
    """Return the stems of a name, with what stands behind "of" or "into" before what it belongs to."""
    text = re.sub(r"['\u2019]s?\b|\$|\\", "", name.casefold())
    for british, american in _AMERICAN:
        text = text.replace(british, american)
    parts = [_words(part) for part in re.split(r"\b(?:of|into|for)\b", text)]
    return tuple(word for part in reversed(parts) for word in part)


def _words(text: str) -> list[str]:
    return [stem(word) for word in _WORD.findall(text) if word not in _DROPPED]


@functools.cache
def _thesaurus() -> list[tuple[tuple[str, ...], ...]]:
    return [tuple(_stems(name) for name in line.split("|")) for line in _ENGLISH.strip().splitlines()]


def _replaced(stems: tuple[str, ...], old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    for at in range(len(stems) - len(old) + 1):
        if stems[at : at + len(old)] == old and not _stands(stems, at, len(old), new):
            return _replaced(stems[:at] + new + stems[at + len(old) :], old, new)
    return stems


def _stands(stems: tuple[str, ...], at: int, length: int, new: tuple[str, ...]) -> bool:
    """Return whether the new name is there already, of which the old one is a part."""
    return any(
        stems[start : start + len(new)] == new for start in range(max(0, at + length - len(new)), at + 1)
    )


@functools.lru_cache(maxsize=65_536)
def _chinese(name: str) -> tuple[str, ...]:
    text = name
    for names in _chinese_thesaurus():
        for other in names[1:]:
            if other not in names[0] or names[0] not in text:
                text = text.replace(other, names[0])
    rest = text
    for done in _DONE:
        shorter = rest.replace(done, "")
        if len(_JOINING.sub("", shorter)) >= 2:
            rest = shorter
    return tuple(sorted(_JOINING.sub("", rest).casefold()))


@functools.cache
def _chinese_thesaurus() -> list[tuple[str, ...]]:
    return [tuple(name.strip() for name in line.split("|")) for line in _CHINESE.strip().splitlines()]


# characters one of which makes another concept than the other, in names that share the rest
_APART: Final = (
    "大小", "正负反逆", "左右", "等比差", "加减乘除", "内外", "有无", "前后", "上下", "升降", "奇偶", "质合", "和差积商", "充必",
    "一二三四五六七八九十", "定不", "单多", "独互", "相全", "点线面体", "数式", "正余", "弦切", "常变", "首末", "长宽高", "横纵", "同异", "圆球",
)  # fmt: skip


def different_characters(one: str, other: str) -> bool:
    """Return whether two Chinese names differ in a character that makes another concept, such as 最大 and 最小."""
    return any(_left(one, other) & set(group) and _left(other, one) & set(group) for group in _APART)


def shared_bigrams(one: str, other: str) -> float:
    """Return the Dice coefficient of the pairs of neighbouring characters, from 0 to 1."""
    pairs = [set(_bigrams(_JOINING.sub("", name))) for name in (one, other)]
    total = len(pairs[0]) + len(pairs[1])
    return 2 * len(pairs[0] & pairs[1]) / total if total else 0.0


def _bigrams(text: str) -> Iterator[str]:
    for at in range(len(text) - 1):
        yield text[at : at + 2]


def _left(one: str, other: str) -> set[str]:
    return set(one) - set(other)
