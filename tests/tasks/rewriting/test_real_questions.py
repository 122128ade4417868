"""Real word problems have a number that can be hidden; real traces of a reasoning model are read into reasoning, solution and answer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.llm.request import Completion, Usage
from tasks.replies.words import cut_off, in_words, reply_of
from tasks.rewriting.numbers import hidden, hideable, spelled

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the datasets of ../shared/data are not here")


def records(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        return [json.loads(line) for line in file]


def test_nearly_every_word_problem_has_a_number_to_hide_and_gets_it_back() -> None:
    questions = [record["question"] for record in records("gsm8k/test.a.jsonl.gz")]
    masked = [hidden(question, number) for number, question in enumerate(questions)]
    assert sum(one is not None for one in masked) > 0.95 * len(questions)
    for question, one in zip(questions, masked, strict=True):
        if one is not None:
            assert any(
                one.question == question[: number.start] + one.letter + question[number.end :]
                and one.value == spelled(number.value)
                for number in hideable(question)
            )


def test_real_traces_have_reasoning_and_an_answer() -> None:
    samples = records("reasoning/rasbt_thinking_sample.jsonl")
    for sample in samples:
        text = f"<think>{sample['message_thinking']}</think>\n\n{sample['message_content']}"
        completion = Completion("key", text, "stop", Usage(0, 0))
        reply = reply_of(completion, reasons=True)
        words = in_words(reply, "en", cut=cut_off(completion, reply))
        assert reply.thinking
        assert words.code is None
        assert words.answer
    assert len(samples) == 5
