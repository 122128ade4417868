"""Rows as tokens: what the model reads, which of it it learns, and how much that weighs. Columns, never objects.

The prompt is the checkpoint's own chat template around the question, so that training reads what serving will;
the completion ends with the end-of-sequence token. Both are tokenized apart: no token spans the mask's edge.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.shapes import said

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

COLUMNS = ("question", "solution", "solution_format", "loss_weight")
SYSTEM = "system"  # a further column of files that are no dataset

# For checkpoints that have none: the question, a line break, the answer.
PLAIN = (
    "{% for message in messages %}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content }}\n{% endif %}{% endfor %}"
)
_MARK = "\ue000"  # a private-use character: no template has it


@dataclass(frozen=True, slots=True)
class Tokens:
    """Rows of tokens end to end: `ids` (of all rows), `lengths` (a row), `prompts` (leading tokens of a row that are
    not learned), `weights` (of a row's loss)."""

    ids: Ints
    lengths: Ints
    prompts: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.lengths)

    def starts(self) -> npt.NDArray[np.int64]:
        """Where each row begins in `ids`."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        return ends - self.lengths

    def take(self, order: npt.NDArray[np.int64]) -> Tokens:
        """The rows of these numbers, in this order."""
        lengths = self.lengths[order]
        return Tokens(
            self.ids[_spread(self.starts()[order], lengths)],
            lengths,
            self.prompts[order],
            self.weights[order],
        )

    @staticmethod
    def joined(parts: Sequence[Tokens]) -> Tokens:
        return Tokens(
            np.concatenate([part.ids for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.lengths for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.prompts for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.weights for part in parts] or [np.empty(0, np.float32)]),
        )


def _spread(starts: npt.NDArray[np.int64], lengths: Ints) -> npt.NDArray[np.int64]:
    """start, start + 1, ... of each row, end to end."""
    total = int(lengths.sum())
    before = np.cumsum(lengths, dtype=np.int64) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total, dtype=np.int64)


def prompts_of(tokenizer: Any, system: str | None = None) -> Callable[[str], str]:
    """Question to the text that the model is prompted with, behind a system message where there is one."""
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN

    def render(question: str) -> str:
        said = [{"role": "system", "content": system}] if system else []
        said.append({"role": "user", "content": question})
        return str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))

    before, mark, after = render(_MARK).partition(_MARK)
    # most templates only surround: then one rendering serves all; others may strip or number
    probe = f" {_MARK}x\n"
    if mark and render(probe) == before + probe + after:
        return lambda question: before + question + after
    return render


class Encoder:
    """Batches of rows to tokens. `dropped` counts what was left out, by reason.

    Rows over `length` tokens are left out, not cut: a cut solution has no answer. So are rows that hold one of the
    tokenizer's special tokens as text, which would end a turn in the middle.

    whole: documents for continued pretraining: all is learned but the first token, and a row over `length` becomes
    several.
    """

    def __init__(self, tokenizer: Any, length: int, *, weighted: bool = True, whole: bool = False) -> None:
        self.tokenizer = tokenizer
        self.length = length
        self.weighted = weighted
        self.whole = whole
        self.dropped: Counter[str] = Counter()
        self._render: dict[str | None, Callable[[str], str]] = {}
        self._prompt_of(None)
        self._special = [token for token in tokenizer.all_special_tokens if token]
        self._end = int(tokenizer.eos_token_id)

    def rows(self, batch: pa.RecordBatch) -> Tokens:
        """Of columns COLUMNS, every one with a solution; SYSTEM, where there is one, is the system message."""
        weights = np.ones(batch.num_rows, np.float32)
        if self.weighted:
            weights = pc.fill_null(batch.column("loss_weight"), 1.0).to_numpy(zero_copy_only=False)
        systems = (
            batch.column(SYSTEM).to_pylist() if SYSTEM in batch.schema.names else [None] * batch.num_rows
        )
        return self.texts(batch.column("question").to_pylist(), said(batch).to_pylist(), weights, systems)

    def texts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
        weights: Floats,
        systems: Sequence[str | None] | None = None,
    ) -> Tokens:
        """The same of texts; weights of shape (rows,)."""
        systems = systems or [None] * len(questions)
        clean = [
            not self._holds_special(q) and not self._holds_special(s)
            for q, s in zip(questions, solutions, strict=True)
        ]
        self.dropped["holds a special token"] += len(clean) - sum(clean)
        kept = [i for i, good in enumerate(clean) if good]
        if self.whole:
            return self._documents([f"{questions[i]}\n{solutions[i]}" for i in kept])
        asked = self._encoded([self._prompt_of(systems[i])(questions[i]) for i in kept])
        told = self._encoded([solutions[i] for i in kept])
        pieces: list[list[int]] = []
        prompts, lengths, chosen = [], [], []
        for i, prompt, answer in zip(kept, asked, told, strict=True):
            size = len(prompt) + len(answer) + 1
            if size > self.length:
                self.dropped["too long"] += 1
                continue
            pieces += (prompt, answer, [self._end])
            prompts.append(len(prompt))
            lengths.append(size)
            chosen.append(i)
        return Tokens(
            _flat(pieces),
            np.array(lengths, np.int32),
            np.array(prompts, np.int32),
            weights[chosen].astype(np.float32),
        )

    def _prompt_of(self, system: str | None) -> Callable[[str], str]:
        if system not in self._render:
            self._render[system] = prompts_of(self.tokenizer, system)
        return self._render[system]

    def _documents(self, texts: list[str]) -> Tokens:
        pieces = [part for ids in self._encoded(texts) for part in _cut([*ids, self._end], self.length)]
        lengths = np.array([len(piece) for piece in pieces], np.int32)
        return Tokens(
            _flat(pieces), lengths, np.ones(len(pieces), np.int32), np.ones(len(pieces), np.float32)
        )

    def _holds_special(self, text: str) -> bool:
        return any(token in text for token in self._special)

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            found: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
            return found
        return [one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)]


def _flat(pieces: list[list[int]]) -> Ints:
    total = sum(map(len, pieces))
    return np.fromiter(itertools.chain.from_iterable(pieces), np.int32, count=total)


def _cut(ids: list[int], length: int) -> list[list[int]]:
    """Pieces of at most `length` tokens; one of a single token, which teaches nothing, is left out."""
    pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
    return [piece for piece in pieces if len(piece) > 1]
