"""Measure the tokens per accepted row of sampling in rounds (solve.adaptive) beside a fixed number of samples.

    python -m benchmarks.tokens [--quick] [--error 0.05]

Its samples are the recorded completions of benchmarks/recordings.py, and those of the embedded teacher, whose questions are drawn
from its problem families. They are judged once and then replayed under each rule (benchmarks/replayed.py), so that all rules get the
same samples. A row counts if the mixture can take it: at most mix.per_problem accepted rows of a question. The tokens are those of
solving; no critic is asked. Precision and recall (the share of the questions with a right row among all samples that keep one)
count as equal if they are at most TOLERANCE lower.

Two rules that no night can have say what there is to gain. `known outcome`: a rule that knows all samples, asks for two at least,
and keeps every row that the fixed number keeps. `best pattern rule`: of the rules that stop by which samples agree, and accept rows by the
calibration on all samples or by that of the rounds, the one with the fewest tokens at equal precision and recall, chosen with the
truth known.

Where a source has words and programs, it shows what the order of the formats does (ORDERS), at the given error and at twice of it. Where
there are four of each format besides, it shows what `solve.learn` does: the shares of the formats are learnt from the questions whose
answers are known, which are requested by the rule alone, and the samples of the others are chosen by these shares. `--quick` takes a
part of the questions and ends within a minute.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.recordings import BOTH_FORMATS, DATA, RECORDINGS, SEED, Recorded, Recording, tools
from benchmarks.replayed import CONFIG, Cost, Numbers, Samples, samples_of
from tasks.arrays import Mask
from tasks.format_shares import FormatCounts, LearntShares, score_range
from tasks.llm.endpoint import Endpoint
from tasks.problems.machinery.family import families, make
from tasks.routing import computation, formats
from tasks.seeding import rng_of
from tasks.stages.solve import SolveSettings, formats_of
from tasks.voting import Calibration, StoppingRule, Votes, prior

FEWER = 0.35  # of the tokens per accepted row, at least
TOLERANCE = 0.01  # of precision and of recall
QUICK = 40  # questions of each set with --quick
EMBEDDED = Endpoint("reasoner", "embedded")
DRAWN = 600  # questions of the embedded teacher
STRENGTHS = (0.0, 0.5, 1.0)  # of solve.learn
ORDERS = (
    "formats alternate",
    "all of the expected format first",
    "programs first",
    "expected format leads, then alternating",
)
MOST_PATTERNS = 10  # whose 1,024 rules are tried


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the questions; ends within a minute")
    parser.add_argument("--error", type=float, default=0.05, help="solve.adaptive")
    given = parser.parse_args()
    lines = []
    with tools() as shared:
        drawn = teacher_questions(QUICK if given.quick else DRAWN)
        samples = samples_of(drawn, SolveSettings(), shared, endpoint=EMBEDDED)
        lines += replayed("embedded teacher", drawn, samples, given.error)
        if not (DATA / "samples").is_dir():
            print(
                f"left out: there are no recorded completions in {DATA}. Fix: set REAL_TEXT_DATA to a folder that has them"
            )
            return finished(lines)
        for recording in RECORDINGS:
            questions = some(recording, quick=given.quick)
            settings = SolveSettings(samples=recording.samples, pot_share=recording.pot_share)
            lines += replayed(recording.name, questions, samples_of(questions, settings, shared), given.error)
        for recording in BOTH_FORMATS:
            questions = some(recording, quick=given.quick)
            settings = SolveSettings(samples=recording.samples, pot_share=recording.pot_share)
            learnt_shares(recording.name, questions, samples_of(questions, settings, shared), given.error)
    return finished(lines)


def some(recording: Recording, *, quick: bool) -> list[Recorded]:
    """Return the questions of a recording, with `quick` about QUICK of them."""
    questions = recording.questions()
    return questions[:: max(1, len(questions) // QUICK)] if quick else questions


def finished(lines: list[str]) -> int:
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def replayed(name: str, questions: list[Recorded], samples: Samples, error: float) -> list[str]:
    """Print the costs of a source, its bounds and those of other orders, and return the lines of the targets."""
    hidden, fixed, fitted = all_samples(samples)
    plain = samples.cost(hidden, fixed, samples.accepted(hidden, fixed, fitted))
    taken, calibration = in_rounds(samples, error)
    adaptive = samples.cost(hidden, taken, samples.accepted(hidden, taken, calibration))
    lines = compared(name, len(hidden), plain, adaptive)
    for label, bound in (
        ("known outcome", known_outcome(samples)),
        ("best pattern rule", best_pattern_rule(samples, plain, [fitted, calibration])),
    ):
        print(
            f"  {label}: {1 - bound.tokens / plain.tokens:.1%} fewer tokens per row, precision {bound.precision:.4f}, recall "
            f"{bound.recall:.4f}",
            flush=True,
        )
    if samples.program.any() and not samples.program.all():
        for error_ in (error, 2 * error):
            print(f"  orders of the formats, error {error_:g}")
            for order in ORDERS:
                other = samples.chosen(in_order(order, questions, samples))
                cost = in_rounds_cost(other, error_)
                print(f"    {order:38}{figures(cost, plain)}", flush=True)
    return lines


def in_order(order: str, questions: list[Recorded], samples: Samples) -> Numbers:
    """Return the columns, (Q, K), of the samples of each question in one of ORDERS."""
    columns = np.zeros_like(samples.answer)
    for number, question in enumerate(questions):
        programs = np.flatnonzero(samples.program[number]).tolist()
        words = np.flatnonzero(~samples.program[number]).tolist()
        expected = programs if computation(question.question) > 0 else words
        other = words if expected is programs else programs
        columns[number] = {
            "formats alternate": range(samples.most),
            "all of the expected format first": [*expected, *other],
            "programs first": [*programs, *words],
            "expected format leads, then alternating": alternated(expected, other),
        }[order]
    return columns


def alternated(first: list[int], second: list[int]) -> list[int]:
    """Return the numbers of both lists in turn, and at the end those that are left."""
    both = [one for pair in zip(first, second, strict=False) for one in pair]
    return [*both, *first[len(second) :], *second[len(first) :]]


def in_rounds_cost(samples: Samples, error: float) -> Cost:
    """Return the cost of the hidden questions by the stopping rule of a night."""
    hidden = np.flatnonzero(~samples.known)
    taken, calibration = in_rounds(samples, error)
    return samples.cost(hidden, taken, samples.accepted(hidden, taken, calibration))


def learnt_shares(name: str, questions: list[Recorded], samples: Samples, error: float) -> list[str]:
    """Print what shares of the formats cost that are learnt from the known questions, beside those of the rule, and return the lines
    of the targets."""
    settings = SolveSettings()
    rule = [formats(settings.samples, settings.pot_share) for _ in questions]
    counts = format_counts(questions, samples, rule)
    print(f"\nlearnt shares of the formats, {name}: {int((~samples.known).sum())} questions")
    for line in counts.by_range():
        print(
            f"  {line['format']} {line['score']:9}{line['asked']:5} known samples, {line['right']:.3f} right"
        )
    costs = {}
    for strength in STRENGTHS:
        learnt = LearntShares(counts, strength)
        # the questions that are counted are requested by the rule alone
        kinds = [
            formats_of(settings, q.question, q.problem_id, None, (), learnt)
            if strength and not known
            else by_rule
            for q, known, by_rule in zip(questions, samples.known, rule, strict=True)
        ]
        chosen = samples.chosen(columns_of(kinds, samples))
        hidden, fixed, fitted = all_samples(chosen)
        costs[strength] = (
            chosen.cost(hidden, fixed, chosen.accepted(hidden, fixed, fitted)),
            in_rounds_cost(chosen, error),
        )
        for label, cost in zip(("fixed", "rounds"), costs[strength], strict=True):
            programs = float(chosen.program[hidden].mean())
            print(
                f"  {strength:.1f} learnt, programs {programs:.0%}, {label:8}{figures(cost, costs[0.0][0])}",
                flush=True,
            )
    return target_lines(f"{name}, learnt shares", costs[0.0][0], costs[STRENGTHS[-1]][1])


def columns_of(kinds: list[list[str]], samples: Samples) -> Numbers:
    """Return the columns, (Q, k), of samples of these formats: of each format the first ones that a question has."""
    columns = np.zeros((len(kinds), len(kinds[0])), np.int64)
    for number, kinds_of_one in enumerate(kinds):
        left = {
            "pot": iter(np.flatnonzero(samples.program[number])),
            "cot": iter(np.flatnonzero(~samples.program[number])),
        }
        columns[number] = [next(left[kind]) for kind in kinds_of_one]
    return columns


def format_counts(questions: list[Recorded], samples: Samples, rule: list[list[str]]) -> FormatCounts:
    """Return what the stage calibrate counts of the known questions (tasks.format_shares.counts_of)."""
    columns = columns_of(rule, samples)
    chosen = samples.chosen(columns)
    right, asked = Counter[tuple[tuple[str, str], str]](), Counter[tuple[tuple[str, str], str]]()
    for number in np.flatnonzero(samples.known):
        cell = "", score_range(computation(questions[number].question))
        for index in range(chosen.most):
            if chosen.answer[number, index] >= 0 and not chosen.right[number, index]:
                continue  # it could not be compared
            kind = "pot" if chosen.program[number, index] else "cot"
            asked[cell, kind] += 1
            right[cell, kind] += int(chosen.right[number, index] == 1)
    return FormatCounts(right, asked)


def figures(cost: Cost, plain: Cost) -> str:
    """Return the figures of a cost in one line, and how many tokens per row it saves."""
    return (
        f"{cost.samples:5.2f} samples, {cost.rows:5} rows, {cost.tokens:8,.0f} tokens per row ({1 - cost.tokens / plain.tokens:+.1%}"
        f" fewer), precision {cost.precision:.4f}, recall {cost.recall:.4f}"
    )


def all_samples(samples: Samples) -> tuple[Numbers, Numbers, Calibration]:
    """Return the hidden questions, the number of all samples for each of them, and the calibration on all samples."""
    hidden = np.flatnonzero(~samples.known)
    fitted = samples.calibration(np.full(int(samples.known.sum()), samples.most))
    return hidden, np.full(len(hidden), samples.most), fitted


def in_rounds(samples: Samples, error: float) -> tuple[Numbers, Calibration]:
    """Return how many samples each hidden question gets by the stopping rule of a night, and the calibration: the known
    questions are sampled in rounds as well, as `solving` in flows/nightly.py has it."""
    verify, rows = CONFIG.verify, max(CONFIG.verify.min_agreement, CONFIG.mix.per_problem)

    def sampled(questions: Numbers, calibration: Calibration, least: float) -> Numbers:
        rule = StoppingRule(error, rows, verify.min_agreement, calibration, least, critic=False)

        def undecided(votes: Votes, place: Numbers, asked: Numbers, end: int) -> Mask:
            programs = samples.program[asked, end:].sum(axis=1)
            return rule.undecided(votes, place, len(asked), samples.most - end, programs)

        return samples.sampled(questions, list(rule.rounds(samples.most)), undecided)

    calibration = samples.calibration(sampled(np.flatnonzero(samples.known), prior(), 0.0))
    return sampled(np.flatnonzero(~samples.known), calibration, verify.min_correctness), calibration


def known_outcome(samples: Samples) -> Cost:
    """Return the cost of the rule that knows all samples: of each question it takes those up to the last one that is accepted."""
    hidden, fixed, fitted = all_samples(samples)
    accepted = samples.accepted(hidden, fixed, fitted)
    last = (accepted * np.arange(1, samples.most + 1)).max(axis=1)
    return samples.cost(hidden, np.maximum(last, min(2, samples.most)), accepted)


def best_pattern_rule(samples: Samples, plain: Cost, calibrations: Sequence[Calibration]) -> Cost:
    """Return the cost of the best rule that stops by the pattern of agreement of the first two or three samples; of the MOST_PATTERNS
    most frequent patterns each is either one on which it stops, or not. Rows are accepted by one of the calibrations."""
    hidden = np.flatnonzero(~samples.known)
    ends = range(2, samples.most)
    patterns = {end: [pattern(answers[:end]) for answers in samples.answer[hidden]] for end in ends}
    counts = Counter(one for some in patterns.values() for one in some)
    frequent = [one for one, _ in counts.most_common(MOST_PATTERNS)]
    stops_on = {one: np.array([other == one for other in patterns[len(one)]]) for one in frequent}
    best = plain
    for calibration in calibrations:
        accepted = {
            end: samples.accepted(hidden, np.full(len(hidden), end), calibration)
            for end in (*ends, samples.most)
        }
        for chosen in itertools.product((False, True), repeat=len(frequent)):
            taken = np.full(len(hidden), samples.most)
            for end in reversed(ends):
                for one, stop in zip(frequent, chosen, strict=True):
                    if stop and len(one) == end:
                        taken[stops_on[one]] = end
            rows = np.select(
                [(taken == end)[:, None] for end in accepted], list(accepted.values()), default=False
            )
            cost = samples.cost(hidden, taken, rows)
            equal = min(cost.precision - plain.precision, cost.recall - plain.recall) >= -TOLERANCE
            if equal and cost.tokens < best.tokens:
                best = cost
    return best


def pattern(answers: Numbers) -> tuple[int, ...]:
    """Return which of the answers are the same, whatever they are: (0, 1, 0), with -1 for no answer."""
    names: dict[int, int] = {}
    return tuple(-1 if one < 0 else names.setdefault(int(one), len(names)) for one in answers)


def teacher_questions(count: int) -> list[Recorded]:
    """Return different questions of all problem families with their answers."""
    names = sorted(families())
    questions: dict[str, Recorded] = {}
    turn = 0
    while len(questions) < count and turn < 10 * count:
        problem = make(families()[names[turn % len(names)]], rng_of(SEED, "tokens", turn), 1 + turn % 3, "en")
        questions.setdefault(problem.question, Recorded(problem.question, problem.worked.answer))
        turn += 1
    return list(questions.values())


def compared(name: str, questions: int, plain: Cost, adaptive: Cost) -> list[str]:
    """Print both costs, and return the lines of the targets."""
    print(f"\n{name}: {questions} questions")
    for label, cost in (("fixed", plain), ("rounds", adaptive)):
        print(f"  {label:8}{figures(cost, plain)}", flush=True)
    return target_lines(name, plain, adaptive)


def target_lines(name: str, plain: Cost, adaptive: Cost) -> list[str]:
    """Return the lines of the targets for tokens, precision and recall."""
    fewer = 1 - adaptive.tokens / plain.tokens
    lines = [
        f"tokens per accepted row, {name}: {adaptive.tokens:.0f} tokens, fixed number {plain.tokens:.0f} tokens, ratio "
        f"{adaptive.tokens / plain.tokens:.3f}, target {1 - FEWER:.2f}, {'ok' if fewer >= FEWER else 'short'}"
    ]
    for label in ("precision", "recall"):
        ours, peer = getattr(adaptive, label), getattr(plain, label)
        lines.append(
            f"{label}, {name}: {ours:.4f} share, fixed number {peer:.4f} share, ratio {ours / peer if peer else 0:.3f}, "
            f"target {TOLERANCE} less, {'ok' if ours >= peer - TOLERANCE else 'short'}"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
