"""Replies whose frame is broken, as models wrote them, and whole ones beside them."""

from __future__ import annotations

import pytest

from tasks.replies.frames import is_broken

NESTED = """{
    "reasoning": "We set $(n-2)(n+8) = n(2n-3) + 4$.

So $n$ is 4 or 5, and their sum is 9.

```json
{
    "reasoning": "We set up an equation.",
    "answer": "9"
}
```

"answer": "9\""""


@pytest.mark.parametrize(
    "text",
    [
        NESTED,
        '{\n    "reasoning": "The value is $80,000 + $75,000 = $155,000. The profit is $155,000 - ($80,000 + $50,00',
        '```json\n{\n    "reasoning": "So it is 315 miles."\n    "answer": "315"\n}\n```',
        '```json\n{\n"reasoning": "12 years\n\nAnswer: "answer": "12"\n```',
        "We calculate:\n```python\nprint(3)\n\nThe answer is 3.",
        "So we have\n\\[\n3 + 4 = 7\n\nThe answer is 7.",
        "The answer is 7\ufffd.",
        "The answer is 7. роман 排行 มหา whitelist",
    ],
)
def test_broken(text: str) -> None:
    assert is_broken(text)


@pytest.mark.parametrize(
    "text",
    [
        "3 * 4 = 12\n\\boxed{12}",
        '{\n  "reasoning": "Let \\(x\\) be\n\\[x = \\frac{1}{2}\\]", "answer": 7\n}\n\nThere are 7.',
        '``` json\n{"steps": ["3 + 4 = 7"], "answer": "7"}\n```',
        "{1, 2} is the set.",
        "Rows:\n```\n1 2\n```\n\\[\\begin{aligned} a &= 1 \\\\[4pt] b &= 2 \\end{aligned}\\]\n\\boxed{2}",
        "设 α = 2，则答案是 $\\boxed{4}$。",
        "",
    ],
)
def test_whole(text: str) -> None:
    assert not is_broken(text)


def test_time_is_linear_in_the_length() -> None:
    assert is_broken('{"a": ' * 100_000)
    assert not is_broken("\\(" * 100_000)
