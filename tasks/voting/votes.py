"""Counts the votes on solutions from columns of samples, and stores them among the verdicts of each row.

Votes are counted where all samples of a question are together, and stored as readable counts: `programs` "2/3" means
that two of the three other programs with an answer gave the answer of this row, `worked` is the same for worked
solutions, and `rival` is the number of samples with the most frequent other answer. Rows that a later stage drops are counted
too.

Two answers that the judge could not compare vote neither for nor against each other, and neither is the other's rival.
If more samples gave one of them, the samples of the other have no agreement either, because they may be the minority.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import ABSTAINED
from tasks.arrays import Floats, Mask

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes on n rows: arrays (n,) with one entry per row. Absent voters are 0 and change nothing."""

    reference: Floats  # +1 equals the trusted answer, -1 differs, 0 none is known or it cannot be compared
    programs: Floats  # number of other programs of the question with the same answer
    programs_against: Floats  # number with another answer; those that cannot be compared are in neither
    worked: Floats  # the same for worked solutions
    worked_against: Floats
    rival: Floats  # number of those against that share the most frequent other answer
    critic: Floats  # +1 certain that it is right, -1 that it is wrong, 0 not asked
    readable: Mask  # the row has an answer
    abstained: Floats  # number of replies to the question without an answer, the row's own included

    def __len__(self) -> int:
        return len(self.readable)

    @property
    def agree(self) -> Floats:
        """Return the number of other samples of the question with the same answer, (n,)."""
        return self.programs + self.worked

    @property
    def against(self) -> Floats:
        """Return the number of other samples with another answer, by a comparison that could be made, (n,)."""
        return self.programs_against + self.worked_against

    def take(self, rows: Mask | Integers) -> Votes:
        """Return the votes on the selected rows."""
        return Votes(*(getattr(self, field.name)[rows] for field in fields(self)))


def collect(
    question: npt.ArrayLike,
    answer: npt.ArrayLike,
    *,
    program: npt.ArrayLike | None = None,
    reference: npt.ArrayLike | None = None,
    critic: npt.ArrayLike | None = None,
    incomparable: npt.ArrayLike | None = None,
    failed: npt.ArrayLike | None = None,
    unanswered: npt.ArrayLike | None = None,
) -> Votes:
    """Return the votes on n rows, counted from columns.

    question: the question of each row, any values (ids). answer: the class of each row's answer among the answers to
    its question (tasks.answers.group), negative where it has none. program: whether the row is a program. reference: +1, -1
    or 0. critic: a score in [0, 1], nan where the critic was not asked. incomparable: (k, 2) integers, pairs of rows of
    one question whose classes could not be compared; one pair of rows represents the two classes. failed: rows without an
    answer for reasons that are not the model's, which do not abstain. unanswered: (n,) how many replies without an answer
    the row's question has besides those among the rows.
    """
    _, questions = np.unique(np.asarray(question), return_inverse=True)
    classes = np.asarray(answer, dtype=np.int64)
    count = len(classes)
    readable = classes >= 0
    is_program = np.zeros(count, bool) if program is None else np.asarray(program, bool)
    width = int(classes.max(initial=0)) + 1
    cell = questions * width + np.maximum(classes, 0)
    cells = int(questions.max(initial=0) + 1) * width
    everyone = np.bincount(cell[readable], minlength=cells)
    doubts = _doubts(cell, incomparable)
    # cells whose answer may be the same as one that more samples gave
    minority = np.zeros(cells, bool)
    minority[[one for one, others in doubts.items() if everyone[list(others)].max() > everyone[one]]] = True

    def tally(voters: Mask) -> tuple[Floats, Floats]:
        """Return the votes of others for the row's answer and for any other answer, each (n,)."""
        counts = np.bincount(cell[voters & readable], minlength=cells)
        itself = (voters & readable).astype(np.int64)
        same = np.where(readable, counts[cell] - itself, 0)
        silent = np.zeros(cells, np.int64)
        for one, others in doubts.items():
            silent[one] = counts[list(others)].sum()
        against = counts.reshape(-1, width).sum(axis=1)[questions] - itself - same
        against -= np.where(readable, silent[cell], 0)
        return np.where(readable & minority[cell], 0, same).astype(float), against.astype(float)

    boards = everyone.reshape(-1, width)[questions]
    boards[np.arange(count)[readable], classes[readable]] = 0
    rival = boards.max(axis=1, initial=0)
    lowered = np.full(cells, -1)  # the rival of an answer that some others cannot be compared with
    for one, others in doubts.items():
        first = one - one % width
        left = everyone[first : first + width].copy()
        left[[one - first, *(other - first for other in others)]] = 0
        lowered[one] = left.max()
    rival = np.where(readable & (lowered[cell] >= 0), lowered[cell], rival)
    abstains = ~readable if failed is None else ~readable & ~np.asarray(failed, bool)
    abstained = np.bincount(questions, abstains, minlength=1)[questions]
    if unanswered is not None:
        abstained = abstained + np.asarray(unanswered, dtype=np.float64)
    return Votes(
        np.zeros(count) if reference is None else np.asarray(reference, dtype=np.float64),
        *tally(is_program),
        *tally(~is_program),
        rival=rival.astype(float),
        critic=_opinion(np.full(count, np.nan) if critic is None else np.asarray(critic, dtype=np.float64)),
        readable=readable,
        abstained=abstained.astype(np.float64),
    )


