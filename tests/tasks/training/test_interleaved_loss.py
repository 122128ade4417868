"""What programs print is not learned: not in the text of an interleaved solution, and not in the turns of a tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from storage.datasets.shapes import interleaved_turns
from storage.interleaved import HANDOVER, TIR, output_spans
from storage.rows import Row, kept, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.sandbox import Sandbox
from tasks.training.models import tokenizer_of
from tasks.training.printed import collator
from tasks.training.tokens import COLUMNS, TokenEncoder
from tests.row_objects import from_table
from tests.tasks.methods.derived_rows import drawn, planned, written
from tests.tasks.training.test_chats import _learned_texts

TEXT = """\
We add.
```python
print(2 + 3)
```
```output
777
```
It is 5.
```python
print(4)
```
```output
888
```
\\boxed{5}"""
ROWS = [
    Row("2+3?", "en", solution=TEXT, solution_format=TIR, loss_weight=2.0),
    Row("1+1?", "en", solution="It is 2.", solution_format="cot", loss_weight=1.0),
]


def encoded(encoder: TokenEncoder, rows: list[Row]) -> Any:
    (batch,) = to_table(rows).select(COLUMNS).to_batches()
    return encoder.rows(batch)


def test_outputs_are_read_and_not_learned(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    tokens = encoded(TokenEncoder(tokenizer, 512), ROWS)
    learned = _learned_texts(tokenizer, tokens)
    end = tokenizer.eos_token
    assert learned == [
        "We add.\n```python\nprint(2 + 3)\n```\n```output\n",
        "It is 5.\n```python\nprint(4)\n```\n```output\n",
        f"\\boxed{{5}}{end}",
        f"It is 2.{end}",
    ]
    whole = tokenizer.decode(tokens.ids[: tokens.lengths[0]].tolist())
    assert TEXT in whole
    assert tokens.weights.tolist() == [2.0, 1.0]
    assert tokens.masked is not None
    assert len(tokens.masked) == len(tokens.ids) == tokens.lengths.sum()
    turned = tokens.take(np.array([1, 0]))
    assert _learned_texts(tokenizer, turned)[0] == f"It is 2.{end}"


def test_rows_without_outputs_have_no_mask(student: Path) -> None:
    tokens = encoded(TokenEncoder(tokenizer_of(str(student)), 512), ROWS[1:])
    assert tokens.masked is None


def test_a_row_that_is_too_long_leaves_the_masks_of_the_others_in_place(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    encoder = TokenEncoder(tokenizer, 60)
    tokens = encoded(encoder, ROWS)
    assert encoder.dropped["too long"] == 1
    assert _learned_texts(tokenizer, tokens) == [f"It is 2.{tokenizer.eos_token}"]


def test_the_turns_of_the_tool_are_not_learned_in_a_chat(student: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    turns = interleaved_turns({"question": "2+3?", "solution": TEXT, "reasoning": None})
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    learned = "".join(
        _learned_texts(tokenizer, TokenEncoder(tokenizer, 512).chats([turns], np.ones(1, np.float32)))
    )
    assert "777" not in learned
    assert "888" not in learned
    assert "It is 5." in learned
    assert "\\boxed{5}" in learned


def real_rows(engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge) -> list[Row]:
    """Interleaved solutions of a real run: of questions of problem families by the embedded teacher, with what the sandbox printed."""
    asks = planned("interleaved", drawn("training", every=6))
    rows = written(asks, engine, sandbox=sandbox, judge=judge).rows
    return [row for row in from_table(kept(rows)) if HANDOVER in (row.solution or "")]


def outputs_of(text: str) -> list[str]:
    return [text[start:end] for start, end in output_spans(text)]


def test_continued_pretraining_reads_outputs_of_a_real_run_and_does_not_learn_them(
    student: Path, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    tokenizer = tokenizer_of(str(student))
    rows = real_rows(engine, sandbox, judge)
    assert len(rows) >= 5
    tokens = encoded(TokenEncoder(tokenizer, 4096, whole=True), rows)
    assert len(tokens) == len(rows)
    shown = np.split(tokens.ids, np.cumsum(tokens.lengths)[:-1])
    hidden = np.split(~tokens.learned(), np.cumsum(tokens.lengths)[:-1])
    for row, ids, mask in zip(rows, shown, hidden, strict=True):
        assert row.solution is not None
        assert row.solution in tokenizer.decode(ids.tolist())
        masked = tokenizer.decode(ids[1:][mask[1:]].tolist())
        assert masked == "".join(outputs_of(row.solution))


def test_preference_training_counts_outputs_on_neither_side(
    student: Path, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    tokenizer = tokenizer_of(str(student))
    sides = [row.solution or "" for row in real_rows(engine, sandbox, judge)][:4]
    assert len(sides) == 4

    def ids(text: str) -> list[int]:
        token_ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return token_ids

    examples = [
        {"prompt_ids": ids("Question?"), "chosen_ids": ids(chosen), "rejected_ids": ids(rejected)}
        for chosen, rejected in (sides[:2], sides[2:])
    ]
    batch = collator(tokenizer, 4096)(examples)
    learned = batch["completion_mask"].bool()
    for row, text in enumerate([sides[0], sides[2], sides[1], sides[3]]):
        left = tokenizer.decode(batch["input_ids"][row][learned[row]].tolist())
        expected = text
        for printed in outputs_of(text):
            expected = expected.replace(printed, "", 1)
        assert left == expected
