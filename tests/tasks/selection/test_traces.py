"""The choice among the solutions of a question by each criterion, and the comparison of the criteria."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pydantic import ValidationError

from storage.reasons import Code
from storage.rows import Row, to_table
from tasks.selection import settings_of
from tasks.selection.traces import TracesSettings, select, totals


def rows(methods: Sequence[str] = ("distill",) * 4) -> pa.Table:
    """Three solutions of one question, of 10, 30 and 100 characters, and one of another."""
    samples = [
        ("q", "a" * 10, None, "1/3"),
        ("q", "b" * 10, "r" * 20, "2/3"),
        ("q", "c" * 10, "r" * 90, "2/3"),
        ("p", "d" * 5, None, "1/1"),
    ]
    return to_table(
        Row(
            question,
            "en",
            solution=solution,
            reasoning=reasoning,
            verdicts={"consistent": share},
            method=method,
        )
        for (question, solution, reasoning, share), method in zip(samples, methods, strict=True)
    )


def kept_by(**settings: object) -> list[int]:
    chosen = select(rows(), settings=TracesSettings(**settings), seed=1, tick=lambda n: None)
    assert all(why is None or why.code == Code.NOT_CHOSEN for why in chosen.reasons)
    return [place for place, why in enumerate(chosen.reasons) if why is None]


def test_the_solution_nearest_to_the_quantile_of_the_lengths_is_taken() -> None:
    assert kept_by(quantile=0) == [0, 3]
    assert kept_by() == [1, 3]
    assert kept_by(quantile=1) == [2, 3]
    assert kept_by(quantile=1, keep=2) == [1, 2, 3]


def test_rows_of_other_methods_stay_and_are_not_compared() -> None:
    table = rows(("distill", "self_instruct", "distill", "self_instruct"))
    settings = TracesSettings(methods=["distill"], quantile=1)
    chosen = select(table, settings=settings, seed=1, tick=lambda n: None)
    assert [why is None for why in chosen.reasons] == [False, True, True, True]
    assert chosen.facts["traces"]["criteria"]["length"]["rows"] == 1
    with pytest.raises(ValidationError, match="unknown method 'distil', the nearest is 'distill'"):
        TracesSettings(methods=["distil"])


def test_the_solution_with_the_most_agreement_is_taken() -> None:
    assert 0 not in kept_by(by="agreement")
    assert kept_by(by="agreement", keep=2) == [1, 2, 3]


def test_what_other_criteria_would_take_is_counted() -> None:
    chosen = select(rows(), settings=TracesSettings(quantile=0), seed=1, tick=lambda n: None)
    total = totals([chosen.facts, chosen.facts, {"other": 1}])
    assert total["by"] == "length"
    agreement, length = total["criteria"]
    assert length == {"criterion": "length", "rows": 4, "characters": 7.5, "agreement": 0.667, "common": 1.0}
    assert (agreement["criterion"], agreement["rows"], agreement["common"]) == ("agreement", 4, 0.5)
    assert totals([{}]) == {}


def test_naturalness_needs_a_model() -> None:
    with pytest.raises(ValidationError, match="needs a model"):
        TracesSettings(by="log_probability")
    with pytest.raises(ValueError, match="traces"):
        settings_of("traces", {"by": "shortest"})


def test_what_the_student_finds_natural_is_taken_and_recorded(tmp_path: Path) -> None:
    """A student that was trained on one manner of solving finds that manner more natural than the other."""
    from tasks.training.student import Shape, fresh

    plain = [f"{a} + {b} = {a + b}" for a in range(2, 9) for b in range(2, 9)]
    shape = Shape(hidden=32, feedforward=64, layers=1, heads=2, context=128, vocabulary=320)
    checkpoint = fresh([f"What is {one[:5]}? {one}" for one in plain], tmp_path, seed=1, shape=shape)
    learn(checkpoint, [("What is " + one[:5] + "?", one) for one in plain])
    table = to_table(
        Row(f"What is {a} + 3?", "en", solution=solution, method="distill")
        for a in (4, 5, 6)
        for solution in (f"{a} + 3 = {a + 3}", f"Zounds! Verily we ponder: {a + 3}")
    )
    student = SimpleNamespace(endpoint=SimpleNamespace(checkpoint=checkpoint))
    for by in ("log_probability", "rank_surprisal"):
        settings = TracesSettings(by=by, model=f"hf:{checkpoint}")
        chosen = select(table, settings=settings, seed=1, tick=lambda n: None, student=student)
        assert [why is None for why in chosen.reasons] == [True, False] * 3
        assert all(a > b for a, b in zip(*(chosen.scores["naturalness"][k::2] for k in (0, 1)), strict=True))
        by_name = {line["criterion"]: line for line in totals([chosen.facts])["criteria"]}
        assert by_name[by]["common"] == 1.0
        assert by_name["log_probability"]["log_probability"] > by_name["agreement"]["log_probability"] - 1e-6
        assert {"rank_surprisal", "log_probability"} <= set(by_name["length"])


def learn(checkpoint: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Train the checkpoint on the pairs, for a few steps."""
    import torch

    from tasks.training.completion import Completer
    from tasks.training.tokens import completion_text, prompts_of

    one = Completer.load(str(checkpoint))
    prompt_of = prompts_of(one.tokenizer)
    optimizer = torch.optim.AdamW(one.model.parameters(), lr=3e-3)
    texts = [completion_text(prompt_of(question), None, solution) for question, solution in pairs]
    prompts = [prompt_of(question) for question, _ in pairs]
    batch = one.tokenizer(
        [a + b for a, b in zip(prompts, texts, strict=True)],
        return_tensors="pt",
        padding=True,
        add_special_tokens=False,
    )
    for _ in range(60):
        loss = one.model(**batch, labels=batch["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    one.model.save_pretrained(checkpoint)
