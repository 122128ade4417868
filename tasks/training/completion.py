"""Sample completions from a checkpoint in this process: batched, left-padded and sorted by length.

Unlike `transformers.generate` it prefills a prompt once for all its samples and removes finished rows from the batch,
which saves most of the time on a CPU (docs/log.md, "The small student"). It has no nucleus, beam or constrained decoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.counting import counted
from storage.errors import ForPeople
from tasks.seeding import seed_of

ChatMessage = dict[str, str]
PromptInput = str | Sequence[ChatMessage]
Position = tuple[int, int]

# share of ended rows above which they are removed: a larger one copies less often, a smaller one computes less
_LEAVE = 0.125


@dataclass(frozen=True, slots=True)
class Continuation:
    """The continuation of a prompt. `tokens` are ids without the end token; `ended` is false if the limit cut it off."""

    text: str
    tokens: tuple[int, ...]
    ended: bool


class PromptTooLong(ForPeople, ValueError):
    """A prompt that does not fit the model's context together with its completion."""


class Completer:
    """A causal language model and its tokenizer, ready to continue prompts.

    A prompt is either text, which is continued unchanged, or a list of messages (`role`, `content`), which is rendered by
    the checkpoint's chat template.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, checkpoint: Path | str, *, device: str | None = None) -> Completer:
        """Load a Hugging Face checkpoint. Weights are read from safetensors only, and code in the checkpoint is never run.

        device: such as `cuda`. None uses a GPU, in bf16, if there is one, and otherwise the CPU.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        model = AutoModelForCausalLM.from_pretrained(
            str(checkpoint), dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint), trust_remote_code=False)
        return cls(model.to(device).eval(), tokenizer)

    def complete(
        self,
        prompts: Sequence[PromptInput],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        samples: int = 1,
        seed: int = 0,
        batch: int = 64,
    ) -> list[list[Continuation]]:
        """Return `samples` completions per prompt, in the order of the prompts.

        temperature: 0 is greedy (then all samples are equal). batch: the number of sequences at a time. Raises PromptTooLong,
        with the number of the prompt, if a prompt and `max_new_tokens` exceed the model's context.
        """
        encoded = [self.encode(prompt) for prompt in prompts]
        context = getattr(self.model.config, "max_position_embeddings", None)
        for i, tokens in enumerate(encoded):
            if context is not None and len(tokens) + max_new_tokens > context:
                raise PromptTooLong(
                    f"prompt {i}: {counted(len(tokens), 'token')} and max_new_tokens {max_new_tokens} exceed the context of {context}; "
                    "lower max_new_tokens or shorten the prompt"
                )
        completions: dict[Position, list[int]] = {}
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        step = max(1, batch // samples)
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            drawn = self._batch(
                [encoded[i] for i in chosen], max_new_tokens, temperature, samples, seed_of(seed, start)
            )
            completions |= {(chosen[row // samples], row % samples): tokens for row, tokens in drawn}
        return [
            [self._completion(completions[i, sample]) for sample in range(samples)]
            for i in range(len(encoded))
        ]

    def encode(self, prompt: PromptInput) -> list[int]:
        """Return the token ids of a prompt, up to where the completion begins."""
        if isinstance(prompt, str):
            return list(self.tokenizer(prompt)["input_ids"])
        return list(
            self.tokenizer.apply_chat_template(
                list(prompt), add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )

    def _completion(self, tokens: list[int]) -> Continuation:
        ended = bool(tokens) and tokens[-1] in self._ends()
        content = tokens[:-1] if ended else tokens
        return Continuation(self.tokenizer.decode(content, skip_special_tokens=True), tuple(content), ended)

    def _ends(self) -> set[int]:
        declared = self.model.generation_config.eos_token_id
        ends = declared if isinstance(declared, list) else [declared]
        return {end for end in (*ends, self.tokenizer.eos_token_id) if end is not None}

    def _batch(
        self, rows: list[list[int]], limit: int, temperature: float, samples: int, seed: int
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (row, tokens) in the order in which rows end, with the end token if there was one. The prompt of a row is
        row // samples."""
        import torch

        from tasks.training.cache import roomy_cache

        device = self.model.device
        generator = torch.Generator(device).manual_seed(seed)
        width = max(len(row) for row in rows)
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        ends = torch.tensor(sorted(self._ends()), device=device)
        cache = roomy_cache(self.model.config)
        with torch.inference_mode():
            position = (mask.cumsum(1) - 1).clamp(min=0)
            logits = self._next(ids, mask, position, cache)
            if samples > 1:
                cache.batch_repeat_interleave(samples)
            logits, mask = logits.repeat_interleave(samples, 0), mask.repeat_interleave(samples, 0)
            position = position[:, -1:].repeat_interleave(samples, 0)
            alive = torch.arange(len(mask), device=device)  # rows still in the batch
            over = torch.zeros(len(mask), dtype=torch.bool, device=device)  # which of them have ended
            sampled = torch.empty((len(mask), limit), dtype=torch.long, device=device)
            for step in range(limit):
                chosen = _choose(logits, temperature, generator)
                sampled[alive, step] = chosen
                ending = (torch.isin(chosen, ends) | (step == limit - 1)) & ~over
                for row in alive[ending].tolist():
                    yield row, sampled[row, : step + 1].tolist()
                over |= ending
                if over.all():
                    return
                if over.float().mean() > _LEAVE:
                    stay = (~over).nonzero()[:, 0]
                    cache.batch_select_indices(stay)
                    alive, over, chosen = alive[stay], over[stay], chosen[stay]
                    mask, position = mask[stay], position[stay]
                mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
                position = position + 1
                logits = self._next(chosen[:, None], mask, position, cache)

    def _next(self, ids: Any, mask: Any, position: Any, cache: Any) -> Any:
        """Return the logits of the next token, of shape (rows, vocabulary)."""
        return self.model(
            input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, logits_to_keep=1
        ).logits[:, -1]


def _choose(logits: Any, temperature: float, generator: Any) -> Any:
    if temperature <= 0:
        return logits.argmax(-1)
    import torch

    chances = torch.softmax(logits.float() / temperature, -1)
    return torch.multinomial(chances, 1, generator=generator)[:, 0]


def complete(
    checkpoint: Path | str,
    prompts: Sequence[PromptInput],
    *,
    max_new_tokens: int = 256,
    temperature: float = 0.0,
    samples: int = 1,
    seed: int = 0,
) -> list[list[str]]:
    """Return the texts of `Completer.load(checkpoint).complete(...)`. Keep a Completer to use a checkpoint several times."""
    drawn = Completer.load(checkpoint).complete(
        prompts, max_new_tokens=max_new_tokens, temperature=temperature, samples=samples, seed=seed
    )
    return [[completion.text for completion in one] for one in drawn]
