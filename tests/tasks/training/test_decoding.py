"""Sequences give the same tokens alone, together and joining late; each ends by itself, and joins with any neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.training.completion import Completer
from tasks.training.decoding import Decoder, Generation, run

PROMPTS = [
    "What is 2 + 3?",
    "Solve for $x$: $7x - 11 = 3$.",
    "1",
    "A bag contains 8 balls. " * 6,
    "so 12 * 3 =",
]
LIMITS = [40, 7, 23, 31, 1]
WARM = [  # temperature, top_p
    (0.0, 1.0),
    (0.8, 1.0),
    (1.5, 1.0),
    (0.7, 0.9),
    (1.0, 0.3),
]


@pytest.fixture(scope="module")
def completer(student: Path) -> Completer:
    return Completer.load(student, device="cpu")


def generations(completer: Completer, *, sampled: bool) -> list[Generation]:
    return [
        Generation(
            completer.encode(prompt),
            limit,
            temperature if sampled else 0.0,
            top_p if sampled else 1.0,
            seed=number,
        )
        for number, (prompt, limit, (temperature, top_p)) in enumerate(
            zip(PROMPTS, LIMITS, WARM, strict=True)
        )
    ]


def alone(completer: Completer, *, sampled: bool) -> list[list[int]]:
    sequences = generations(completer, sampled=sampled)
    for one in sequences:
        assert list(run(completer.decoder(), [one])) == [one]
    return [one.tokens for one in sequences]


@pytest.mark.parametrize("sampled", [False, True])
def test_together_equals_alone(completer: Completer, sampled: bool) -> None:
    expected = alone(completer, sampled=sampled)
    assert [len(tokens) for tokens in expected] == LIMITS
    together = generations(completer, sampled=sampled)
    ended = list(run(completer.decoder(), together))
    assert [one.tokens for one in together] == expected
    # each is returned when it ends, not with the last
    assert [one.limit for one in ended] == sorted(LIMITS)


@pytest.mark.parametrize("sampled", [False, True])
def test_who_joins_late_equals_alone(completer: Completer, sampled: bool) -> None:
    expected = alone(completer, sampled=sampled)
    sequences = generations(completer, sampled=sampled)
    waiting, decoder = list(sequences), completer.decoder()
    while waiting or len(decoder):
        if waiting and len(decoder) < 3:
            decoder.join([waiting.pop(0)])
        for _ in range(3):
            if len(decoder):
                decoder.step()
    assert [one.tokens for one in sequences] == expected


def test_a_sequence_that_is_given_up_leaves_the_others_as_they_were(completer: Completer) -> None:
    expected = alone(completer, sampled=True)
    sequences = generations(completer, sampled=True)
    decoder = completer.decoder()
    decoder.join(sequences)
    decoder.step()
    sequences[0].over = True
    while len(decoder):
        assert sequences[0] not in decoder.step()
    assert [one.tokens for one in sequences[1:]] == expected[1:]


@pytest.mark.slow
def test_a_nucleus_has_the_fewest_tokens_that_suffice(completer: Completer) -> None:
    prompt, top_p, count = completer.encode(PROMPTS[0]), 0.4, 3_000
    with torch.inference_mode():
        chances = torch.softmax(completer.model(torch.tensor([prompt])).logits[0, -1], -1)
    values, tokens = chances.sort(descending=True)
    size = int((values.cumsum(0) < top_p).sum()) + 1
    sequences = [Generation(prompt, 1, 1.0, top_p, seed=seed) for seed in range(count)]
    list(run(completer.decoder(), sequences))
    counts = torch.bincount(torch.tensor([one.tokens[0] for one in sequences]), minlength=len(chances))
    assert set(counts.nonzero()[:, 0].tolist()) <= set(tokens[:size].tolist())
    expected = torch.zeros_like(chances)
    expected[tokens[:size]] = values[:size] / values[:size].sum()
    shares = counts / count
    assert (shares - expected).abs().max() < 5 * (expected.max() / count).sqrt()


def test_a_stop_string_ends_a_sequence(completer: Completer) -> None:
    whole = generations(completer, sampled=False)[0]
    list(run(completer.decoder(), [whole]))
    text = completer.continuation(whole.tokens).text
    stop = text[len(text) // 2 :][:4]
    one = generations(completer, sampled=False)[0]
    one.stops = (stop,)
    list(run(completer.decoder(), [one]))
    assert one.stopped
    assert len(one.tokens) < len(whole.tokens)
    assert stop in completer.continuation(one.tokens).text
    assert stop not in completer.continuation(one.tokens[:-1]).text


def test_a_batch_that_keeps_a_part_of_the_past_is_closed_until_it_is_empty(completer: Completer) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, sliding_window=8,
    )  # fmt: skip
    torch.manual_seed(0)
    model = MistralForCausalLM(config).eval()
    prompts = [[1, 2, 3], list(range(1, 20)), [5] * 9]

    def decoded(together: bool) -> list[list[int]]:
        sequences = [Generation(prompt, 12) for prompt in prompts]
        for group in [sequences] if together else [[one] for one in sequences]:
            list(run(Decoder(model, completer.tokenizer, set()), group))
        return [one.tokens for one in sequences]

    assert decoded(True) == decoded(False)
    decoder = Decoder(model, completer.tokenizer, set())
    first = Generation(prompts[0], 2)
    assert decoder.open
    decoder.join([first])
    assert not decoder.open
    with pytest.raises(ValueError, match="cannot join"):
        decoder.join([Generation(prompts[1], 2)])
    while len(decoder):
        decoder.step()
    assert decoder.open
