"""The loss and the gradient of a step equal those of a plain loop over its rows, for every packing and micro-batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from storage.datasets.store import Store
from tasks.training import student
from tasks.training.config import Train
from tasks.training.job import Job
from tasks.training.loader import TokenBlock, by_length, collate
from tasks.training.loss import kept, selected, weighted_sum
from tasks.training.models import model_of, tokenizer_of
from tasks.training.weighted import stream_of, trainer_of

ROWS = 8


@pytest.fixture
def step(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> Callable[..., Job]:
    """Return a job of one step on an untrained student."""

    def make(**settings: object) -> Job:
        config = tiny(steps=1, **settings)
        texts = store.read("sums", ["question", "solution"]).to_pylist()
        base = student.fresh([text for row in texts for text in row.values()], tmp_path / "base", seed=3)
        out = tmp_path / "stage"
        out.mkdir(exist_ok=True)
        version = store.resolve("sums")
        return Job(config, config.stages()[0], 1, store, (version,), str(base), out, lambda text: None)

    return make


def rows_of(block: TokenBlock) -> list[dict[str, torch.Tensor]]:
    """Return the rows of a block, each as its own batch."""
    starts = [*(block["position_ids"] == 0).nonzero()[0].tolist(), len(block["input_ids"])]
    return [
        {key: torch.from_numpy(values[a:b])[None] for key, values in block.items()}
        for a, b in itertools.pairwise(starts)
    ]


def plain(model: torch.nn.Module, rows: list[dict[str, torch.Tensor]]) -> tuple[float, list[torch.Tensor]]:
    """Return loss and gradients by their definition, row by row and token by token."""
    total = torch.zeros(())
    weight = 0.0
    for row in rows:
        logits = model(input_ids=row["input_ids"]).logits[0]
        for at in range(1, logits.shape[0]):
            label = int(row["labels"][0, at])
            if label != -100:
                each = float(row["loss_weights"][0, at])
                total = total - each * torch.log_softmax(logits[at - 1], -1)[label]
                weight += each
    (total / weight).backward()
    return float(total.detach() / weight), [part.grad.clone() for part in model.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packing", "batch", "micro"), [(True, 4, 4), (True, 4, 1), (False, ROWS, ROWS), (False, ROWS, 2)]
)
def test_packing_and_accumulation_change_nothing(
    step: Callable[..., Job], packing: bool, batch: int, micro: int
) -> None:
    job = step(packing=packing, batch=batch, micro_batch=micro)
    tokenizer = tokenizer_of(job.base)
    stream = stream_of(job, tokenizer)
    blocks = stream.blocks() if packing else by_length(stream.blocks(), batch)
    taken = [next(blocks) for _ in range(batch)]
    rows = [row for block in taken for row in rows_of(block)]
    assert len(rows) > batch if packing else len(rows) == batch
    weights = {float(row["loss_weights"].max()) for row in rows}
    assert len(weights) == len(rows)  # every row weighs something else

    trainer, _ = trainer_of(job, stream, tokenizer, model_of(job.base), steps=1)
    seen_gradients = []
    trainer.create_optimizer()
    trainer.optimizer.register_step_pre_hook(
        lambda *_: seen_gradients.extend(part.grad.clone() for part in trainer.model.parameters())
    )
    trainer.args.max_grad_norm = 0  # clipping would hide a wrong scale
    training_loss = trainer.train().training_loss

    loss, gradients = plain(model_of(job.base), rows)
    assert training_loss == pytest.approx(loss, abs=1e-5)
    assert len(seen_gradients) == len(gradients)
    for gradient, expected_gradient in zip(seen_gradients, gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, atol=1e-5, rtol=1e-4)


def test_rows_of_a_block_are_blind_to_each_other(step: Callable[..., Job]) -> None:
    job = step(packing=True)
    model, tokenizer = model_of(job.base), tokenizer_of(job.base)
    blocks = stream_of(job, tokenizer).blocks()
    taken = [next(blocks) for _ in range(3)]
    rows = [row for block in taken for row in rows_of(block)]
    alone = sum(
        weighted_sum(model(input_ids=row["input_ids"]).logits, row["labels"], row["loss_weights"])
        for row in rows
    )
    for flat in (False, True):
        batch = collate(taken, tokenizer.pad_token_id, flat=flat)
        logits = model(
            input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
        ).logits
        together = weighted_sum(logits, batch["labels"], batch["loss_weights"])
        assert together.item() == pytest.approx(alone.item(), rel=1e-5)


def test_the_prompt_is_not_learned(step: Callable[..., Job]) -> None:
    job = step(packing=False)
    tokenizer = tokenizer_of(job.base)
    row = next(stream_of(job, tokenizer).blocks())
    learned = row["input_ids"][row["labels"] != -100]
    text = tokenizer.decode(row["input_ids"][row["labels"] == -100])
    assert text.startswith("<|user|>Number")
    assert text.endswith("<|assistant|>")
    assert tokenizer.decode(learned).endswith("}<|end|>")


def test_selection_keeps_the_tokens_of_most_excess_loss() -> None:
    losses = torch.tensor([[5.0, 1.0, 4.0, 9.0, 2.0]])
    reference = torch.tensor([[1.0, 1.0, 3.0, 0.0, 0.0]])
    labels = torch.tensor([[7, 7, 7, -100, 7]])  # the fourth is not learned, whatever its excess
    assert selected(losses, reference, labels, 0.5).tolist() == [[True, False, False, False, True]]
    assert kept(4, 0.5) == 2
    assert kept(1, 0.01) == 1
