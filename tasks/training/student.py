"""The small student: a Llama-shaped transformer of about a million parameters that learns from scratch on a CPU
in minutes, with a digit-level tokenizer built from the data. Saved as an ordinary Hugging Face checkpoint
(safetensors, tokenizer.json, a chat template), so that transformers, TRL and vLLM load it like any other.

It knows nothing but the texts it is trained on, and its context is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import ForPeople

END, PAD = "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")

# The generation marks let trainers mask everything that the assistant did not say.
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# A digit is a token, always the same one: the space before a number belongs to the word or sign before it.
_PIECES = r"[0-9]| ?(?:\p{L}+|[^\s\p{L}0-9]+)(?: (?=[0-9]))?|\s+"


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a student; the default has about 0.9 M parameters."""

    hidden: int = 128
    feedforward: int = 344
    layers: int = 4
    heads: int = 4
    context: int = 1024  # tokens
    vocabulary: int = 512  # tokens, at most; 256 bytes, 5 marks, the rest learned


class TooSmall(ForPeople, ValueError):
    """A vocabulary without room for every byte and the marks."""


def tokenizer_of(texts: Iterable[str], shape: Shape = Shape()) -> Any:
    """A byte-level BPE tokenizer of the texts: any text goes in and comes out unchanged, every digit is a token.

    Returns a transformers tokenizer whose end-of-sequence token ends an answer.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    marks = [PAD, END, *(f"<|{role}|>" for role in ROLES)]
    if shape.vocabulary < len(alphabet) + len(marks):
        raise TooSmall(
            f"vocabulary {shape.vocabulary}: every byte and mark needs a token, at least {len(alphabet) + len(marks)}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=shape.vocabulary,
            special_tokens=marks,
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=TEMPLATE,
        model_max_length=shape.context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def model_of(tokenizer: Any, *, seed: int, shape: Shape = Shape()) -> Any:
    """An untrained LlamaForCausalLM for the tokenizer; equal seeds give equal weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.feedforward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        # the usual 0.02 is for widths of thousands: at this one it halves the speed of learning (docs/log.md)
        initializer_range=shape.hidden**-0.5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def fresh(texts: Iterable[str], out: Path, *, seed: int = 0, shape: Shape = Shape()) -> Path:
    """Writes an untrained student with a tokenizer of the texts as a checkpoint folder, and returns the folder."""
    tokenizer = tokenizer_of(texts, shape)
    return save(model_of(tokenizer, seed=seed, shape=shape), tokenizer, out)


def save(model: Any, tokenizer: Any, out: Path) -> Path:
    """Writes model and tokenizer as a checkpoint folder (weights as safetensors), and returns the folder."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out
