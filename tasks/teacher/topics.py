"""Reads the subdomain, the number and the difficulty from a prompt that requests problems, and whether a question is about mathematics."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from tasks.conditions import conditions
from tasks.problems.machinery.family import Family, families, of_subdomain
from tasks.taxonomy import SUBDOMAINS, domain_of

MOST = 64  # problems that one completion writes

_ALIASES: dict[str, str] = {
    r"matri(?:x|ces)|矩阵": "matrix operations",
    r"determinant|行列式": "determinants",
    r"vector|向量": "vectors",
    r"derivative|differentiat|导数|求导|微分": "derivatives",
    r"integra(?:l|tion)|积分": "integrals",
    r"\blimits? (?:of|at|as)|极限": "limits",
    r"quadratic|二次方程": "quadratic equations",
    r"simultaneous|systems? of|方程组": "systems of equations",
    r"linear equation|一次方程": "linear equations",
    r"polynomial|多项式": "polynomials",
    r"inequalit|不等式": "inequalities",
    r"sequence|series|progression|数列|级数": "sequences and series",
    r"logarithm|exponent|对数|指数": "exponents and logarithms",
    r"function|函数": "functions",
    r"gcd|greatest common|lcm|divisib|整除|公约数|公倍数": "divisibility and gcd",
    r"modular|modulo|congruence|remainder|同余|余数": "modular arithmetic",
    r"prime|factori[sz]ation|质数|素数": "primes and factorization",
    r"expected value|expectation|期望": "expected value",
    r"probabilit|概率": "probability",
    r"combinatori|counting|permutation|排列|组合|计数": "counting",
    r"statistic|\bmean\b|median|统计|平均数|中位数": "descriptive statistics",
    r"trigonometr|三角": "trigonometry",
    r"coordinate|analytic geometry|解析几何|坐标": "coordinate geometry",
    r"solid geometry|volume|立体": "solid geometry",
    r"geometry|几何": "plane geometry",
    r"percent|fraction|百分|分数": "fractions and percentages",
    r"ratio|proportion|比例": "ratios and proportions",
    r"speed|rates?\b|units?\b|速度|速率|单位": "rates and units",
    r"number theory|数论": "divisibility and gcd",
    r"calculus|微积分": "derivatives",
    r"linear algebra|线性代数": "matrix operations",
    r"algebra|代数": "linear equations",
    r"arithmetic|word problem|算术|应用题": "multi-step arithmetic",
}


@functools.cache
def _names() -> list[tuple[str, str]]:
    """Return every name of every subdomain, longest first, so that a name inside another one is not preferred."""
    names = [(name.lower(), name) for name in SUBDOMAINS]
    names += [(chinese, name) for name, (_, chinese) in SUBDOMAINS.items()]
    return sorted(names, key=lambda pair: (-len(pair[0]), pair[0]))


@functools.cache
def _aliases() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern, re.IGNORECASE), name) for pattern, name in _ALIASES.items()]


def subdomain_in(text: str, order: re.Pattern[str]) -> str | None:
    """Return the subdomain that the text names, or None.

    A quoted name of the taxonomy comes first; then a name, or a synonym such as "matrices", in the lines that request
    problems (`order`) or state the topic; then a name anywhere.
    """
    lowered = text.lower()
    for inner in _QUOTED.findall(lowered):
        for name, subdomain in _names():
            if inner.strip() == name:
                return subdomain
    # elsewhere "vector" or "function" may only describe the form of an answer
    ordering = "\n".join(line for line in text.split("\n") if order.search(line) or _TOPIC.search(line))
    named = _named(ordering.lower())
    if named is None:
        named = next((name for pattern, name in _aliases() if pattern.search(ordering)), None)
    return named or _named(lowered)


def _named(lowered: str) -> str | None:
    return next((subdomain for name, subdomain in _names() if name in lowered), None)


_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_NUMBERS = _WORDS.split()

# what questions of proof and of concept are about, beside the subdomains: no digit and no formula has to stand in them
_SUBJECTS = re.compile(
    r"\b(?:prove[sdn]?|proofs?|disprove|counter-?examples?|theorems?|lemmas?|axioms?|definitions?|conjectures?|induction|contradiction|"
    r"converse|inverse|contrapositive|negations?|implications?|implies|premises?|conclude|conclusions?|deduc\w+|quantifiers?|predicates?|"
    r"true or false|truth|logic\w*|statements?|arguments?|equivalen\w+|necessary|sufficient|symbols?|notation|"
    r"numbers?|numerical|integers?|rationals?|digits?|even|odd|multiples?|divis\w+|equations?|expressions?|formulas?|formulae|variables?|"
    r"how (?:many|much|often|long|far|old)|at (?:least|most)|twice|half|average|total|"
    r"sets?|subsets?|unions?|intersections?|relations?|transitive|symmetric|reflexive|mappings?|bijecti\w+|injecti\w+|surjecti\w+|"
    r"graphs?|vert(?:ex|ices)|edges?|trees?|groups?|rings?|fields?|spaces?|basis|bases|"
    r"points?|lines?|planes?|angles?|triangles?|squares?|rectangles?|circles?|polygons?|shapes?|area|perimeter|length|"
    r"chance|odds|random\w*|outcomes?|events?|independen\w+|disjoint|mutually exclusive|dice|coins?|"
    r"data|samples?|sampling|survey|population|study|experiment|observational|placebo|blinded|treatments?|strat(?:um|a)|stratified|bias|"
    r"confound\w+|causal|distributions?|histograms?|deviations?|variance|correlat\w+|regression|outliers?|"
    rf"puzzles?|(?:{'|'.join(_NUMBERS[1:])}))\b"
    r"|证明|反例|定理|引理|公理|定义|归纳|逆命题|否命题|逆否|命题|充分|必要|当且仅当|等价|推理|结论|真假|集合|子集|关系|映射|整数|有理数|实数|自然数|奇数|偶数|"
    r"方程|公式|变量|多少|几[个种次天人条]|[二两三四五六七八九十]|图形|顶点|三角形|四边形|圆|直线|平面|面积|周长|随机|事件|独立|互斥|样本|抽样|总体|"
    r"实验|试验|数据|分布|方差|相关|回归",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"[0-9=<>]|\\[(\[a-z]|\$|[a-z]\(", re.IGNORECASE)


def is_mathematical(text: str) -> bool:
    """Return whether a text has a number, a formula, or a term of mathematics, statistics or reasoning. Questions of proof and of
    concept often have terms alone."""
    return bool(
        _FORMULA.search(text)
        or _SUBJECTS.search(text)
        or _named(text.lower())
        or any(pattern.search(text) for pattern, _ in _aliases())
    )


_TOPIC = re.compile(
    r"\b(?:topic|subject|area|domain|subdomain|theme|about)\b|主题|领域|知识点|方面|关于", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“「'*]([^\"”」'*\n]{2,60})[\"”」'*]")

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {"两": 2}
_COUNT = re.compile(
    rf"\b(\d+|{'|'.join(_NUMBERS)}|a dozen)\s+(?:[\w-]+[\s,]+){{0,7}}?(?:problems?|questions?|exercises?|variations?|variants?|entries)\b"
    r"|(\d+|[一二两三四五六七八九十]+)\s*(?:道|个|条|项)",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"\b(?:an?|another)\s+(?:(?!the\b)[\w-]+\s+){0,4}?(?:problem|question|exercise|variation|variant)\b",
    re.IGNORECASE,
)


def count_in(text: str) -> int:
    """Return how many problems are requested; 5 if the text does not say."""
    for match in _COUNT.finditer(text):
        count = _number((match.group(1) or match.group(2)).lower())
        if count:
            return min(count, MOST)
    return 1 if _SINGLE.search(text) else 5


def _number(word: str) -> int:
    if word.isdigit():
        return int(word[:6])
    if word == "a dozen":
        return 12
    if word in _NUMBERS:
        return _NUMBERS.index(word) + 1
    if "十" in word:
        tens, _, ones = word.partition("十")
        return _DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0)
    return _DIGITS.get(word[:1], 0)


_LEVELS = (
    (1, re.compile(r"\beas(?:y|ier)\b|\bbasic\b|\bsimple\b|简单|容易|基础", re.IGNORECASE)),
    (2, re.compile(r"\bmedium\b|\bmoderate\b|\bintermediate\b|中等|适中", re.IGNORECASE)),
    (
        3,
        re.compile(
            r"\bhard(?:er)?\b|\bdifficult\b|\bchallenging\b|\badvanced\b|困难|较难|高难|难题|竞赛",
            re.IGNORECASE,
        ),
    ),
)
_STATED = re.compile(
    r"(?:difficulty|level|难度)[^\n.。;；]{0,12}?[:：=\s为]\s*([^\n.。;；]{1,24})", re.IGNORECASE
)


_SCALE = re.compile(
    r"(?:difficulty|level|难度)\s*[:：]\s*(?:([1-5])\s*(?:of|out of|/)\s*5\b|([1-5])\s*级[，,]?\s*共\s*5\s*级)",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"^\s*[-*]?\s*(?:concepts|knowledge points|知识点)\s*[:：]\s*(.+)$", re.IGNORECASE | re.MULTILINE
)


def scale_in(text: str) -> int | None:
    """Return the difficulty if the text states it on a scale from 1 to 5, else None."""
    match = _SCALE.search(text)
    return int(match.group(1) or match.group(2)) if match else None


@functools.cache
def vocabulary() -> dict[str, tuple[str, str]]:
    """Return the concepts that the teacher knows: the English name -> (Chinese name, subdomain)."""
    entries: dict[str, tuple[str, str]] = {}
    for subdomain, points in conditions().concepts.items():
        for en, zh in points:
            entries.setdefault(en, (zh, subdomain))
    return entries


@functools.cache
def _concepts() -> dict[str, str]:
    """Return the English name of every concept that the teacher knows, by its English and its Chinese names."""
    pairs = [pair for points in conditions().concepts.values() for pair in points]
    return {name.lower(): en.lower() for en, zh in pairs for name in (en, zh)}


def concepts_in(text: str) -> frozenset[str]:
    """Return the English names, in lower case, of the concepts in the line that states them."""
    match = _POINTS.search(text)
    named = re.split(r"[;；]", match.group(1)) if match else []
    return frozenset(_concepts()[name] for part in named if (name := part.strip().lower()) in _concepts())


def concept_names(english: Iterable[str], *, zh: bool) -> str:
    """Return concepts as a list in words, in Chinese where the teacher knows their Chinese names."""
    return "、".join(vocabulary().get(name, (name,))[0] for name in english) if zh else ", ".join(english)


@functools.cache
def families_of(concept: str) -> tuple[Family, ...]:
    """Return the families that need a concept, by its English name in lower case; of one that no family needs those of its subdomain, the
    nearest that there is; none for a concept that the teacher does not know."""
    needing = tuple(one for one in families().values() if concept in map(str.lower, one.concepts))
    if needing:
        return needing
    subdomain = next((its for en, (_, its) in vocabulary().items() if en.lower() == concept), None)
    return tuple(of_subdomain(subdomain)) if subdomain else ()


def level_in(text: str) -> int | None:
    """Return the level from 1 to 3 if the text states a difficulty unambiguously, else None (any)."""
    if scale := scale_in(text):
        return (1, 1, 2, 3, 3)[scale - 1]
    for match in _STATED.finditer(text):
        stated = match.group(1)
        number = re.match(r"\s*([123])(?!\s*(?:-|to|到|至|\d))", stated)
        if number:
            return int(number.group(1))
        for level, pattern in _LEVELS:
            if pattern.search(stated):
                return level
    named = [level for level, pattern in _LEVELS if pattern.search(text)]
    return named[0] if len(named) == 1 else None


def choose_families(subdomain: str | None) -> list[Family]:
    """Return the families to draw from: of the subdomain, else of its domain, else of everyday arithmetic, else all."""
    if subdomain is not None:
        matching = of_subdomain(subdomain)
        if matching:
            return matching
        domain = domain_of(subdomain)
        matching = [family for family in families().values() if domain_of(family.subdomain) == domain]
        if matching:
            return matching
    return of_subdomain("multi-step arithmetic") or list(families().values())
