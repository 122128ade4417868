"""The settings of a training run: one model for every method, the form in the Prefect UI and the YAML of recipes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from storage.errors import ForPeople
from tasks.plugins import names
from tasks.settings import Folded

METHODS = "tasks.training.methods"
FRESH = "student"  # as `base`: an untrained student with a tokenizer of the data
VERIFIER = "verifier"  # as `rollout.reward`: 1 where the final answer is the reference answer, else 0


class TrainError(ForPeople, ValueError):
    """A training run that cannot be started or continued. The message names the setting or the file, and the fix."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    dataset: str = Field(
        description="NAME, NAME@VERSION or NAME@TAG; what it stands for at the start is pinned"
    )
    weight: float | None = Field(
        None,
        gt=0,
        description="share of the training tokens, by its part of all weights; empty: every row once",
    )
    without: dict[str, tuple[str, ...]] = Field(
        {}, description="rows to leave out, such as source: [web]; needs a weight"
    )


Data = Annotated[tuple[Source, ...], Field(min_length=1)]


class Stage(Part):
    """A further training stage, which starts from the checkpoint of the one before."""

    data: Data = Field(description="datasets of the stage")
    epochs: float | None = Field(None, gt=0, description="times every row is seen")
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    lr: float | None = Field(None, gt=0, description="peak learning rate; empty: that of the first stage")

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a stage needs one of epochs and steps")
        return self


class Lora(Part):
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: str = Field("all-linear", description="layers, as peft names them")


class Rollout(Part):
    """The settings of sampling during training, for rft, ppo, grpo and rloo."""

    samples: int = Field(4, ge=1, description="completions of a prompt")
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(128, ge=1)
    sampler: str | None = Field(None, description="rft: checkpoint that samples; empty: the base")
    reward: str = Field(VERIFIER, description="verifier, or the checkpoint of a reward model")
    most_unjudged: float = Field(
        0.5, gt=0, le=1, description="share of recent completions without a verdict above which the run stops"
    )
    kl: float = Field(0.05, ge=0, description="weight of the divergence from the base checkpoint")
    clip: float = Field(0.2, gt=0, description="how far a probability ratio counts")
    passes: int = Field(2, ge=1, description="ppo: times each batch of completions is learned from")
    value_weight: float = Field(0.1, ge=0, description="ppo: weight of the value head's loss")
    value_clip: float = Field(0.2, gt=0, description="ppo: how far a value may move in a batch")
    discount: float = Field(1.0, gt=0, le=1, description="ppo: gamma")
    trace: float = Field(0.95, ge=0, le=1, description="ppo: lambda of the advantages (GAE)")


class Train(Part):
    """One training run. With one GPU or none everything runs in this process."""

    method: str = Field("sft", description="file of tasks/training/methods/")
    base: str = Field(
        FRESH,
        description="checkpoint folder or hub name; student: a fresh small one with a tokenizer of the data",
    )
    data: Data = Field((Source(dataset="math-sft"),), description="datasets and their weights")
    epochs: float | None = Field(
        None, gt=0, description="times every row is seen; 3 where steps is empty too"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    then: tuple[Stage, ...] = Field((), description="further stages")
    batch: int = Field(
        64, ge=1, description="rows a step, over all devices; packed: blocks of `length` tokens"
    )
    micro_batch: int | None = Field(None, ge=1, description="of them a device at a time; empty: all")
    length: int = Field(1024, ge=16, description="tokens of a row at most, and of a packed block")
    packing: bool = Field(True, description="several rows in a block, each blind to the others")
    loss_weights: bool = Field(True, description="weigh each row's loss by its loss_weight")
    lr: float = Field(2e-5, gt=0, description="peak learning rate (AdamW, cosine)")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: any")
    beta: float = Field(0.1, gt=0, description="dpo: strength of the reference")
    reference: str | None = Field(
        None, description="cpt: checkpoint whose excess loss selects tokens (Rho-1); empty: all tokens"
    )
    keep_tokens: float = Field(0.6, gt=0, le=1, description="cpt with a reference: share of tokens learned")
    rollout: Folded[Rollout] = Field(
        Rollout(), description="what is sampled while training, in rft, ppo, grpo and rloo"
    )
    lora: Lora | None = Field(None, description="train adapters only; the checkpoint has them merged")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the GPU has it")
    checkpointing: bool = Field(False, description="compute activations twice instead of keeping them")
    processes: int = Field(1, ge=1, description="processes, a GPU each where there are GPUs (accelerate)")
    sharding: Literal["none", "fsdp"] = Field(
        "none", description="fsdp: weights shared out over the processes"
    )
    save_every: int | None = Field(None, ge=1, description="steps between checkpoints to resume from")
    log_every: int = Field(10, ge=1, description="steps between points of the curves")
    seed: int = Field(0, description="same seed, same data, same machine, same weights")

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in names(METHODS):
            raise ValueError(f"no method {method!r}; there are: {', '.join(names(METHODS))}")
        return method

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps: give one of them")
        for data in (self.data, *(stage.data for stage in self.then)):
            weighted = [source.weight is not None for source in data]
            if any(weighted) and not all(weighted):
                raise ValueError("data: give every dataset a weight, or none")
            if any(source.without and source.weight is None for source in data):
                raise ValueError("data: a dataset of which rows are left out needs a weight")
        if self.batch % (self.micro() * self.processes):
            raise ValueError(
                f"batch {self.batch} is no multiple of micro_batch {self.micro()} times processes {self.processes}"
            )
        if self.sharding == "fsdp" and self.processes == 1:
            raise ValueError("sharding fsdp needs processes of 2 or more")
        return self

    def micro(self) -> int:
        """Return how many rows or blocks one process takes at a time."""
        return self.micro_batch or max(1, self.batch // self.processes)

    def stages(self) -> list[Stage]:
        """Return all stages, the first one included."""
        epochs = 3.0 if self.epochs is None and self.steps is None else self.epochs
        first = Stage(data=self.data, epochs=epochs, steps=self.steps, lr=self.lr)
        return [first, *(one.model_copy(update={"lr": one.lr or self.lr}) for one in self.then)]
