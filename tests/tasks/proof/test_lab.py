"""The lab of the proof: an answer that cannot be compared is neither right nor wrong, and it is counted."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.answers import Judge
from tasks.proof.lab import Lab
from tasks.proof.problems import ProofProblem
from tasks.sandbox import Sandbox


@pytest.fixture
def lab(judge: Judge, sandbox: Sandbox) -> Lab:
    """Return a lab without a model, since these tests generate nothing."""
    nothing: Any = None
    return Lab(nothing, 0, nothing, nothing, judge, sandbox, [])


def problems(count: int) -> list[ProofProblem]:
    fields = dict.fromkeys(ProofProblem.__dataclass_fields__, "")
    return [ProofProblem(**fields | {"question": "6 / 7?", "answer": "6/7"}) for _ in range(count)]  # type: ignore[arg-type]


def test_an_answer_that_cannot_be_compared_is_neither_right_nor_wrong(lab: Lab) -> None:
    texts = ["So \\boxed{12/14}", "So \\boxed{5/7}", "So \\boxed{@#%}", ""]
    assert lab.right(texts, problems(4)) == [1, 0, None, 0]
    assert lab.facts["not comparable"] == 1
    assert lab.right(["So \\boxed{@#%}"], problems(1)) == [None]
    assert lab.facts["not comparable"] == 2


def test_programs_are_judged_by_what_they_print(lab: Lab) -> None:
    texts = ["print('6/7')", "print(1)", "print('@#%')", "1 / 0"]
    assert lab.right(texts, problems(4), program=True) == [1, 0, None, 0]
    assert lab.facts["not comparable"] == 1
