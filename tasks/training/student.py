"""The small student: a transformer of the Llama architecture with about a million parameters, trained from scratch on a CPU
in minutes.

Its tokenizer is built from the data and splits numbers into digits. It is saved as an ordinary Hugging Face checkpoint
(safetensors, tokenizer.json, a chat template), so that transformers, TRL and vLLM load it like any other. It knows only the
texts that it was trained on, and its context is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import ForPeople

END, PAD = "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")

# the generation tags let trainers mask everything outside the assistant's turns
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# Each digit is one token, always the same: the space before a number belongs to the word or sign before it.
_PIECES = r"[0-9]| ?(?:\p{L}+|[^\s\p{L}0-9]+)(?: (?=[0-9]))?|\s+"


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a student; the default has about 0.9 million parameters."""

    hidden: int = 128
    feedforward: int = 344
    layers: int = 4
    heads: int = 4
    context: int = 1024  # tokens
    vocabulary: int = 512  # tokens, at most: 256 bytes, 5 special tokens, the rest learned


class TooSmall(ForPeople, ValueError):
    """A vocabulary too small for every byte and the special tokens."""


def tokenizer_of(texts: Iterable[str], shape: Shape = Shape()) -> Any:
    """Train a byte-level BPE tokenizer on the texts. It decodes every text unchanged, and every digit is one token.

    Returns a transformers tokenizer whose end-of-sequence token ends an answer. Raises TooSmall if the vocabulary of `shape`
    has no room for the bytes and special tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special_tokens = [PAD, END, *(f"<|{role}|>" for role in ROLES)]
    if shape.vocabulary < len(alphabet) + len(special_tokens):
        raise TooSmall(
            f"vocabulary {shape.vocabulary}: every byte and mark needs a token, at least {len(alphabet) + len(special_tokens)}"
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
            special_tokens=special_tokens,
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
    """Return an untrained LlamaForCausalLM for the tokenizer; equal seeds give equal weights."""
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
        # the usual 0.02 suits widths of thousands; at this width it halves the speed of learning (docs/log.md)
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
    """Write an untrained student with a tokenizer of the texts as a checkpoint folder, and return the folder."""
    tokenizer = tokenizer_of(texts, shape)
    return save(model_of(tokenizer, seed=seed, shape=shape), tokenizer, out)


def save(model: Any, tokenizer: Any, out: Path) -> Path:
    """Write model and tokenizer as a checkpoint folder (weights as safetensors), and return the folder."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out
