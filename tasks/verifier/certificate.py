"""The certificate of the verifier of a version: of planted completions with a known truth, how many it judges right and wrong, by type of answer.

A false negative is an equivalent answer that is judged wrong, a false positive a near miss or a hack that is judged right. An answer that could not be
compared is neither, and is counted, since a verifier that compares nothing is of no use. What was lost to infrastructure is left out: a failure of
ours says nothing about the verifier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from storage.counting import counted
from storage.markdown import inline
from tasks.verifier.planting import PlantedAnswer
from tasks.worth import Worth

# judges (questions, completions, reference answers, languages), as tasks.training.reward.Verifier.worths does
AnswerChecker = Callable[[Sequence[str], Sequence[str], Sequence[str], Sequence[str]], Sequence[Worth]]
ALPHA = 0.05  # of an interval
REFUSAL = 0.01  # probability of a refusal, over all cells together, of a verifier at its limits
MOST_UNKNOWN = 0.5  # share of equivalent answers of a kind that may stay without a comparison
MOST_LOST = 0.1  # share of all plants that may be lost to infrastructure
EXAMPLES = 3  # errors of a cell that are kept


@dataclass(frozen=True, slots=True)
class PlantedCell:
    """The plants of one kind on answers of one type: how many were judged (`planted`), how many of these wrongly (`errors`) and how many could not be
    compared (`unknown`). `examples`: (answer, completion) of the first errors."""

    group: str
    kind: str
    type: str
    planted: int
    errors: int
    unknown: int
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def share(self) -> float:
        return self.errors / self.planted if self.planted else 0.0


@dataclass(frozen=True, slots=True)
class ErrorLimits:
    """The largest shares of false negatives (`misses`) and false positives (`accepts`) that a verifier may have."""

    misses: float = 0.05
    accepts: float = 0.01


@dataclass(frozen=True, slots=True)
class VerifierRefusal:
    """Why a verifier is refused: `code` is "misses", "accepts", "unknown", "lost" or "empty", the rest names where."""

    code: str
    where: str
    errors: int = 0
    planted: int = 0
    limit: float = 0.0

    def __str__(self) -> str:
        of = f"{self.errors:,} of"
        if self.code == "misses":
            return f"{of} {counted(self.planted, 'equivalent answer')} ({self.where}) were judged wrong, gates.verifier_misses allows {self.limit:g}"
        if self.code == "accepts":
            return f"{of} {counted(self.planted, 'wrong answer')} ({self.where}) were judged right, gates.verifier_accepts allows {self.limit:g}"
        if self.code == "unknown":
            return f"{of} {counted(self.planted, 'equivalent answer')} ({self.where}) could not be compared"
        if self.code == "lost":
            return f"{of} {counted(self.planted, 'planted answer')} were lost to a failing judge or sandbox: ./mathmill doctor names what fails"
        return "no answer of the version could be planted"


@dataclass(frozen=True, slots=True)
class VerifierCertificate:
    """The record of a version's verifier. `answers`: distinct answers that were drawn from; `lost`: plants without a judgement of their own."""

    answers: int
    cells: tuple[PlantedCell, ...]
    lost: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> VerifierCertificate:
        cells = (
            PlantedCell(
                **{**cell, "examples": tuple((answer, text) for answer, text in cell.get("examples", ()))}
            )
            for cell in record["cells"]
        )
        return replace(cls(**{**record, "cells": ()}), cells=tuple(cells))

    def by_type(self) -> list[tuple[str, PlantedCell, PlantedCell]]:
        """Return (type, its equivalent answers, its wrong answers) with the sums over all kinds; the last is of all types."""
        types = list(dict.fromkeys(cell.type for cell in self.cells))
        return [
            (name, _sum(name, rewrites), _sum(name, others))
            for name in [*types, "all"]
            for rewrites, others in [_parted(cell for cell in self.cells if name in ("all", cell.type))]
        ]

    def refusals(self, limits: ErrorLimits) -> list[VerifierRefusal]:
        """Return why the verifier is refused: the sums and each cell whose share of errors is above its limit beyond chance.

        A cell is refused if such a number of errors, or a larger one, has a probability of less than REFUSAL at the limit, divided by the number of cells
        (Bonferroni), so that a verifier within its limits is refused in at most one of 1 / REFUSAL certificates.
        """
        planted = sum(cell.planted for cell in self.cells)
        if not planted and not self.lost:
            return [VerifierRefusal("empty", "")] if self.answers else []
        if self.lost > MOST_LOST * (planted + self.lost):
            return [VerifierRefusal("lost", "", self.lost, planted + self.lost)]
        sums = [cell for _, *pair in self.by_type() for cell in pair if cell.planted]
        tested = [*sums, *(cell for cell in self.cells if cell.planted)]
        alpha = REFUSAL / max(1, len(tested))
        refused = []
        for cell in tested:
            code, limit = (
                ("misses", limits.misses) if cell.group == "rewrite" else ("accepts", limits.accepts)
            )
            where = " ".join(part for part in (cell.type, cell.kind) if part)
            if cell.errors and at_least(cell.errors, cell.planted, limit) < alpha:
                refused.append(VerifierRefusal(code, where, cell.errors, cell.planted, limit))
            if (
                cell.group == "rewrite"
                and cell.unknown
                and at_least(cell.unknown, cell.planted + cell.unknown, MOST_UNKNOWN) < alpha
            ):
                refused.append(VerifierRefusal("unknown", where, cell.unknown, cell.planted + cell.unknown))
        return refused

    def lines(self) -> list[str]:
        """Return the certificate as lines of Markdown, for readers."""
        if not self.cells:
            return ["The version has no answers on which the verifier could be tested."]
        lines = [
            f"Verifier, on {counted(sum(cell.planted + cell.unknown for cell in self.cells), 'planted completion')} for "
            f"{counted(self.answers, 'answer')}:",
            "",
            "| answers | equivalent, judged wrong [95 %] | wrong or hacked, judged right [95 %] | not compared |",
            "|---|---|---|---|",
        ]
        for name, rewrites, others in self.by_type():
            lines.append(
                f"| {inline(name)} | {_figure(rewrites)} | {_figure(others)} | {rewrites.unknown + others.unknown:,} |"
            )
        if self.lost:
            lines += [
                "",
                f"{counted(self.lost, 'planted completion')} had no judgement because the judge or the sandbox failed.",
            ]
        worst = sorted(
            (cell for cell in self.cells if cell.errors), key=lambda cell: (-cell.share, cell.kind)
        )[:5]
        for cell in worst:
            answer, text = cell.examples[0] if cell.examples else ("", "")
            wrongly = "judged wrong" if cell.group == "rewrite" else "judged right"
            lines += ["", f"{inline(cell.type)}, {inline(cell.kind)}: {cell.errors:,} of {cell.planted:,} {wrongly}, such as {inline(text)} for {inline(answer)}."]  # fmt: skip
        return lines


