"""Final answers are found where people and models put them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.answers import Extraction, extract

FOUND = [
    ("It was 7/8/1971.\n\nStep 3: as MM/DD/YYYY,\nthe date a year before today is 07/08/1971.", "07/08/1971", "last"),
    # boxed
    (r"So the area is $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", "boxed"),
    (r"First \boxed{3}. On checking, this was wrong.\n\nSo \boxed{4}.", "4", "boxed"),
    (r"\boxed{\left\{ x : \sqrt{x^{2}} > \frac{1}{{2}} \right\}}", r"\left\{ x : \sqrt{x^{2}} > \frac{1}{{2}} \right\}", "boxed"),
    (r"$x = \boxed{1}$ or $x = \boxed{2}$", "1, 2", "boxed"),
    (r"\boxed{\boxed{7}}", r"\boxed{7}", "boxed"),
    (r"\fbox{12}", "12", "boxed"),
    (r"The answer is \boxed{12 \text{ cm}^2}.", r"12 \text{ cm}^2", "boxed"),
    (r"Here \boxed{5} holds, but then \boxed{6 + \frac{", "5", "boxed"),
    # hash
    ("She has 3 * 14 = 42 left.\n#### 42", "42", "hash"),
    ("#### $1,234.50", "$1,234.50", "hash"),
    ("#### The final answer is 8", "8", "hash"),
    ("#### Step 2\nWe get 12.\n#### Conclusion of this\nThe answer is 12.", "12", "phrase"),
    # tags and JSON
    ("<answer>(7.0 + 15.0i)</answer>", "(7.0 + 15.0i)", "tag"),
    ('```json\n{\n "reasoning": "3 is \\"big\\"",\n "answer": "18"\n}\n```', "18", "json"),
    ('{"reasoning": "so \\\\boxed{3}?", "answer": "4"}', "4", "json"),
    ('{"answer": 18.5}', "18.5", "json"),
    ('{"answer": [1, 2]}', "1, 2", "json"),
    ('{"reasoning": "x", "answer": "$\\frac{1}{2}$"}', "$\\frac{1}{2}$", "json"),
    ('"reasoning": "broken " quotes",\n "answer": "3\\sqrt{5}"\n}\n', "3\\sqrt{5}", "json"),
    ('{"answer": "Anne is 8 years old."}', "8", "json"),
    ('{"answer": "24 * $12.00 = $288.00 in total for all"}', "$288.00", "json"),
    # phrases
    ("Thus the final answer is 12.", "12", "phrase"),
    ("The answer is 5 apples because 2 + 3 = 5.", "5 apples", "phrase"),
    ("The answer to the question is: $x^2 + 1$.", "x^2 + 1", "phrase"),
    ("**Answer:** 3.5\n", "3.5", "phrase"),
    ("Answer: **12 dollars**", "12 dollars", "phrase"),
    ("She makes 9 * 2 = 18 dollars.\nA: 18", "18", "phrase"),
    ("The result is 3. But the final result is 4.", "4", "phrase"),
    # Chinese
    ("所以，答案是 12 元。", "12 元", "phrase"),
    ("最终答案为 $\\frac{3}{4}$。", "\\frac{3}{4}", "phrase"),
    ("答：小明有 5 个苹果。", "5", "phrase"),
    ("综上，故选：B", "B", "choice"),
    ("因此正确答案是(C)。", "C", "choice"),
    ("所以 x = \\boxed{三分之一}", "三分之一", "boxed"),
    ("答案：**3.5米**", "3.5米", "phrase"),
    # choices
    ("The answer is (B).", "B", "choice"),
    ("So we should pick the last one.\n(D)", "D", "choice"),
    ("Answer: C", "C", "choice"),
    (r"\boxed{\text{B}}", r"\text{B}", "boxed"),
    ("The correct option is D.", "D", "choice"),
    # bold, code, last
    ("**Step 1:** add.\nThe total is **42** apples.", "42", "bold"),
    ("Running it:\n```python\nprint(6 * 7)\n```\n```output\nchecking\n42\n```\n", "42", "code"),
    ("We add 3 and 4.\nThen 3 + 4 = 7 apples in all, which she carries home.", "7", "last"),
    ("Then we see that $a + b = 2c = 12$", "12", "last"),
    ("42\n", "42", "last"),
    ("x^2 + 1", "x^2 + 1", "last"),
    # thinking
    (r"<think>maybe \boxed{3}</think>It is \boxed{4}.", "4", "boxed"),
    (r"maybe \boxed{3}</think>It is \boxed{4}.", "4", "boxed"),
    ("<think>the answer is 3</think>\n\n**7**", "7", "bold"),
    ("The answer is 9.</s></s>", "9", "phrase"),
]  # fmt: skip

NOTHING = [
    "",
    "   \n ",
    "<think>so far I have \\boxed{3} but",
    "We cannot say anything at all about this one here.",
    "\\boxed{1 + \\frac{2}{",
]


@pytest.mark.parametrize(("text", "answer", "kind"), FOUND)
def test_found(text: str, answer: str, kind: str) -> None:
    language = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    assert extract(text, language) == Extraction(answer, kind)


@pytest.mark.parametrize("text", NOTHING[:4])
def test_nothing_is_found_where_there_is_nothing(text: str) -> None:
    assert extract(text) is None


def test_a_box_that_was_cut_off_is_no_box() -> None:
    found = extract(NOTHING[4])
    assert found is None or found.kind == "last"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_chinese_phrase_is_found_in_either_language(language: str) -> None:
    assert extract("我们得到 3。答案是 7。", language) == Extraction("7", "phrase")
    assert extract("我们得到 3。The answer is 7.", language) == Extraction("7", "phrase")


def test_a_megabyte_of_marks_comes_back() -> None:
    for mark in ("\\boxed{", "$", "**", '"answer": "', "answer is ", "{", "<think>", "1,"):
        found = extract(mark * (1_000_000 // len(mark)))
        assert found is None or len(found.answer) <= 2000


_MARKS = [
    "\\boxed{",
    "}",
    "####",
    "$",
    "**",
    "the answer is",
    "答案是",
    '"answer":',
    '"',
    "<think>",
    "</think>",
    "12",
    "A",
    "\n",
    " ",
    ".",
    "=",
    "\\frac",
    "```output\n",
    "```",
]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from(_MARKS), st.text(max_size=3)), max_size=30).map("".join))
def test_any_text_gives_an_answer_of_it_or_none(text: str) -> None:
    for language in ("en", "zh"):
        found = extract(text, language)
        assert found is None or (found.answer.strip() and found == extract(text, language))
