"""Replays recorded samples of questions under any rule that stops sampling, without asking or judging again.

All samples of a recording pass the stages solve, verify and heuristics of a night once. Which of their answers are equal, which
rows a scorer drops and what each sample cost is then known, so that a night with fewer samples per question is a matter of
counting votes: `Samples.night` takes a number of samples per question and returns what the stages calibrate and weigh make of
them. It gives the same as the stages with that many samples (tests/benchmarks/test_tokens.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.recordings import KNOWN, RECORDED, SEED, URL, Playback, Recorded, table_of
from benchmarks.recordings import solved as formats_asked
from flows.config.nightly import Nightly
from storage.ledger import Ledger
from storage.rows import column
from tasks.answers import group_all
from tasks.arrays import Floats, Mask
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.transport import AsgiTransport
from tasks.scorers import heuristics
from tasks.seeding import seed_of
from tasks.stages.calibrate import FOLDS
from tasks.stages.calibrate import STAGE as CALIBRATE
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import Calibration, Votes, collect, fit_and_check, prior

CONFIG = Nightly()
Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Rule(Protocol):
    """Decides which questions need more samples than the first `end` of `samples`."""

    def __call__(self, votes: Votes, place: Numbers, questions: Numbers, end: int) -> Mask:
        """Return (len(questions),) bool. votes: on the rows so far; place: (n,) of each row's question among the questions."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """rows: accepted rows that the mixture can take. tokens: per such row. precision: of those rows. recall: share of the
    questions with a right row among all samples that keep one. samples: per question."""

    rows: int
    tokens: float
    precision: float
    recall: float
    samples: float


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of Q questions, K of each. Each array is (Q, K).

    answer: the class of the answer among those of its question, -1 where a program gave none, and -2 where the completion has
    none, which is no row of the stage verify. program: whether it is one. right: +1 the answer is the trusted one, -1 it is
    another one, 0 it has none or cannot be compared. passed: the scorers keep it. tokens: of prompt and completion. incomparable:
    pairs of classes of a question that could not be compared. known: (Q,) the questions whose answers calibrate the votes. fold: (Q,)
    of the calibration.
    """

    answer: Numbers
    program: Mask
    right: Numbers
    passed: Mask
    tokens: Numbers
    incomparable: list[list[tuple[int, int]]]
    known: Mask
    fold: Numbers

    @property
    def most(self) -> int:
        return int(self.answer.shape[1])

    def chosen(self, columns: Numbers) -> Samples:
        """Return the samples of these columns, (Q, k), in this order: what a night would have that requested them so."""
        parts = {
            name: np.take_along_axis(getattr(self, name), columns, axis=1)
            for name in ("answer", "program", "right", "passed", "tokens")
        }
        return replace(self, **parts)

    def votes(self, questions: Numbers, taken: Numbers) -> tuple[Votes, Numbers, Numbers]:
        """Return the votes on the first `taken` (len(questions),) samples of each of these questions, the place of each row's
        question among them, and its sample index."""
        inside = np.arange(self.most)[None, :] < taken[:, None]
        rows = inside & (self.answer[questions] > -2)
        place, index = np.nonzero(rows)
        classes = self.answer[questions][rows]
        unanswered = (inside & ~rows).sum(axis=1)[place]
        first = {
            (p, c): n
            for n, (p, c) in reversed(list(enumerate(zip(place.tolist(), classes.tolist(), strict=True))))
        }
        doubts = [
            (first[p, one], first[p, other])
            for p, question in enumerate(questions.tolist())
            for one, other in self.incomparable[question]
            if (p, one) in first and (p, other) in first
        ]
        votes = collect(
            place, classes, program=self.program[questions][rows], incomparable=doubts, unanswered=unanswered
        )
        return votes, place, index

    def sampled(self, questions: Numbers, rounds: Sequence[tuple[int, int]], rule: Rule) -> Numbers:
        """Return how many samples each of these questions gets, (len(questions),)."""
        taken = np.zeros(len(questions), dtype=np.int64)
        open_ = np.arange(len(questions))
        for _, end in rounds:
            taken[open_] = end
            if end == self.most or not len(open_):
                break
            votes, place, _ = self.votes(questions[open_], taken[open_])
            open_ = open_[rule(votes, place, questions[open_], end)]
        return taken

    def calibration(self, taken: Numbers) -> Calibration:
        """Return the calibration that the stage `calibrate` fits to the known questions with so many samples each."""
        questions = np.flatnonzero(self.known)
        votes, place, index = self.votes(questions, taken)
        right = self.right[questions[place], index]
        compared = right != 0
        return fit_and_check(
            votes.take(compared), right[compared] == 1, self.fold[questions[place]][compared], prior()
        )[0]

    def weighed(self, questions: Numbers, taken: Numbers, calibration: Calibration) -> Floats:
        """Return the probabilities, (len(questions), K), of the rows that the stage `weigh` keeps with so many samples of each
        question, and 0 for the others."""
        votes, place, index = self.votes(questions, taken)
        passed = self.passed[questions[place], index]
        votes, place, index = votes.take(passed), place[passed], index[passed]
        probability = calibration.adapted(votes).probability(votes)
        together = np.where(votes.readable, votes.agree + 1, 0)
        keep = (probability >= CONFIG.verify.min_correctness) & (together >= CONFIG.verify.min_agreement)
        likely = np.zeros((len(questions), self.most))
        likely[place[keep], index[keep]] = probability[keep]
        return likely

    def accepted(self, questions: Numbers, taken: Numbers, calibration: Calibration) -> Mask:
        """Return the rows, (len(questions), K), that the mixture can take: of those that `weigh` keeps the likeliest of each question."""
        likely = self.weighed(questions, taken, calibration)
        order = np.argsort(-likely, axis=1, kind="stable")[:, : CONFIG.mix.per_problem]
        accepted = np.zeros_like(likely, dtype=bool)
        np.put_along_axis(accepted, order, np.take_along_axis(likely, order, axis=1) > 0, axis=1)
        return accepted

    def cost(self, questions: Numbers, taken: Numbers, accepted: Mask) -> Cost:
        """Return the cost of a night that took so many samples of each question and accepted these rows."""
        inside = np.arange(self.most)[None, :] < taken[:, None]
        right = self.right[questions] == 1
        rows, reachable = int(accepted.sum()), right.any(axis=1)
        return Cost(
            rows=rows,
            tokens=float((self.tokens[questions] * inside).sum()) / max(1, rows),
            precision=float((accepted & right).sum()) / max(1, rows),
            recall=float(((accepted & right).any(axis=1) & reachable).sum()) / max(1, int(reachable.sum())),
            samples=float(taken.mean()) if len(taken) else 0.0,
        )


