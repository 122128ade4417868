"""Compares multiple-choice questions without their options: the stems are compared by runs of words."""

from __future__ import annotations

import re

import numpy as np

from tasks.decontamination import ngrams
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit

LEAST = 0.9  # of the stem's runs
SHORTEST = 13  # words of an item's stem: "which of the following statements are true?" identifies no item
_FIRST = re.compile(r"(?:^|[\s:：。.?？])[(（\[]?(A|a|①)[)）\].．、:：]\s*(?=\S)")
_LEAD = re.compile(
    r"(?:[(（]\s*(?:\\q?quad|_{2,})?\s*[)）]|_{2,}"
    r"|(?:answer choices|choices|options|choose one|选项|which of the following is (?:correct|the answer))\s*[:：?？]?)\s*$",
    re.IGNORECASE,
)


_SIGNS = ("+", "-", "*", "/", "=", "<", ">", "^", ",", "\\")


def stem(text: str) -> str:
    """Return the question before its options: cut at the first "A)" that a "B" in the same style follows."""
    for match in _FIRST.finditer(text):
        if text[: match.start(1)].rstrip(" \t(（[").endswith(_SIGNS):
            continue  # (x - a)(x - b) lists no options
        second = {"A": "B", "a": "b", "①": "②"}[match.group(1)]
        mark = re.escape(match.group().strip()[-1]) if match.group(1) != "①" else ""
        if re.search(rf"(?:^|[\s,，;；(（\[]){second}\s*{mark}", text[match.end() :]):
            before = text[: match.start(1)].rstrip().removesuffix("(").removesuffix("（").removesuffix("[")
            return _LEAD.sub("", before.rstrip()).rstrip()
    return text


def prepare(items: Items) -> ngrams.Grams:
    stems = [stem(text) for text in items.texts]
    cut = np.array([short != text for short, text in zip(stems, items.texts, strict=True)], dtype=bool)
    stem_words = ngrams.words(stems)
    usable = np.flatnonzero(~cut | (stem_words.lengths >= SHORTEST))
    return ngrams.index(
        stem_words.take(usable), [items.names[k] for k in usable.tolist()], 13, ngrams.SHORTEST
    )


def find(rows: Items, prepared: ngrams.Grams) -> list[Hit]:
    return ngrams.find([stem(text) for text in rows.texts], prepared, LEAST)
