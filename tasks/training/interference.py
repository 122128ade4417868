"""How sources of training data work on each other: the cosine of their gradients, and the change of each one's loss after a few
steps on another.

A small model is trained on all sources together for a short time, since gradients of an untrained one say little. Then each
source's mean gradient is compared with every other's, and from the same weights a copy learns a few steps of one source, after which
the loss on held-out rows of every source is measured again. A cosine below 0, or a loss that rises, means that two sources pull
apart. The numbers hold for this model; a larger one may keep apart what a small one cannot.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.counting import counted
from storage.rows import column
from tasks.seeding import seed_of, seeds_of
from tasks.training.config import TrainError
from tasks.training.loader import IGNORED, TokenBlock, collate
from tasks.training.tokens import TokenEncoder, Tokens

LEAST = 8  # rows that a source must have
BATCH = 8  # rows per forward pass
LENGTH = 512  # tokens of a row at most


@dataclass(frozen=True, slots=True)
class Interference:
    """The result for `sources`, in order of name; matrices as lists of rows.

    rows: how many rows of each source were used, half of them to learn. cosine: of the gradients of two sources. change: in row i
    and column j, by how much the mean loss per token on source j changed (in nats) after learning source i. loss: on each source
    before.
    """

    sources: list[str]
    rows: list[int]
    cosine: list[list[float]]
    change: list[list[float]]
    loss: list[float]

    def record(self) -> dict[str, Any]:
        """Return the result as the value of a mark."""
        return asdict(self)


def interference(
    samples: Mapping[str, pa.Table],
    *,
    base: Path | str | None = None,
    warmup: int = 60,
    steps: int = 4,
    lr: float = 1e-3,
    seed: int = 0,
) -> Interference:
    """Measure how the sources work on each other; `samples` has rows with a question and a solution of each.

    base: a checkpoint; None: a small student, made of these rows and trained on all of them for `warmup` steps. steps: that a
    copy learns of one source. Raises TrainError if fewer than two sources have LEAST rows that fit.
    """
    import torch

    from tasks.training.models import model_of, tokenizer_of
    from tasks.training.student import model_of as fresh_model
    from tasks.training.student import tokenizer_of as fresh_tokenizer

    if base is None:
        tokenizer = fresh_tokenizer(texts_of(samples))
        model = fresh_model(tokenizer, seed=seed_of(seed, "interference") % 2**32)
    else:
        tokenizer, model = tokenizer_of(str(base)), model_of(str(base))
    encoder = TokenEncoder(tokenizer, LENGTH, weighted=False)
    blocks = {name: blocks_of(samples[name], encoder, seed) for name in sorted(samples)}
    halves = {
        name: (rows[: len(rows) // 2], rows[len(rows) // 2 :])
        for name, rows in blocks.items()
        if len(rows) >= LEAST
    }
    if len(halves) < 2:
        raise TrainError(
            f"interference needs two sources of at least {counted(LEAST, 'row')} within {counted(LENGTH, 'token')} each, and there are {len(halves)} such. "
            "Fix: a larger version, or another column with --by"
        )
    names = list(halves)
    pad = int(tokenizer.pad_token_id)
    if base is None:
        mixed = list(itertools.chain.from_iterable(learned for learned, _ in halves.values()))
        order = np.argsort(seeds_of((seed, "interference", "order"), map(str, range(len(mixed)))))
        learn(model, [mixed[i] for i in order.tolist()], warmup, 3 * lr, pad)
    model.eval()
    gradients = torch.stack([gradient(model, halves[name][0], pad) for name in names])
    unit = torch.nn.functional.normalize(gradients, dim=1)
    before = [loss_of(model, halves[name][1], pad) for name in names]
    change = []
    for name in names:
        other = copy.deepcopy(model)
        learn(other, halves[name][0], steps, lr, pad)
        other.eval()
        after = [loss_of(other, halves[one][1], pad) for one in names]
        change.append([round(now - then, 4) for now, then in zip(after, before, strict=True)])
    return Interference(
        names,
        [len(blocks[name]) for name in names],
        [[round(float(value), 4) for value in row] for row in unit @ unit.T],
        change,
        [round(loss, 4) for loss in before],
    )


def texts_of(samples: Mapping[str, pa.Table]) -> Iterator[str]:
    for name in sorted(samples):
        for text in ("question", "solution"):
            yield from column(samples[name], text)


def blocks_of(rows: pa.Table, encoder: TokenEncoder, seed: int) -> list[TokenBlock]:
    """Return the rows as blocks of one row each, in an order that follows from their ids."""
    order = np.argsort(seeds_of((seed, "interference"), column(rows, "id")), kind="stable")
    rows = rows.take(pa.array(order))
    tokens = encoder.texts(column(rows, "question"), column(rows, "solution"), np.ones(len(rows), np.float32))
    return list(_one_by_one(tokens))


def _one_by_one(tokens: Tokens) -> Iterator[TokenBlock]:
    learned = tokens.learned()
    for start, length in zip(tokens.starts().tolist(), tokens.lengths.tolist(), strict=True):
        ids = tokens.ids[start : start + length].astype(np.int64)
        yield {
            "input_ids": ids,
            "labels": np.where(learned[start : start + length], ids, IGNORED).astype(np.int64),
            "position_ids": np.arange(length, dtype=np.int64),
        }


def _loss_and_count(model: Any, blocks: Sequence[TokenBlock], pad: int) -> tuple[Any, int]:
    """Return the sum of the losses of the learned tokens of some rows, and their number."""
    from tasks.training.loss import token_losses

    batch = {name: values.to(model.device) for name, values in collate(blocks, pad).items()}
    logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    return token_losses(logits, batch["labels"]).sum(), int((batch["labels"][:, 1:] != IGNORED).sum())


def loss_of(model: Any, blocks: Sequence[TokenBlock], pad: int) -> float:
    """Return the mean loss per learned token."""
    import torch

    with torch.inference_mode():
        sums = [_loss_and_count(model, batch, pad) for batch in _batches(blocks)]
    return float(sum(float(loss) for loss, _ in sums) / max(1, sum(count for _, count in sums)))


def gradient(model: Any, blocks: Sequence[TokenBlock], pad: int) -> Any:
    """Return the gradient of the mean loss per learned token, flat, on the CPU in single precision."""
    import torch

    model.zero_grad()
    for batch in _batches(blocks):
        loss, _ = _loss_and_count(model, batch, pad)
        loss.backward()
    parts = [
        part.grad.detach().float().flatten().cpu() for part in model.parameters() if part.grad is not None
    ]
    model.zero_grad()
    return torch.cat(parts)


def learn(model: Any, blocks: Sequence[TokenBlock], steps: int | None, lr: float, pad: int) -> None:
    """Take some steps of AdamW on batches of the rows, round and round; with `steps` None one step per batch."""
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    batches = list(_batches(blocks))
    for batch in batches if steps is None else itertools.islice(itertools.cycle(batches), steps):
        loss, count = _loss_and_count(model, batch, pad)
        optimizer.zero_grad()
        (loss / max(1, count)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def _batches(blocks: Sequence[TokenBlock]) -> Iterator[Sequence[TokenBlock]]:
    for start in range(0, len(blocks), BATCH):
        yield blocks[start : start + BATCH]
