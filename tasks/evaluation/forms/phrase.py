"""A short text, such as spans of a passage, a name or a word: right if it is any of the `accepted` ones.

Texts are compared as the evaluation of SQuAD does (Rajpurkar et al. 2016, arXiv:1606.05250): without case, articles and punctuation. Several
spans count in any order. A number, or another value that is written differently, is compared by the judge.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.evaluation.forms import open as free
from tasks.evaluation.forms.open import bare, prompt, shown
from tasks.ingestion.options import bare as without_wrapping
from tasks.replies.solutions import solution_of
from tasks.sandbox import Sandbox

__all__ = ["answers", "bare", "prompt", "right", "shown"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))
_BRACKETS = re.compile(r"[\[\](){}<>\s]*[\[\](){}<>]")
_BOXED = "\\boxed{"
_SPANS = re.compile(r"\s*(?:,|;|\band\b)\s*")


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return the answer of each text. A sequence of brackets is what ends the last line: a box cannot hold braces that are not
    balanced."""
    extracted = free.answers(items, texts, cut=cut, judge=judge, sandbox=sandbox)
    for i, (item, text, short) in enumerate(zip(items, texts, cut, strict=True)):
        if not short and not any(map(_folded, _accepted(item))):
            extracted[i] = _brackets(solution_of(text))
    return extracted


def _brackets(text: str) -> str | None:
    line = next((line for line in reversed(text.splitlines()) if line.strip()), "").strip()
    if _BOXED in line and line.endswith("}"):
        line = line.rpartition(_BOXED)[2][:-1]
    ends = [match.group().strip() for match in _BRACKETS.finditer(line) if match.end() == len(line.rstrip())]
    return ends[0] if ends else None


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    """Return whether each answer is one that counts; a missing answer is not right. None never occurs: a text can always be
    compared with a text."""
    results: list[bool | None] = [
        answer is not None and any(_same(answer, one) for one in _accepted(item))
        for item, answer in zip(items, answers, strict=True)
    ]
    pairs = [
        (i, answer, accepted)
        for i, (item, answer) in enumerate(zip(items, answers, strict=True))
        if answer and not results[i]
        for accepted in _accepted(item)
        if any(mark.isdigit() for mark in accepted)
    ]
    judged = judge.equal([(answer, accepted) for _, answer, accepted in pairs])
    for (i, _, _), judgement in zip(pairs, judged, strict=True):
        results[i] = results[i] or judgement == "equal"
    return results


def _accepted(item: Mapping[str, Any]) -> list[str]:
    return list(item.get("accepted") or [item["reference"]])


def _same(answer: str, accepted: str) -> bool:
    given = without_wrapping(answer)
    if " ".join(given.split()).casefold() == " ".join(accepted.split()).casefold():
        return True
    folded = _folded(accepted)
    if not folded:  # nothing but marks, such as the brackets of a sequence
        return "".join(given.split()) == "".join(accepted.split())
    if _folded(given) == folded:
        return True
    spans = [sorted(filter(None, map(_folded, _SPANS.split(text)))) for text in (given, accepted)]
    return len(spans[1]) > 1 and spans[0] == spans[1]


def _folded(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.casefold().translate(_PUNCTUATION)).split())
