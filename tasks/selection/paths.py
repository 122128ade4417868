"""Keep distinct solutions of a question, rare paths first.

Two solutions in words are the same path if they have the same equations in the same order, if their plans share most words, or if their
texts do (Jaccard similarity of 3-grams, or ROUGE-L). Two programs are if their code is the same. Of the solutions of one path the likeliest is
kept; of the paths of a question those come first that the fewest solutions take, since others find the frequent ones without help.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pydantic import Field

from storage.reasons import Code, Reason, reason
from tasks.dedup.jaccard import jaccard_of, sets_of
from tasks.dedup.rouge import rouge_l
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.solution_paths import calculation
from tasks.stages.outcome import Tick

STAGE = "select"
NAME = "paths"

whole = False
parents = False

_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
N = 3  # words of a shingle
SAME_LONGER = 2.0  # texts of which one is longer by this factor are not compared


class PathsSettings(Section, title="Paths"):
    most: int = Field(4, ge=1, description="paths of each question that are kept, the rarest first")
    equations: bool = Field(True, description="whether solutions with the same equations are the same path")
    plan: Share = Field(
        0.8,
        description="Jaccard similarity of the words of two plans that makes them the same; 0: plans are not compared",
    )
    jaccard: Share = Field(0.7, description="the same for the 3-grams of two texts")
    rouge_l: Share = Field(
        0.8, description="ROUGE-L of two texts that makes them the same; 0: it is not computed"
    )


own_settings = PathsSettings


def needs(settings: PathsSettings) -> Mapping[str, str]:
    return {}


def select(rows: pa.Table, *, settings: PathsSettings, seed: int, tick: Tick) -> Selection:
    """Keep one solution per path, and `most` paths of each question and format."""
    names = ["id", "problem_id", "language", "solution", "solution_format", "correctness", "params"]
    table = rows.select(names).to_pylist()
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        groups[row["problem_id"], row["solution_format"] or ""].append(place)
    reasons: list[Reason | None] = [None] * len(table)
    for group in groups.values():
        paths = paths_of([table[i] for i in group], settings)
        by_rank = [sorted((group[i] for i in path), key=lambda i: _rank(table[i])) for path in paths]
        ranked = sorted(by_rank, key=lambda path: (len(path), *_rank(table[path[0]])))
        for number, path in enumerate(ranked):
            if number >= settings.most:
                reasons[path[0]] = reason(STAGE, Code.NOT_CHOSEN, name=NAME, most=settings.most)
            for place in path[1:]:
                reasons[place] = reason(STAGE, Code.SAME_PATH, other=table[path[0]]["id"])
    tick(rows.num_rows)
    return Selection(reasons)


def _rank(row: Mapping[str, Any]) -> tuple[float, int, str]:
    return -(row["correctness"] or 0.0), len(row["solution"]), row["id"]


def paths_of(rows: Sequence[Mapping[str, Any]], settings: PathsSettings) -> list[list[int]]:
    """Return the rows of one question and format by path, as lists of places."""
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


def _key(row: Mapping[str, Any]) -> str:
    text: str = row["solution"]
    return calculation(text) if row["solution_format"] == "cot" else "".join(text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _similar_texts(rows: Sequence[Mapping[str, Any]], settings: PathsSettings) -> list[tuple[int, int]]:
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
