"""Which groups of rows earned or cost the points: the influence of a source, method or teacher on held-out items.

The influence of a group is the similarity of its gradient with that of the items (TracIn, Pruthi et al. 2020, arXiv:2002.08484): a small
student learns all groups together, and at a few moments of that training the mean gradient of each group is compared with the
gradient of the items. A positive cosine means that a step on the group lowers the loss on the items. The check is leave-one-group-out
retraining: the student is trained again without the group, of the same steps and in the same order, and the loss on the items is
compared. The influence costs one training for all groups, the check one per group, so by default the groups of the lowest influence are
checked. Both hold for the small student.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.counting import counted
from tasks.seeding import seed_of, seeds_of
from tasks.training.config import TrainError
from tasks.training.interference import BATCH, LEAST, LENGTH, blocks_of, gradient, learn, loss_of, texts_of
from tasks.training.loader import TokenBlock

MOMENTS = 3  # of the training at which gradients are compared
SUSPECTS = 2  # groups of the lowest influence, which a training without each checks


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each of `groups` did to the loss on the held-out items.

    rows: of each group. influence: the mean cosine of its gradient with that of the items, above 0 where it helps. without: by how
    much the mean loss per token on the items (in nats) is higher when the student is trained without the group, above 0 where it
    helps; None where that was not checked. loss: on the items after training on all groups.
    """

    groups: list[str]
    rows: list[int]
    influence: list[float]
    without: list[float | None]
    loss: float

    def record(self) -> dict[str, Any]:
        """Return the result as the value of a mark."""
        return asdict(self)

    @property
    def worst(self) -> str:
        """Return the group of least use: of those that were checked the one with the lowest sum of influence and change of the loss,
        without a check the one with the lowest influence.

        Either alone errs where groups are small: gradients of two groups are nearly equally near, or one training differs by chance.
        A cosine and a change in nats are of the same order for the small student.
        """
        both = {
            name: influence + loss
            for name, influence, loss in zip(self.groups, self.influence, self.without, strict=True)
            if loss is not None
        }
        if both:
            return min(both, key=lambda name: both[name])
        return self.groups[int(np.argmin(self.influence))]

    @property
    def harmful(self) -> bool:
        """Return whether the training without the group of least use has a lower loss on the items."""
        loss = self.without[self.groups.index(self.worst)]
        return loss is not None and loss < 0


def attribute(
    samples: Mapping[str, pa.Table],
    items: pa.Table,
    *,
    base: Path | str | None = None,
    steps: int = 60,
    lr: float = 3e-3,
    check: Sequence[str] | None = None,
    seed: int = 0,
) -> Attribution:
    """Measure the influence of each group on the items; both have rows with a question and a solution.

    base: a checkpoint that learns; None: a small student, made of the groups. check: groups that a training is repeated without; None:
    the SUSPECTS groups of the lowest influence. Raises TrainError if there are fewer than two groups, or too few items, of LEAST rows that fit.
    """
    import torch

    from tasks.training.models import model_of, tokenizer_of
    from tasks.training.student import model_of as fresh_model
    from tasks.training.student import tokenizer_of as fresh_tokenizer
    from tasks.training.tokens import TokenEncoder

    if base is None:
        tokenizer = fresh_tokenizer(texts_of(samples))
        start = fresh_model(tokenizer, seed=seed_of(seed, "attribution") % 2**32)
    else:
        tokenizer, start = tokenizer_of(str(base)), model_of(str(base))
    encoder, pad = TokenEncoder(tokenizer, LENGTH, weighted=False), int(tokenizer.pad_token_id)
    blocks = {name: blocks_of(samples[name], encoder, seed) for name in sorted(samples)}
    blocks = {name: rows for name, rows in blocks.items() if len(rows) >= LEAST}
    asked = blocks_of(items, encoder, seed)
    if len(blocks) < 2 or len(asked) < LEAST:
        raise TrainError(
            f"attribution needs two groups and items of at least {counted(LEAST, 'row')} within {counted(LENGTH, 'token')} each; "
            f"there are {counted(len(blocks), 'such group')} and {counted(len(asked), 'item')}. Fix: another column with --by, or a larger version"
        )
    model = copy.deepcopy(start)
    sums = np.zeros(len(blocks))
    order = mixed(blocks, steps, seed)
    for number in range(MOMENTS):
        learn(
            model, order[number * len(order) // MOMENTS : (number + 1) * len(order) // MOMENTS], None, lr, pad
        )
        model.eval()
        towards = torch.nn.functional.normalize(gradient(model, asked, pad), dim=0)
        for place, rows in enumerate(blocks.values()):
            own = torch.nn.functional.normalize(gradient(model, rows, pad), dim=0)
            sums[place] += float(own @ towards)
    loss = loss_of(model, asked, pad)
    lowest = [list(blocks)[place] for place in np.argsort(sums, kind="stable")[:SUSPECTS].tolist()]
    chosen = set(lowest if check is None else check)
    without: list[float | None] = []
    for name in blocks:
        if name not in chosen:
            without.append(None)
            continue
        other = copy.deepcopy(start)
        rest = mixed({one: rows for one, rows in blocks.items() if one != name}, steps, seed)
        learn(other, rest, None, lr, pad)
        other.eval()
        without.append(round(loss_of(other, asked, pad) - loss, 4))
    return Attribution(
        list(blocks),
        [len(rows) for rows in blocks.values()],
        [round(float(value) / MOMENTS, 4) for value in sums],
        without,
        round(loss, 4),
    )


def mixed(blocks: Mapping[str, Sequence[TokenBlock]], steps: int, seed: int) -> list[TokenBlock]:
    """Return the rows of `steps` batches: all groups in the order of a hash, round and round."""
    names = [(name, place) for name, rows in blocks.items() for place in range(len(rows))]
    hashes = seeds_of((seed, "attribution", "order"), (f"{name} {place}" for name, place in names))
    every = [blocks[names[i][0]][names[i][1]] for i in np.argsort(hashes, kind="stable").tolist()]
    return list(itertools.islice(itertools.cycle(every), steps * BATCH))
