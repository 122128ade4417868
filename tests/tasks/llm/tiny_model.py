"""A chat model of under a million parameters, made on the spot: untrained, or trained on one answer, but vLLM serves it for
real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make(folder: Path, says: str = "") -> Path:
    """Write the checkpoint. `says`: what it answers to every prompt at temperature 0; it is trained until it does. The tags
    of thinking are tokens of their own, as reasoning parsers require."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<pad>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = [
        "What is the sum of 12 and 30? Let x be the number. The answer is 42. " * 20,
        '{"value": 1, "why": "so"}' * 20,
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([*words, says * 20], trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<pad>", chat_template=TEMPLATE
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id,
        bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    if says:
        _teach(model, fast, says)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _teach(model: Any, tokenizer: Any, says: str) -> None:
    """Train the model until its greedy answer to prompts of different lengths is `says`."""
    import torch

    end = [tokenizer.eos_token_id]
    answer = tokenizer(says, add_special_tokens=False)["input_ids"] + end
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "What is the sum of 12 and 30? " * turns}],
            add_generation_prompt=True,
            return_dict=False,
        )
        for turns in (1, 3, 6, 9)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(400):
        loss = 0.0
        for prompt in prompts:
            ids = torch.tensor([prompt + answer])
            labels = torch.tensor([[-100] * len(prompt) + answer])
            loss = loss + model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()  # type: ignore[attr-defined]
        optimizer.step()
        if loss.item() < 0.02:  # type: ignore[attr-defined]
            return
    raise RuntimeError("the tiny model did not learn its answer")
