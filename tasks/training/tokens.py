"""Turn rows into token arrays: what the model reads, which tokens it learns, and how much each row weighs.

The prompt is the checkpoint's own chat template around the question, so that the model is trained on the text that it is
served. The completion ends with the end-of-sequence token. Prompt and completion are tokenized separately, so no token
spans the edge of the loss mask. In a chat of several turns every turn of the assistant is learned. What programs print inside an
interleaved solution is not learned: a block of output is masked below the fence that opens it, which the model writes to hand a
program over.
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
from storage.datasets.turns import CLOSE, OPEN, message_of
from storage.interleaved import HANDOVER, output_spans
from storage.rows import TEXT, ChatTurn
from tasks.loss_weights import COLUMNS as WEIGHED
from tasks.training.config import TrainError

Ints = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]
Weigh = Callable[[pa.Table], Weights]

COLUMNS = ("question", "solution", "solution_format", "loss_weight")
SYSTEM = "system"  # an optional column of files that are not datasets: the system message
REASONING = "reasoning"  # an optional column: the thinking before the solution
KIND, MESSAGES = "kind", "messages"  # optional columns: what the row is, and the turns of a chat

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
    leading tokens that are not learned) and `weights` (the loss weight). `masked` has one entry per token: whether it is
    one of a later turn, or of a program's output, that the assistant does not write, which is not learned either; None if there
    are none.
    """

    ids: Ints
    lengths: Ints
    prompts: Ints
    weights: Weights
    masked: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the index in `ids` at which each row begins."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        return ends - self.lengths

    def take(self, order: npt.NDArray[np.int64]) -> Tokens:
        """Return the rows with these numbers, in this order."""
        lengths = self.lengths[order]
        places = _spread(self.starts()[order], lengths)
        return Tokens(
            self.ids[places],
            lengths,
            self.prompts[order],
            self.weights[order],
            None if self.masked is None else self.masked[places],
        )

    def learned(self) -> npt.NDArray[np.bool_]:
        """Return whether each token is learned (tokens,). The first of a row is not: nothing comes before it."""
        positions = np.arange(len(self.ids)) - np.repeat(self.starts(), self.lengths)
        learned: npt.NDArray[np.bool_] = positions >= np.maximum(1, np.repeat(self.prompts, self.lengths))
        return learned if self.masked is None else learned & ~self.masked

    @staticmethod
    def joined(parts: Sequence[Tokens]) -> Tokens:
        """Concatenate the rows of several parts."""
        return Tokens(
            np.concatenate([part.ids for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.lengths for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.prompts for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.weights for part in parts] or [np.empty(0, np.float32)]),
            np.concatenate(
                [np.zeros(len(part.ids), np.bool_) if part.masked is None else part.masked for part in parts]
            )
            if any(part.masked is not None for part in parts)
            else None,
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

    whole: encode documents for continued pretraining. All tokens but the first and what programs print in solutions are learned, and a
    row of more than `length` tokens becomes several.
    thinking: learn the thinking of rows that have it, before their solution.
    weigh: gives the weights of rows with the columns `columns` in place of those that are stored.
    """

    def __init__(
        self,
        tokenizer: Any,
        length: int,
        *,
        weighted: bool = True,
        whole: bool = False,
        thinking: bool = True,
        weigh: Weigh | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.thinking = thinking
        self.length = length
        self.weighted = weighted
        self.weigh = weigh
        self.columns = WEIGHED if weigh is not None else ()
        self.whole = whole
        self.dropped: Counter[str] = Counter()
        self._render: dict[str | None, Callable[[str], str]] = {}
        self._prompt_of(None)
        self._special = [token for token in tokenizer.all_special_tokens if token]
        self._end = int(tokenizer.eos_token_id)
        self._end_text = str(tokenizer.eos_token)

    def rows(self, batch: pa.RecordBatch) -> Tokens:
        """Encode a batch with the columns COLUMNS, in which every row has a solution, is a chat or, if `whole`, is a document.

        Where they are present, the column SYSTEM gives the system message, REASONING the thinking, KIND and MESSAGES the
        kind of the row and the turns of a chat. Chats come after the other rows.
        """
        weights = np.ones(batch.num_rows, np.float32)
        if self.weighted:
            weights = self._weights(batch)
        parts = []
        if MESSAGES in batch.schema.names and batch.column(MESSAGES).null_count < batch.num_rows:
            chats = batch.column(MESSAGES).is_valid()
            listed = batch.column(MESSAGES).filter(chats).to_pylist()
            parts = [self.chats(listed, weights[chats.to_numpy(zero_copy_only=False)])]
            batch = batch.filter(pc.invert(chats))
            weights = weights[~chats.to_numpy(zero_copy_only=False)]
        if KIND in batch.schema.names and self.whole:
            documents = pc.fill_null(pc.equal(batch.column(KIND), TEXT), False)
            if pc.any(documents).as_py():
                parts.append(self._clean_documents(batch.column("question").filter(documents).to_pylist()))
                batch = batch.filter(pc.invert(documents))
                weights = weights[~documents.to_numpy(zero_copy_only=False)]
        tokens = self._solutions(batch, weights)
        return Tokens.joined([tokens, *parts]) if parts else tokens

    def _weights(self, batch: pa.RecordBatch) -> Weights:
        """Return the weights of the rows: computed anew if `weigh` is given and they have what it reads, else as they are stored."""
        if self.weigh is not None and set(WEIGHED) <= set(batch.schema.names):
            return self.weigh(pa.Table.from_batches([batch]))
        stored: Weights = pc.fill_null(batch.column("loss_weight"), 1.0).to_numpy(zero_copy_only=False)
        return stored

    def _solutions(self, batch: pa.RecordBatch, weights: Weights) -> Tokens:
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
            return self._pieces_of_documents(
                [
                    [(f"{questions[i]}\n", True), *_learned_pieces(text)]
                    if HANDOVER in text
                    else [(f"{questions[i]}\n{text}", True)]
                    for i, text in zip(kept, texts, strict=True)
                ]
            )
        prompt_texts = [self._prompt_of(systems[i])(questions[i]) for i in kept]
        prompt_ids = self._encoded(prompt_texts)
        completions = [
            _learned_pieces(completion_text(prompt, reasonings[i], solutions[i]))
            for i, prompt in zip(kept, prompt_texts, strict=True)
        ]
        encoded = iter(self._encoded([text for pieces in completions for text, _ in pieces]))
        ids: list[list[int]] = []
        masks: list[npt.NDArray[np.bool_]] = []
        prompts, lengths, chosen = [], [], []
        for i, prompt, pieces in zip(kept, prompt_ids, completions, strict=True):
            parts = list(itertools.islice(encoded, len(pieces)))
            size = len(prompt) + sum(map(len, parts)) + 1
            if size > self.length:
                self.dropped["too long"] += 1
                continue
            ids += (prompt, *parts, [self._end])
            if len(pieces) > 1:
                shown = [
                    np.full(len(part), not learned) for part, (_, learned) in zip(parts, pieces, strict=True)
                ]
                masks.append(np.concatenate([np.zeros(len(prompt), np.bool_), *shown, np.zeros(1, np.bool_)]))
            else:
                masks.append(np.zeros(size, np.bool_))
            prompts.append(len(prompt))
            lengths.append(size)
            chosen.append(i)
        return Tokens(
            _flat(ids),
            np.array(lengths, np.int32),
            np.array(prompts, np.int32),
            weights[chosen].astype(np.float32),
            np.concatenate(masks) if any(len(pieces) > 1 for pieces in completions) and masks else None,
        )

    def chats(self, chats: Sequence[Sequence[ChatTurn]], weights: Weights) -> Tokens:
        """Encode chats. Every turn of the assistant is learned, with its end; of a template that shows a turn otherwise once
        others follow it, only the last turn is.

        `weights` has the shape (chats,). Left out, and counted in `dropped`, are chats without a turn of the assistant, those
        that the template refuses, those with a special token in a text, and those that are too long.
        """
        rows: list[tuple[list[tuple[str, bool]], float]] = []
        for turns, weight in zip(chats, weights.tolist(), strict=True):
            if any(self._holds_special(str(text)) for turn in turns for text in turn.values() if text):
                self.dropped["holds a special token"] += 1
            elif pieces := self._pieces(turns):
                rows.append((pieces, weight))
        if self.whole:
            return self._documents(["".join(text for text, _ in pieces) for pieces, _ in rows])
        encoded = iter(self._encoded([text for pieces, _ in rows for text, _ in pieces]))
        ids: list[list[int]] = []
        masks, lengths, prompts, kept_weights = [], [], [], []
        for pieces, weight in rows:
            parts = [
                (tokens + [self._end] * (learned and tokens[-1:] != [self._end]), learned)
                for (_, learned), tokens in zip(pieces, itertools.islice(encoded, len(pieces)), strict=True)
            ]
            size = sum(len(tokens) for tokens, _ in parts)
            if size > self.length:
                self.dropped["too long"] += 1
                continue
            ids += [tokens for tokens, _ in parts]
            masks += [np.full(len(tokens), not learned) for tokens, learned in parts]
            lengths.append(size)
            prompts.append(len(parts[0][0]))
            kept_weights.append(weight)
        return Tokens(
            _flat(ids),
            np.array(lengths, np.int32),
            np.array(prompts, np.int32),
            np.array(kept_weights, np.float32),
            np.concatenate(masks or [np.zeros(0, np.bool_)]),
        )

    def _pieces(self, turns: Sequence[ChatTurn]) -> list[tuple[str, bool]]:
        """Return the text of a chat in pieces, each with whether it is learned; none if it cannot be trained on."""
        messages = [message_of(turn, "inline" if self.thinking else "none") for turn in turns]
        if self.whole:
            return [(f"{message['content']}\n", True) for message in messages if message["content"]]
        places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        if not places:
            self.dropped["no turn of the assistant"] += 1
            return []
        try:
            return self._by_turn(messages[: places[-1] + 1], places) or self._last(messages[: places[-1] + 1])
        except Exception as error:  # a template is a program of the checkpoint, and raises what it likes
            if not type(error).__module__.startswith("jinja2"):
                raise
            self.dropped["refused by the chat template"] += 1
            return []

    def _by_turn(self, messages: list[dict[str, Any]], places: Sequence[int]) -> list[tuple[str, bool]]:
        """Return prompt and reply in turn; nothing if the template does not only add to what came before."""
        pieces: list[tuple[str, bool]] = []
        before = ""
        for place in places:
            prompt = self._shown(messages[:place], ask=True)
            through = self._shown(messages[: place + 1], ask=False)
            if not (prompt.startswith(before) and through.startswith(prompt)):
                return []
            # what the template writes after the end of the turn belongs to the next prompt
            reply, end, _ = through[len(prompt) :].partition(self._end_text)
            pieces += [(prompt[len(before) :], False), (reply + end, True)]
            before = prompt + reply + end
        return pieces

    def _last(self, messages: list[dict[str, Any]]) -> list[tuple[str, bool]]:
        prompt = self._shown(messages[:-1], ask=True)
        reply = str(messages[-1]["content"])
        return [(prompt, False), (reply, True)] if reply else []

    def _shown(self, messages: list[dict[str, Any]], *, ask: bool) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))

    def _clean_documents(self, texts: list[str]) -> Tokens:
        clean = [text for text in texts if not self._holds_special(text)]
        self.dropped["holds a special token"] += len(texts) - len(clean)
        return self._documents(clean)

    def _prompt_of(self, system: str | None) -> Callable[[str], str]:
        if system not in self._render:
            self._render[system] = prompts_of(self.tokenizer, system)
        return self._render[system]

    def _documents(self, texts: list[str]) -> Tokens:
        return self._pieces_of_documents([[(text, True)] for text in texts])

    def _pieces_of_documents(self, documents: list[list[tuple[str, bool]]]) -> Tokens:
        """Encode documents that are given in pieces, each with whether it is learned."""
        encoded = iter(self._encoded([text for pieces in documents for text, _ in pieces]))
        rows: list[list[int]] = []
        masks: list[npt.NDArray[np.bool_]] = []
        for pieces in documents:
            parts = list(itertools.islice(encoded, len(pieces)))
            ids = [*itertools.chain.from_iterable(parts), self._end]
            shown = [
                np.full(len(part), not learned) for part, (_, learned) in zip(parts, pieces, strict=True)
            ]
            masked = np.concatenate([*shown, np.zeros(1, np.bool_)])
            for start in range(0, len(ids), self.length):
                piece = ids[start : start + self.length]
                if len(piece) > 1:  # a single token has nothing to predict
                    rows.append(piece)
                    masks.append(masked[start : start + self.length])
        lengths = np.array([len(row) for row in rows], np.int32)
        hides = any(not learned for pieces in documents for _, learned in pieces)
        return Tokens(
            _flat(rows),
            lengths,
            np.ones(len(rows), np.int32),
            np.ones(len(rows), np.float32),
            np.concatenate(masks) if hides and masks else None,
        )

    def _holds_special(self, text: str) -> bool:
        return any(token in text for token in self._special)

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
            return ids
        return [one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)]


def _learned_pieces(text: str) -> list[tuple[str, bool]]:
    """Return a completion in pieces, each with whether it is learned: all of it but what programs print."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in output_spans(text) if HANDOVER in text else ():
        pieces += [(text[at:start], True), (text[start:end], False)]
        at = end
    return [*pieces, (text[at:], True)]


def _flat(pieces: list[list[int]]) -> Ints:
    total = sum(map(len, pieces))
    return np.fromiter(itertools.chain.from_iterable(pieces), np.int32, count=total)
