"""When two solutions of one question are the same path: by their equations, by their plans, or by their texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
from pydantic import Field

from tasks.dedup.jaccard import jaccard_of, sets_of
from tasks.dedup.rouge import rouge_l
from tasks.settings import Section, Share

_EQUATION = re.compile(r"[^\s=]*(?:\s*[-+*/^]\s*[^\s=]+)*\s*=\s*[^\s,;.]+")
# how an equation is written says nothing about the path: marks of formulas and money, commas of thousands, annotations of a calculator
_UNREAD = re.compile(r"\$|\\[()\[\]]|\\left|\\right|(?<=\d),(?=\d{3}(?!\d))|<<[^<>\n]{0,80}>>")
_OPERATORS = (
    (re.compile(r"\\times|\\cdot|[×·]"), " * "),
    (re.compile(r"\\div|÷"), " / "),
    (re.compile("\u2212"), "-"),
    (re.compile(r"(?<=\d) x (?=\d)"), " * "),
)
_PROGRAM = re.compile(
    r"```[ \t]*py|\bprint\(", re.IGNORECASE
)  # in a fence; other fences hold the answer, such as JSON
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
N = 3  # words of a shingle
SAME_LONGER = 2.0  # texts of which one is longer by this factor are not compared


class SamePathSettings(Section, title="Same path"):
    """When two solutions of a question, both in words or both programs, are the same path."""

    equations: bool = Field(True, description="whether solutions with the same equations are the same path")
    plan: Share = Field(
        0.8,
        description="Jaccard similarity of the words of two plans that makes them the same; 0: plans are not compared",
    )
    jaccard: Share = Field(0.7, description="the same for the 3-grams of two texts")
    rouge_l: Share = Field(
        0.8, description="ROUGE-L of two texts that makes them the same; 0: it is not computed"
    )


# two solutions are the same path if they have the same equations in the same order (Yuan et al. 2023, arXiv:2308.01825)
BY_EQUATIONS: Final = SamePathSettings(plan=0.0, jaccard=0.0, rouge_l=0.0)


def calculation(text: str) -> str:
    """Return the part of a solution that is compared: its equations, without spaces and in one notation, or the whole text if it has
    none."""
    if "```" in text and _PROGRAM.search(text):
        return "".join(text.split())
    plain = _UNREAD.sub("", text)
    for operator, replacement in _OPERATORS:
        plain = operator.sub(replacement, plain)
    equations = ["".join(equation.split()) for equation in _EQUATION.findall(plain)]
    return "\n".join(equations) or " ".join(text.split())


def paths_of(rows: Sequence[Mapping[str, Any]], settings: SamePathSettings) -> list[list[int]]:
    """Return the rows of one question and format by path, as lists of places; reads solution, solution_format, language and params."""
    alike = np.eye(len(rows), dtype=bool)
    keys = [_key(row) for row in rows]
    plans = [_words(orjson.loads(row["params"] or "{}").get("plan", "")) for row in rows]
    for i in range(len(rows)):
        for j in range(i):
            alike[i, j] = (settings.equations and keys[i] == keys[j]) or (
                settings.plan > 0 and _share(plans[i], plans[j]) >= settings.plan
            )
    if rows and rows[0]["solution_format"] == "cot":
        for i, j in _similar_texts(rows, settings):
            alike[i, j] = True
    paths: list[list[int]] = []
    for i in range(len(rows)):
        same = [path for path in paths if any(alike[i, j] for j in path)]
        paths = [path for path in paths if path not in same] + [
            sorted([i, *(j for path in same for j in path)])
        ]
    return paths


def rarest_first(rows: Sequence[Mapping[str, Any]], settings: SamePathSettings) -> list[list[int]]:
    """Return the paths of one question and format, those that the fewest solutions take first, each with its likeliest solution first;
    reads id and correctness besides."""
    by_rank = [sorted(path, key=lambda i: _rank(rows[i])) for path in paths_of(rows, settings)]
    return sorted(by_rank, key=lambda path: (len(path), *_rank(rows[path[0]])))


def _rank(row: Mapping[str, Any]) -> tuple[float, int, str]:
    return -(row["correctness"] or 0.0), len(row["solution"]), row["id"]


def _key(row: Mapping[str, Any]) -> str:
    text: str = row["solution"]
    return calculation(text) if row["solution_format"] == "cot" else "".join(text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _similar_texts(rows: Sequence[Mapping[str, Any]], settings: SamePathSettings) -> list[tuple[int, int]]:
    """Return the pairs (i, j), j before i, of texts of similar length that share most of their words."""
    pairs = [
        (i, j)
        for i in range(len(rows))
        for j in range(i)
        if max(len(rows[i]["solution"]), len(rows[j]["solution"]))
        < SAME_LONGER * max(1, min(len(rows[i]["solution"]), len(rows[j]["solution"])))
    ]
    if not pairs:
        return []
    left, right = ([rows[pair[side]]["solution"] for pair in pairs] for side in (0, 1))
    languages = [rows[i]["language"] or "en" for i, _ in pairs]
    same = np.zeros(len(pairs), dtype=bool)
    if settings.jaccard:
        places = np.arange(len(pairs), dtype=np.int64)
        scores = jaccard_of(sets_of(left, languages, N), sets_of(right, languages, N), places, places)
        same |= scores >= settings.jaccard
    if settings.rouge_l:
        same |= rouge_l(left, right, languages) >= settings.rouge_l
    return [pair for pair, alike in zip(pairs, same.tolist(), strict=True) if alike]
