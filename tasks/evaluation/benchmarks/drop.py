"""DROP (Dua et al. 2019, arXiv:1903.00161): a `passage` with `qa_pairs`, whose `answer` is a `number`, a `date` or `spans` of the passage, and
`validated_answers` besides; in the form of the hub `passage`, `question` and `answers_spans`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import phrase, text_of
from tasks.ingestion.values import Unfit

names = ("drop",)
domain = "symbolic"
capability = "reasoning"
subsets = False


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    passage = text_of(dict(record), "passage")
    pairs = record.get("qa_pairs")
    if isinstance(pairs, list):
        return [_item(passage, pair) for pair in pairs if isinstance(pair, Mapping)]
    return [_item(passage, record)]


def _item(passage: str, pair: Mapping[str, Any]) -> dict[str, Any]:
    question = f"{passage}\n\n{text_of(dict(pair), 'question')}"
    spans = pair.get("answers_spans")
    if isinstance(spans, Mapping):
        return phrase(question, [_joined(spans.get("spans") or [])])
    answers = [pair.get("answer"), *(pair.get("validated_answers") or [])]
    return phrase(question, list(dict.fromkeys(_text(one) for one in answers if isinstance(one, Mapping))))


def _text(answer: Mapping[str, Any]) -> str:
    """Return an annotated answer as text: its number, its spans, or its date as "4 May 1999"."""
    number, spans, date = answer.get("number"), answer.get("spans"), answer.get("date")
    if number not in (None, ""):
        return str(number)
    if spans:
        return _joined(spans)
    if isinstance(date, Mapping):
        return " ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))
    raise Unfit("an answer without number, spans and date")


def _joined(spans: Any) -> str:
    return ", ".join(str(span) for span in spans)
