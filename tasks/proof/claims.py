"""The comparisons of the proof and the results of their paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.arrays import Floats
from tasks.evaluation.statistics import ALPHA, Paired, holm, paired
from tasks.proof.rows import FAMILIES
from tasks.proof.seed import SeedResults


@dataclass(frozen=True, slots=True)
class Question:
    """One comparison: whether `candidate` beats `baseline`. `published` is the result in the literature, in points."""

    experiment: str
    candidate: str
    baseline: str
    published: str = ""

    @property
    def name(self) -> str:
        return f"{self.candidate} against {self.baseline}"


QUESTIONS = (
    Question("Words and programs", "PoT", "CoT"),
    Question("Words and programs", "CoT+PoT, words", "CoT"),
    Question("Words and programs", "CoT+PoT, program", "PoT"),
    Question("Words and programs", "CoT+PoT, program", "CoT"),
    Question("RFT, DPO, PPO", "RFT", "CoT", "71 -> 77 %"),
    Question("RFT, DPO, PPO", "RFT+DPO", "RFT"),
    Question("RFT, DPO, PPO", "RFT+PPO", "RFT"),
    # nothing is generated here: the published gains of augmentation (+3.72, +0.48) are of another method
    Question("Which rows to add", "retrieval near failures", "random rows", "-1.70"),
    Question("Which rows to add", "retrieval near failures", "retrieval near any probe"),
    Question("Which rows to add", "retrieval near any probe", "random rows"),
    Question("Which rows to add", "random rows", "no new rows"),
    Question("Curation", "de-duplicated", "with duplicates"),
    Question("Curation", "hard rows count more", "all rows alike"),
    Question("Curation", "gate on", "gate off"),
    Question("Stages", "two stages", "one mixture"),
    Question("Stages", "two stages, small talk", "one mixture, small talk"),
    Question("Verdict at weight 0.2", "with helpful", "validated alone"),
    Question("Verdict at weight 0.2", "with useless", "validated alone"),
    Question("Verdict at weight 0.2", "with harmful", "validated alone"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A question with its paired comparison over all seeds and items. `p` has Holm's correction over all questions."""

    question: Question
    paired: Paired
    p: float

    @property
    def shown(self) -> bool:
        return self.p < ALPHA

    @property
    def verdict(self) -> str:
        """The word of the flow `verdict`: effective, harmful or not shown."""
        if not self.shown:
            return "not shown"
        return "effective" if self.paired.delta > 0 else "harmful"

    @property
    def sentence(self) -> str:
        """The claim in words, for claims that are shown."""
        one = self.paired
        return (
            f"{self.question.candidate} {'beats' if one.delta > 0 else 'loses to'} {self.question.baseline}: "
            f"{points(one.delta)} points [{points(one.low)}, {points(one.high)}], p = {p_value(self.p)}"
        )


def points(share: float) -> str:
    return f"{100 * share:+.1f}"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def claims(records: Sequence[SeedResults], questions: Sequence[Question] = QUESTIONS) -> list[Claim]:
    """Answer every question, with Holm's correction over all of them."""
    comparisons = [(question, paired(*_sides(records, question))) for question in questions]
    corrected = holm({question.name: comparison.p for question, comparison in comparisons})
    return [Claim(question, comparison, corrected[question.name]) for question, comparison in comparisons]


def by_subdomain(records: Sequence[SeedResults], questions: Sequence[Question]) -> dict[str, list[Claim]]:
    """Answer the questions per subdomain, with Holm's correction over all subdomains and questions."""
    comparisons = {}
    for number, subdomain in enumerate(FAMILIES):
        for question in questions:
            candidate, baseline = _sides(records, question)
            each = candidate.shape[1] // len(FAMILIES)
            part = slice(number * each, (number + 1) * each)
            comparisons[subdomain, question] = paired(candidate[:, part], baseline[:, part])
    corrected = holm(
        {f"{subdomain}: {question.name}": one.p for (subdomain, question), one in comparisons.items()}
    )
    by_name: dict[str, list[Claim]] = {}
    for (subdomain, question), one in comparisons.items():
        claim = Claim(question, one, corrected[f"{subdomain}: {question.name}"])
        by_name.setdefault(subdomain, []).append(claim)
    return by_name


def shares(records: Sequence[SeedResults], arm: str) -> Floats:
    """Return the share of right items of an arm, of shape (seeds, subdomains)."""
    scores = np.array([record.scores[arm] for record in records], np.float64)
    return np.asarray(scores.reshape(len(records), len(FAMILIES), -1).mean(axis=2))


def _sides(records: Sequence[SeedResults], question: Question) -> tuple[Floats, Floats]:
    first, second = (
        np.array([record.scores[arm] for record in records], np.float64)
        for arm in (question.candidate, question.baseline)
    )
    return first, second
