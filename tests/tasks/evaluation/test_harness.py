"""lm-evaluation-harness on a local task, offline: through the engine, and on a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storage.ledger import Ledger
from tasks.evaluation.answering import ANSWERED
from tasks.evaluation.harness import Folder, HarnessError, run_tasks
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.training.student import Shape, fresh

SHAPE = Shape(hidden=32, feedforward=64, layers=2, heads=2, context=256, vocabulary=300)
GENERATES = """
task: own_sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 200, do_sample: false}}
filter_list:
  - name: number
    filter: [{{function: regex, regex_pattern: "boxed{{(-?\\\\d+)}}"}}, {{function: take_first}}]
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
CHOOSES = """
task: own_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: 0
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    answered = tmp_path / "tasks"
    answered.mkdir()
    file = answered / "sums.jsonl"
    rows = [
        {"question": f"Calculate ${a} + {a + 1}$.", "answer": str(2 * a + 1 + (a == 14))}
        for a in range(11, 19)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    for name, text in (("own_sums", GENERATES), ("own_choice", CHOOSES)):
        (answered / f"{name}.yaml").write_text(text.format(file=file))
    return answered


def ran(engine: Engine, folder: Path, task: str) -> pa.Table:
    settings: dict[str, Any] = {"shots": None, "limit": None, "chat_template": False, "seed": 0}
    tasks = pa.table({"id": [task]})
    return run_tasks(
        tasks, engine=engine, folder=Folder.of(str(folder)), tick=lambda _: None, **settings
    ).rows


# importing the harness takes half a minute of CPU, also for the test below
@pytest.mark.soak
def test_a_chat_model_through_the_engine(folder: Path, tmp_path: Path) -> None:
    """The embedded teacher adds right; one of the eight trusted answers is planted wrong."""
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    with Engine(Endpoint(role="teacher", model="embedded"), ledger) as engine:
        answered = ran(engine, folder, "own_sums")
        again = ran(engine, folder, "own_sums")
        assert engine.stats().cached == 8
        with pytest.raises(HarnessError, match="returns no likelihoods"):
            ran(engine, folder, "own_choice")
        with pytest.raises(HarnessError, match="no task 'nothing'"):
            ran(engine, folder, "nothing")
    assert answered.schema.equals(ANSWERED)
    assert answered.equals(again)
    assert answered.column("benchmark").to_pylist() == ["own_sums"] * 8
    assert sum(answered.column("score").to_pylist()) == 7


@pytest.mark.soak
def test_a_checkpoint_by_likelihood(folder: Path, tmp_path: Path) -> None:
    model = fresh(["yes yes no"] * 20, tmp_path / "model", seed=3, shape=SHAPE)
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    with Engine(Endpoint(role="checkpoint", model=f"hf:{model}"), ledger) as engine:
        answered = ran(engine, folder, "own_choice")
    assert answered.num_rows == 8
    assert set(answered.column("score").to_pylist()) <= {0.0, 1.0}


def test_a_task_that_changed_is_another_task(folder: Path) -> None:
    before = Folder.of(str(folder))
    assert before == Folder.of(str(folder))
    with (folder / "sums.jsonl").open("a") as file:
        file.write("\n{}")
    assert Folder.of(str(folder)).digest != before.digest
    with pytest.raises(HarnessError, match="nowhere is not a folder"):
        Folder.of("nowhere")
