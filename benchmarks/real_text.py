"""Run nights over recorded completions of real models, with the references hidden, and compare what is accepted with them.

    python -m benchmarks.real_text [--quick] [--planned] [--read N]

No question is generated and no critic is asked: the stages solve, verify, heuristics, weigh and dedup of a night read what the
models of benchmarks/recordings.py wrote. One question of five has its reference, to calibrate the votes; the figures are of the
others. The peer is the plain majority vote over the same samples: the answer that most samples give (the first of several) is
accepted with all rows that have it, and its share of the samples is its probability. It accepts more rows than the night, so
its precision is compared at the same number of rows: those with the largest shares. `--read N` prints N accepted and N
rejected rows of each recording. `--planned` is the second proof of docs/proof-plan.md: one question of three calibrates, and the figures are
by question, with Wilson's intervals and the majority vote at the same recall. `--quick` takes a part of the questions and ends within a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.recordings import DATA, RECORDINGS, SEED, Played, play, tools
from storage.rows import column
from tasks.arrays import Floats, Mask
from tasks.evaluation.statistics import interval
from tasks.seeding import seed_of
from tasks.stages.solve import SolveSettings
from tasks.voting import from_rows, reliability

QUICK = 40  # questions of each recording with --quick
PLANNED = 3  # of so many questions one calibrates the votes with --planned


@dataclass(frozen=True, slots=True)
class Figures:
    """precision: share of the accepted rows that is right. recall: share of the right rows that is accepted. questions:
    share of the questions with a right row that keeps one. ece: of the probabilities of all rows with an answer."""

    precision: float
    recall: float
    questions: float
    ece: float
    accepted: int


@dataclass(frozen=True, slots=True)
class ByQuestion:
    """accepted: questions with an accepted row. right: those of them all of whose accepted rows are right. solved: questions with a right row.
    peer: questions that the majority vote accepts, those with the largest shares first, until as many of them are right."""

    accepted: int
    right: int
    solved: int
    peer: int


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the questions; ends within a minute")
    parser.add_argument(
        "--planned",
        action="store_true",
        help="by question, as docs/proof-plan.md fixed it before the first run",
    )
    parser.add_argument("--read", type=int, default=0, metavar="N", help="rows to print of each recording")
    given = parser.parse_args()
    if not (DATA / "samples").is_dir():
        print(
            f"there are no recorded completions in {DATA}. Fix: set REAL_TEXT_DATA to a folder that has them"
        )
        return 2
    lines, total = [], Counter[str]()
    with tools() as shared:
        for recording in RECORDINGS:
            questions = recording.questions()
            if given.quick:
                questions = questions[:: max(1, len(questions) // QUICK)]
            settings = SolveSettings(samples=recording.samples, pot_share=recording.pot_share)
            if given.planned:
                lines.append(
                    planned(recording.name, by_question(play(questions, settings, shared, known_of=PLANNED)))
                )
                continue
            played = play(questions, settings, shared)
            ours = figures(played, played.accepted, probabilities(played))
            plain, share, majority_rows = majority(played)
            peer = precision_at(ours.accepted, played, share, majority_rows)
            total.update(accepted=ours.accepted, right=round(ours.precision * ours.accepted))
            describe(recording.name, played, ours, plain)
            if given.read:
                show(played, given.read)
            lines += compared(recording.name, ours, plain, peer)
    if not given.planned:
        print(f"\nall recordings: {total['right']} of {total['accepted']} accepted rows are right\n")
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def probabilities(played: Played) -> Floats:
    """Return `correctness` (n,), 0 where a row has none."""
    return np.array([value or 0.0 for value in column(played.rows, "correctness")])


def figures(played: Played, accepted: Mask, probability: Floats) -> Figures:
    """Return the figures of a choice of rows (n,) and of the probabilities (n,) that they are right."""
    right = played.right == 1
    problems = np.array(column(played.rows, "problem_id"))
    judged = np.array([value is not None for value in column(played.rows, "correctness")]) & (
        played.right != 0
    )
    return Figures(
        precision=float(right[accepted].mean()) if accepted.any() else 0.0,
        recall=float(accepted[right].mean()) if right.any() else 0.0,
        questions=len(set(problems[accepted & right])) / max(1, len(set(problems[right]))),
        ece=reliability(probability[judged], right[judged]).ece,
        accepted=int(accepted.sum()),
    )


def majority(played: Played) -> tuple[Figures, Floats, Mask]:
    """Return the figures of the plain majority vote over the samples, each answer's share of the samples (n,), and the rows
    (n,) that the vote accepts."""
    votes = from_rows(played.rows)
    same = np.where(votes.readable, votes.agree + 1, 0)
    samples = votes.agree + 1 + votes.against + votes.abstained
    problems, texts = column(played.rows, "problem_id"), column(played.rows, "answer")
    first: dict[str, int] = {}  # per question the first row with its most frequent answer
    for i in np.lexsort((np.array(column(played.rows, "sample_index")), problems)).tolist():
        leader = first.get(problems[i])
        if votes.readable[i] and (leader is None or same[i] > same[leader]):
            first[problems[i]] = i
    # answers of the same number of votes are the same answer if they are more than half, or written alike
    accepted = np.array(
        [
            bool(votes.readable[i])
            and same[i] == same[first[problem]]
            and (2 * same[i] > samples[i] or texts[i] == texts[first[problem]])
            for i, problem in enumerate(problems)
        ]
    )
    share = np.where(votes.readable, same / samples, 0.0)
    return figures(played, accepted, share), share, accepted


def precision_at(rows: int, played: Played, share: Floats, accepted: Mask) -> float:
    """Return the precision of the `rows` accepted rows with the largest shares. Of rows that share the last place, as many
    as fit count with their mean."""
    right = played.right == 1
    taken = correct = 0.0
    for value in sorted(set(share[accepted]), reverse=True):
        group = accepted & (share == value)
        fit = min(rows - taken, int(group.sum()))
        taken, correct = taken + fit, correct + fit * float(right[group].mean())
    return correct / taken if taken else 0.0


def by_question(played: Played) -> ByQuestion:
    """Return the figures by question, and those of the majority vote at the same recall. Of questions that share the last place, as many as
    are needed count with their mean."""
    problems, right = column(played.rows, "problem_id"), played.right == 1
    ours: dict[str, bool] = {}
    for i in np.flatnonzero(played.accepted).tolist():
        ours[problems[i]] = ours.get(problems[i], True) and bool(right[i])
    _, share, rows = majority(played)
    peer: dict[str, tuple[float, bool]] = {}
    for i in np.flatnonzero(rows).tolist():
        before = peer.get(problems[i], (0.0, True))
        peer[problems[i]] = (max(before[0], float(share[i])), before[1] and bool(right[i]))
    needed, taken = float(sum(ours.values())), 0.0
    for value in sorted({one for one, _ in peer.values()}, reverse=True):
        group = [good for one, good in peer.values() if one == value]
        if sum(group) < needed:
            taken, needed = taken + len(group), needed - sum(group)
            continue
        taken += needed * len(group) / sum(group) if sum(group) else 0.0
        break
    solved = {problem for problem, good in zip(problems, right.tolist(), strict=True) if good}
    return ByQuestion(len(ours), sum(ours.values()), len(solved), round(taken))


def planned(name: str, one: ByQuestion) -> str:
    """Return the line of the second proof."""
    precision, recall = one.right / max(1, one.accepted), one.right / max(1, one.solved)
    peer = one.right / max(1, one.peer)
    (low, high), (least, most) = (
        interval(np.repeat([1.0, 0.0], [part, max(0, whole - part)])) if whole else (0.0, 1.0)
        for part, whole in ((one.right, one.accepted), (one.right, one.solved))
    )
    return (
        f"precision by question, {name}: {precision:.4f} share [{low:.4f}, {high:.4f}] of {one.accepted}, recall {recall:.4f} [{least:.4f}, {most:.4f}] of "
        f"{one.solved}, majority at this recall {peer:.4f} share, ratio {precision / peer if peer else 0.0:.3f}, target 1.0, {'ok' if precision >= peer else 'short'}"
    )


def describe(name: str, played: Played, ours: Figures, plain: Figures) -> None:
    """Print what one night did."""
    answered = int((played.right != 0).sum())
    print(
        f"\n{name}: {played.questions} hidden questions, {played.rows.num_rows} rows, {played.tokens:,} tokens, "
        f"{played.tokens / max(1, ours.accepted):,.0f} per accepted row"
    )
    print(f"  {answered} answers compared, {int((played.right == 1).sum())} right")
    for label, one in (("mathmill", ours), ("majority", plain)):
        print(
            f"  {label}: {one.accepted} accepted, precision {one.precision:.4f}, recall {one.recall:.4f}, "
            f"questions {one.questions:.4f}, ECE {one.ece:.4f}"
        )
    reasons = Counter(f"{why['stage']}: {why['code']}" for why in column(played.rows, "reason") if why)
    for reason, count in reasons.most_common():
        print(f"  {count:6} {reason}")


def compared(name: str, ours: Figures, plain: Figures, peer: float) -> list[str]:
    """Return the lines of the targets. `peer`: the precision of as many rows of the majority vote."""
    precision = ours.precision / peer if peer else 0.0
    error = ours.ece / plain.ece if plain.ece else 0.0
    return [
        f"precision of accepted rows, {name}: {ours.precision:.4f} share, majority {peer:.4f} share, ratio {precision:.3f}, "
        f"target 1.0, {'ok' if precision >= 1 else 'short'}",
        f"ECE of correctness, {name}: {ours.ece:.4f} share, majority {plain.ece:.4f} share, ratio {error:.2f}, target 1.0, "
        f"{'ok' if error <= 1 else 'short'}",
    ]


def show(played: Played, number: int) -> None:
    """Print a sample of accepted and rejected rows, to read."""
    rows, accepted = played.rows.to_pylist(), played.accepted
    for title, choice in (("accepted", accepted), ("rejected", ~accepted)):
        chosen = sorted(np.flatnonzero(choice), key=lambda i: seed_of(SEED, "read", rows[i]["id"]))[:number]
        for i in chosen:
            row = rows[i]
            print(
                f"\n--- {title}, right {played.right[i]}, correctness {row['correctness']}, {row['rejected']}"
            )
            print(
                f"Q: {row['question']}\nA ({row['solution_format']}): {row['solution']}\n=> {row['answer']!r}"
            )


if __name__ == "__main__":
    sys.exit(main())
