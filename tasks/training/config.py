"""The settings of a training run: one model for every method, the form in the Prefect UI and the YAML of recipes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.loss_weights import LossWeights
from tasks.plugins import checked, names
from tasks.settings import Folded, one_of
from tasks.training.errors import VERIFIER as VERIFIER
from tasks.training.errors import TrainError as TrainError

METHODS = "tasks.training.methods"
TRACKERS = "tasks.training.trackers"
FRESH = "student"  # as `base`: an untrained student with a tokenizer of the data


class SettingsPart(BaseModel):
    """The base of all parts of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(SettingsPart):
    """A dataset and its share of the training."""

    dataset: str = Field(
        description="NAME, NAME@VERSION or NAME@TAG; the version at the start of the run is used throughout"
    )
    weight: float | None = Field(
        None,
        gt=0,
        description="weight of the dataset: its share of the training tokens, relative to the sum of all weights; empty: every row once",
    )
    without: dict[str, tuple[str, ...]] = Field(
        {}, description="rows to leave out, such as source: [web]; needs a weight"
    )


Data = Annotated[tuple[Source, ...], Field(min_length=1)]


class TrainingStage(SettingsPart):
    """A further training stage, which starts from the checkpoint of the one before."""

    data: Data = Field(description="datasets of the stage")
    epochs: float | None = Field(None, gt=0, description="number of passes over the rows")
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    lr: float | None = Field(None, gt=0, description="peak learning rate; empty: that of the first stage")

    @model_validator(mode="after")
    def _one_length(self) -> TrainingStage:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a stage needs one of epochs and steps")
        return self


class Reweighing(LossWeights, title="Loss weights"):
    pass_rates: str = Field(
        "",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="version whose pass rates stand in place of those of the rows, by question: NAME-prompts@VERSION of a run of rft whose "
        "samplers were the student as it is now and which kept all questions (prompts.keep), since a question without a rate there has that of "
        "the rows; empty: those of the rows",
    )