def measure(
    checker: AnswerChecker, planted: Sequence[PlantedAnswer], *, answers: int, seed: int = 0
) -> VerifierCertificate:
    """Return the certificate of a checker on planted completions. `answers`: from how many answers these were made."""
    judged = checker(
        [plant.answer.question for plant in planted],
        [plant.completion for plant in planted],
        [plant.answer.text for plant in planted],
        [plant.answer.language for plant in planted],
    )
    return of_judgements(list(zip(planted, judged, strict=True)), answers=answers, seed=seed)


def of_judgements(
    judged: Sequence[tuple[PlantedAnswer, Worth]], *, answers: int, seed: int = 0
) -> VerifierCertificate:
    """Return the certificate of plants that were judged already."""
    cells: dict[tuple[str, str, str], list[tuple[PlantedAnswer, Worth]]] = {}
    for plant, worth in judged:
        cells.setdefault((plant.group, plant.kind, plant.type), []).append((plant, worth))
    lost = sum(worth is Worth.INFRASTRUCTURE for _, worth in judged)
    return VerifierCertificate(answers, tuple(_cell(key, pairs) for key, pairs in cells.items()), lost, seed)


def at_least(errors: int, planted: int, share: float) -> float:
    """Return the probability of `errors` or more of `planted` at that share (the upper tail of the binomial distribution)."""
    if errors <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    below = sum(math.comb(planted, k) * share**k * (1 - share) ** (planted - k) for k in range(errors))
    return max(0.0, 1.0 - below)


def _cell(key: tuple[str, str, str], judged: Sequence[tuple[PlantedAnswer, Worth]]) -> PlantedCell:
    compared = [(plant, worth) for plant, worth in judged if worth in (Worth.RIGHT, Worth.WRONG)]
    errors = [plant for plant, worth in compared if plant.equal != (worth is Worth.RIGHT)]
    unknown = sum(worth is Worth.UNKNOWN for _, worth in judged)
    examples = tuple((plant.answer.text, plant.completion) for plant in errors[:EXAMPLES])
    return PlantedCell(*key, planted=len(compared), errors=len(errors), unknown=unknown, examples=examples)


def _parted(cells: Iterable[PlantedCell]) -> tuple[list[PlantedCell], list[PlantedCell]]:
    rewrites: list[PlantedCell] = []
    others: list[PlantedCell] = []
    for cell in cells:
        (rewrites if cell.group == "rewrite" else others).append(cell)
    return rewrites, others


def _sum(name: str, cells: Sequence[PlantedCell]) -> PlantedCell:
    group = cells[0].group if cells else "rewrite"
    figures = [sum(getattr(cell, part) for cell in cells) for part in ("planted", "errors", "unknown")]
    return PlantedCell(group, "", name, *figures)


def _figure(cell: PlantedCell) -> str:
    if not cell.planted:
        return "-"
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(cell.errors, cell.planted, alpha=ALPHA, method="beta")
    return f"{cell.errors:,} of {cell.planted:,} [{low:.1%}, {high:.1%}]"
