"""Chats and documents as training data: every turn of the assistant is learned, documents in continued pretraining alone."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from storage.datasets.store import Store
from storage.rows import CHAT, TEXT, ChatTurn, Row, to_table
from tasks.ingestion.records import records
from tasks.stages.import_dataset import RecordReading, common_of, table_of
from tasks.training.config import Train
from tasks.training.loader import IGNORED, Group, Stream
from tasks.training.models import tokenizer_of
from tasks.training.recipes import path_of
from tasks.training.run import train
from tasks.training.tokens import TokenEncoder, Tokens

from .conftest import sums


def _chat(*turns: tuple[str, str]) -> list[ChatTurn]:
    empty = dict.fromkeys(ChatTurn.__annotations__)
    return [empty | {"role": role, "content": content} for role, content in turns]  # type: ignore[misc]


HELLO = _chat(
    ("system", "Be short."), ("user", "Hi"), ("assistant", "Hello"), ("user", "2+2?"), ("assistant", "4")
)


def _learned_texts(tokenizer: Any, tokens: Tokens) -> list[str]:
    """Return the runs of learned tokens as texts."""
    mask = tokens.learned()
    runs = np.split(np.arange(len(mask)), np.flatnonzero(np.diff(mask)) + 1)
    return [tokenizer.decode(tokens.ids[run].tolist()) for run in runs if mask[run[0]]]


def test_every_turn_of_the_assistant_is_learned_and_nothing_else(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    encoder = TokenEncoder(tokenizer, 128)
    tokens = encoder.chats([HELLO, HELLO[1:3]], np.array([0.5, 2.0], np.float32))
    assert _learned_texts(tokenizer, tokens) == ["Hello<|end|>", "4<|end|>", "Hello<|end|>"]
    whole = tokenizer.apply_chat_template(
        [{"role": t["role"], "content": t["content"]} for t in HELLO], tokenize=False
    )
    assert tokenizer.decode(tokens.ids[: tokens.lengths[0]].tolist()) == whole
    assert tokens.weights.tolist() == [0.5, 2.0]
    turned = tokens.take(np.array([1, 0]))
    assert _learned_texts(tokenizer, turned) == ["Hello<|end|>", "Hello<|end|>", "4<|end|>"]


def test_a_template_that_rewrites_earlier_turns_learns_the_last_one(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>{% if loop.last or m.role != 'assistant' %}{{ m.content }}{% endif %}"
        "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokens = TokenEncoder(tokenizer, 128).chats([HELLO], np.ones(1, np.float32))
    assert _learned_texts(tokenizer, tokens) == ["4<|end|>"]


def test_chats_that_cannot_be_trained_on_are_counted(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    encoder = TokenEncoder(tokenizer, 24)
    long = _chat(("user", "Hi"), ("assistant", "Hello " * 100))
    marked = _chat(("user", "Hi <|end|>"), ("assistant", "Hello"))
    silent = _chat(("user", "Hi"))
    tokens = encoder.chats([long, marked, silent], np.ones(3, np.float32))
    assert len(tokens) == 0
    assert encoder.dropped == {"too long": 1, "holds a special token": 1, "no turn of the assistant": 1}
    tokenizer.chat_template = "{{ raise_exception('no system') }}"
    refusing = TokenEncoder.__new__(TokenEncoder)
    refusing.__dict__ = encoder.__dict__ | {"dropped": Counter[str]()}
    assert len(refusing.chats([HELLO], np.ones(1, np.float32))) == 0
    assert refusing.dropped == {"refused by the chat template": 1}


def test_chats_and_documents_are_read_beside_solutions(student: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    store = Store(tmp_path / "home")
    store.publish("old", [to_table(sums(3))], lineage={})
    more = [
        Row("Hi\n\n2+2?", "en", kind=CHAT, messages=HELLO),
        Row("A text on groups.", "en", kind=TEXT),
        Row("Why?", "en"),
    ]
    version = store.publish("old", [to_table(more)], lineage={})
    for whole, count in ((False, 4), (True, 5)):
        encoder = TokenEncoder(tokenizer, 256, whole=whole)
        stream = Stream(store, [Group((version,))], encoder, 256, True, 2, 0)
        measured = stream.measure()
        assert measured.rows == count
        blocks = list(itertools.islice(stream.blocks(), measured.blocks))
        assert sum(int((block["labels"] != IGNORED).sum()) for block in blocks) == measured.learned
        shown = "".join(tokenizer.decode(block["input_ids"].tolist()) for block in blocks)
        assert ("A text on groups." in shown) == whole


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["mixed", "two-stage"])
def test_a_recipe_learns_from_an_imported_chat_set(recipe: str, student: Path, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    turns = [
        [
            {"from": "human", "value": f"Hi {n}"},
            {"from": "gpt", "value": "Hello"},
            {"from": "human", "value": "Bye?"},
            {"from": "gpt", "value": "Bye"},
        ]
        for n in range(20)
    ]
    path.write_text("".join(json.dumps({"conversations": one}) + "\n" for one in turns))
    every, reading = list(records(path)), RecordReading(license="MIT")
    store = Store(tmp_path / "home")
    store.publish("chat", [table_of(every, reading, path.name, common_of(every, reading))], lineage={})
    store.publish("math-sft", [to_table(sums(20))], lineage={})
    known = yaml.safe_load(path_of(recipe).read_text())
    small = {"base": str(student), "batch": 4, "length": 256, "epochs": 1, "precision": "fp32"}
    config = Train.model_validate(known | small)
    trained = train(config, store, tmp_path / "run")
    stages = trained.lineage["stages"]
    names = [[source["version"].partition("@")[0] for source in stage["data"]] for stage in stages]
    assert names == ([["math-sft", "chat"]] if recipe == "mixed" else [["math-sft"], ["chat"]])
    assert sum(stage["metrics"]["epoch_rows"] for stage in stages) == 40
    assert stages[-1]["metrics"]["left_out"] == {}
    assert trained.checkpoint.is_dir()
