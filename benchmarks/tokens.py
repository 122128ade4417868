"""Measure the tokens per accepted row of sampling in rounds (solve.adaptive) beside a fixed number of samples.

    python -m benchmarks.tokens [--quick] [--error 0.05]

On the recorded completions of benchmarks/recordings.py, whose samples are judged once and then replayed under each rule
(benchmarks/replayed.py), and on the embedded teacher, whose questions are drawn from its problem families. A row counts if the
mixture can take it: at most mix.per_problem accepted rows of a question. The tokens are those of solving; no critic is asked. Both
ways get the same samples under the same seeds. Precision and recall (the share of the questions with a right row among all
samples that keep one) count as equal if they are at most TOLERANCE lower.

Two bounds per recording say what a rule could reach. `known outcome`: a rule that knows all samples, asks for two at least, and
keeps every row that the fixed number keeps. `best pattern rule`: of all rules that stop by which samples agree, the one with the
fewest tokens at equal precision and recall, chosen with the truth known; a rule that sees no more than the agreement of the
samples cannot save more. `--quick` takes a part of the questions and ends within a minute.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter, defaultdict

import numpy as np

from benchmarks.recordings import DATA, RECORDINGS, SEED, Played, Recorded, play, tools
from benchmarks.replayed import CONFIG, Cost, Numbers, Samples, samples_of
from flows.config.nightly import Nightly
from storage.rows import column
from tasks.arrays import Mask
from tasks.llm.endpoint import Endpoint
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.stages.solve import SolveSettings
from tasks.voting import Calibration, StoppingRule, Votes, prior

FEWER = 0.35  # of the tokens per accepted row, at least
TOLERANCE = 0.01  # of precision and of recall
QUICK = 40  # questions of each set with --quick
EMBEDDED = Endpoint("reasoner", "embedded")
DRAWN = 600  # questions of the embedded teacher
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
        fixed = play(drawn, SolveSettings(), shared, endpoint=EMBEDDED)
        rounds = play(drawn, SolveSettings(adaptive=given.error), shared, endpoint=EMBEDDED)
        problems = column(fixed.rows, "problem_id")
        reachable = {problem for problem, right in zip(problems, fixed.right, strict=True) if right == 1}
        most = Nightly().mix.per_problem
        lines += compared(
            "embedded teacher", fixed.questions, costs(fixed, reachable, most), costs(rounds, reachable, most)
        )
        if not (DATA / "samples").is_dir():
            print(
                f"left out: there are no recorded completions in {DATA}. Fix: set REAL_TEXT_DATA to a folder that has them"
            )
            return finished(lines)
        for recording in RECORDINGS:
            questions = recording.questions()
            if given.quick:
                questions = questions[:: max(1, len(questions) // QUICK)]
            settings = SolveSettings(samples=recording.samples, pot_share=recording.pot_share)
            lines += replayed(recording.name, samples_of(questions, settings, shared), given.error)
    return finished(lines)


def finished(lines: list[str]) -> int:
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def replayed(name: str, samples: Samples, error: float) -> list[str]:
    """Print the costs of a recording and its bounds, and return the lines of the targets."""
    hidden, fixed, fitted = all_samples(samples)
    plain = samples.cost(hidden, fixed, samples.accepted(hidden, fixed, fitted))
    taken, calibration = in_rounds(samples, error)
    adaptive = samples.cost(hidden, taken, samples.accepted(hidden, taken, calibration))
    lines = compared(name, len(hidden), plain, adaptive)
    for label, bound in (
        ("known outcome", known_outcome(samples)),
        ("best pattern rule", best_pattern_rule(samples, plain)),
    ):
        print(
            f"  {label}: {1 - bound.tokens / plain.tokens:.1%} fewer tokens per row, precision {bound.precision:.4f}, recall "
            f"{bound.recall:.4f}",
            flush=True,
        )
    return lines


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


def best_pattern_rule(samples: Samples, plain: Cost) -> Cost:
    """Return the cost of the best rule that stops by the pattern of agreement of the first two or three samples; of the MOST_PATTERNS
    most frequent patterns each is either one on which it stops, or not."""
    hidden, fixed, fitted = all_samples(samples)
    ends = range(2, samples.most)
    taken_by = {end: np.full(len(hidden), end) for end in (*ends, samples.most)}
    accepted = {end: samples.accepted(hidden, taken, fitted) for end, taken in taken_by.items()}
    patterns = {end: [pattern(answers[:end]) for answers in samples.answer[hidden]] for end in ends}
    counts = Counter(one for some in patterns.values() for one in some)
    frequent = [one for one, _ in counts.most_common(MOST_PATTERNS)]
    stops_on = {one: np.array([other == one for other in patterns[len(one)]]) for one in frequent}
    best = plain
    for chosen in itertools.product((False, True), repeat=len(frequent)):
        taken = fixed.copy()
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


def costs(played: Played, reachable: set[str], most: int) -> Cost:
    """Return the cost of a night. `reachable`: questions with a right row among all samples. `most`: rows of a question
    that the mixture takes, the likeliest first."""
    problems, correctness = column(played.rows, "problem_id"), column(played.rows, "correctness")
    accepted = [i for i in range(len(problems)) if played.accepted[i]]
    taken: defaultdict[str, list[int]] = defaultdict(list)
    for i in sorted(accepted, key=lambda i: -(correctness[i] or 0.0)):
        if len(taken[problems[i]]) < most:
            taken[problems[i]].append(i)
    rows = [i for chosen in taken.values() for i in chosen]
    right = {problems[i] for i in rows if played.right[i] == 1}
    return Cost(
        rows=len(rows),
        tokens=played.tokens / max(1, len(rows)),
        precision=sum(int(played.right[i] == 1) for i in rows) / max(1, len(rows)),
        recall=len(right & reachable) / max(1, len(reachable)),
        samples=played.rows.num_rows / max(1, played.questions),
    )


def compared(name: str, questions: int, plain: Cost, adaptive: Cost) -> list[str]:
    """Print both costs, and return the lines of the targets."""
    print(f"\n{name}: {questions} questions")
    for label, cost in (("fixed", plain), ("rounds", adaptive)):
        print(
            f"  {label:8}{cost.samples:5.2f} samples, {cost.rows:5} rows, {cost.tokens:8,.0f} tokens per row, precision "
            f"{cost.precision:.4f}, recall {cost.recall:.4f}",
            flush=True,
        )
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
