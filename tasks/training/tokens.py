"""Turn rows into token arrays: what the model reads, which tokens it learns, and how much each row weighs.

The prompt is the checkpoint's own chat template around the question, so that the model is trained on the text that it is
served. The completion ends with the end-of-sequence token. Prompt and completion are tokenized separately, so no token
spans the edge of the loss mask.
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

from storage.datasets.shapes import assistant_texts

Ints = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]

COLUMNS = ("question", "solution", "solution_format", "loss_weight")
SYSTEM = "system"  # an optional column of files that are not datasets: the system message

# for checkpoints without a chat template: the question, a line break, the answer
PLAIN = (
    "{% for message in messages %}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content }}\n{% endif %}{% endfor %}"
)
_MARK = "\ue000"  # a private-use character: no template has it


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of several rows, concatenated.

    `ids` holds the tokens of all rows. The others have one entry per row: `lengths` in tokens, `prompts` (the number of
    leading tokens that are not learned) and `weights` (the loss weight).
    """

    ids: Ints
    lengths: Ints
    prompts: Ints
    weights: Weights

    def __len__(self) -> int:
        return len(self.lengths)

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the index in `ids` at which each row begins."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        return ends - self.lengths

    def take(self, order: npt.NDArray[np.int64]) -> Tokens:
        """Return the rows with these numbers, in this order."""
        lengths = self.lengths[order]
        return Tokens(
            self.ids[_spread(self.starts()[order], lengths)],
            lengths,
            self.prompts[order],
            self.weights[order],
        )

    @staticmethod
    def joined(parts: Sequence[Tokens]) -> Tokens:
        """Concatenate the rows of several parts."""
        return Tokens(
            np.concatenate([part.ids for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.lengths for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.prompts for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.weights for part in parts] or [np.empty(0, np.float32)]),
        )


def _spread(starts: npt.NDArray[np.int64], lengths: Ints) -> npt.NDArray[np.int64]:
    """Return start, start + 1, ... for each row, concatenated."""
    total = int(lengths.sum())
    before = np.cumsum(lengths, dtype=np.int64) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total, dtype=np.int64)


def prompts_of(tokenizer: Any, system: str | None = None) -> Callable[[str], str]:
    """Return a function from a question to the prompt text, which begins with the system message if one is given."""
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN

    def render(question: str) -> str:
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    before, mark, after = render(_MARK).partition(_MARK)
    # most templates only surround the question: then one rendering serves all; others may strip or number it
    probe = f" {_MARK}x\n"
    if mark and render(probe) == before + probe + after:
        return lambda question: before + question + after
    return render


class TokenEncoder:
    """Encodes batches of rows as tokens. `dropped` counts the rows that were left out, by reason.

    Rows of more than `length` tokens are left out rather than cut, since a cut solution has no answer. Rows that contain
    one of the tokenizer's special tokens as text are left out too, since it would end a turn in the middle.

    whole: encode documents for continued pretraining. All tokens but the first are learned, and a row of more than
    `length` tokens becomes several.
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
        """Encode a batch with the columns COLUMNS, in which every row has a solution. The column SYSTEM, if present, gives the
        system message."""
        weights = np.ones(batch.num_rows, np.float32)
        if self.weighted:
            weights = pc.fill_null(batch.column("loss_weight"), 1.0).to_numpy(zero_copy_only=False)
        systems = (
            batch.column(SYSTEM).to_pylist() if SYSTEM in batch.schema.names else [None] * batch.num_rows
        )
        return self.texts(
            batch.column("question").to_pylist(), assistant_texts(batch).to_pylist(), weights, systems
        )

    def texts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
        weights: Weights,
        systems: Sequence[str | None] | None = None,
    ) -> Tokens:
        """Encode texts in the same way; `weights` has the shape (rows,)."""
        systems = systems or [None] * len(questions)
        clean = [
            not self._holds_special(q) and not self._holds_special(s)
            for q, s in zip(questions, solutions, strict=True)
        ]
        self.dropped["holds a special token"] += len(clean) - sum(clean)
        kept = [i for i, good in enumerate(clean) if good]
        if self.whole:
            return self._documents([f"{questions[i]}\n{solutions[i]}" for i in kept])
        prompt_ids = self._encoded([self._prompt_of(systems[i])(questions[i]) for i in kept])
        solution_ids = self._encoded([solutions[i] for i in kept])
        pieces: list[list[int]] = []
        prompts, lengths, chosen = [], [], []
        for i, prompt, answer in zip(kept, prompt_ids, solution_ids, strict=True):
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
            ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
            return ids
        return [one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)]


def _flat(pieces: list[list[int]]) -> Ints:
    total = sum(map(len, pieces))
    return np.fromiter(itertools.chain.from_iterable(pieces), np.int32, count=total)


def _cut(ids: list[int], length: int) -> list[list[int]]:
    """Cut into pieces of at most `length` tokens. A piece of a single token is left out: it has nothing to predict."""
    pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
    return [piece for piece in pieces if len(piece) > 1]
