"""How surprising the words and signs of a step are to a reader of right solutions.

The reader is a model of runs of up to four tokens (Witten and Bell 1991: the estimate of each run is mixed with that of the run that is one
token shorter), trained on right steps, which also expects tokens to repeat that stand earlier in the question and in the solution. A step
that differs from what right solutions say after the same words has unlikely tokens, and so has the step after it; a logistic model reads from
both which step is the first wrong one.

Runs are stored as hashes of 32 bits with their counts, so that a model is a few arrays, and all tokens of a solution are read at once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.arrays import Floats
from tasks.critics import WorkedSolution
from tasks.critics.labelled import LabelledSolution
from tasks.seeding import seed_of

STATISTICS: Final = ("mean", "most", "first_token", "three_most", "digits", "digits_most", "total", "tokens", "beginning", "spread")  # fmt: skip
SURPRISES: Final = (
    *(f"surprise_{name}" for name in STATISTICS),
    "surprising_first", "surprising_first_below_most", "surprising_first_rank",
)  # fmt: skip
ORDER: Final = 4  # tokens of the longest run
VOCABULARY: Final = 30_000  # tokens among which one that was never seen is guessed
REPEATED: Final = 0.2  # weight of the tokens that stand earlier in the same text
LONGEST: Final = (
    4_000  # tokens of a question with its solution that are read; the steps behind them surprise nobody
)
FOLDS: Final = 3
FEWEST: Final = (
    40  # solutions with a placed error that the logistic model learns from; with fewer it says nothing
)
_TOKEN: Final = re.compile(r"\d|[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff]+|[^\w\s]|\n")
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Runs:
    """The counts of runs of one length: of whole runs (`runs`, sorted, with `counts`) and of what they begin with, all but their last token
    (`begins`, sorted, with how many runs begin so, `totals`, and how many distinct ones, `kinds`)."""

    runs: Hashes
    counts: Hashes
    begins: Hashes
    totals: Hashes
    kinds: Hashes


@dataclass(frozen=True, slots=True)
class StepSurprise:
    """The reader: counts of runs of 1 to ORDER tokens, and the logistic model, `weights` (3, 4 * statistics) with the mean, the spread and
    the weight of each input, and `bias` (1,)."""

    runs: tuple[Runs, ...]
    weights: Floats
    bias: Floats

    def columns(self, solution: WorkedSolution) -> Floats:
        """Return the columns SURPRISES of the steps of a solution, float64 (steps, len(SURPRISES))."""
        return _with_odds(statistics(self.runs, solution), self.weights, self.bias)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays by name; `from_arrays` is the inverse."""
        listed: dict[str, npt.NDArray[Any]] = {
            "surprise.weights": self.weights,
            "surprise.bias": self.bias,
        }
        for length, runs in enumerate(self.runs, start=1):
            listed |= {f"surprise{length}.{name}": getattr(runs, name) for name in Runs.__dataclass_fields__}
        return listed

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> StepSurprise:
        """Raises KeyError where one is missing."""
        runs = tuple(
            Runs(**{name: arrays[f"surprise{length}.{name}"] for name in Runs.__dataclass_fields__})
            for length in range(1, ORDER + 1)
        )
        return cls(runs, arrays["surprise.weights"], arrays["surprise.bias"])


def fit_surprise(solutions: Sequence[LabelledSolution], seed: int) -> tuple[StepSurprise, list[Floats]]:
    """Return the reader, and the columns of each solution by one that has not seen its question: right steps that it knows surprise nobody."""
    read = [_right_tokens(one) for one in solutions]
    folds = np.array([seed_of(seed, "surprise", one.group or one.id) % FOLDS for one in solutions])
    tables: list[Floats] = [np.zeros((0, len(STATISTICS)))] * len(solutions)
    for fold in range(FOLDS):
        runs = counted_runs([tokens for tokens, of in zip(read, folds, strict=True) if of != fold])
        for row in np.flatnonzero(folds == fold).tolist():
            tables[row] = statistics(runs, solutions[row])
    columns: list[Floats] = list(tables)
    for fold in range(FOLDS):
        weights, bias = _fitted(solutions, tables, folds != fold)
        for row in np.flatnonzero(folds == fold).tolist():
            columns[row] = _with_odds(tables[row], weights, bias)
    weights, bias = _fitted(solutions, tables, np.ones(len(solutions), bool))
    return StepSurprise(counted_runs(read), weights, bias), columns


