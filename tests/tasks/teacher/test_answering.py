"""Every conversation gets an answer, because a model does not crash on a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seeding import rng_of
from tasks.teacher.answering import Forced, answer, job_of
from tasks.teacher.character import SMALL, STRONG

PIECES = st.sampled_from(
    [
        "Grade it. Score?",
        "<problem>\nWhat is 2 + 2?\n</problem>",
        "<solution>\n[1] 2 + 2 = 5\n[2] \\boxed{5}\n</solution>",
        "Solution:\n```python\nprint((((\n```",
        "Write 3 new problems about limits.",
        "Write a Python program.",
        "Problem: What is \\frac{1}{0}?",
        "1/0 = 2",
        "2^(9^9) + 1",
        "(" * 200,
        "x^x^x = 3",
        "9" * 400,
        "请编写 99999999999 道题",
        "请评分。题目：1+1 解答：\\boxed{",
        "\ud7ff\u2028\x00",
        "[999999999999] line",
        "0 = 0",
        "x = x",
        "0x^2 + 0x = 0",
    ]
)
SCHEMAS = st.recursive(
    st.sampled_from(
        [{}, {"type": "string"}, {"type": "integer"}, {"type": ["null"]}, {"$ref": "#/$defs/A"}, {"enum": []}]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from(["answer", "steps", "a"]), inner, max_size=2)}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"$defs": st.fixed_dictionaries({"A": inner}), "type": st.just("object")}),
    ),
    max_leaves=6,
)


@pytest.mark.slow
@given(
    st.lists(st.one_of(PIECES, st.text(max_size=60)), min_size=1, max_size=6).map("\n".join),
    st.sampled_from(["user", "system", "assistant"]),
    st.integers(0, 50),
    st.booleans(),
    st.one_of(st.none(), SCHEMAS),
)
def test_any_conversation_is_answered(
    text: str, role: str, seed: int, small: bool, schema: dict[str, object] | None
) -> None:
    job = job_of([("system", text), (role, text)])
    character = SMALL if small else STRONG
    for forced in (Forced(), Forced(json=True, schema=schema)):
        text = answer(job, character, rng_of(seed), forced)
        assert text
        assert text == answer(job, character, rng_of(seed), forced)
