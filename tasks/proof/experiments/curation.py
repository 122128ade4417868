"""What the factory does to rows, on and off: de-duplication, loss weights of hard rows, the critique gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from storage.rows import Row, column, to_table
from tasks.dedup.settings import DedupSettings
from tasks.llm.engine import Engine
from tasks.proof.lab import Lab, Lesson, words
from tasks.proof.problems import said
from tasks.seeding import rng_of
from tasks.stages.dedup import dedup
from tasks.stages.score import score
from tasks.teacher.error_injection import slip

COPIES = 10
WRONG = 0.3  # share of planted wrong rows
# least score: the embedded critic cannot work most of these terse problems, and gives 0.4 to 0.5 where the arithmetic
# is right, 0.3 at most where it is not; the night's 0.6 would lose half of the right rows
GATE = 0.35


def run(lab: Lab, models: dict[str, Any], critic: Engine) -> None:
    rows = words(lab.draw("rows", lab.sizes.rows))
    duplicates(lab, rows)
    weights(lab, models)
    gate(lab, rows, critic)


def duplicates(lab: Lab, rows: list[Lesson]) -> None:
    """Rows of which a tenth is there ten times more, in other spacing, and what de-duplication leaves of them."""
    copied = [
        dataclasses.replace(row, question=row.question.replace(" ", " " * (2 + copy % 2), 1 + copy % 3))
        for row in rows[: len(rows) // COPIES]
        for copy in range(COPIES)
    ]
    everything = [*rows, *copied]
    table = to_table(
        Row(one.question, "en", solution=one.solution, source=str(i)) for i, one in enumerate(everything)
    )
    # the template's limit is for a night's variety; here only copies are at stake
    judged = dedup(table, settings=DedupSettings(per_template=len(everything), jaccard=1.0, rouge_l=1.0))
    left = [one for one, why in zip(everything, column(judged, "rejected"), strict=True) if why is None]
    lab.facts |= {"rows with copies": len(everything), "rows without": len(left)}
    lab.score("with duplicates", lab.train("duplicates", everything))
    lab.score("de-duplicated", lab.train("duplicates", left))


def weights(lab: Lab, models: dict[str, Any]) -> None:
    """The loss of a row counted by how often the student fails on its question, and each alike."""
    problems = lab.draw("answered", lab.sizes.answered)
    drawn = lab.say(models["SFT"], problems, samples=lab.sizes.samples, temperature=0.7)
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


def _failing(marks: Sequence[int | None]) -> float:
    """The share of the samples that are wrong among those that could be compared; half where none could."""
    known = [mark for mark in marks if mark is not None]
    return 1 - sum(known) / len(known) if known else 0.5


def gate(lab: Lab, rows: list[Lesson], critic: Engine) -> None:
    """Rows of which some have a wrong step, as they are and through the critic of the factory."""
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
    """The row with one wrong calculation, and everything after it following from it."""
    worked, _, answer = row.solution.rpartition(" #### ")
    steps, wrong = slip(tuple(worked.split(", ")), answer, rng_of("proof", lab.seed, "slip", index))
    return dataclasses.replace(row, solution=said(steps, wrong))
