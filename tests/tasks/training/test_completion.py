"""Completions equal those of transformers' generate for every batch size; samples follow the model's probabilities."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tasks.training.completion import Completer, PromptTooLong, complete

PROMPTS = [
    "What is 2 + 3?",
    "Solve for $x$: $7x - 11 = 3$.",
    "1",
    "A bag contains 8 balls. " * 6,
    "so 12 * 3 =",
]
LIMIT = 40


@pytest.fixture(scope="module")
def completer(student: Path) -> Completer:
    return Completer.load(student, device="cpu")


def generated(completer: Completer, prompt: str, limit: int = LIMIT) -> list[int]:
    """Return the greedy tokens of transformers for a single prompt, without the end token."""
    ids = torch.tensor([completer.encode(prompt)])
    tokens = completer.model.generate(ids, max_new_tokens=limit, do_sample=False)[0, ids.shape[1] :].tolist()
    return [token for token in tokens if token not in completer._ends()]


@pytest.mark.slow
def test_greedy_is_what_transformers_generates(completer: Completer) -> None:
    expected = [tuple(generated(completer, prompt)) for prompt in PROMPTS]
    for batch in (1, 2, 64):
        drawn = completer.complete(PROMPTS, max_new_tokens=LIMIT, batch=batch)
        assert [one.tokens for (one,) in drawn] == expected
        assert not any(one.ended for (one,) in drawn)


@pytest.mark.slow
def test_models_that_are_loaded_at_the_same_time_have_their_weights(student: Path) -> None:
    """Several samplers of `rft` are loaded by one thread each."""
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: Completer.load(student, device="cpu"), range(16)))
    expected = loaded[0].complete(PROMPTS[:1], max_new_tokens=8)
    assert [one.complete(PROMPTS[:1], max_new_tokens=8) for one in loaded] == [expected] * 16


@pytest.mark.slow
def test_rows_that_end_leave_and_the_others_continue(
    completer: Completer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [generated(completer, prompt) for prompt in PROMPTS]
    # a token that occurs in the middle of some rows is used as the end token
    end = whole[0][LIMIT // 2]
    monkeypatch.setattr(completer.model.generation_config, "eos_token_id", end)
    expected = [tuple(row[: row.index(end)]) if end in row else tuple(row) for row in whole]
    drawn = completer.complete(PROMPTS, max_new_tokens=LIMIT, samples=2)
    assert [[one.tokens for one in pair] for pair in drawn] == [[row, row] for row in expected]
    assert [pair[0].ended for pair in drawn] == [len(row) < LIMIT for row in expected]
    assert {True, False} == {pair[0].ended for pair in drawn}


@pytest.mark.slow
def test_samples_follow_the_chances_of_the_model(completer: Completer) -> None:
    count, temperature = 4_000, 0.5
    drawn = completer.complete(
        PROMPTS[:1], max_new_tokens=1, temperature=temperature, samples=count, batch=count
    )
    tokens = torch.tensor(
        [one.tokens[0] if one.tokens else completer.tokenizer.eos_token_id for one in drawn[0]]
    )
    with torch.inference_mode():
        logits = completer.model(torch.tensor([completer.encode(PROMPTS[0])])).logits[0, -1]
    chances = torch.softmax(logits / temperature, -1)
    shares = torch.bincount(tokens, minlength=len(chances)) / count
    # five standard errors of the commonest token
    assert (shares - chances).abs().max() < 5 * (chances.max() / count).sqrt()
    assert (shares > 0).sum() > 50


def test_seeds_repeat_and_differ(student: Path) -> None:
    def say(seed: int) -> list[list[str]]:
        return complete(student, PROMPTS, max_new_tokens=8, temperature=1.0, samples=3, seed=seed)

    one = say(1)
    assert one == say(1)
    assert one != say(2)
    assert len({text for texts in one for text in texts}) > len(PROMPTS)


def test_messages_go_through_the_template(completer: Completer) -> None:
    (from_turns,), (from_text,) = (
        completer.complete([prompt], max_new_tokens=8)
        for prompt in (
            [{"role": "user", "content": "What is 2 + 3?"}],
            "<|user|>What is 2 + 3?<|end|><|assistant|>",
        )
    )
    assert from_turns == from_text


def test_no_prompt_is_no_work(completer: Completer) -> None:
    assert completer.complete([]) == []


def test_a_prompt_beyond_the_context_is_named(completer: Completer) -> None:
    with pytest.raises(PromptTooLong, match="prompt 1: .* exceed the context of 512"):
        completer.complete(["1", "7" * 500], max_new_tokens=20)


def test_pickled_weights_are_not_read(student: Path, tmp_path: Path) -> None:
    for file in student.iterdir():
        if file.suffix == ".json" or file.suffix == ".jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        Completer.load(tmp_path)
