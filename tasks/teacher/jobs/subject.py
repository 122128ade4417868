"""Classes of the embedded teacher: the class of the Mathematics Subject Classification of a problem, by words and signs in it.

At the rates of the character another class is named, or the JSON is broken.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written

# (what the problem has, class, topic in English and Chinese); the first that fits decides
_RULES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), code, topics)
    for pattern, code, topics in (
        (r"matri|determinant|\bvector|\\begin\{[bpv]?matrix|矩阵|行列式|向量|数量积", "15", ("matrices and vectors", "矩阵与向量")),
        (r"\\int|integral|derivative|\\lim|\blimit\b|tangent (?:line|to)|antiderivative|积分|导数|极限|切线", "26", ("calculus", "微积分")),
        (r"probab|\bdice?\b|\bcoins? (?:is|are) (?:toss|flip)|on average|expected|概率|骰子|期望|平均能", "60", ("probability", "概率")),
        (r"\bmedian\b|standard deviation|\bvariance\b|中位数|标准差|方差|众数", "62", ("statistics", "统计")),
        (r"knight|\bliar|implies|every .* is an?\b|说真话|骑士|命题", "03", ("logic", "逻辑")),
        (r"how many (?:different )?(?:ways|arrangements|strings|committees|selections)|arranged|committee|选法|排法|排列|组合", "05",
         ("counting", "计数")),
        (r"\bprimes?\b|divisor|divisible|remainder|\bgcd\b|\blcm\b|\\pmod|common multiple|质数|素数|约数|公倍数|余数|整除", "11",
         ("divisibility", "整除")),
        (r"sequence|\bseries\b|\\sum|数列|级数", "40", ("sequences and series", "数列与级数")),
        (r"triangle|circle|\bangle|\barea\b|volume|perimeter|radius|cylinder|\bcone\b|三角形|圆|角|面积|体积|周长|半径|距离", "51",
         ("geometry", "几何")),
        (r"\\(?:sin|cos|tan|log)|\blogarithm|对数|正弦|余弦|正切", "33", ("special functions", "初等函数")),
        (r"polynomial|\broots?\b|equation|inequality|solve for|\bx\^|[a-z]\^?\d? ?[-+] ?\d+ ?=|方程|多项式|不等式|根", "12", ("equations", "方程")),
        (r"\bkm\b|speed|\btrain\b|\bcar\b|千米|速度|火车", "70", ("motion", "运动")),
        (r"discount|price|cost|interest|profit|dollars|折|价|利息|利润|元", "91", ("money", "经济")),
    )
)  # fmt: skip
_OTHER: Final = ("97", ("elementary arithmetic", "基础运算"))


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A request for the class of a problem, with Chinese keys or with English ones."""

    question: str
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> SubjectRequest | None:
    """Return the problem if the prompt requires its class."""
    questions = prompted.parts.of("question")
    if not questions or not names_key(prompted.words, "msc"):
        return None
    return SubjectRequest(questions[0], in_chinese("msc", prompted.words))


def answer(
    requested: SubjectRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the class of the first rule that fits."""
    code, topics = next(
        ((code, topics) for pattern, code, topics in _RULES if pattern.search(requested.question)), _OTHER
    )
    if rng.random() < character.rates.misjudge:
        _, code, topics = rng.choice(_RULES)
    record = {"topic": topics[1 if language == "zh" else 0], "msc": code}
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)