def _doubts(cell: Integers, incomparable: npt.ArrayLike | None) -> dict[int, set[int]]:
    """Return, for each cell (question, class), the cells that it could not be compared with."""
    doubts: dict[int, set[int]] = {}
    pairs = np.asarray([] if incomparable is None else incomparable, dtype=np.int64).reshape(-1, 2)
    for one, other in cell[pairs].tolist():
        doubts.setdefault(one, set()).add(other)
        doubts.setdefault(other, set()).add(one)
    return doubts


def to_verdicts(votes: Votes) -> list[dict[str, str]]:
    """Return the verdicts that store the counts with each row; `from_rows` reads them."""
    columns = (
        votes.programs, votes.programs + votes.programs_against,
        votes.worked, votes.worked + votes.worked_against, votes.rival, votes.abstained,
    )  # fmt: skip
    return [
        {"programs": f"{p:.0f}/{programs:.0f}", "worked": f"{w:.0f}/{worked:.0f}", "rival": f"{rival:.0f}"}
        | ({ABSTAINED: f"{abstained:.0f}"} if abstained else {})
        for p, programs, w, worked, rival, abstained in zip(*columns, strict=True)
    ]


def from_rows(rows: pa.Table, critic: str = "answer") -> Votes:
    """Return the votes stored with rows of storage.rows.SCHEMA.

    They are read from the verdicts of `to_verdicts`, from the verdict `equivalent` for the trusted answer, and from the
    score named `critic`.
    """
    verdicts, scores = rows.column("verdicts"), rows.column("scores")
    equivalent = pc.map_lookup(verdicts, "equivalent", "first")
    reference = pc.subtract(_is(equivalent, "equal"), _is(equivalent, "different"))
    opinion = pc.map_lookup(scores, critic, "first").cast(pa.float64()).fill_null(float("nan"))
    rival, abstained = (
        pc.map_lookup(verdicts, name, "first").cast(pa.float64()).fill_null(0.0)
        for name in ("rival", ABSTAINED)
    )
    return Votes(
        reference.to_numpy(),
        *_counts(verdicts, "programs"),
        *_counts(verdicts, "worked"),
        rival=rival.to_numpy(),
        critic=_opinion(opinion.to_numpy()),
        readable=rows.column("answer").is_valid().to_numpy(),
        abstained=abstained.to_numpy(),
    )


def _is(verdicts: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.equal(verdicts, value).fill_null(False).cast(pa.float64())


def _counts(verdicts: pa.ChunkedArray, name: str) -> tuple[Floats, Floats]:
    """Return (for, against) of the verdict "for/all", each (n,)."""
    parts = pc.extract_regex(pc.map_lookup(verdicts, name, "first"), r"^(?P<same>\d+)/(?P<all>\d+)$")
    same, everyone = (
        pc.struct_field(parts, part).cast(pa.float64()).fill_null(0.0).to_numpy() for part in ("same", "all")
    )
    return same, everyone - same


def _opinion(scores: Floats) -> Floats:
    """Return scores in [0, 1] as votes in [-1, 1], 0 for nan."""
    return np.nan_to_num(2 * scores - 1)
