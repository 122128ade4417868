"""Stages of the night, on and off: deduplication, loss weights of hard rows, and the scorer critique as a gate."""

from __future__ import annotations

from pathlib import Path

from storage.rows import Row, column, kept, to_table
from tasks.dedup.settings import DedupSettings
from tasks.llm.engine import Engine
from tasks.proof.lab import Lab, with_weights
from tasks.proof.rows import spoiled, words
from tasks.seeding import rng_of
from tasks.stages.dedup import dedup
from tasks.stages.score import ScoreSettings, score

COPIES = 10
WRONG = 0.3  # share of planted wrong rows


def run(lab: Lab, models: dict[str, Path], critic: Engine) -> None:
    duplicates(lab)
    weights(lab, models)
    gate(lab, critic)


def duplicates(lab: Lab) -> None:
    """Train on rows of which a tenth has ten copies each in other spacing, and on the rows that deduplication keeps."""
    rows = words(lab.draw("rows", lab.sizes.rows))
    copied = [
        Row(
            row.question.replace(" ", " " * (2 + copy), 1),
            row.language,
            solution=row.solution,
            solution_format=row.solution_format,
            answer=row.answer,
            reference_answer=row.reference_answer,
            subdomain=row.subdomain,
            source=row.source,
            license=row.license,
        )
        for row in rows[: len(rows) // COPIES]
        for copy in range(COPIES)
    ]
    everything = to_table([*rows, *copied])
    # the limit per template serves the variety of a night; here only copies matter
    settings = DedupSettings(per_template=everything.num_rows, jaccard=1.0, rouge_l=1.0)
    left = kept(dedup(everything, settings=settings))
    lab.facts |= {"rows with copies": everything.num_rows, "rows without": left.num_rows}
    for name, table in (("with duplicates", everything), ("de-duplicated", left)):
        lab.score(name, lab.train(name, "duplicates", [lab.publish(name, table)]))


def weights(lab: Lab, models: dict[str, Path]) -> None:
    """Train with loss weights from how often the student fails on the question, and with equal weights."""
    rows = words(lab.draw("rows", lab.sizes.rows)[: lab.sizes.asked])
    weighted = with_weights(rows, lab.sampled(models["SFT"], rows), lab.sizes.samples)
    for name, data in (("all rows alike", rows), ("hard rows count more", weighted)):
        lab.score(name, lab.train(name, "weights", [lab.publish(name, data)]))


def gate(lab: Lab, critic: Engine) -> None:
    """Train on rows of which some have a wrong step, with and without the gate of the critic at the night's thresholds."""
    problems = lab.draw("rows", lab.sizes.rows)
    rng = rng_of("proof", lab.seed, "wrong")
    bad = set(rng.sample(range(len(problems)), round(WRONG * len(problems))))
    rows = [
        spoiled(problem, lab.seed) if i in bad else row
        for i, (problem, row) in enumerate(zip(problems, words(problems), strict=True))
    ]
    judged = score(
        to_table(rows),
        name="critique",
        thresholds=ScoreSettings().thresholds,
        critic=critic,
        tick=lambda _: None,
    ).rows
    accepted = {i for i, why in enumerate(column(judged, "rejected")) if why is None}
    lab.facts |= {
        "wrong rows caught": 1 - len(bad & accepted) / len(bad),
        "right rows lost": 1 - len(accepted - bad) / (len(rows) - len(bad)),
    }
    for name, data in (("gate off", to_table(rows)), ("gate on", kept(judged))):
        lab.score(name, lab.train(name, "gate", [lab.publish(name, data)]))
