"""Run transformers' Trainer on blocks of packed rows with a loss weight per row; its loop, gradient accumulation, devices,
resumption and saving are kept.

TRL's SFTTrainer is not used: it has no weight per row, averages the means of micro-batches, and tokenizes everything
before the first step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import torch
from torch.utils.data import IterableDataset
from transformers import PrinterCallback, Trainer, TrainingArguments

from storage.atomic import rename
from storage.rows import column
from tasks.loss_weights import loss_weights
from tasks.selection import PASS_RATE
from tasks.training.config import TrainError
from tasks.training.curves import Curve
from tasks.training.job import Job
from tasks.training.loader import BlockStream, Group, Stream, TokenBlock, by_length, collate
from tasks.training.loss import kept, selected, token_losses, weight_of, weighted_sum
from tasks.training.models import adapted, arguments, flat, model_of, save
from tasks.training.tokens import TokenEncoder, Weigh, Weights


class Blocks(IterableDataset):  # type: ignore[misc]
    """A stream of blocks as torch's data loader reads it."""

    def __init__(self, stream: BlockStream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[TokenBlock]:
        blocks = self.stream.blocks()
        return blocks if self.stream.packing else by_length(blocks, self.stream.batch)


class WeightedTrainer(Trainer):  # type: ignore[misc]
    """A Trainer with a loss weight per row.

    reference: a model; the `share` of the tokens whose loss exceeds its loss most is learned.
    """

    loss_is_scaled_for_ga = True  # the loss is divided once, by the weight of the whole step

    def __init__(self, *, reference: Any = None, share: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.reference = None if reference is None else reference.to(self.args.device).eval()
        self.share = share
        self.tokens = 0

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """Return the step's micro-batches and the weight of all of them on all devices."""
        batches = [next(epoch_iterator) for _ in range(num_batches)]
        tokens = sum(batch.pop("tokens").sum() for batch in batches).to(device)
        total = sum(self._weight(batch) for batch in batches).to(device)
        if self.args.world_size > 1:
            tokens, total = (self.accelerator.gather(count).sum() for count in (tokens, total))
        self.tokens += int(tokens)
        return batches, total.clamp(min=torch.finfo(torch.float32).tiny)

    def _weight(self, batch: dict[str, Any]) -> Any:
        if self.reference is None:
            return weight_of(batch["loss_weights"])
        return torch.tensor(float(kept(int((batch["loss_weights"][:, 1:] > 0).sum()), self.share)))

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels, weights = inputs["labels"], inputs["loss_weights"]
        # with a cache transformers would not look at the positions, and the rows of a block would see each other
        read = {"input_ids": inputs["input_ids"], "position_ids": inputs["position_ids"], "use_cache": False}
        outputs = model(**read)
        if self.reference is None:
            loss = weighted_sum(outputs.logits, labels, weights)
        else:
            with torch.no_grad():
                expected = token_losses(self.reference(**read).logits, labels)
            losses = token_losses(outputs.logits, labels)
            loss = losses[selected(losses, expected, labels[:, 1:], self.share)].sum()
        # processes average their gradients; the weight is that of all of them
        loss = loss / num_items_in_batch * self.args.world_size
        return (loss, outputs) if return_outputs else loss


def stream_of(
    job: Job,
    tokenizer: Any,
    *,
    whole: bool = False,
    more: tuple[str, ...] = (),
    instead: tuple[str, ...] = (),
) -> Stream:
    """Return the stage's versions as a stream of blocks.

    more: Parquet files with further rows. instead: Parquet files that replace the versions.
    """
    config = job.config
    groups = job.groups()
    if instead:
        groups = [Group((), files=instead)]
    elif more:
        groups = [dataclasses.replace(groups[0], files=more), *groups[1:]]
    encoder = TokenEncoder(
        tokenizer,
        config.length,
        weighted=config.loss_weights,
        whole=whole,
        thinking=config.reasoning == "inline",
        weigh=weigh_of(job) if config.reweigh is not None else None,
    )
    return Stream(
        job.store, groups, encoder, config.length, config.packing, config.batch, job.seed, config.curriculum
    )


def weigh_of(job: Job) -> Weigh:
    """Return what computes the weights of rows anew. Raises TrainError if the version of the pass rates has none."""
    settings = job.config.reweigh
    assert settings is not None
    rates: dict[str, float] = {}
    if settings.pass_rates:
        table = job.store.read(settings.pass_rates, ["problem_id", "scores"])
        for problem, pairs in zip(column(table, "problem_id"), column(table, "scores"), strict=True):
            rate = dict(pairs or ()).get(PASS_RATE)
            if rate is not None:
                rates[problem] = rate
        if not rates:
            raise TrainError(
                f"setting reweigh.pass_rates: no row of {settings.pass_rates} has a pass rate. Fix: name a version NAME-prompts of "
                "`./mathmill rft`"
            )

    def weigh(rows: pa.Table) -> Weights:
        weights: Weights = loss_weights(rows, settings, rates).to_numpy(zero_copy_only=False)
        return weights

    return weigh


def learn(
    job: Job,
    stream: BlockStream,
    tokenizer: Any,
    *,
    reference: Any = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train the base on the stream, write the stage's checkpoint and curve, and return the metrics, with `facts` added.

    reference: a model; only tokens whose loss exceeds its loss most are learned. Raises TrainError if `length` exceeds the
    context of the base.
    """
    measure = stream.measure()
    steps = job.steps(measure.blocks)
    model = model_of(job.base)
    context = getattr(model.config, "max_position_embeddings", None) or job.config.length
    if job.config.length > context:
        raise TrainError(
            f"length {job.config.length} exceeds the context of {job.base}. Fix: --set length={context}"
        )
    model = adapted(model, job.config)
    trainer, curve = trainer_of(job, stream, tokenizer, model, steps, reference)
    trainer.train(resume_from_checkpoint=job.resumable())
    metrics = curve.metrics() | {
        "steps": steps,
        "epoch_rows": measure.rows,
        "epoch_tokens": measure.tokens,
        "epoch_learned_tokens": measure.learned,
        "epoch_blocks": measure.blocks,
        "left_out": measure.dropped,
        "parameters": sum(part.numel() for part in model.parameters()),
        **(facts or {}),
    }
    if job.config.sharding == "fsdp":
        trainer.save_model(
            str(job.out / "gathered")
        )  # a call of all processes: each holds a part of the weights
    if trainer.is_world_process_zero():
        job.finish(lambda out: _save(job, trainer, tokenizer, out), metrics)
    return metrics


def trainer_of(
    job: Job, stream: BlockStream, tokenizer: Any, model: Any, steps: int, reference: Any = None
) -> tuple[WeightedTrainer, Curve]:
    """Return the trainer of a stage and the curve that records it."""
    ends = flat() and stream.packing

    def together(blocks: list[TokenBlock]) -> dict[str, Any]:
        batch = collate(blocks, tokenizer.pad_token_id, flat=ends)
        return batch | {"tokens": torch.tensor([len(block["input_ids"]) for block in blocks])}

    args = TrainingArguments(
        **arguments(job, steps),
        dataloader_num_workers=int(torch.cuda.is_available()),  # one: each would read the whole stream
        accelerator_config={"dispatch_batches": False, "even_batches": False},
    )
    args._n_gpu = min(args.n_gpu, 1)  # several GPUs are used by several processes, never by DataParallel
    curve = Curve(job)
    trainer = WeightedTrainer(
        model=model,
        args=args,
        train_dataset=Blocks(stream),
        data_collator=together,
        processing_class=tokenizer,
        callbacks=[curve],
        reference=reference,
        share=job.config.keep_tokens,
    )
    curve.tokens = lambda: trainer.tokens
    trainer.remove_callback(PrinterCallback)
    return trainer, curve


def _save(job: Job, trainer: WeightedTrainer, tokenizer: Any, out: Any) -> None:
    gathered = job.out / "gathered"
    if gathered.exists():
        rename(gathered, out)
    else:
        save(trainer.accelerator.unwrap_model(trainer.model), tokenizer, out)
