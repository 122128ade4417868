"""The configuration of the flow evaluate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flows.config.sections import BudgetSettings
from tasks.llm.model_files import short_name
from tasks.settings import Folded, Section

OtherForm = Literal["choice", "program", "words_or_program", "likelihood"]


class Evaluate(Section):
    """The settings of an evaluation. Answers are in the ledger, so a repeated or killed one asks for nothing twice."""

    model: str = Field("student", description="a role (student, teacher, ...), or hf:FOLDER of a checkpoint")
    baseline: str = Field("", description="another model, to compare with; empty: none")
    benchmarks: list[str] = Field(
        [],
        description="files of benchmark items, or folders of such files; empty: the project's own probe problems",
    )
    tasks: list[str] = Field(
        [], description="tasks of lm-evaluation-harness, in addition to files or instead of them"
    )
    task_folder: str = Field("", description="folder of further lm-evaluation-harness tasks (YAML)")
    shots: int | None = Field(None, ge=0, description="examples shown by those tasks; empty: as each says")
    chat_template: bool = Field(
        True, description="put those tasks' prompts through the chat template of a checkpoint"
    )
    also: dict[str, list[OtherForm]] = Field(
        {},
        description="benchmarks to be asked in further forms too: numeric answers as `choice`, `program` or `words_or_program` (whichever the model chooses), such as gsm8k_test: [choice], and multiple choice by the `likelihood` of its options, for checkpoints",
    )
    instead: dict[str, OtherForm] = Field(
        {},
        description="benchmarks to be asked in one of these forms instead of their own, such as math_test: words_or_program for a model that was trained on words and programs",
    )
    domains: dict[str, str] = Field({}, description="domain of a benchmark whose name does not tell it")
    limit: int | None = Field(None, ge=1, description="most items per benchmark, drawn by the seed")
    samples: int = Field(
        1, ge=1, le=256, description="answers per item; pass@1 is their mean, maj@k their majority"
    )
    pass_at: list[int] = Field(
        [10, 100], description="k of pass@k (unbiased), where there are at least k answers per item"
    )
    temperature: float | None = Field(None, ge=0, description="empty: 0 for one sample, 0.7 for several")
    bare: bool | None = Field(
        None,
        description="ask the question alone, as training data has it; empty: so for checkpoints, by prompts for others",
    )
    tails: int = Field(
        0,
        ge=0,
        description="items of each benchmark whose ends the model is asked to complete, to show whether it has seen the benchmark; 0: none",
    )
    max_tokens: int = Field(0, ge=0, description="cap of an answer; 0: as the prompt says")
    answers: Literal["online", "batch", "files", "offline"] = Field(
        "online", description="as for a night; offline: from the ledger only"
    )
    budget: Folded[BudgetSettings] = Field(
        BudgetSettings(), description="most USD and tokens, and the deadline"
    )
    seed: int = Field(0, description="same seed, same items, same samples")
    shard_rows: int = Field(256, ge=1, le=100_000, description="items a task run")

    @property
    def shown_model(self) -> str:
        """The model as the name of the run shows it."""
        return short_name(self.model)
