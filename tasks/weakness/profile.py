"""The skills that a question needs: its subdomain, concepts, operations and the type of its answer.

A subdomain of the taxonomy is taken as it is stated. For other questions it is that of the most similar labelled questions
(`Labeller`): drawn problems of the families, whose subdomain is known. A guess is marked as one, since decision 8 measured that such
guesses are often wrong; it chooses neighbours and names clusters, and is never stored as a label of a row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from storage.indexes.vectors import Encode, Vectors
from tasks.conditions import conditions
from tasks.problems.machinery.family import LANGUAGES, LEVELS, families, make
from tasks.problems.machinery.notation import Unworkable
from tasks.retrieval.neighbours import nearest
from tasks.seeding import rng_of
from tasks.taxonomy import domain_of

DRAWN = 8  # labelled questions of each family, language and level
VOTERS = 15  # nearest labelled questions whose subdomains are counted
LEAST_COSINE = 0.35  # of the nearest labelled question; below it a question has no guessed subdomain
LEAST_SHARE = 0.4  # of the votes that a guessed subdomain needs

# operation -> what shows it in a question, in English and Chinese
_OPERATIONS: Mapping[str, str] = {
    "percent": r"%|percent|百分|折",
    "fraction": r"\\d?frac|\b\d+/\d+\b|\bhalf\b|\bthirds?\b|\bquarters?\b|分之|一半",
    "ratio": r"\bratio\b|\bproportion|比例|之比|\d\s*:\s*\d",
    "power": r"\^|\bsquared?\b|\bcubed?\b|平方|立方|次方",
    "root": r"\\sqrt|\broots?\b|√|根",
    "logarithm": r"\\log|\\ln|\blog\b|对数",
    "trigonometry": r"\\(?:sin|cos|tan)|\b(?:sin|cos|tan)\b|正弦|余弦|正切",
    "remainder": r"\bmod\b|\bremainder|\\pmod|余数|同余",
    "divisor": r"\bdivisors?\b|\bgcd\b|\blcm\b|greatest common|least common|公约数|公倍数|约数|整除",
    "equation": r"\bsolve\b|\bequation|方程|求解",
    "inequality": r"[<>≤≥]|\\[lg]eq?\b|inequalit|不等",
    "sum of terms": r"\\sum|\bsum of the first|\bseries\b|\bsequence\b|数列|前\s*\d*\s*项",
    "mean": r"\bmean\b|\baverage\b|\bmedian\b|平均|中位",
    "rate": r"\bper hour\b|\bspeed\b|km/h|\bmph\b|\brate\b|速度|每小时|每分钟",
    "money": r"\$\d|\bdollars?\b|\bprice\b|\bcosts?\b|元|价",
    "area or volume": r"\barea\b|\bvolume\b|面积|体积",
    "matrix": r"matrix|\\begin\{[pbv]?matrix|行列式|矩阵",
    "derivative": r"derivative|f'|导数|切线",
    "integral": r"\\int|\bintegral|积分",
    "limit": r"\\lim|\blimit\b|极限",
    "probability": r"probabilit|概率",
    "choice of objects": r"how many ways|\bcombinations?\b|\bpermutations?\b|arrange|committee|排列|组合|多少种",
}

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a question needs. `subdomain` is of the taxonomy, None if neither stated nor guessed; `guessed` says which."""

    subdomain: str | None
    guessed: bool
    concepts: frozenset[str]
    operations: frozenset[str]
    answer: str

    @property
    def skills(self) -> frozenset[str]:
        """The operations and concepts, by which two questions of one subdomain are compared."""
        return self.operations | self.concepts


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _OPERATIONS.items()}


@cache
def _concept_names(subdomain: str, overlay: Path | None) -> list[tuple[str, str]]:
    """Return (English in lower case, Chinese) of the concepts of a subdomain."""
    return [(en.lower(), zh) for en, zh in conditions(overlay).concepts.get(subdomain, ())]


def operations_of(question: str) -> frozenset[str]:
    """Return the operations that the words and signs of a question show."""
    return frozenset(name for name, pattern in _patterns().items() if pattern.search(question))


def answer_type(reference: str | None) -> str:
    """Return the type of a trusted answer: integer, fraction, decimal, several, expression, words or none."""
    text = _THOUSANDS.sub("", (reference or "").strip().strip("$ "))
    if not text:
        return "none"
    if re.fullmatch(r"[-+]?\d+", text):
        return "integer"
    if re.fullmatch(r"[-+]?(?:\d+\s*/\s*\d+|\\d?frac\{[-+]?\d+\}\{\d+\})", text):
        return "fraction"
    if re.fullmatch(r"[-+]?\d*\.\d+%?", text):
        return "decimal"
    if "," in text or ";" in text or "\\begin" in text:
        return "several"
    return "expression" if re.search(r"[\\^_=+*/()\d]", text) else "words"


def profile_of(
    question: str,
    subdomain: str | None,
    reference: str | None = None,
    *,
    guess: str | None = None,
    concepts: Sequence[str] = (),
    overlay: Path | None = None,
) -> Profile:
    """Return the profile of a question. `subdomain`: as stated, in the taxonomy or not. `guess`: the subdomain of similar questions.
    `concepts`: those that are stored with the question; others are found where the question names them. `overlay`: the folder
    of the user's own conditions, if there is one."""
    stated = subdomain if subdomain and domain_of(subdomain) else None
    known = stated or guess
    lowered = question.lower()
    named = {en for en, zh in _concept_names(known or "", overlay) if en in lowered or zh in question}
    return Profile(
        known,
        stated is None and guess is not None,
        frozenset(one.strip().lower() for one in concepts if one.strip()) | frozenset(named),
        operations_of(question),
        answer_type(reference),
    )


class Labeller:
    """Guesses subdomains by the most similar labelled questions, drawn from the families."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._labels: list[str] = []
        self._vectors: Vectors | None = None

    def guesses(self, vectors: Vectors) -> list[str | None]:
        """Return the guessed subdomain of each question by its unit vector, None where too little speaks for one."""
        if not len(vectors):
            return []
        labelled = self._labelled()
        cosines, places = nearest(labelled, vectors, VOTERS)
        guesses: list[str | None] = []
        for row, near in zip(cosines, places, strict=True):
            if row[0] < LEAST_COSINE:
                guesses.append(None)
                continue
            votes: defaultdict[str, float] = defaultdict(float)
            for cosine, place in zip(row.tolist(), near.tolist(), strict=True):
                votes[self._labels[place]] += max(cosine, 0.0)
            best = min(votes, key=lambda name: (-votes[name], name))
            guesses.append(best if votes[best] >= LEAST_SHARE * sum(votes.values()) else None)
        return guesses

    def _labelled(self) -> Vectors:
        if self._vectors is None:
            texts = []
            for label, text in _drawn():
                self._labels.append(label)
                texts.append(text)
            self._vectors = np.ascontiguousarray(self._encode(texts))
        return self._vectors


@cache
def _drawn() -> tuple[tuple[str, str], ...]:
    """Return (subdomain, question) of drawn problems of all families, in both languages and at all levels."""
    drawn = []
    for name, family in families().items():
        for language in LANGUAGES:
            if language not in family.phrasings:
                continue
            for level in LEVELS:
                rng = rng_of("labelled", name, language, level)
                for _ in range(DRAWN):
                    try:
                        drawn.append((family.subdomain, make(family, rng, level, language).question))
                    except Unworkable:
                        continue
    return tuple(drawn)
