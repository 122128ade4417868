"""Decides after each round of samples which questions need more of them: a sequential rule with a stated error.

A question needs no further sample in three cases:

- Enough samples share an answer whose calibrated probability of being right is at least 1 - `error`. The probability is
  that of the answer given all samples seen so far, so however often it is looked at, at most a share `error` of the answers
  on which sampling ends early is expected to be wrong, if the calibration holds (tests/tasks/voting/test_sequential.py). A
  fixed number of samples has no such bound.
- The samples that are left cannot keep its rows from being accepted: these stay likely enough even if all of them give one and the
  same other answer, or none. No error is added, as far as the stage weigh does not lower the probabilities of the whole shard.
- The samples that are left cannot bring any answer to acceptance: to the number of samples that must agree, or to the
  least probability, even if all of them give the answer that leads now and, where a critic is asked later, it is certain of
  it (curtailment, Alling 1963). No error is added: such a question has no row that could be kept.

A trusted answer is one more vote. Samples that differ from it leave their question open, since only rows that equal it
are kept. Aggarwal et al. (2023, arXiv:2305.11860) stop by a Beta distribution over the two most frequent answers; here the
probability is the calibrated one that decides on rows later, which counts programs, worked solutions and samples without an
answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats, Mask
from tasks.voting.calibration import Calibration
from tasks.voting.votes import Votes


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """When the sampling of a question may stop.

    error: the largest probability that the answer is wrong. rows: how many samples must have that answer, which is how
    many of them the mixture takes. agree: how many samples must agree for any row to be kept. calibration: gives the
    probabilities. least: the smallest probability of a row that is kept. critic: whether a critic may raise a probability
    later. Raises ValueError for an error outside of (0, 1).
    """

    error: float
    rows: int
    agree: int
    calibration: Calibration
    least: float = 0.0
    critic: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.error < 1:
            raise ValueError(f"error is {self.error}; it must be between 0 and 1")

    def rounds(self, samples: int) -> Iterator[tuple[int, int]]:
        """Yield (first, end) of the sample indexes of each round: two or `rows` samples first, then half as many as before
        the round, so that the number of rounds grows with the logarithm of `samples`."""
        first, end = 0, min(samples, max(2, self.rows))
        while first < samples:
            yield first, end
            first, end = end, min(samples, end + max(1, end // 2))

    def undecided(
        self, votes: Votes, question: npt.ArrayLike, questions: int, left: int, programs: npt.ArrayLike = 0
    ) -> Mask:
        """Return the questions, (questions,) bool, that need more samples.

        votes: on the n rows so far. question: (n,) the number of each row's question, below `questions`; a question
        may have no row. left: how many samples each may still get, of which `programs` are programs: one
        number, or (questions,).
        """
        place = np.asarray(question, dtype=np.int64)
        together = np.where(votes.readable, votes.agree + 1, 0)
        most = np.zeros(questions)
        np.maximum.at(most, place, together)
        trusted = np.zeros(questions, dtype=bool)
        trusted[place[votes.reference != 0]] = True
        likely = self.calibration.probability(votes) >= 1 - self.error
        hopeless = ~trusted & (most + left < self.agree)
        if self.least:
            of_place = np.broadcast_to(np.asarray(programs, dtype=np.float64), questions)[place]
            likely |= self._worst(votes, left, of_place) >= self.least
            reachable = np.ones(questions, dtype=bool)  # where nothing was answered yet, a new answer may be
            reachable[place[votes.readable]] = False
            reachable[place[votes.readable & (self._best(votes, left, of_place) >= self.least)]] = True
            hopeless |= ~trusted & ~reachable
        decided = np.zeros(questions, dtype=bool)
        decided[place[likely & votes.readable & (together >= self.rows) & (votes.reference >= 0)]] = True
        return np.asarray(~decided & ~hopeless & (left > 0), dtype=np.bool_)

    def _worst(self, votes: Votes, left: int, programs: Floats) -> Floats:
        """Return the smallest probability that each row can fall to without a critic, (n,); 0 where too few samples agree: all
        samples that are left, `programs` (n,) of them programs, give the most frequent other answer, or none has an answer."""
        opposed = replace(
            votes,
            programs_against=votes.programs_against + programs,
            worked_against=votes.worked_against + left - programs,
            rival=votes.rival + left,
        )
        silent = replace(votes, abstained=votes.abstained + left)
        least = np.minimum(self.calibration.probability(opposed), self.calibration.probability(silent))
        return np.where(votes.readable & (votes.agree + 1 >= self.agree), least, 0.0)

    def _best(self, votes: Votes, left: int, programs: Floats) -> Floats:
        """Return the largest probability that each row can reach, (n,): all samples that are left, `programs` (n,) of them
        programs, give its answer, and the critic is certain of it."""
        final = replace(votes, programs=votes.programs + programs, worked=votes.worked + left - programs)
        reached = self.calibration.probability(final)
        if self.critic:
            praised = replace(final, critic=np.ones(len(votes)))
            reached = np.maximum(reached, self.calibration.probability(praised))
        return reached
