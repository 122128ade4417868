from __future__ import annotations

import pytest

from tasks.text.shared import least, pieces, shared_text

QUESTIONS = [
    "Find x if 2x=6.",
    "How many sides does a hexagon have?",
    "A train travels 60 miles in 2 hours. What is its speed?",
    "What is 15% of 80?",
    "Compute the sum of the first 20 odd numbers.",
    "Three friends share 27 marbles evenly; how many does each get?",
]
CHINESE = [
    "小明有3个苹果，吃了1个，还剩几个？",
    "一本书有120页，每天看15页，几天看完？",
    "长方形长8厘米，宽5厘米，求面积。",
]


@pytest.mark.parametrize(
    "wrap",
    [
        "{} Answer the following question. Think step by step before answering. Put the final answer in \\boxed{{}}.",
        "Solve the following math problem efficiently and clearly:\n\n{}",
        "Work through the task below one step at a time.\n\n{}\n\nDo not forget: the closing line begins with Result.",
        "Please read this carefully and think about it for as long as you need to, {}",
        "You are a careful mathematician who never guesses and always checks the units of the answer twice {} now",
        "<p>Reason step by step, and put your answer in a box.</p> {}",
        "Question: {}\nLet's think step by step and output the final answer after the four hashes.",
    ],
)
def test_an_instruction_around_every_question_is_shared(wrap: str) -> None:
    texts = [wrap.format(question) for question in QUESTIONS]
    for some in (texts, texts[:2], texts[:4]):
        shared = shared_text(some, 0.05)
        assert shared
        for text, question in zip(some, QUESTIONS, strict=False):
            left = shared.cut(text)
            assert question.rstrip(".?!") in left
            assert len(left) <= len(question) + len("Question: ")
        assert all(count == len(some) for _, count in shared.examples)


def test_an_instruction_in_the_middle_and_in_chinese() -> None:
    middle = [
        "A shop sells pens. Read the text twice before you answer. How much do 3 pens cost at 2 dollars?",
        "Ten birds sit in a tree. Read the text twice before you answer. How many stay if 4 fly away?",
        "Mia runs 5 km a day. Read the text twice before you answer. How far does she run in a week?",
    ]
    assert shared_text(middle, 0.05).cut(middle[1]) == "Ten birds sit in a tree. How many stay if 4 fly away?"
    chinese = [f"请一步一步地推理，并把最终答案写在方框里。{text}" for text in CHINESE]
    assert [shared_text(chinese, 0.05).cut(text) for text in chinese] == CHINESE
    joined = [f"{text.rstrip('。？')}，请一步一步地推理并把最终答案写在方框里" for text in CHINESE]
    assert [shared_text(joined, 0.05).cut(text) for text in joined] == [
        text.rstrip("。？") + "，" for text in CHINESE
    ]


def test_what_few_texts_share_is_theirs() -> None:
    twins = [
        f"{QUESTIONS[2]} Give the speed in miles per hour.",
        f"{QUESTIONS[2]} And in feet per second, what is it?",
    ]
    many = QUESTIONS + [f"Problem {k}: what is {k} times {k + 1}?" for k in range(20)] + twins
    assert not shared_text(many, 0.05)
    assert not shared_text([QUESTIONS[0]] * 9, 0.05), "one text, nine times"
    assert not shared_text(QUESTIONS, 0.05)
    assert not shared_text([f"{q} Put the answer in a box." for q in QUESTIONS], 0.0), "0 looks for nothing"
    assert [least(count, 0.05) for count in (2, 3, 4, 10, 100, 1000)] == [2, 2, 3, 5, 5, 50]


def test_a_text_that_is_all_shared_stays_and_signs_stay() -> None:
    instruction = "Put the final answer in a box and write nothing after it."
    shared = shared_text([f"{instruction} {q}" for q in ["-3x = 9, find x", "$-5 + 2$ is what?"]], 0.05)
    assert shared.cut(instruction) == instruction
    assert shared.cut(f"{instruction} -3x = 9, find x") == "-3x = 9, find x"
    assert shared.cut(f"{instruction} $-5 + 2$ is what?") == "$-5 + 2$ is what?"
    assert pieces(f"{instruction} -3x = 9, find x", shared) == [4]
    assert pieces(f"Now. {instruction} -3x = 9, find x", shared) == [1, 4]
    assert pieces(instruction, shared) == []


def test_questions_of_one_template_share_no_instruction() -> None:
    train = "A train leaves the station and travels at a constant speed of {} miles an hour for {} hours without any stop."
    assert not shared_text([train.format(k * 7 + 11, k + 2) for k in range(9)], 0.05)
    zh = "小明家离学校一共有{}米，他每分钟走{}米，请问他从家走到学校一共需要多少分钟？"
    assert not shared_text([zh.format(k * 70 + 110, k + 52) for k in range(9)], 0.05)
