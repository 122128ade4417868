"""Sample completions from a checkpoint in this process: batched, left-padded and sorted by length.

Unlike `transformers.generate` it prefills a prompt once for all its samples and removes finished rows from the batch,
which saves most of the time on a CPU (docs/log.md, "The small student"). It has no beam or constrained decoding.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from storage.counting import counted
from storage.errors import ForPeople
from tasks.llm.model_files import no_progress_bar
from tasks.seeding import seed_of

if TYPE_CHECKING:
    from tasks.training.decoding import Decoder, Generation

# transformers makes models on a default device that is one for all threads: of two that are loaded at the same time, one has no weights
_LOADING = threading.Lock()

ChatMessage = dict[str, str]
PromptInput = str | Sequence[ChatMessage]


@dataclass(frozen=True, slots=True)
class Continuation:
    """The continuation of a prompt. `tokens` are ids without the end token; `ended` is false if the limit cut it off."""

    text: str
    tokens: tuple[int, ...]
    ended: bool


class PromptTooLong(ForPeople, ValueError):
    """A prompt that does not fit the model's context together with its completion."""


class NotLoadable(ForPeople, ValueError):
    """A checkpoint of which something is missing or broken."""


def check_loadable(checkpoint: Path | str) -> None:
    """Read what describes a checkpoint: its configuration, its tokenizer and the headers of its weights, where it is a folder. The weights
    themselves are not read. Raises NotLoadable, OSError or ValueError for one that cannot be loaded."""
    from safetensors import SafetensorError, safe_open
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(str(checkpoint), trust_remote_code=False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise NotLoadable(f"a model of the type {config.model_type} does not write texts")
    AutoTokenizer.from_pretrained(str(checkpoint), trust_remote_code=False)
    folder = Path(checkpoint)
    if not folder.is_dir():
        return
    for file in weights_of(folder):
        try:
            with safe_open(file, "numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise NotLoadable(f"{file.name}: {error}") from error


def weights_of(folder: Path) -> list[Path]:
    """Return the files with the weights of a checkpoint, those that its index names if it has one. Raises NotLoadable if it has none."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return [
            folder / name for name in sorted(set(orjson.loads(index.read_bytes())["weight_map"].values()))
        ]
    one = folder / "model.safetensors"
    if not one.is_file():
        raise NotLoadable(f"there is no {one.name}")
    return [one]


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
        with _LOADING, no_progress_bar():
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
        from tasks.training.decoding import Generation, run

        completions: dict[int, list[Continuation]] = {}
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        step = max(1, batch // samples)
        for start in range(0, len(order), step):
            drawn = {
                i: [
                    Generation(encoded[i], max_new_tokens, temperature, seed=seed_of(seed, i, sample))
                    for sample in range(samples)
                ]
                for i in order[start : start + step]
            }
            for _ in run(self.decoder(), [one for several in drawn.values() for one in several]):
                pass
            completions |= {
                i: [self.continuation(one.tokens) for one in several] for i, several in drawn.items()
            }
        return [completions[i] for i in range(len(encoded))]

    def generation(self, prompt: list[int], **sampling: Any) -> Generation:
        """Return a sequence for `decoder`; `sampling` are the fields of tasks.training.decoding.Generation."""
        from tasks.training.decoding import Generation

        return Generation(prompt, **sampling)

    def cache_tokens(self) -> int:
        """Return how many tokens' keys and values may be kept at once: they fit half of the memory that is free now."""
        import psutil
        import torch

        config, weights = self.model.config, self.model.dtype
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * size * weights.itemsize
        on_gpu = self.model.device.type == "cuda"
        free = torch.cuda.mem_get_info()[0] if on_gpu else psutil.virtual_memory().available
        return int(free // 2 // per_token)

    def decoder(self) -> Decoder:
        """Return an empty batch of this model, for callers that add sequences while others are decoded."""
        from tasks.training.decoding import Decoder

        return Decoder(self.model, self.tokenizer, self._ends())

    def encode(self, prompt: PromptInput) -> list[int]:
        """Return the token ids of a prompt, up to where the completion begins."""
        if isinstance(prompt, str):
            return list(self.tokenizer(prompt)["input_ids"])
        return list(
            self.tokenizer.apply_chat_template(
                list(prompt), add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )

    def continuation(self, tokens: Sequence[int]) -> Continuation:
        """Return the continuation of decoded tokens, the last of which may be an end token."""
        ended = bool(tokens) and tokens[-1] in self._ends()
        content = list(tokens[:-1] if ended else tokens)
        return Continuation(self.tokenizer.decode(content, skip_special_tokens=True), tuple(content), ended)

    def _ends(self) -> set[int]:
        declared = self.model.generation_config.eos_token_id
        ends = declared if isinstance(declared, list) else [declared]
        return {end for end in (*ends, self.tokenizer.eos_token_id) if end is not None}


def use_threads(count: int) -> None:
    """Let torch compute with `count` CPU threads; 0 leaves its own choice."""
    if count:
        import torch

        torch.set_num_threads(count)


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
