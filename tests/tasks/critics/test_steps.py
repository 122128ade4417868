from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.critics.steps import join_steps, split_steps


def test_lines_are_steps_and_programs_and_displays_are_one_each() -> None:
    text = "First add.\n\n```python\nx = 1\n\nprint(x)\n```\n\\[\nx = 3\n\\]\n\\begin{align*}\nx &= 1\\\\\ny &= 2\n\\end{align*}\nDone."
    assert split_steps(text) == (
        "First add.",
        "```python\nx = 1\n\nprint(x)\n```",
        "\\[\nx = 3\n\\]",
        "\\begin{align*}\nx &= 1\\\\\ny &= 2\n\\end{align*}",
        "Done.",
    )


def test_numbered_steps_in_one_line_are_divided() -> None:
    assert split_steps("Step 1: 3 + 4 = 7. Step 2: 7 * 2 = 14.") == (
        "Step 1: 3 + 4 = 7.",
        "Step 2: 7 * 2 = 14.",
    )
    assert split_steps("第一步：3 + 4 = 7。 第二步：7 × 2 = 14。", "zh") == (
        "第一步：3 + 4 = 7。",
        "第二步：7 × 2 = 14。",
    )


def test_long_paragraphs_are_divided_into_sentences() -> None:
    sentences = (
        "She buys 3.5 kg of apples at $2.50 per kg.",
        "That is 3.5 * 2.5 = 8.75 dollars, e.g. in coins.",
        "She has 10 dollars in all.",
        "So she keeps 10 - 8.75 = 1.25 dollars, and that is the answer.",
    )
    assert split_steps(" ".join(sentences)) == sentences
    chinese = ("小明买了3个苹果，每个2元，一共花了3×2=6元。",) * 8
    assert split_steps("".join(chinese), "zh") == chinese


def test_what_is_not_closed_does_not_swallow_the_solution() -> None:
    assert split_steps("\\[ x = 3\nThen y.\nThen z.") == ("\\[ x = 3", "Then y.", "Then z.")
    assert split_steps("```python\nprint(1)") == ("```python\nprint(1)",)


@given(st.text(alphabet="ab.。 \n`$\\[]{}12Step:", max_size=200), st.sampled_from(["en", "zh"]))
def test_no_character_is_lost(text: str, language: str) -> None:
    steps = split_steps(text, language)
    assert all(step.strip() for step in steps)
    assert "".join(join_steps(steps).split()) == "".join(text.split())
