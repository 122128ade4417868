"""How many samples a question gets, and how many of its right solutions stay (DART-Math, Tong et al. 2024, arXiv:2407.13690).

The paper's two rules, both by the fail rate, which is the share of wrong ones among the samples that could be judged:

- Uniform: every question is sampled until it has `most` right solutions.
- Prop2Diff: the number of right solutions is proportional to the fail rate, `most` for a question that always fails, and at least one.

The paper divides by the fail rate of the most challenging question; here that is 1, so that the number of a question depends on no other one.
Both stop at `most_samples`, since some questions are too hard for the models or have a wrong reference answer. A question that has no right
sample by then, or by `unsolved_after`, counts as unsolved. The first round, which measures the fail rate, counts like the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.settings import Section, Share
from tasks.worth import Worth

AllocationRule = Literal["fixed", "uniform", "prop2diff"]


class SampleSettings(Section, title="Sample"):
    samples: int = Field(8, ge=1, le=1024, description="solutions of each question in the first round")
    most_samples: int = Field(
        32,
        ge=1,
        le=4096,
        description="solutions of a question in all rounds together, at most; not read if allocate is fixed",
    )
    unsolved_after: int = Field(
        0,
        ge=0,
        le=4096,
        description="solutions of a question, none of them right, after which it counts as unsolved and is sampled no more, so that less is "
        "spent on questions that are too hard or whose known answer is wrong; 0: most_samples. Not read if allocate is fixed",
    )
    allocate: AllocationRule = Field(
        "prop2diff",
        description="which questions are sampled again, and how many right solutions stay: fixed: one round, up to `most` each; uniform: "
        "until each has `most`; prop2diff: until each has a number in proportion to its fail rate, of which the hardest have `most`",
    )
    most: int = Field(4, ge=1, le=1024, description="right solutions of a question that stay, at most")
    pot_share: Share = Field(0.0, description="share of the samples that are programs")
    temperatures: list[float] = Field(
        [],
        description="sampling temperatures, drawn per sample; empty: as the prompt states; one that is set for the model comes first",
    )
    prompt: Literal["solve", "question"] = Field(
        "solve",
        description="solve: the prompts solve_cot and solve_pot; question: the question alone, as models are asked that mathmill trained",
    )
    form: Literal["words", "words_or_program"] = Field(
        "words",
        description="what answers to the question alone are: words, or words_or_program, where a block of code is executed, for models that "
        "were trained on both and choose by the question",
    )
    max_tokens: int = Field(
        1024, ge=1, description="tokens of a solution to the question alone; other prompts state their own"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.allocate != "fixed" and self.most_samples < self.samples:
            raise ValueError(
                f"most_samples {self.most_samples} is less than samples {self.samples}, those of the first round"
            )
        if self.allocate != "fixed" and self.unsolved_after:
            if self.unsolved_after < self.samples:
                raise ValueError(
                    f"unsolved_after {self.unsolved_after} is less than samples {self.samples}, those of the first round"
                )
            if self.unsolved_after > self.most_samples:
                raise ValueError(
                    f"unsolved_after {self.unsolved_after} is over most_samples {self.most_samples}, those of all rounds"
                )
        if any(not 0 <= value <= 5 for value in self.temperatures):
            raise ValueError("temperatures: each must be from 0 to 5")
        if self.prompt == "question" and self.pot_share:
            raise ValueError("pot_share: the question alone asks for no program; set it to 0")
        if self.prompt != "question" and self.form != "words":
            raise ValueError(
                "form: the prompts solve_cot and solve_pot ask for their own; set prompt to question"
            )
        return self

    @property
    def tries(self) -> int:
        """The samples of a question after which it counts as unsolved if none of them is right."""
        if self.allocate == "fixed":
            return self.samples
        return self.unsolved_after or self.most_samples

    @property
    def runs_programs(self) -> bool:
        """Whether a sample may be a program."""
        return self.pot_share > 0 or self.form == "words_or_program"


class Solved(StrEnum):
    """How many of the judged samples of a question are right."""

    ALWAYS = "always solved"
    SOMETIMES = "solved sometimes"
    NEVER = "unsolved"
    UNKNOWN = "not judged"  # no sample could be judged


@dataclass(slots=True)
class Tally:
    """The samples of one question by their worth. Those that are neither right nor wrong count as sampled alone."""

    sampled: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, worth: Worth) -> None:
        self.sampled += 1
        self.right += worth is Worth.RIGHT
        self.wrong += worth is Worth.WRONG

    @property
    def fail_rate(self) -> float | None:
        """The share of wrong ones among the judged samples; None if none was judged."""
        judged = self.right + self.wrong
        return self.wrong / judged if judged else None

    @property
    def solved(self) -> Solved:
        """Whether all, some or none of the judged samples are right."""
        if not self.right:
            return Solved.NEVER if self.wrong else Solved.UNKNOWN
        return Solved.SOMETIMES if self.wrong else Solved.ALWAYS


def staying(fail_rate: float | None, rule: AllocationRule, most: int) -> int:
    """Return how many right solutions of a question stay at most, 1 or more. One whose fail rate is not known counts as hard."""
    if rule != "prop2diff" or fail_rate is None:
        return most
    return max(1, math.ceil(most * fail_rate))


def next_samples(tally: Tally, settings: SampleSettings) -> int:
    """Return how many samples a question gets in the next round, 0 if it has enough or may have no more.

    As many as are likely to give what is missing, by the rate of right ones so far with one more of each kind; but no more than it had so
    far, since that rate is rough.
    """
    if settings.allocate == "fixed":
        return 0 if tally.sampled else settings.samples
    if not tally.sampled:
        return settings.samples
    missing = staying(tally.fail_rate, settings.allocate, settings.most) - tally.right
    left = (settings.most_samples if tally.right else settings.tries) - tally.sampled
    if missing <= 0 or left <= 0:
        return 0
    rate = (tally.right + 1) / (tally.right + tally.wrong + 2)
    return min(math.ceil(missing / rate), tally.sampled, left)
