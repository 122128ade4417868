"""Decides per question which share of its solutions is requested as programs: a rule over its text and subdomain.

A program computes without errors of arithmetic and a solution in words reasons; which of the two a question needs more is often visible.
`computation` scores that from -1 to 1, and the share of programs rises or falls with it. The score does not depend on
other questions, on the order or on a model, so a question has the same formats in every run. Over the questions of all
subdomains the scores are near 0 on average (tests/tasks/test_routing.py), so that the share of the configuration is met over a night; the
mixture enforces its own shares in any case. The rule knows nothing of the models: which format they are right in is left to
the calibrated votes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from storage.interleaved import TIR
from tasks.seeding import rng_of

# how much solutions of a subdomain are computation: enumeration, long arithmetic and exact algebra on one side,
# arguments about figures and short stories on the other
_BY_SUBDOMAIN = {
    "multi-step arithmetic": 0.2, "fractions and percentages": 0.0, "ratios and proportions": -0.2, "rates and units": -0.2,
    "linear equations": 0.0, "quadratic equations": 0.1, "systems of equations": 0.3, "polynomials": 0.2,
    "inequalities": -0.3, "sequences and series": 0.2, "exponents and logarithms": 0.0, "functions": -0.2,
    "matrix operations": 0.5, "determinants": 0.5, "vectors": 0.0, "derivatives": 0.1, "integrals": 0.2, "limits": -0.1,
    "divisibility and gcd": 0.4, "modular arithmetic": 0.5, "primes and factorization": 0.5,
    "plane geometry": -0.5, "coordinate geometry": -0.2, "solid geometry": -0.4, "trigonometry": -0.4,
    "counting": 0.2, "probability": 0.0, "expected value": 0.1, "descriptive statistics": 0.3,
}  # fmt: skip
_COMPUTES = re.compile(
    r"\b(?:remainder|modulo|mod|divisors?|divisible|prime|factorial|digits?|units digit|gcd|lcm|greatest common|least common|"
    r"determinant|matrix|matrices|sum of the (?:first|squares|digits)|standard deviation|variance|median|how many (?:ways|integers|"
    r"numbers|pairs|subsets))\b|\d{4,}|\^\{?\d{2,}|\d!|余数|整除|质数|素数|约数|因数|公倍数|公约数|"
    r"行列式|矩阵|方差|标准差|中位数|各位数字|多少种",
    re.IGNORECASE,
)
_REASONS = re.compile(
    r"\b(?:prove|proof|show that|explain|justify|why|always|never|must be|which of|true or false|conclude|triangle|angle|"
    r"parallel|perpendicular|congruent|similar|inscribed|tangent|bisect\w*)\b|证明|说明|为什么|下列|三角形|平行|垂直|相似|内接|"
    r"切线|角平分",
    re.IGNORECASE,
)
_MEAN = 0.12  # of the scores without this term, over the questions of all problem families and seeds
_EACH = 0.25  # per different word of either list, of which two count
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_MANY = 6  # numbers from which on a question is computation
_WHOLE = 1e-9  # numbers of samples that are so near are the same
_TEXT = 4_000  # characters that are looked at


def computation(question: str, subdomain: str | None = None) -> float:
    """Return from -1 to 1 whether solutions of the question reason (-1) or compute (1)."""
    text = question[:_TEXT]
    score = _BY_SUBDOMAIN.get(subdomain or "", 0.0) - _MEAN
    score += _EACH * min(2, len({word.lower() for word in _COMPUTES.findall(text)}))
    score -= _EACH * min(2, len({word.lower() for word in _REASONS.findall(text)}))
    score += _EACH * (len(_NUMBERS.findall(text)) >= _MANY)
    return max(-1.0, min(1.0, score))


def formats(samples: int, pot_share: float, problem_id: str = "") -> list[str]:
    """Return the format of each of `samples` solutions: `pot_share` of them programs, spread evenly (4 at 0.5: cot pot cot
    pot). Where that is no whole number, a hash of the question says which of them begin, so that the mean over questions is the share."""
    marks = _spread(samples, pot_share, "formats", problem_id)
    return ["pot" if mark else "cot" for mark in marks]


def with_interleaved(kinds: list[str], share: float, problem_id: str = "") -> list[str]:
    """Return the formats with a share of them interleaved (`tir`), at even distances and rounded as in `formats`; the others keep
    their order and their proportions."""
    if not share:
        return kinds
    others = iter(kinds)
    marks = _spread(len(kinds), share, TIR, problem_id)
    return [TIR if mark else next(others) for mark in marks]


def _spread(samples: int, share: float, *seed: str) -> list[bool]:
    """Return which of the samples are marked: a share of them, at even distances (systematic sampling)."""
    whole = abs(samples * share - round(samples * share)) < _WHOLE
    start = _WHOLE if whole else rng_of(*seed).random()
    return [int((i + 1) * share + start) > int(i * share + start) for i in range(samples)]


def in_turn(counts: Mapping[str, int], shares: Mapping[str, float]) -> list[str]:
    """Return so many of each format: in turn as long as there are several, the one with the largest share first."""
    left, order = dict(counts), []
    while any(left.values()):
        for kind in sorted(left, key=lambda kind: (-shares[kind], kind)):
            if left[kind]:
                order.append(kind)
                left[kind] -= 1
    return order


def rule_shares(pot_share: float, tir_share: float, spread: float, score: float) -> dict[str, float]:
    """Return the share of each format that the rule asks for in questions of this score; formats without a share are left out."""
    programs = max(0.0, min(1.0, pot_share + spread * score)) if pot_share not in (0.0, 1.0) else pot_share
    shares = {"cot": (1 - programs) * (1 - tir_share), "pot": programs * (1 - tir_share), TIR: tir_share}
    return {kind: share for kind, share in shares.items() if share}


def routed(
    samples: int, pot_share: float, spread: float, question: str, problem_id: str, subdomain: str | None
) -> list[str]:
    """Return the format of each sample of one question: the expected one first, then they alternate as long as both are left.

    The share of programs is `pot_share` plus `spread` times the score of the question; what is left of a whole sample is
    rounded by a hash of the question, so that the mean over questions is kept. Questions of score 0, and words only or programs only, are
    not routed. The formats alternate because adaptive sampling may need no more than the first samples, and an answer in which a
    program and a solution in words agree is surer than one that two of a kind share.
    """
    score = computation(question, subdomain)
    if not score or not spread or pot_share in (0.0, 1.0):
        return formats(samples, pot_share, problem_id)
    share = max(0.0, min(1.0, pot_share + spread * score))
    programs = int(share * samples + rng_of("route", problem_id).random())
    expected, other = ("pot", "cot") if score > 0 else ("cot", "pot")
    count = programs if expected == "pot" else samples - programs
    mixed = [kind for _ in range(min(count, samples - count)) for kind in (expected, other)]
    return mixed + [expected if 2 * count > samples else other] * (samples - len(mixed))
