"""Pass recorded completions of real models through the stages of the flow rft, and measure the paths and the pairs that they give.

    python -m benchmarks.rft_pairs [--quick] [--read N]

The recordings are those of benchmarks/recordings.py, played as an endpoint; the references are the known answers. Printed are the right
solutions before and after those of one path were joined, and the pairs: that the judge finds the two answers of each different, their
lengths, and for the recordings of 2021, whose authors labelled each solution, whether the labels agree. The peer of the lengths is the pair
of the first right and the first wrong solution of a question. `--read N` prints N pairs of each recording.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from benchmarks.recordings import (
    DATA,
    RECORDED,
    RECORDINGS,
    SEED,
    URL,
    Playback,
    Recorded,
    Recording,
    records,
    table_of,
    tools,
)
from flows.config.rft import SolutionQualitySettings
from storage.datasets.steps import RIGHT_STEPS, WRONG
from storage.ledger import Ledger
from storage.rows import column, kept
from tasks.llm.endpoint import EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.transport import AsgiTransport
from tasks.rft.allocation import SampleSettings, Tally
from tasks.rft.gathering import count, right_and_wrong
from tasks.rft.pairing import PairSettings
from tasks.rft.summary import worse_of
from tasks.seeding import seed_of
from tasks.solution_paths import SamePathSettings
from tasks.stages.allocate import allocate
from tasks.stages.distinct import distinct
from tasks.stages.label_steps import label_steps
from tasks.stages.pair import pair
from tasks.stages.sample import STAGE, asked, formats_of, sample
from tasks.stages.score import score
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior

QUICK = 40  # questions of each recording with --quick
SAMPLES = {"GSM8K": 8, "GSM8K 2021": 4, "MATH level 5": 8, "MATH one model": 8, "BIG-bench hard": 16}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the questions; ends within a minute")
    parser.add_argument("--read", type=int, default=0, metavar="N", help="pairs to print of each recording")
    given = parser.parse_args()
    if not (DATA / "samples").is_dir():
        print(
            f"there are no recorded completions in {DATA}. Fix: set REAL_TEXT_DATA to a folder that has them"
        )
        return 2
    lines, labels = [], labels_of_2021()
    with tools() as shared:
        for recording in RECORDINGS:
            questions = enough(recording)
            if given.quick:
                questions = questions[:: max(1, len(questions) // QUICK)]
            lines += measured(recording, questions, shared, labels, given.read)
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


def measured(
    recording: Recording,
    questions: Sequence[Recorded],
    shared: dict[str, Any],
    labels: dict[tuple[str, str], bool],
    read: int,
) -> list[str]:
    """Print the figures of one recording, and return the lines of its targets."""
    samples = SAMPLES[recording.name]
    settings = SampleSettings(samples=samples, most_samples=samples, pot_share=recording.pot_share, most=4)
    right, wrong, tallies = judged(questions, settings, shared)
    one_per_path = kept(distinct(right, settings=SamePathSettings(), tick=_ignore))
    good = one_per_path
    quality = SolutionQualitySettings()
    for name in quality.scorers:
        good = kept(score(good, name=name, thresholds=quality.thresholds, tick=_ignore).rows)
    staying = kept(allocate(good, settings=settings, tick=_ignore))
    both = pa.concat_tables([good, wrong])
    pairs = kept(pair(both, settings=PairSettings(), judge=shared["judge"], tick=_ignore)).to_pylist()
    sides = [(row, worse_of(orjson.loads(row["params"]))) for row in pairs]
    judgements = shared["judge"].equal([(row["answer"], worse["answer"]) for row, worse in sides])
    same = sum(one != "different" for one in judgements)
    print(
        f"\n{recording.name}: {len(questions)} questions, {sum(one.sampled for one in tallies.values())} samples, "
        f"{right.num_rows} right, {wrong.num_rows} wrong, {one_per_path.num_rows} distinct paths of the right ones, "
        f"{good.num_rows} of good quality, {staying.num_rows} stay (prop2diff, 4 at most), {len(sides)} pairs, {same} of them with answers not known to differ"
    )
    checked = [
        (labels[key], labels[other])
        for row, worse in sides
        for key, other in [
            ((row["question"], row["solution"].strip()), (row["question"], worse["solution"].strip()))
        ]
        if key in labels and other in labels
    ]
    if checked:
        agree = sum(good and not bad for good, bad in checked)
        print(f"  labelled by their authors: {len(checked)} pairs, of which {agree} are right beside wrong")
    stepped = kept(label_steps(both, scorers=[], recompute=True, tick=_ignore)).to_pylist()
    known = [(row, orjson.loads(row["params"])) for row in stepped]
    pointed = [(row, worse) for row, params in known for worse in params.get(WRONG, ())]
    print(
        f"  steps labelled by the step checker alone: {sum(RIGHT_STEPS in params for _, params in known)} right solutions, "
        f"{len(pointed)} wrong ones, {sum(worse['step'] > 1 for _, worse in pointed)} of these after right steps"
    )
    if read:
        show(sides, read)
        show_steps(pointed, read)
    ours = spread([(len(row["solution"]), len(worse["solution"])) for row, worse in sides])
    peer = spread(first_pairs(right, wrong))
    ratio = ours / peer if peer else 0.0
    return [
        f"mean ratio of the lengths of a pair, {recording.name}: {ours:.3f} times, first right and first wrong {peer:.3f} times, "
        f"ratio {ratio:.3f}, target 1.0, {'ok' if ratio <= 1 else 'short'}",
        f"pairs with answers not known to differ, {recording.name}: {same} pairs, none 0 pairs, ratio 1.0, target 0, "
        f"{'ok' if not same else 'short'}",
    ]


def enough(recording: Recording) -> list[Recorded]:
    """Return the questions of a recording that have as many completions of each format as SAMPLES asks for."""
    chosen = []
    for one in recording.load():
        kinds = formats_of(one.problem_id, SAMPLES[recording.name], recording.pot_share)
        if len(one.words) >= kinds.count("cot") and len(one.programs) >= kinds.count("pot"):
            chosen.append(one)
    return chosen


def judged(
    questions: Sequence[Recorded], settings: SampleSettings, shared: dict[str, Any]
) -> tuple[pa.Table, pa.Table, dict[str, Tally]]:
    """Return the right and the wrong solutions, and the tallies of the questions."""
    table = table_of(questions, shown=True)
    with playing(questions, settings) as engine:
        drawn = sample(
            asked(table, {one.problem_id: (0, settings.samples) for one in questions}),
            samplers=engine,
            settings=settings,
            seed=SEED,
            tick=_ignore,
        ).rows
    verified = verify(kept(drawn), calibration=prior(), settings=VerifySettings(), tick=_ignore, **shared)
    tallies: dict[str, Tally] = {}
    count(tallies, drawn, verified)
    right, wrong = right_and_wrong([verified], tallies)
    return right, wrong, tallies


@contextmanager
def playing(questions: Sequence[Recorded], settings: SampleSettings) -> Iterator[Engine]:
    """Yield an engine of the role samplers whose endpoint plays the recordings."""

    def kinds_of(question: Recorded) -> list[str]:
        return formats_of(question.problem_id, settings.samples, settings.pot_share)

    played = AsgiTransport(Playback(questions, kinds_of, SEED, stage=STAGE), URL)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder) / "ledger.sqlite") as ledger,
        Engine(RECORDED, ledger, EngineLimits(max_in_flight=64), transports=[played]) as engine,
    ):
        yield engine


def labels_of_2021() -> dict[tuple[str, str], bool]:
    """Return whether each solution of 2021 is right according to its authors, by question and solution."""
    return {
        (row["question"].strip(), one["solution"].strip()): bool(one["is_correct"])
        for row in records("gsm8k/example_model_solutions.a.jsonl.gz")
        for one in row.values()
        if isinstance(one, dict) and "is_correct" in one
    }


def first_pairs(right: pa.Table, wrong: pa.Table) -> list[tuple[int, int]]:
    """Return the lengths of the first right and the first wrong solution of each question that has both."""
    first: list[dict[str, int]] = []
    for table in (right, wrong):
        lengths: dict[str, int] = {}
        for problem, solution in zip(column(table, "problem_id"), column(table, "solution"), strict=True):
            lengths.setdefault(problem, len(solution))
        first.append(lengths)
    return [(first[0][problem], first[1][problem]) for problem in sorted(first[0].keys() & first[1].keys())]


def spread(lengths: Sequence[tuple[int, int]]) -> float:
    """Return the mean ratio of the longer to the shorter side, 0 without pairs."""
    return float(np.exp(np.mean([abs(math.log(one / other)) for one, other in lengths]))) if lengths else 0.0


def show(sides: Sequence[tuple[dict[str, Any], dict[str, Any]]], number: int) -> None:
    """Print pairs, drawn by a hash of their ids."""
    for row, worse in sorted(sides, key=lambda one: seed_of(SEED, "read pair", one[0]["id"]))[:number]:
        print(f"\n--- reference {row['reference_answer']!r}, margin {worse['margin']}")
        print(
            f"Q: {row['question']}\nCHOSEN ({row['answer']!r}): {row['solution']}\nREJECTED ({worse['answer']!r}): {worse['solution']}"
        )


def show_steps(pointed: Sequence[tuple[dict[str, Any], dict[str, Any]]], number: int) -> None:
    """Print wrong solutions with their first wrong step, drawn by a hash of their ids."""
    for row, worse in sorted(pointed, key=lambda one: seed_of(SEED, "read steps", one[1]["id"]))[:number]:
        print(f"\n--- reference {row['reference_answer']!r}, first wrong step {worse['step']}")
        print(f"Q: {row['question']}\nWRONG: {worse['solution']}")


def _ignore(rows: int) -> None:
    """Count no progress."""


if __name__ == "__main__":
    sys.exit(main())
