"""The student is an ordinary checkpoint, and its tokenizer loses nothing and splits every number into digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.training.student import END, Shape, TooSmall, fresh, model_of, tokenizer_of
from tests.tasks.training.conftest import SHAPE, texts

TOKENIZER = tokenizer_of(texts(), SHAPE)


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids) == text


def test_every_digit_is_a_token_and_always_the_same_one() -> None:
    ids = {digit: TOKENIZER.convert_tokens_to_ids(digit) for digit in "0123456789"}
    assert len(set(ids.values())) == 10
    for text in ("12 * 345 = 4140", "x=6789,012", "共 35 元", "at -7 + 18/20."):
        digits = [token for token in TOKENIZER(text)["input_ids"] if token in ids.values()]
        assert digits == [ids[c] for c in text if c.isdigit()]


def test_a_sign_between_numbers_is_one_token() -> None:
    assert len(TOKENIZER("12 * 3 = 36")["input_ids"]) == 7


def test_words_of_the_data_are_learned() -> None:
    text = " ".join(texts())
    assert len(TOKENIZER(text)["input_ids"]) < 0.75 * len(text)


def test_it_loads_as_an_ordinary_checkpoint(student: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(student, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(student)
    assert (student / "model.safetensors").exists()
    assert model.config.vocab_size == len(tokenizer)
    assert tokenizer.eos_token == END
    text = texts()[0]
    assert tokenizer(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_the_template_marks_what_the_assistant_said(student: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(student)
    turns = [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": "It is 5."}]
    coded = tokenizer.apply_chat_template(
        turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    learned = [
        token for token, mask in zip(coded["input_ids"], coded["assistant_masks"], strict=True) if mask
    ]
    assert tokenizer.decode(learned) == "It is 5." + END
    start = tokenizer.apply_chat_template(
        turns[:1], tokenize=True, return_dict=False, add_generation_prompt=True
    )
    assert coded["input_ids"][: len(start)] == start
    assert len(start) + len(learned) == len(coded["input_ids"])


def test_equal_seeds_give_equal_weights_and_others_do_not(student: Path) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (model_of(TOKENIZER, seed=seed, shape=SHAPE).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    kept = AutoModelForCausalLM.from_pretrained(student).state_dict()
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(one[name], same[name])
    assert torch.equal(one[name], kept[name])
    assert not torch.equal(one[name], other[name])


def test_the_default_has_about_a_million_parameters() -> None:
    model = model_of(tokenizer_of(texts()), seed=0)
    assert 0.8e6 < sum(weight.numel() for weight in model.parameters()) < 1.2e6


def test_a_vocabulary_without_room_for_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooSmall, match="vocabulary 100"):
        fresh(texts(), tmp_path, shape=Shape(vocabulary=100))
