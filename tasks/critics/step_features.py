"""What can be computed about a step of a solution without a model: its place, its numbers, what it repeats, how it differs in form.

Numbers are the strongest sign: a number that is neither in the question nor in an earlier step, and that no equation of the step results in, was
misread or invented. The step checker's findings are added by the caller (tasks/critics/trained.py), because they are features of a solution
as well.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, pstdev

import numpy as np

from tasks.arrays import Floats

FEATURES = (
    "place", "relative_place", "from_end", "steps", "first", "last", "length", "length_deviation", "numbers", "equations",
    "numbers_known", "numbers_unsourced", "results_new", "result_in_question", "result_magnitude", "same_as_earlier", "like_earlier",
    "like_previous", "like_question", "new_words", "symbols", "capitals", "latex", "concludes", "assumes", "turns", "claims", "defines",
    "restates", "question_length", "question_numbers", "answer_in_question", "answer_seen_before", "numbers_used",
)  # fmt: skip
LONGEST_STEP = 4_000  # characters of a step that are read
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_RESULT = re.compile(r"=\s*[^\d=]{0,12}?(\d[\d,]*(?:\.\d+)?)")
_MARKERS = (
    re.compile(r"(?i)\b(?:therefore|thus|hence|so|consequently)\b|因此|所以|故"),
    re.compile(r"(?i)\b(?:assum\w+|suppose|if we|consider)\b|假设|设"),
    re.compile(r"(?i)\b(?:however|but|wait|although|instead|actually|note that|oops)\b|但|然而"),
    re.compile(r"(?i)\b(?:clearly|obviously|always|must|any|every|never|definitely|all)\b|显然|一定|总是"),
    re.compile(r"(?i)\b(?:let|denote|define|means|is called)\b|记|令"),
    re.compile(
        r"(?i)\b(?:as (?:stated|mentioned|above|before)|again|recall|we (?:know|have)|given|according)\b|已知|由题"
    ),
)
FORM = re.compile(r"^\s*(?:#{0,3}\s*\**(?:step|第)?\s*\d+\s*(?:步)?[.:)：、]*\**\s*)+", re.IGNORECASE)


def step_features(question: str, steps: Sequence[str]) -> Floats:
    """Return the features of each step, float64 (steps, len(FEATURES)), finite. Linear in the length of the texts, but for the
    comparison of each step with the earlier ones, which is quadratic in the number of steps."""
    asked = _numbers(question)
    asked_words = _words(question)
    bare = [FORM.sub("", step[:LONGEST_STEP]) for step in steps]
    words = [_words(step) for step in bare]
    numbers = [_numbers(step) for step in bare]
    lengths = [len(step) for step in bare]
    mean, spread = (fmean(lengths), pstdev(lengths)) if lengths else (0.0, 0.0)
    rows = []
    seen: set[str] = set(asked)
    used: set[str] = set()
    seen_words: set[str] = set(asked_words)
    exact: set[str] = set()
    total = len(steps)
    largest = max((_value(one) for one in asked), default=0.0)
    for at, step in enumerate(bare):
        own, results = numbers[at], {_plain(one) for one in _RESULT.findall(step)}
        known = sum(one in seen for one in own)
        unsourced = [one for one in own if one not in seen and one not in results]
        last = own[-1] if own else None
        normal = " ".join(step.lower().split())
        earlier = max((_jaccard(words[at], words[k]) for k in range(at)), default=0.0)
        rows.append(
            [
                at,
                at / max(1, total - 1),
                total - 1 - at,
                total,
                at == 0,
                at == total - 1,
                math.log1p(len(step)),
                (len(step) - mean) / (spread or 1.0),
                len(own),
                step.count("="),
                known / len(own) if own else 1.0,
                len(unsourced),
                sum(one not in seen for one in results),
                sum(one in asked for one in results),
                math.log1p(_value(last)) - math.log1p(largest) if last is not None else 0.0,
                normal in exact,
                earlier,
                _jaccard(words[at], words[at - 1]) if at else 0.0,
                _jaccard(words[at], asked_words),
                len(words[at] - seen_words) / max(1, len(words[at])),
                sum(not (sign.isalnum() or sign.isspace()) for sign in step) / max(1, len(step)),
                sum(sign.isupper() for sign in step) / max(1, len(step)),
                step.count("\\") / max(1, len(step)),
                *(len(marker.findall(step)) for marker in _MARKERS),
                math.log1p(len(question)),
                len(asked),
                last in asked if last is not None else 0.0,
                last in seen if last is not None else 0.0,
                len(used & set(asked)) / max(1, len(set(asked))),
            ]
        )
        seen |= set(own) | results
        used |= set(own)
        seen_words |= words[at]
        exact.add(normal)
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))
    return np.clip(np.nan_to_num(table), -50, 50)


def _numbers(text: str) -> list[str]:
    return [_plain(one) for one in _NUMBER.findall(text)]


def _plain(number: str) -> str:
    """Return a number without thousands separators and trailing zeros."""
    number = number.replace(",", "")
    return (number.rstrip("0").rstrip(".") if "." in number else number.lstrip("0")) or "0"


def _value(number: str) -> float:
    return float(number) if len(number) < 300 else math.inf


def _words(text: str) -> set[str]:
    return set(Counter(_WORD.findall(text.lower())))


def _jaccard(one: set[str], other: set[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
