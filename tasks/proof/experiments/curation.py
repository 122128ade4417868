"""Stages of the night, on and off: deduplication, loss weights of hard rows, and the scorer critique as a gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from storage.rows import Row, column, to_table
from tasks.dedup.settings import DedupSettings
from tasks.llm.engine import Engine
from tasks.proof.lab import Lab, Lesson, words
from tasks.proof.problems import worked_solution
from tasks.seeding import rng_of
from tasks.stages.dedup import dedup
from tasks.stages.score import score
from tasks.teacher.error_injection import inject_error

COPIES = 10
WRONG = 0.3  # share of planted wrong rows
# lowest score: the embedded critic cannot solve most of these terse problems and gives 0.4 to 0.5 if the arithmetic is right
# and at most 0.3 if it is not; the night's 0.6 would lose half of the right rows
GATE = 0.35


def run(lab: Lab, models: dict[str, Any], critic: Engine) -> None:
    rows = words(lab.draw("rows", lab.sizes.rows))
    duplicates(lab, rows)
    weights(lab, models)
    gate(lab, rows, critic)


def duplicates(lab: Lab, rows: list[Lesson]) -> None:
    """Train on rows of which a tenth has ten copies each in other spacing, and on the rows that deduplication keeps."""
    copied = [
        dataclasses.replace(row, question=row.question.replace(" ", " " * (2 + copy % 2), 1 + copy % 3))
        for row in rows[: len(rows) // COPIES]
        for copy in range(COPIES)
    ]
    everything = [*rows, *copied]
    table = to_table(
        Row(one.question, "en", solution=one.solution, source=str(i)) for i, one in enumerate(everything)
    )
    # the limit per template serves the variety of a night; here only copies matter
    judged = dedup(table, settings=DedupSettings(per_template=len(everything), jaccard=1.0, rouge_l=1.0))
    left = [one for one, why in zip(everything, column(judged, "rejected"), strict=True) if why is None]
    lab.facts |= {"rows with copies": len(everything), "rows without": len(left)}
    lab.score("with duplicates", lab.train("duplicates", everything))
    lab.score("de-duplicated", lab.train("duplicates", left))


def weights(lab: Lab, models: dict[str, Any]) -> None:
    """Train with loss weights from how often the student fails on the question, and with equal weights."""
    problems = lab.draw("answered", lab.sizes.answered)
    drawn = lab.complete(models["SFT"], problems, samples=lab.sizes.samples, temperature=0.7)
    right = lab.right(
        [text for several in drawn for text in several],
        [problem for problem in problems for _ in range(lab.sizes.samples)],
    )
    hard = [_failing(right[i : i + lab.sizes.samples]) for i in range(0, len(right), lab.sizes.samples)]
    mean = sum(0.5 + one for one in hard) / len(hard)
    weighted = [
        dataclasses.replace(row, weight=(0.5 + one) / mean)
        for row, one in zip(words(problems), hard, strict=True)
    ]
    lab.score("all rows alike", lab.train("weights", words(problems)))
    lab.score("hard rows count more", lab.train("weights", weighted))


def _failing(results: Sequence[int | None]) -> float:
    """Return the share of wrong samples among those that could be compared, or 0.5 if none could."""
    known = [result for result in results if result is not None]
    return 1 - sum(known) / len(known) if known else 0.5


def gate(lab: Lab, rows: list[Lesson], critic: Engine) -> None:
    """Train on rows of which some have a wrong step, with and without the gate of the critic."""
    rng = rng_of("proof", lab.seed, "wrong")
    bad = set(rng.sample(range(len(rows)), round(WRONG * len(rows))))
    spoiled = [spoil(row, lab, i) if i in bad else row for i, row in enumerate(rows)]
    table = to_table(
        Row(one.question, "en", solution=one.solution, source=str(i)) for i, one in enumerate(spoiled)
    )
    judged = score(table, name="critique", thresholds={"answer": GATE}, critic=critic, tick=lambda _: None)
    rejected = column(judged.rows, "rejected")
    kept = [i for i, why in enumerate(rejected) if why is None]
    lab.facts |= {
        "wrong rows caught": 1 - len(bad & set(kept)) / len(bad),
        "right rows lost": 1 - len(set(kept) - bad) / (len(rows) - len(bad)),
    }
    lab.score("gate off", lab.train("gate", spoiled))
    lab.score("gate on", lab.train("gate", [spoiled[i] for i in kept]))


def spoil(row: Lesson, lab: Lab, index: int) -> Lesson:
    """Return the row with one wrong calculation, from which the later steps follow."""
    worked, _, answer = row.solution.rpartition(" #### ")
    steps, wrong = inject_error(tuple(worked.split(", ")), answer, rng_of("proof", lab.seed, "slip", index))
    return dataclasses.replace(row, solution=worked_solution(steps, wrong))
