"""Measure the tokens per accepted row of sampling in rounds (solve.adaptive) beside a fixed number of samples.

    python -m benchmarks.tokens [--quick] [--error 0.05] [--route 0.25]

On the recorded completions of benchmarks/recordings.py and on the embedded teacher, whose questions are drawn from its problem
families. A row counts if the mixture can take it: at most mix.per_problem accepted rows of a question. The tokens are those of
solving; no critic is asked. Both ways get the same samples under the same seeds.
Precision and recall (the share of the questions with a right row among all samples that keep one) count as equal if they are at
most TOLERANCE lower. With `--route`, the rounds ask for the formats that solve.route chooses. `--quick` takes a part of the questions and ends within a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.recordings import DATA, RECORDED, RECORDINGS, SEED, Played, Recorded, play, tools
from flows.config.nightly import Nightly
from storage.rows import column
from tasks.llm.endpoint import Endpoint
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.stages.solve import SolveSettings

FEWER = 0.35  # of the tokens per accepted row, at least
TOLERANCE = 0.01  # of precision and of recall
QUICK = 40  # questions of each set with --quick
EMBEDDED = Endpoint("reasoner", "embedded")
DRAWN = 600  # questions of the embedded teacher


@dataclass(frozen=True, slots=True)
class Cost:
    """rows: accepted rows that the mixture can take. tokens: per such row. precision: of those rows. recall: share of the
    questions with a right row among all samples that keep one. samples: per question."""

    rows: int
    tokens: float
    precision: float
    recall: float
    samples: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the questions; ends within a minute")
    parser.add_argument("--error", type=float, default=0.05, help="solve.adaptive")
    parser.add_argument("--route", type=float, default=0.0, help="solve.route of the rounds")
    given = parser.parse_args()
    changed = {"adaptive": given.error, "route": given.route}
    lines = []
    with tools() as shared:
        for name, questions, settings, endpoint in sets(given.quick):
            if given.route and endpoint is RECORDED and settings.pot_share not in (0, 1):
                questions = [q for q in questions if min(len(q.words), len(q.programs)) >= settings.samples]
            fixed = play(questions, settings, shared, endpoint=endpoint)
            rounds = play(questions, settings.model_copy(update=changed), shared, endpoint=endpoint)
            lines += compared(name, fixed, rounds)
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


Set = tuple[str, Sequence[Recorded], SolveSettings, Endpoint]


def sets(quick: bool) -> Iterator[Set]:
    """Yield (name, questions, settings, endpoint); the recordings only where they are."""
    drawn = teacher_questions(QUICK if quick else DRAWN)
    yield "embedded teacher", drawn, SolveSettings(), EMBEDDED
    if not (DATA / "samples").is_dir():
        print(
            f"left out: there are no recorded completions in {DATA}. Fix: set REAL_TEXT_DATA to a folder that has them"
        )
        return
    for recording in RECORDINGS:
        questions = recording.questions()
        if quick:
            questions = questions[:: max(1, len(questions) // QUICK)]
        yield (
            recording.name,
            questions,
            SolveSettings(samples=recording.samples, pot_share=recording.pot_share),
            RECORDED,
        )


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


def compared(name: str, fixed: Played, rounds: Played) -> list[str]:
    """Print both costs, and return the lines of the targets."""
    problems = column(fixed.rows, "problem_id")
    reachable = {problem for problem, right in zip(problems, fixed.right, strict=True) if right == 1}
    most = Nightly().mix.per_problem
    plain, adaptive = costs(fixed, reachable, most), costs(rounds, reachable, most)
    print(f"\n{name}: {fixed.questions} questions")
    for label, cost in (("fixed", plain), ("rounds", adaptive)):
        print(
            f"  {label:8}{cost.samples:5.2f} samples, {cost.rows:5} rows, {cost.tokens:8,.0f} tokens per row, precision "
            f"{cost.precision:.4f}, recall {cost.recall:.4f}"
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