def samples_of(
    recorded: Sequence[Recorded],
    settings: SolveSettings,
    shared: dict[str, Any],
    *,
    endpoint: Endpoint = RECORDED,
) -> Samples:
    """Pass all samples of the questions through the stages of a night once: those that were recorded, or those of `endpoint`."""
    settings = settings.model_copy(update={"canaries": 0, "adaptive": 0.0})
    played = AsgiTransport(Playback(recorded, formats_asked(settings), SEED), URL)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder) / "ledger.sqlite") as ledger,
        Engine(
            endpoint,
            ledger,
            EngineLimits(max_in_flight=64),
            transports=[played] if endpoint is RECORDED else None,
        ) as engine,
    ):
        rows = solve(
            table_of(recorded, shown=True),
            engine=engine,
            settings=settings,
            seed=SEED,
            tick=lambda count: None,
        ).rows
        ledger.flush()
        tokens = _tokens(rows, ledger, {q.problem_id: n for n, q in enumerate(recorded)}, settings.samples)
        if ledger.stats().calls != rows.num_rows:
            raise RuntimeError(
                "a sample took several calls, so that its tokens are not those of one completion"
            )
    solved = rows.filter(pc.is_null(rows.column("rejected")))
    verified = verify(
        solved,
        sandbox=shared["sandbox"],
        judge=shared["judge"],
        calibration=prior(),
        settings=VerifySettings(),
        blind=True,
        tick=lambda count: None,
    )
    numbers = {question.problem_id: number for number, question in enumerate(recorded)}
    shape = (len(recorded), settings.samples)
    answer, right = np.full(shape, -2), np.zeros(shape, np.int64)
    program, passed = np.zeros(shape, bool), np.zeros(shape, bool)
    scores = heuristics.score(verified, tick=lambda count: None).scores["heuristics"]
    texts: list[list[str | None]] = [[None] * settings.samples for _ in recorded]
    names = ("problem_id", "sample_index", "answer", "solution_format", "verdicts", "rejected")
    for row, score in zip(zip(*(column(verified, name) for name in names), strict=True), scores, strict=True):
        problem, index, text, kind, verdicts, rejected = row
        place = numbers[problem], index
        answer[place] = -1
        texts[place[0]][index] = text
        program[place] = kind == "pot"
        passed[place] = rejected is None and (score or 0.0) >= CONFIG.score.thresholds["heuristics"]
        right[place] = {"equal": 1, "different": -1}.get(dict(verdicts or ()).get("equivalent", ""), 0)
    groups = group_all(texts, shared["judge"])
    for number, group in enumerate(groups):
        for index, one in enumerate(group.classes):
            if one is not None:
                answer[number, index] = one
    return Samples(
        answer,
        program,
        right,
        passed,
        tokens,
        [sorted(group.incomparable) for group in groups],
        np.array([seed_of(SEED, "known", q.problem_id) % KNOWN == 0 for q in recorded]),
        np.array([seed_of(CALIBRATE, q.problem_id) % FOLDS for q in recorded]),
    )


def _tokens(rows: pa.Table, ledger: Ledger, numbers: dict[str, int], samples: int) -> Numbers:
    """Return the tokens of each sample's prompt and completion, (Q, samples), as the endpoint counted them: recorded completions may be
    longer than the token limit of the prompt, at which the engine caps what it books."""
    keys = [orjson.loads(params)["completion"] for params in column(rows, "params")]
    stored = ledger.get_many(keys)
    tokens = np.zeros((len(numbers), samples), np.int64)
    places = zip(column(rows, "problem_id"), column(rows, "sample_index"), keys, strict=True)
    for problem, index, key in places:
        tokens[numbers[problem], index] = orjson.loads(stored[key][0].call.raw)["usage"]["total_tokens"]
    return tokens
