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

from storage.datasets.shapes import CLOSE, OPEN, assistant_texts
from tasks.training.config import TrainError

Ints = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]

COLUMNS = ("question", "solution", "solution_format", "loss_weight")
SYSTEM = "system"  # an optional column of files that are not datasets: the system message
REASONING = "reasoning"  # an optional column: the thinking before the solution

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


def keeps_thinking(tokenizer: Any) -> bool:
    """Return whether the tokenizer's chat template keeps thinking inside the last message of an assistant."""
    text = f"{OPEN}{_MARK}{CLOSE}4"
    messages = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": text}]
    return _MARK in str(tokenizer.apply_chat_template(messages, tokenize=False))


def completion_text(prompt: str, reasoning: str | None, solution: str) -> str:
    """Return the text to learn after a prompt: the thinking in its tags, if there is any, and the solution.

    Some chat templates open the thinking in the prompt itself; then the text only closes it, also where there is none.
    Raises TrainError if the prompt closes the thinking, so that none can follow.
    """
    end = prompt[-64:].rstrip()
    if end.endswith(OPEN.strip()):
        return f"{reasoning or ''}{CLOSE}{solution}"
    if reasoning is None:
        return solution
    if end.endswith(CLOSE.strip()):
        raise TrainError(
            "the chat template of the base closes the thinking before the answer, so rows with thinking cannot be "
            "trained on. Fix: reasoning=none, or a base whose template lets it think"
        )
    return f"{OPEN}{reasoning}{CLOSE}{solution}"


class TokenEncoder:
    """Encodes batches of rows as tokens. `dropped` counts the rows that were left out, by reason.

    Rows of more than `length` tokens are left out rather than cut, since a cut solution has no answer. Rows that contain
    one of the tokenizer's special tokens as text are left out too, since it would end a turn in the middle.

    whole: encode documents for continued pretraining. All tokens but the first are learned, and a row of more than
    `length` tokens becomes several.
    thinking: learn the thinking of rows that have it, before their solution.
    """

    def __init__(
        self,
        tokenizer: Any,
        length: int,
        *,
        weighted: bool = True,
        whole: bool = False,
        thinking: bool = True,
    ) -> None:
        self.tokenizer = tokenizer
        self.thinking = thinking
        self.length = length
        self.weighted = weighted
        self.whole = whole
        self.dropped: Counter[str] = Counter()
        self._render: dict[str | None, Callable[[str], str]] = {}
        self._prompt_of(None)
        self._special = [token for token in tokenizer.all_special_tokens if token]
        self._end = int(tokenizer.eos_token_id)

    def rows(self, batch: pa.RecordBatch) -> Tokens:
        """Encode a batch with the columns COLUMNS, in which every row has a solution. Where they are present, the column
        SYSTEM gives the system message and REASONING the thinking."""
        weights = np.ones(batch.num_rows, np.float32)
        if self.weighted:
            weights = pc.fill_null(batch.column("loss_weight"), 1.0).to_numpy(zero_copy_only=False)
        systems, reasonings = (
            batch.column(name).to_pylist() if name in batch.schema.names else None
            for name in (SYSTEM, REASONING)
        )
        questions, solutions = batch.column("question").to_pylist(), assistant_texts(batch).to_pylist()
        return self.texts(questions, solutions, weights, systems, reasonings if self.thinking else None)

    def texts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
        weights: Weights,
        systems: Sequence[str | None] | None = None,
        reasonings: Sequence[str | None] | None = None,
    ) -> Tokens:
        """Encode texts in the same way; `weights` has the shape (rows,). Raises TrainError as `completion_text` does."""
        systems = systems or [None] * len(questions)
        reasonings = reasonings or [None] * len(questions)
        clean = [
            not any(map(self._holds_special, (question, solution, reasoning or "")))
            for question, solution, reasoning in zip(questions, solutions, reasonings, strict=True)
        ]
        self.dropped["holds a special token"] += len(clean) - sum(clean)
        kept = [i for i, good in enumerate(clean) if good]
        if self.whole:
            texts = [completion_text("", reasonings[i], solutions[i]) for i in kept]
            return self._documents([f"{questions[i]}\n{text}" for i, text in zip(kept, texts, strict=True)])
        prompt_texts = [self._prompt_of(systems[i])(questions[i]) for i in kept]
        prompt_ids = self._encoded(prompt_texts)
        solution_ids = self._encoded(
            [
                completion_text(prompt, reasonings[i], solutions[i])
                for i, prompt in zip(kept, prompt_texts, strict=True)
            ]
        )
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
