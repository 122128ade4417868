"""Loss weights that a training computes anew, by other settings and by the pass rates of another version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.selection import PASS_RATE
from tasks.training.config import Train, TrainError
from tasks.training.job import Job
from tasks.training.models import tokenizer_of
from tasks.training.weighted import stream_of

QUESTIONS = ("What is 2 + 2?", "What is 3 + 3?")


def job(tmp_path: Path, student: Path, **settings: Any) -> Job:
    store = Store(tmp_path)
    if store.head("sums") is None:
        rows = [
            Row(
                question,
                "en",
                solution="It is so.",
                solution_format="cot",
                correctness=1.0,
                scores={"answer": 0.5, "other": 0.25, PASS_RATE: 1.0},
                loss_weight=1.25,
            )
            for question in QUESTIONS
        ]
        rates = [Row(QUESTIONS[1], "en", reference_answer="6", scores={PASS_RATE: 0.0})]
        store.publish("sums", [to_table(rows)], lineage={})
        store.publish("sums-prompts", [to_table(rates)], lineage={})
    config = Train.model_validate(
        {"data": [{"dataset": "sums"}], "base": str(student), "packing": False} | settings
    )
    return Job(
        config,
        config.stages()[0],
        1,
        store,
        (store.resolve("sums"),),
        str(student),
        tmp_path / "out",
        lambda text: None,
    )


def weights(one: Job, student: Path) -> list[float]:
    """Return the weight of each row in the order of the questions."""
    tokenizer = tokenizer_of(str(student))
    stream = stream_of(one, tokenizer)
    by_question = {}
    for _, block in zip(range(len(QUESTIONS)), stream.blocks(), strict=False):
        text = tokenizer.decode(np.asarray(block["input_ids"]).tolist())
        (question,) = [name for name in QUESTIONS if name in text]
        by_question[question] = float(block["loss_weights"].max())
    return [by_question[question] for question in QUESTIONS]


def test_weights_are_those_of_the_version_unless_they_are_computed_anew(
    tmp_path: Path, student: Path
) -> None:
    assert weights(job(tmp_path, student), student) == [1.25, 1.25]
    assert weights(job(tmp_path, student, reweigh={}), student) == [1.5, 1.5]
    assert weights(job(tmp_path, student, reweigh={"most": 5, "critic": ["other"]}), student) == [4.0, 4.0]
    assert weights(job(tmp_path, student, loss_weights=False), student) == [1.0, 1.0]


def test_the_pass_rates_of_the_present_student_are_read_from_a_version(tmp_path: Path, student: Path) -> None:
    version = str(job(tmp_path, student).store.resolve("sums-prompts"))
    newer = job(tmp_path, student, reweigh={"pass_rates": version})
    assert weights(newer, student) == [1.5, 2.0]
    none = newer.store.publish("none", [to_table([Row("q", "en")])], lineage={})
    without = job(tmp_path, student, reweigh={"pass_rates": str(none)})
    with pytest.raises(TrainError, match=r"reweigh\.pass_rates: no row of .* Fix: "):
        weights(without, student)


def test_a_version_is_named_whole_so_that_a_run_that_is_continued_reads_the_same() -> None:
    with pytest.raises(ValidationError, match="pass_rates"):
        Train.model_validate({"reweigh": {"pass_rates": "sums-prompts"}})
    with pytest.raises(ValidationError, match="reweigh needs loss_weights"):
        Train.model_validate({"reweigh": {}, "loss_weights": False})
