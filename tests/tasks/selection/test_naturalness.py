"""Naturalness: log-probabilities and ranks equal those that are read from the logits one by one, in any batch."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.reasons import Code
from storage.rows import Row, column, reasons_of, to_table
from tasks.selection.naturalness import MOST_RANK, naturalness
from tasks.stages.select import select
from tasks.training.completion import Completer
from tasks.training.student import Shape, fresh

SUMS = [
    (f"What is {a} + {b}?", f"{a} + {b} = {a + b}\nSo \\boxed{{{a + b}}}")
    for a, b in ((2, 3), (41, 17), (5, 90))
]
SHAPE = Shape(hidden=32, feedforward=64, layers=1, heads=2, context=128, vocabulary=320)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh([f"{q} {s}" for q, s in SUMS], tmp_path_factory.mktemp("natural"), seed=1, shape=SHAPE)


@pytest.fixture(scope="module")
def completer(checkpoint: Path) -> Completer:
    return Completer.load(checkpoint, device="cpu")


def one_by_one(model: Completer, prompt: str, text: str) -> tuple[float, float]:
    """The mean log-probability and the rank-surprisal ratio, token by token."""
    import torch

    before, after = (model.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (prompt, text))
    logs, ranks = [], []
    for at, token in enumerate(after):
        with torch.inference_mode():
            logits: Any = model.model(torch.tensor([before + after[:at]])).logits[0, -1].double()
        logs.append(float(torch.log_softmax(logits, -1)[token]))
        ranks.append(min(MOST_RANK, 1 + int((logits > logits[token]).sum())))
    return sum(logs) / len(logs), sum(ranks) / -sum(logs)


@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_the_measures_are_those_of_the_logits(completer: Completer, batch_tokens: int) -> None:
    measured = naturalness(completer, *map(list, zip(*SUMS, strict=True)), batch_tokens=batch_tokens)  # type: ignore[arg-type]
    for (question, solution), one in zip(SUMS, measured, strict=True):
        logs, ratio = one_by_one(completer, f"<|user|>{question}<|end|><|assistant|>", solution)
        assert one is not None
        assert one.log_probability == pytest.approx(logs, rel=1e-4)
        assert one.rank_surprisal == pytest.approx(ratio, rel=0.02)
        assert one.log_probability > -math.log(320) * 2


def test_a_window_hides_what_is_before_it(completer: Completer) -> None:
    question, solution = SUMS[0]
    (local,) = naturalness(completer, [question], [solution], window=1)
    lines = solution.splitlines(keepends=True)
    parts = [
        (one_by_one(completer, f"<|user|>{question}<|end|><|assistant|>", lines[0]), lines[0]),
        (one_by_one(completer, lines[0], lines[1]), lines[1]),
    ]
    sizes = [len(completer.tokenizer(text, add_special_tokens=False)["input_ids"]) for _, text in parts]
    expected = sum(logs * size for ((logs, _), _), size in zip(parts, sizes, strict=True)) / sum(sizes)
    assert local is not None
    assert local.tokens == sum(sizes)
    assert local.log_probability == pytest.approx(expected, rel=1e-4)


def test_a_text_that_does_not_fit_or_is_empty_is_not_measured(completer: Completer) -> None:
    assert naturalness(completer, ["What?", "What?"], ["", "1 + 1 = 2. " * 100]) == [None, None]


def test_thinking_is_part_of_what_is_measured(completer: Completer) -> None:
    question, solution = SUMS[0]
    plain, thinking = (
        naturalness(completer, [question], [solution], reasonings=[text])[0] for text in (None, "2 and 3")
    )
    assert plain is not None
    assert thinking is not None
    assert thinking.tokens > plain.tokens


def test_the_most_natural_rows_are_kept(checkpoint: Path) -> None:
    rows = [Row(q, "en", solution=s, solution_format="cot") for q, s in SUMS]
    rows += [Row(SUMS[0][0], "en", solution=f"way {i}", solution_format="cot") for i in range(3)]
    outcome = select(
        to_table(rows),
        name="naturalness",
        settings={"model": f"hf:{checkpoint}", "keep": 0.5},
        seed=0,
        tick=lambda n: None,
        student=SimpleNamespace(endpoint=SimpleNamespace(checkpoint=str(checkpoint))),
    )
    scores = [dict(pairs)["naturalness"] for pairs in column(outcome.rows, "scores")]
    dropped = [why is not None for why in reasons_of(outcome.rows)]
    assert sum(dropped) == 3
    assert max(score for score, gone in zip(scores, dropped, strict=True) if gone) <= min(
        score for score, gone in zip(scores, dropped, strict=True) if not gone
    )
    assert {why.code for why in reasons_of(outcome.rows) if why} == {Code.BELOW_THRESHOLD}