def tokens_of(text: str) -> list[int]:
    """Return the hashes of the words, digits, signs and ends of lines of a text."""
    return [zlib.crc32(token.encode()) for token in _TOKEN.findall(text.lower())]


def counted_runs(texts: Sequence[Sequence[int]]) -> tuple[Runs, ...]:
    """Return the counts of the runs of 1 to ORDER tokens in some texts."""
    hashes = [_hashes(np.array(one, np.uint64)) for one in texts]
    listed = []
    for length in range(1, ORDER + 1):
        whole = _joined([one[length][length - 1 :] for one in hashes])
        begin = _joined([one[length - 1][length - 2 : -1] if length > 1 else one[0] for one in hashes])
        runs, counts = np.unique(whole, return_counts=True)
        begins, totals = np.unique(begin, return_counts=True)
        pairs = np.unique(begin.astype(np.uint64) << np.uint64(32) | whole)
        _, kinds = np.unique(pairs >> np.uint64(32), return_counts=True)
        listed.append(Runs(*(one.astype(np.uint32) for one in (runs, counts, begins, totals, kinds))))
    return tuple(listed)


def statistics(runs: Sequence[Runs], solution: WorkedSolution) -> Floats:
    """Return the columns STATISTICS of the steps of a solution, float64 (steps, len(STATISTICS))."""
    asked = tokens_of(solution.question + "\n")
    steps = [tokens_of(step + "\n") for step in solution.steps]
    tokens = np.array([*asked, *(token for step in steps for token in step)][:LONGEST], np.uint64)
    surprise = _surprise(runs, tokens)
    digits = np.isin(tokens, _DIGITS)
    rows, begin = np.zeros((len(steps), len(STATISTICS))), len(asked)
    for number, step in enumerate(steps):
        own = surprise[begin : begin + len(step)]
        if not len(own):
            break
        numbers = own[digits[begin : begin + len(step)]]
        highest = np.sort(own)
        rows[number] = (
            own.mean(),
            highest[-1],
            own[0],
            highest[-3:].mean(),
            numbers.mean() if len(numbers) else own.mean(),
            numbers.max() if len(numbers) else own.mean(),
            own.sum(),
            np.log(len(own)),
            own[:5].mean(),
            own.std(),
        )
        begin += len(step)
    return rows


_DIGITS: Final = np.array([zlib.crc32(str(digit).encode()) for digit in range(10)], np.uint64)


def _surprise(runs: Sequence[Runs], tokens: npt.NDArray[np.uint64]) -> Floats:
    """Return the negative logarithm of the probability of each token after those before it, float64 (tokens,)."""
    likely: Floats = np.full(len(tokens), 1 / VOCABULARY)
    hashes = _hashes(tokens)
    for length, known in enumerate(runs, start=1):
        if length > len(tokens) or not len(known.runs):
            break
        whole = hashes[length][length - 1 :]
        begin = hashes[length - 1][length - 2 : -1] if length > 1 else hashes[0]
        counts = _counts_of(known.runs, known.counts, whole)
        totals = _counts_of(known.begins, known.totals, begin)
        kinds = _counts_of(known.begins, known.kinds, begin)
        shorter = likely[length - 1 :]
        mixed = (counts + kinds * shorter) / np.maximum(totals + kinds, 1)
        likely[length - 1 :] = np.where(totals > 0, mixed, shorter)
    places = np.arange(len(tokens))
    with_earlier = (1 - REPEATED) * likely + REPEATED * _earlier(tokens) / np.maximum(places, 1)
    return np.asarray(-np.log(np.where(places > 0, with_earlier, likely)))


