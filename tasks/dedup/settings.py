"""The settings that define duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tasks.settings import Section, Share

Guard = Literal["template", "numbers", "none"]
Semantic = Literal["flag", "drop", "ignore"]


@dataclass(frozen=True, slots=True)
class DedupSettings:
    """Thresholds of the similarity stages.

    `jaccard`: questions whose 3-gram sets (`n`) have at least this Jaccard similarity are duplicates.
    `rouge_l`: so are questions whose ROUGE-L F-measure is above this. `per_template`: at most this many
    questions per template, which differ only in their numbers, are kept, those of the history and of
    earlier in the run included; 1 is exact matching of the number-masked text.

    `guard`: which pairs Jaccard and ROUGE-L may judge at all. "template" (default): not a pair of the same
    number-masked template with different numbers; other numbers are another problem, and `per_template`
    limits how many there are. "numbers": no pair with different numbers, whatever the wording. "none":
    every pair is judged and nothing guards it, as in self-instruct.

    `opposites`: a similar pair that differs by an operator, a sign, an opposite or another asked quantity
    (largest and smallest, and and or, length and width; tasks.dedup.contrast) is two problems. Not with
    guard "none". `shared`: text that at least this share of the questions have in common, such as an
    instruction, is left out of the similarity of two questions that have it (tasks.text.shared); 0: nothing
    is. Not with guard "none".

    `minhash_from`: texts of at least this many n-grams are looked up by MinHash, which finds a pair at the
    threshold with probability `minhash_recall`; below that the lookup is exact (see
    tasks.dedup.candidates). `semantic`: what happens to a question whose encoding has a cosine of at least
    `cosine` with another's: "flag" it with the pair, "drop" it, or "ignore" it without a comparison.
    `solution_jaccard`: solutions of one question in one format are duplicates from this Jaccard similarity
    on.
    """

    jaccard: float = 0.7
    rouge_l: float = 0.7
    per_template: int = 50
    guard: Guard = "template"
    opposites: bool = True
    shared: float = 0.05
    n: int = 3
    solution_jaccard: float = 0.9
    minhash_from: int = 1024
    minhash_recall: float = 0.95
    semantic: Semantic = "flag"
    cosine: float = 0.85

    def __post_init__(self) -> None:
        for name in ("jaccard", "rouge_l", "solution_jaccard", "cosine"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {value}")
        if not 0 <= self.shared <= 1:
            raise ValueError(f"shared must lie in [0, 1], got {self.shared}")
        for name in ("per_template", "n", "minhash_from"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.minhash_recall < 1:
            raise ValueError(f"minhash_recall must lie in (0, 1), got {self.minhash_recall}")
        if self.guard not in ("template", "numbers", "none"):
            raise ValueError(f'guard must be "template", "numbers" or "none", got {self.guard!r}')
        if self.semantic not in ("flag", "drop", "ignore"):
            raise ValueError(f'semantic must be "flag", "drop" or "ignore", got {self.semantic!r}')


_DEFAULT = DedupSettings()


class SimilaritySettings(Section, title="Similarity"):
    rouge_l: Share = Field(
        _DEFAULT.rouge_l, description="a question whose ROUGE-L with a kept one is above this is dropped"
    )
    jaccard: Share = Field(
        _DEFAULT.jaccard, description="the same for the Jaccard similarity of word 3-grams"
    )
    per_template: int = Field(
        _DEFAULT.per_template,
        ge=1,
        description="questions of one template (numbers masked) at most; 1: no two of a template",
    )
    semantic: Semantic = Field(
        _DEFAULT.semantic, description="what happens to a question that says what another says in other words"
    )
    cosine: Share = Field(
        _DEFAULT.cosine, description="cosine of their encodings from which two questions say the same"
    )
    guard: Guard = Field(
        _DEFAULT.guard,
        description="pairs that are not compared: of one template with other numbers; with other numbers; none (self-instruct's filter)",
    )
    opposites: bool = Field(
        _DEFAULT.opposites,
        description="similar questions that differ by an operator, a sign or an opposite are kept",
    )
    shared: Share = Field(
        _DEFAULT.shared,
        description="share of the questions from which text that they have in common is not compared; 0: all is",
    )

    def dedup(self) -> DedupSettings:
        return DedupSettings(
            guard=self.guard,
            opposites=self.opposites,
            shared=self.shared,
            jaccard=self.jaccard,
            rouge_l=self.rouge_l,
            per_template=self.per_template,
            semantic=self.semantic,
            cosine=self.cosine,
        )