class Lora(SettingsPart):
    """The settings of low-rank adapters."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: str = Field("all-linear", description="target modules, as named by peft")


class Rollout(SettingsPart):
    """The settings of sampling during training, for rft, ppo, grpo and rloo."""

    samples: int = Field(4, ge=1, description="completions per prompt")
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(128, ge=1)
    sampler: str | None = Field(None, description="rft: checkpoint that samples; empty: the base")
    reward: str = Field(VERIFIER, description="verifier, or the checkpoint of a reward model")
    most_unjudged: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of recent completions without a judgement above which the run stops",
    )
    kl: float = Field(0.05, ge=0, description="weight of the divergence from the base checkpoint")
    clip: float = Field(0.2, gt=0, description="clip range of the probability ratio")
    passes: int = Field(2, ge=1, description="ppo: updates per batch of completions")
    value_weight: float = Field(0.1, ge=0, description="ppo: weight of the value head's loss")
    value_clip: float = Field(0.2, gt=0, description="ppo: clip range of the values")
    discount: float = Field(1.0, gt=0, le=1, description="ppo: gamma")
    trace: float = Field(0.95, ge=0, le=1, description="ppo: lambda of the advantages (GAE)")


class Train(SettingsPart):
    """The settings of one training run. With one GPU or none, everything runs in this process."""

    method: str = Field(
        "sft",
        description="training method, a file of tasks/training/methods/: sft, rft, cpt, dpo, ppo or another",
        json_schema_extra=one_of(lambda: names(METHODS)),
    )
    base: str = Field(
        FRESH,
        description="folder or hub name of the checkpoint to start from, or hf:NAME for a model in the home's folder models; student: an untrained small student with a tokenizer built from the data",
    )
    data: Data = Field(
        (Source(dataset="math-sft"),),
        description="versions to train on and their weights; such as math-sft@production=0.8 on the command line",
    )
    epochs: float | None = Field(
        None, gt=0, description="number of passes over the rows; 3 if steps is empty too"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    then: tuple[TrainingStage, ...] = Field(
        (), description="further training stages, each on the checkpoint of the one before"
    )
    batch: int = Field(
        64, ge=1, description="rows per step over all devices; with packing: blocks of `length` tokens"
    )
    micro_batch: int | None = Field(
        None, ge=1, description="rows or blocks per device and forward pass; empty: all"
    )
    length: int = Field(1024, ge=16, description="largest number of tokens of a row and of a packed block")
    packing: bool = Field(
        True, description="pack several rows into a block; they do not attend to each other"
    )
    reasoning: Literal["inline", "none"] = Field(
        "inline",
        description="thinking of rows that have it: learned in <think> tags before the solution, or left out",
    )
    curriculum: Literal["none", "easy first", "hard first"] = Field(
        "none",
        description="order of the rows of each epoch by their column order, in phases that are shuffled within; rows without one count as of middle difficulty",
    )
    loss_weights: bool = Field(True, description="multiply the loss of each row by its loss_weight")
    reweigh: Reweighing | None = Field(
        None,
        description="weights that are computed anew from the scores and verdicts of the rows; null: those that the version was published with",
    )
    lr: float = Field(2e-5, gt=0, description="peak learning rate (AdamW, cosine)")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no limit")
    beta: float = Field(0.1, gt=0, description="dpo: strength of the reference model")
    reference: str | None = Field(
        None, description="cpt: checkpoint whose excess loss selects tokens (Rho-1); empty: all tokens"
    )
    packed: str = Field(
        "",
        description="cpt: folder of `export --format packed` of the version in data, whose blocks are read; empty: rows are tokenized here",
    )
    keep_tokens: float = Field(0.6, gt=0, le=1, description="cpt with a reference: share of tokens learned")
    rollout: Folded[Rollout] = Field(
        Rollout(), description="sampling during training, in rft, ppo, grpo and rloo"
    )
    lora: Lora | None = Field(None, description="train adapters only; they are merged into the checkpoint")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto: bf16 if the GPU supports it"
    )
    checkpointing: bool = Field(False, description="recompute activations instead of storing them")
    processes: int = Field(
        1, ge=1, description="number of processes, each with one GPU if there are GPUs (accelerate)"
    )
    sharding: Literal["none", "fsdp"] = Field(
        "none", description="fsdp: shard the weights over the processes"
    )
    save_every: int | None = Field(None, ge=1, description="steps between checkpoints to resume from")
    log_every: int = Field(10, ge=1, description="steps between points of the curves")
    report_to: tuple[str, ...] = Field(
        (),
        description="where the curves are sent too, files of tasks/training/trackers/: tensorboard, mlflow, trackio, wandb",
    )
    seed: int = Field(0, description="random seed; with the same data and machine it gives the same weights")

    def deciding(self) -> dict[str, Any]:
        """Return what decides the weights, as JSON; runs are named by it.

        Where curves are sent decides nothing. A setting that is younger than the names is left out where it changes nothing, so that
        a newer program finds what an older one trained.
        """
        unset = {"reweigh"} if self.reweigh is None else set()
        return self.model_dump(mode="json", exclude={"report_to", *unset})

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in names(METHODS):
            raise ValueError(f"no method {method!r}; there are: {', '.join(names(METHODS))}")
        return method

    @field_validator("report_to", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        """Accept names separated by commas."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator("report_to")
    @classmethod
    def _trackers(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        checked("tracker", chosen, names(TRACKERS))
        return chosen

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
        if self.reweigh is not None and not self.loss_weights:
            raise ValueError("reweigh needs loss_weights, which is off")
        if self.sharding == "fsdp" and self.processes == 1:
            raise ValueError("sharding fsdp needs processes of 2 or more")
        return self

    def micro(self) -> int:
        """Return how many rows or blocks one process takes at a time."""
        return self.micro_batch or max(1, self.batch // self.processes)

    def stages(self) -> list[TrainingStage]:
        """Return all stages, the first one included."""
        epochs = 3.0 if self.epochs is None and self.steps is None else self.epochs
        first = TrainingStage(data=self.data, epochs=epochs, steps=self.steps, lr=self.lr)
        return [first, *(one.model_copy(update={"lr": one.lr or self.lr}) for one in self.then)]
