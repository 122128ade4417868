"""Concepts that the embedded teacher names in a text: those of a problem that it knows, and of other texts the terms of its vocabulary,
of headings and of definitions.

The terms that a text has are counted; the field is the one with most of them. At the rates of the character a concept is left out, a vague one is
added, or the JSON is broken.
"""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.problems.machinery.family import families
from tasks.taxonomy import SUBDOMAINS, local_name
from tasks.teacher.character import Character
from tasks.teacher.compound import split
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.reading import known, undressed
from tasks.teacher.topics import vocabulary

MOST = 6
_VAGUE = {"en": ("mathematics", "problem solving"), "zh": ("数学", "解题方法")}
# words of a text -> the concept of the vocabulary (prompts/conditions.yaml) that they need
_CUES = {
    r"%|\bper ?cent|百分之|百分": "percentages",
    r"\bdiscount|打折|折扣|\boff the price": "discounts",
    r"\binterest\b|利息|利率": "interest",
    r"\bhalf of\b|\bthird of\b|\bquarter of\b|\d/\d+ of|几分之几|的一半": "fractions of a quantity",
    r"\bkm/h|\bmph\b|miles per hour|kilomet(?:er|re)s per hour|千米/时|每小时行|时速": "speed, distance and time",
    r"\bper (?:hour|minute|day|week|kilogram|pound)\b|每(?:小时|分钟|天|千克)": "unit rates",
    r"\bratio of\b|\d+\s*:\s*\d+|之比|比为": "ratios",
    r"[€£¥]\s?\d|\$\d+(?:\.\d\d)?(?= (?:per|for|each|and|on|a|in|more|to)\b|[.,?](?:\s|$))|\bdollars?\b|\bcents?\b|\d\s*元": "money",
    r"\byears? (?:old|older|younger)|岁": "word problems about ages",
    r"\beach\b.{0,40}\bequally|平均分|\bsplit evenly": "equal groups",
    r"\bremainder|余数": "congruences",
    r"\bdivisible|整除": "divisibility rules",
    r"\bx\s*\^?\s*(?:2|\^\{2\}|²)|\\sqrt|\bquadratic|二次方程": "quadratic equations",
    r"\bprime\b|质数|素数": "prime factorization",
    r"\bfactors? of\b.{0,20}[a-z]\(x\)|因式": "factorising",
    r"\b[fgh]\(-?\d|\bfunction\b|函数": "evaluating functions",
    r"\blit(?:re|er)s?\b|\bmillilit|\bkilomet|\bcentimet|\binches\b|\bfeet\b|毫升|厘米|千克": "unit conversion",
    r"\\binom|\bchoose\b|\bcommittee|选出|选取": "combinations",
    r"\ba_\{?n|\bsequence\b|数列": "arithmetic sequences",
    r"\\log|\bln\b|对数": "logarithms",
    r"\bvectors?\b|向量": "dot product",
    r"\bprobabilit|概率": "addition rule",
    r"\\leq?(?![a-z])|\\geq?(?![a-z])|[<>≤≥]|不等式": "linear inequalities",
    r"\d[xy]\b.{0,12}=|=\s*-?\d*[xy]\b|\bsolve for|方程": "linear equations",
    r"\bslope|\bpoints? \(?-?\d|直线|坐标": "equation of a line",
    r"\bradius|\bdiameter|半径|直径": "area of a sector",
    r"\bvolume|\bcube\b|体积|正方体": "surface area",
    r"\bangles?\b|\^\\circ|°": "similar triangles",
    r"\bconsecutive|连续的?(?:整|自然|奇|偶)": "consecutive integers",
    r"鸡|兔|(?:自行车|三轮车|车轮)|\blegs\b": "systems of linear equations",
    r"\bsystem of|方程组": "systems of linear equations",
    r"\bright triangle|hypotenuse|直角三角形|斜边": "Pythagorean theorem",
    r"\\sin|\\cos|\\tan|\bsine\b|\bcosine\b": "Pythagorean identity",
    r"\bderivative|\bf'|导数": "derivative as slope",
    r"\\int(?![a-z])|积分": "definite integrals",
    r"\\lim(?![a-z])|\blimit\b|极限": "limits",
    r"\bmatri(?:x|ces)|矩阵": "matrix multiplication",
    r"\bdice|\bdie\b|\bcoin|骰子|硬币": "independent events",
    r"\bdrawn at random|随机(?:取|摸|抽)": "drawing with and without replacement",
    r"\bhow many (?:different )?ways|多少种": "rule of product",
    r"\baverage|\bmean\b|平均数|平均分": "arithmetic mean",
    r"\bhow many .{0,40}\b(?:left|remain)|还剩": "subtraction",
    r"\btimes as (?:many|much)|\btwice as|的.{1,3}倍": "multiplication",
    r"\bin (?:total|all)\b|\baltogether|一共|总共": "integer arithmetic",
    r"\bperimeter|\barea\b|周长|面积": "area of a triangle",
}
# what a heading or a definition is about: the name in group 1
_NAMED = {
    "en": (
        r"(?m)^#{1,6}\s*(?:chapter|section|lesson|unit|§)?\s*[\d.]*\s*[:.\-]?\s*([A-Za-z][A-Za-z' -]{3,50}?)\s*$",
        r"(?:\bis|\bare) (?:called|known as|termed|said to be) (?:an? |the )?[*_]{0,2}([a-z][a-z' -]{3,40}?)[*_]{0,2}(?=[.,;:]| if | when | of )",
        r"(?i)\b(?:definition|theorem|lemma)\s*[\d.]*\s*\(([A-Za-z][A-Za-z' -]{3,50})\)",
        r"(?i)\b(?:an?|the) [*_]{1,2}([a-z][a-z' -]{3,40})[*_]{1,2} (?:is|of)\b",
        r"\b((?:[A-Z][a-z]+(?:'s)? )?(?:theorem|formula|rule|identity|inequality|law) (?:of|for) [a-z]+(?: [a-z]+)?)\b",
    ),
    "zh": (
        r"(?m)^#{1,6}\s*(?:第[\d一二三四五六七八九十]+[章节课]|[\d.]+|§)?\s*([\u4e00-\u9fff]{2,14})\s*$",
        r"(?:叫做|称为|称作|叫作)(?:这个?[\u4e00-\u9fff]{0,6}的)?[“\"*]{0,2}([\u4e00-\u9fff]{2,12})",
        r"(?:定义|定理)\s*[\d.]*\s*[（(]([\u4e00-\u9fff]{2,14})[）)]",
        r"([\u4e00-\u9fff]{2,6}(?:定理|公式|法则|不等式))",
    ),
}
_NO_TERM = re.compile(
    r"^(?:exercises?|problems?|examples?|summary|introduction|contents|preface|solutions?|answers?|notes?|proof|remarks?|exercise set|"
    r"review|overview|习题|练习|例题|小结|引言|目录|前言|答案|解答|证明|复习|本章小结|定理|公式|法则|不等式)\b|^(?:这|该|此|以上|下面|上述|由|用|利用|根据|得)",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConceptsRequest:
    """A request for the field and the concepts of a text, with Chinese keys or with English ones."""

    text: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> ConceptsRequest | None:
    """Return the text if the prompt requires a list of concepts."""
    if len(prompted.parts.blocks) != 1 or not names_key(prompted.words, "concepts"):
        return None
    ((_, text),) = prompted.parts.blocks
    return ConceptsRequest(text, in_chinese("concepts", prompted.words))


def answer(
    requested: ConceptsRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the field and the concepts, none for a text without a term."""
    concepts, subdomain = _named(requested.text, language)
    if len(concepts) > 2 and rng.random() < character.rates.flawed:
        concepts.remove(rng.choice(concepts))
    if concepts and rng.random() < character.rates.misjudge:
        concepts.append(rng.choice(_VAGUE[language]))
    other = "其他" if language == "zh" else "other"
    record = {"field": local_name(subdomain, language) if subdomain else other, "concepts": concepts}
    return written(
        record,
        [{"concepts": "; ".join(concepts)}],
        character,
        rng,
        valid_json=valid_json,
        chinese=requested.chinese_keys,
    )


def _named(text: str, language: str) -> tuple[list[str], str | None]:
    """Return the concepts of a text, the most important first, and its subdomain."""
    by_family = _of_families(text, language)
    if by_family is not None:
        return by_family
    counts: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    lowered = text.casefold()
    for name, _, subdomain, pattern in _vocabulary(language):
        if times := len(pattern.findall(lowered)):
            counts[name] += 2 * times
            fields[subdomain] += 2 * times
    for pattern, name, subdomain in _cues(language):
        if pattern.search(text):
            counts[name] += 1
            fields[subdomain] += 1
    terms = list(_terms(text, language))
    for term in terms:
        known_as = next(
            (name for name, _, _, pattern in _vocabulary(language) if pattern.fullmatch(term.casefold())),
            None,
        )
        counts[known_as or term] += 3
    order = {name: place for place, name in enumerate(counts)}
    concepts = sorted(counts, key=lambda name: (-counts[name], order[name]))[:MOST]
    field = max(fields, key=lambda one: (fields[one], -list(SUBDOMAINS).index(one))) if fields else None
    return concepts, field


def _of_families(text: str, language: str) -> tuple[list[str], str] | None:
    """Return the concepts and the subdomain of a problem that the teacher knows, or of the parts of one that is put together; None for
    other texts."""
    compound = split(text)
    parts = (
        [compound.slots[name] for name in ("first", "second") if name in compound.slots]
        if compound
        else [text]
    )
    concepts: dict[str, None] = {}
    subdomain = None
    for part in parts:
        problem = next((one for shown in undressed(part) if (one := known(shown)) is not None), None)
        if problem is None:
            inner = _of_families(part, language) if compound else None
            if inner is None:
                return None
            names, its_field = inner
        else:
            names = [_local(name, language) for name in families()[problem.family].concepts]
            its_field = problem.subdomain
        concepts |= dict.fromkeys(names)
        subdomain = subdomain or its_field
    return (list(concepts), subdomain) if subdomain else None


def _local(name: str, language: str) -> str:
    return vocabulary().get(name, (name,))[0] if language == "zh" else name


@functools.cache
def _vocabulary(language: str) -> list[tuple[str, str, str, re.Pattern[str]]]:
    """Return (name, English name, subdomain, expression) of each concept, the longest first."""
    entries = {
        (zh if language == "zh" else en): (en, subdomain)
        for en, (zh, subdomain) in vocabulary().items()
        if subdomain in SUBDOMAINS
    }
    return [
        (name, en, subdomain, _expression(name, language))
        for name, (en, subdomain) in sorted(entries.items(), key=lambda entry: (-len(entry[0]), entry[0]))
    ]


def _expression(name: str, language: str) -> re.Pattern[str]:
    if language == "zh":
        return re.compile(re.escape(re.sub(r"的(?:概念|计算|解法|应用)$", "", name)))
    words = name.casefold().split()
    last = re.sub(r"(?:ies|es|s)$", "", words[-1]) if len(words[-1]) > 4 else words[-1]
    return re.compile(
        r"\b" + r"\s+".join(map(re.escape, [*words[:-1], last])) + r"(?:y|ies|es|s|ing|ization)?\b"
    )


@functools.cache
def _cues(language: str) -> list[tuple[re.Pattern[str], str, str]]:
    by_english = {en: (name, subdomain) for name, en, subdomain, _ in _vocabulary(language)}
    return [
        (re.compile(pattern, re.IGNORECASE), *by_english[english])
        for pattern, english in _CUES.items()
        if english in by_english
    ]


def _terms(text: str, language: str) -> Iterator[str]:
    """Yield what headings and definitions name, each once."""
    seen = set()
    for pattern in _NAMED[language]:
        for match in re.finditer(pattern, text):
            term = " ".join(match[1].split())
            if term.casefold() in seen or _NO_TERM.search(term) or len(term.split()) > 5:
                continue
            seen.add(term.casefold())
            yield (
                term if language == "zh" else term.lower() if not re.search(r"'s\b|[A-Z]", term[1:]) else term
            )
