"""Final answers are extracted from the places where people and models write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answers import Extraction, extract
from tasks.answers.extraction import with_closed_box
from tasks.ingestion.columns import read

EXTRACTED = [
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
    ("The answer is 5! = 120.", "5! = 120", "phrase"),
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

READ = [
    ("So the solutions are $x = 2$ and $x = -3$.", "2, -3"),
    ("Thus $x=5$ and $y=6$.", "x=5, y=6"),
    ("It is true for $n = 2$ and $n = 3$.", "3"),
    ("The interval is $[2, 5)$.", "[2, 5)"),
    ("The meeting starts at 3:30 PM.", "3:30 PM"),
    ("The value of $f(2)$ is $5$.", "5"),
    ("Yes, the statement is true.", "Yes"),
    ("the sum of the digits is 1+2=3, so the remainder is 0.", "0"),
    ("Therefore the answer is 12 apples and not 15.", "12 apples"),
    # a token that ends the turn
    ("So the total is \\boxed{5}.<|im_end|>\n<|im_start|>user\nWhat is 3+4?<|im_end|>\n<|im_start|>assistant\nIt is \\boxed{7}.", "5"),
    ("The answer is 5.<|endoftext|>Human: What is 3+4? Assistant: The answer is 7.", "5"),
    ("The answer is 5.<\uff5cend\u2581of\u2581sentence\uff5c>", "5"),
    ("The answer is 5.<end_of_turn>\n<start_of_turn>user\n7", "5"),
    ("The answer is 5.<|eot_id|><|start_header_id|>user<|end_header_id|>7", "5"),
    # sentences that continue after the value
    ("The answer is $12, so he can buy it.", "$12"),
    ("The answer is 12 (a dozen).", "12"),
    ("\\boxed{\\text{The answer is } 12}", "12"),
    ("\\boxed{\\text{The total is 12 boxes}}", "12"),
    ("The total is 1 234 567.", "1 234 567"),
    ("so the ratio is 3:4.", "3:4"),
    ("The answer is 12, as required.", "12"),
    ("The answer is 12 as required.", "12"),
    ("The answer is $x = 3$, which is what we wanted.", "x = 3"),
    ("The answer is 12 in total.", "12"),
    ("The answer is 5 apples, since 2 + 3 = 5.", "5 apples"),
    ("The answer is 12 (rounded to the nearest whole).", "12"),
    ("The answer is 3 (mod 7).", "3 (mod 7)"),
    ("The answer is 2, 3, and 5.", "2, 3, and 5"),
    ("The final answer is 42 miles, not 40.", "42 miles"),
    ("Therefore she needs 12 boxes.", "12"),
    # letter sentences
    ("Option B is the right one.", "B"),
    ("The gap is \\boxed{\\langle H\\rangle \\ll \\Delta E}.\n\n**Answer: D**", "D"),
    ("So B is correct.", "B"),
    ("I would choose option C.", "C"),
    ("Therefore, (C) is the correct answer.", "C"),
    ("Hence option (D).", "D"),
    ("所以C选项正确。", "C"),
    ("故选：B", "B"),
    # headings
    ("#### Conclusion\n\nThe answer is **12**.", "12"),
    ("# Answer\n\n3\\sqrt{13}", "3\\sqrt{13}"),
    ("**Answer**\n\n12", "12"),
    ("## Final Answer\n\n$\\frac{1}{2}$", "\\frac{1}{2}"),
    ("**Final Answer:**\n\n\\[ x = 3 \\]", "x = 3"),
    ("### Answer:\nThe total is 12 apples.", "12"),
    ("#### Final Answer\n12", "12"),
    ("### 答案\n\n36", "36"),
    ("【答案】36", "36"),
    ("#### Verification\n2 + 3 = 5\n\n#### Conclusion\nSo there are 5 apples.", "5"),
    ("#### 42\n\nLet me know if you need more help.", "42"),
    ("#### 1. Find x\nx = 3\n#### 2. Find y\nThe answer is 7.", "7"),
    # Chinese closings
    ("12+5=17\n答：一共有68个。", "68"),
    ("故填36", "36"),
    ("因此还需要3天完成。", "3"),
    ("答：还剩下12元。", "12"),
    ("共30÷2=15（千克）", "15"),
    ("所以他5天后一共有68个。", "68"),
    ("解得x=12。", "12"),
    ("综上所述，最大值为12。", "12"),
    ("一共有十二个。", "十二"),
    ("经过计算可以知道，最后剩下的苹果正好就是一个。", "一"),
    ("经过计算可以知道，这根绳子的长度正好是一厘米。", "一"),
    ("所以概率是三分之二。", "三分之二"),
    ("答：他每天赚$18$美元。", "18"),
    ("平均每人3.5万元", "3.5万"),
    # the values of two things are one answer; of a clause that continues another one, the last value is the answer
    ("答：甲有12元，乙有8元。", "甲有12元，乙有8元"),
    ("答：长是12厘米，宽是8厘米。", "长是12厘米，宽是8厘米"),
    ("答：一共有20个，还剩8个。", "8"),
    ("答：他有20元，花了12元。", "12"),
    ("答：苹果有12个，所以梨有8个。", "8"),
    # values keep what belongs to them
    ("so 2 − 4 = −2", "−2"),
    ("It is 2 1/2 miles", "2 1/2"),
    ("Answer: Base fee = $5.", "$5"),
    ("He walked 2 160 steps", "2 160"),
    ("There are 10^6 ways", "10^6"),
    ("It took her 3 × 10^5 steps.", "3 × 10^5"),
    ("We find an area of 25π square metres.", "25π"),
    ("The temperature was −5 degrees.", "−5"),
    # thinking
    ("<Thought>\nmaybe 3\n</Thought>\n<Output>\nThe answer is 5\n</Output>", "5"),
    ("<|begin_of_thought|>\\boxed{1}<|end_of_thought|>\n<|begin_of_solution|>It is \\boxed{5}<|end_of_solution|>", "5"),
    ("<|channel|>analysis<|message|>maybe 3<|end|><|start|>assistant<|channel|>final<|message|>The answer is 5.", "5"),
    # JSON with a sum
    ('{"answer": 12+5}', "12+5"),
    ('{"answer": 12 + 5 = 17}', "12 + 5 = 17"),
    ('{"final_answer": 17}', "17"),
]  # fmt: skip


TOGETHER = [
    ("综上，a的值为3或-1。", "3或-1"),
    ("The roots are 2, 3 and 5.", "2, 3 and 5"),
    ("So it takes 3 hours and 20 minutes.", "3 hours and 20 minutes"),
    ("He needs 5 feet 10 inches of rope.", "5 feet 10 inches"),
    ("所以一共花了3元5角。", "3元5角"),
    ("So the ratio of boys to girls is 3 to 4.", "3:4"),
    ("甲乙的比是3比4。", "3:4"),
    ("Step 3: Write the answer in MM/DD/YYYY.\nThe date 10 days ago is Jul 19, 2002.", "Jul 19, 2002"),
    # two values of two things are no list, and bounds are none either
    ("So the cost of 3 pens and 4 pencils is 20 dollars.", "20"),
    ("The number lies between 10 and 20.", "20"),
    ("It costs 5 - 3 dollars.", "5"),
    ("Solution: x ∈ (−∞, 2)", "x ∈ (−∞, 2)"),
]


@pytest.mark.parametrize(("text", "answer"), TOGETHER)
def test_values_that_belong_together_are_one_answer(text: str, answer: str) -> None:
    extracted = extract(text)
    assert extracted is not None
    assert extracted.answer == answer


@pytest.mark.parametrize(("text", "answer"), READ)
def test_the_answer_of_a_text(text: str, answer: str) -> None:
    language = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    extracted = extract(text, language)
    assert extracted is not None
    assert extracted.answer == answer


def test_money_is_no_formula() -> None:
    extracted = extract("Base fee = $5, rate = $2.")
    assert extracted is None or "rate" not in extracted.answer or "$5" in extracted.answer
    last = extract("She pays $5 for each, and he pays $7 in all for his things.\nHe keeps the rest.")
    assert last is not None
    assert last.answer == "$7"


def test_a_heading_is_never_an_answer_nor_a_trusted_reference() -> None:
    for title in (
        "Conclusion",
        "Summary",
        "Verification",
        "Final Answer",
        "Step 2",
        "Part 3: Solve",
        "2. Find y",
    ):
        extracted = extract(f"First.\n\n#### {title}\n\nThis follows from what was said.")
        assert extracted is None or not extracted.marked
        assert read({"question": "What is it?", "solution": f"#### {title}\n\nIt follows."}).reference is None


def test_what_the_token_limit_cut_off_has_no_answer_but_a_marked_one() -> None:
    assert extract("So we get 3 + 4 = 7 and then", cut=True) is None
    assert extract("The answer is 12.", cut=True) is None
    assert extract("It is \\boxed{5}. Let me check this ag", cut=True) == Extraction("5", "boxed")


NOTHING = [
    "",
    "   \n ",
    "<think>so far I have \\boxed{3} but",
    "We cannot say anything at all about this one here.",
    "\\boxed{1 + \\frac{2}{",
]


@pytest.mark.parametrize(("text", "answer", "kind"), EXTRACTED)
def test_found(text: str, answer: str, kind: str) -> None:
    language = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    assert extract(text, language) == Extraction(answer, kind)


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        (r"So \boxed{-1", r"So \boxed{-1}"),
        (r"So \boxed{\frac{244}{29}", r"So \boxed{\frac{244}{29}}"),
        (r"So $\boxed{(\frac{1}{2}, 3)$.", r"So $\boxed{(\frac{1}{2}, 3)}$."),
        ("So $$\\boxed{7 \n$$", "So $$\\boxed{7 \n$$"),  # more than the last line
        (r"So \(\boxed{5 \)", r"So \(\boxed{5}\)"),
        (r"So \boxed{5}.", r"So \boxed{5}."),
        (r"So \boxed{1 + \frac{2}{", r"So \boxed{1 + \frac{2}{"),
        (r"So \boxed{", r"So \boxed{"),
        ("", ""),
    ],
)
def test_the_brace_of_an_open_box_on_the_last_line_is_added(text: str, closed: str) -> None:
    assert with_closed_box(text) == closed
    assert with_closed_box(closed) == closed
    if closed != text:
        assert extract(closed) == extract(text)


@pytest.mark.parametrize("text", NOTHING[:4])
def test_nothing_is_found_where_there_is_nothing(text: str) -> None:
    assert extract(text) is None


def test_a_box_that_was_cut_off_is_no_box() -> None:
    extracted = extract(NOTHING[4])
    assert extracted is None or extracted.kind == "last"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So \\boxed{45", "45"),
        ("So $\\boxed{45$", "45"),
        ("So \\(\\boxed{45\\)", "45"),
        ("So $$\\boxed{45$$.", "45"),
        ("So \\boxed{\\frac{1}{2}", "\\frac{1}{2}"),
        ("So \\boxed{(10, -14, 8)", "(10, -14, 8)"),
        ("3 + 4 = 7, so \\boxed{\\frac{1}{", None),
        ("So x = 3. \\boxed{", None),
    ],
)
def test_a_box_that_lacks_its_closing_brace_alone_is_read(text: str, answer: str | None) -> None:
    assert extract(text) == (answer and Extraction(answer, "boxed"))
    assert extract(text, cut=True) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_chinese_phrase_is_found_in_either_language(language: str) -> None:
    assert extract("我们得到 3。答案是 7。", language) == Extraction("7", "phrase")
    assert extract("我们得到 3。The answer is 7.", language) == Extraction("7", "phrase")


@pytest.mark.slow
def test_a_megabyte_of_marks_comes_back() -> None:
    for mark in ("\\boxed{", "$", "**", '"answer": "', "answer is ", "{", "<think>", "1,"):
        extracted = extract(mark * (1_000_000 // len(mark)))
        assert extracted is None or len(extracted.answer) <= 2000


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


@pytest.mark.slow
@given(st.lists(st.one_of(st.sampled_from(_MARKS), st.text(max_size=3)), max_size=30).map("".join))
def test_any_text_gives_an_answer_of_it_or_none(text: str) -> None:
    for language in ("en", "zh"):
        extracted = extract(text, language)
        assert extracted is None or (extracted.answer.strip() and extracted == extract(text, language))


@pytest.mark.parametrize("blank", ["___", "...", "\u2026", "?", "_ _"])
def test_the_blank_of_a_repeated_template_is_no_answer(blank: str) -> None:
    """Two samples that repeat the template would otherwise agree with each other."""
    template = f'{{"reasoning": "{blank}", "answer": "{blank}"}}'
    assert extract(f'{{"reasoning": "3 and 4 are 7", "answer": "7"}}\nShow it as in:\n{template}') is None
    assert extract(f"\\boxed{{{blank}}}") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("80 * 5 = 400 trucks. This is the number needed to transport 80 flagstones.", "400"),
        (
            "2000 / 5 = 400 trucks.\nThat is how many trucks she needs for 1,000 flagstones and 3 gates.",
            "400",
        ),
        ("So they pay 12 * 3 = 36 dollars. That is the total cost for 3 shirts.", "36"),
        ("一共需要 400 辆车。这是运输80块石板所需的数量。", "400"),
        # these state the value themselves
        ("We add 12 and 30. That is the total cost of $42.", "$42"),
        ("We add 12 and 30. This is the number 42.", "42"),
        ("We add 12 and 30 apples. This is the number of apples: 42.", "42"),
        ("We add 12 and 30 apples. This is the number of apples for 5 days, which is 42 apples.", "42"),
        ("We add 12 and 30 apples. This is 42 apples.", "42"),
        # nothing else states one
        ("This is the number of trucks needed to transport 80 flagstones in a single day.", "80"),
    ],
)
def test_a_sentence_that_describes_the_answer_before_it_is_not_the_answer(text: str, answer: str) -> None:
    extracted = extract(text, "zh" if "这" in text else "en")
    assert extracted is not None
    assert extracted.answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "我是一个基于规则的数学老师。你可以让我解题、评判解答，或者按知识点出题。",
        "对不起，我是一名语言模型，没有办法为你解答这道题目，请换一道题目再试。",
        "这是一元二次方程，它的判别式说明了根的情况，请你自己再仔细地想一想。",
    ],
)
def test_the_one_of_a_kind_of_thing_is_no_value(text: str) -> None:
    assert extract(text) is None