def _hashes(tokens: npt.NDArray[np.uint64]) -> list[Hashes]:
    """Return the hashes of the runs of 0 to ORDER tokens that end at each token, each uint32 (tokens,); a run that would begin before the first
    token is one of the tokens that are there."""
    run = np.zeros(len(tokens), np.uint64)
    listed = [_folded(run)]
    for length in range(1, ORDER + 1):
        # a run is its last token and the run of one token less that ends before it
        before = np.concatenate([np.zeros(1, np.uint64), run[:-1]]) if len(run) else run
        run = (before + np.uint64(1)) * _MIX ^ (tokens + np.uint64(length)) * np.uint64(0xC2B2AE3D27D4EB4F)
        listed.append(_folded(run))
    return listed


def _folded(run: npt.NDArray[np.uint64]) -> Hashes:
    mixed = (run ^ (run >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed >> np.uint64(32), np.uint32)


def _joined(parts: Sequence[Hashes]) -> Hashes:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def _counts_of(keys: Hashes, counts: Hashes, hashes: Hashes) -> Floats:
    """Return the count of each hash, 0 for one that is not among the sorted keys."""
    at = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
    return np.where(keys[at] == hashes, counts[at], 0).astype(np.float64)


def _earlier(tokens: npt.NDArray[np.uint64]) -> Floats:
    """Return how often each token stands before its place, float64 (tokens,)."""
    order = np.argsort(tokens, kind="stable")
    ordered = tokens[order]
    begins = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(ordered)), 0))
    earlier = np.zeros(len(tokens))
    earlier[order] = np.arange(len(ordered)) - first
    return earlier


def _right_tokens(solution: LabelledSolution) -> list[int]:
    """Return the tokens of the question and of the steps that are known to be right, none where no step is."""
    if solution.correct:
        steps = solution.steps
    elif solution.first_error is not None:
        steps = solution.steps[: solution.first_error]
    else:
        return []
    return tokens_of("\n".join([solution.question, *steps, ""]))[:LONGEST]


def _beside(table: Floats) -> Floats:
    """Return the statistics of each step, as they differ from the mean of the solution, and those of the next and the previous step."""
    none = np.zeros((1, table.shape[1]))
    return np.hstack(
        [table, table - table.mean(0), np.vstack([table[1:], none]), np.vstack([none, table[:-1]])]
    )


def _with_odds(table: Floats, weights: Floats, bias: Floats) -> Floats:
    mean, spread, weight = weights
    odds = np.clip((_beside(table) - mean) / spread, -8, 8) @ weight + bias[0]
    ranks = np.argsort(np.argsort(-odds, kind="stable"), kind="stable")
    return np.column_stack([table, odds, odds - odds.max(initial=-50.0), ranks])


def _fitted(
    solutions: Sequence[LabelledSolution], tables: Sequence[Floats], used: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the weights of the logistic model that tells the first wrong step from the others of its solution, all 0 where too few places
    are known."""
    from sklearn.linear_model import LogisticRegression

    width = 4 * len(STATISTICS)
    placed = [row for row, one in enumerate(solutions) if used[row] and one.first_error is not None]
    if len(placed) < FEWEST:
        return np.vstack([np.zeros(width), np.ones(width), np.zeros(width)]), np.zeros(1)
    rows = np.concatenate([_beside(tables[row]) for row in placed])
    first = np.concatenate([np.arange(len(tables[row])) == solutions[row].first_error for row in placed])
    mean, spread = rows.mean(0), np.maximum(rows.std(0), 1e-6)
    model = LogisticRegression(C=0.1, max_iter=300)
    model.fit(np.clip((rows - mean) / spread, -8, 8), first)
    return np.vstack([mean, spread, model.coef_[0]]), np.asarray(model.intercept_, np.float64)
