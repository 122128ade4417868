"""Pairs out of textbooks: the printed ones first, then those that the model extracts and that quote their passage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.reasons import Code
from storage.rows import SOLUTION_BY, TEXT, Row, kept, reasons_of, to_table
from tasks.llm.engine import Engine
from tasks.methods import Item, asks_table, textbook_qa
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tasks.stages.similarity import similarity
from tests.nights import SEEDS
from tests.tasks.documents.test_exercises import block

EXPLANATION = (
    "A permutation is an arrangement of objects, and the multiplicative principle counts them. "
    "The total number of words is \\(7\\cdot 6\\cdot 5 \\cdot 4 = 840\\), since no letter is repeated. "
    "This gives 50 pairs which each add up to 101, so the sum of the first hundred numbers is \\(101\\cdot 50 = 5050\\). "
    + "The rest of this paragraph only makes the passage as long as real passages are. "
    * 8
)
CHINESE = (
    "排列是把若干个对象按一定顺序排成一列，用乘法原理可以数出排列的个数。"
    "从 7 个字母中取 3 个排成一列，共有 \\(7\\times 6\\times 5 = 210\\) 种排法。"
    "前一百个正整数可以配成五十对，每一对的和都相等，于是总和为 \\(101\\times 50 = 5050\\)。"
) * 3


def passage(number: int = 0, language: str = "en", **columns: Any) -> Row:
    explanation = EXPLANATION if language == "en" else CHINESE
    blocks = [
        block("text", explanation, start=0, end=400, part="a.tex"),
        block("example", f"How many words of length {number + 2} are there?", start=410, end=430),
        block(
            "solution",
            f"There are 7 choices for each letter, so there are 7^{number + 2} words in all.",
            start=440,
            end=470,
        ),
        block("exercise", f"What is {number} + 120?", "Exercise 1", page=3),
        block("answer", f"{number + 120}", "Exercise 1"),
        block("exercise", f"Find the sum of the first {number + 9} odd numbers.", "Exercise 2"),
    ]
    params = {"title": "Counting", "file": "a.tex", "headings": ["Counting", "Words"], "sha256": "0" * 64}
    return Row(
        f"# Words {number}\n\n{explanation}",
        language,
        kind=TEXT,
        source="a book",
        license="CC-BY-4.0",
        blocks=blocks,
        params=orjson.dumps(params).decode(),
        **columns,
    )


def planned(rows: list[Row], questions: int = 10**6, seed: int = 1) -> list[Any]:
    return textbook_qa.plan(to_table(rows), {("", ""): questions}, per_call=5, examples=0, seed=seed)


def pairs_of(rows: list[Row], engine: Engine, seed: int = 1) -> pa.Table:
    outcome = generate(
        asks_table(planned(rows, seed=seed)), engine=engine, source="s", license="l", tick=lambda rows: None
    )
    balance("generate", outcome)
    return outcome.rows


def test_the_printed_exercises_come_first_and_need_no_model() -> None:
    asks = planned([passage(number) for number in range(3)])
    assert [ask.prompt for ask in asks] == ["", "", "", "textbook_qa", "textbook_qa", "textbook_qa"]
    assert [ask.count for ask in asks[:3]] == [3, 3, 3]
    assert all(ask.at_most for ask in asks[3:])
    assert "Exercise" not in asks[3].variables["passage"]
    assert "How many words of length" not in asks[3].variables["passage"]


def test_a_plan_stops_at_its_quota_and_its_order_follows_from_the_seed() -> None:
    rows = [passage(number) for number in range(6)]
    assert len({ask.parent_ids[0] for ask in planned(rows, questions=6)}) == 2
    assert planned(rows, questions=9) == planned(rows[::-1], questions=9)
    orders = {tuple(ask.parent_ids[0] for ask in planned(rows, seed=seed)) for seed in range(5)}
    assert len(orders) > 1


def test_printed_rows_have_the_words_of_the_book_and_their_place_in_it(engine: Callable[..., Engine]) -> None:
    rows = [row for row in pairs_of([passage()], engine("teacher")).to_pylist() if row["model"] is None]
    example, answered, unsolved = rows
    assert (example["question"], example["solution_format"]) == (
        "How many words of length 2 are there?",
        "cot",
    )
    assert example["solution"].endswith("7^2 words in all.")
    assert dict(example["verdicts"]) == {SOLUTION_BY: "source"}
    assert (answered["solution"], answered["reference_answer"]) == (None, "120")
    assert (unsolved["solution"], unsolved["reference_answer"], unsolved["verdicts"]) == (None, None, [])
    for row in rows:
        assert (row["source"], row["license"], row["method"]) == ("a book", "CC-BY-4.0", "textbook_qa")
    params = orjson.loads(example["params"])
    assert params["document"]["file"] == "a.tex"
    assert params["spans"] == [
        {"kind": "example", "start": 410, "end": 430},
        {"kind": "solution", "start": 440, "end": 470},
    ]
    assert orjson.loads(answered["params"])["label"] == "Exercise 1"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_embedded_teacher_extracts_pairs_that_the_passage_supports(
    language: str, engine: Callable[..., Engine]
) -> None:
    table = pairs_of([passage(number, language) for number in range(40)], engine("teacher"))
    codes = Counter(None if why is None else why.code for why in reasons_of(table))
    pairs = [row for row in kept(table).to_pylist() if row["model"] is not None]
    assert len(pairs) >= 60
    explanation = EXPLANATION if language == "en" else CHINESE
    for row in pairs:
        params = orjson.loads(row["params"])
        assert params["quote"] in explanation
        assert params["spans"] == [{"kind": "text", "part": "a.tex", "start": 0, "end": 400}]
        assert row["solution"].splitlines()[-1] == rf"\boxed{{{row['answer']}}}"
        assert row["parent_ids"]
    right = Counter(row["answer"] in ("840", "210", "5050") for row in pairs)
    assert right[True] > 0.8 * len(pairs)
    assert right[False]  # it errs at the rate of its character
    assert codes[Code.NOT_QUOTED]


def test_the_result_of_a_printed_calculation_is_its_answer() -> None:
    solution = "We count them one after the other, so the answer must be \\(3! = 3 \\cdot 2 \\cdot 1 = 6\\)."
    row = passage()
    row.blocks = [block("exercise", "How many bijections are there?"), block("solution", solution)]
    (ask,) = [ask for ask in planned([row]) if not ask.prompt]
    (item,) = textbook_qa.make(ask)
    assert (item.solution, item.answer, item.reference_answer) == (solution, "6", "6")


def test_a_pair_that_misquotes_its_passage_keeps_its_text_and_the_reason() -> None:
    (ask,) = [ask for ask in planned([passage()]) if ask.prompt]
    reply = {
        "quote": "The total number of words is 841",
        "question": "How many?",
        "solution": "",
        "answer": "841",
    }
    (item,) = textbook_qa.read(orjson.dumps({"pairs": [reply]}).decode(), cut=False)
    checked = textbook_qa.check(item, ask)
    assert (checked.code, checked.values) == (Code.NOT_QUOTED, {"quote": "The total number of words is 841"})
    assert checked.question == "How many?"


def test_a_question_that_depends_on_what_is_not_given_is_refused(engine: Callable[..., Engine]) -> None:
    texts = (
        "Use the formula of Section [??] to find 2 + 2.",
        "What is the area? [Figure]",
        "Add. [Figure: 2 and 3]",
    )
    blocks = [block("exercise", text, f"Exercise {number}") for number, text in enumerate(texts, 1)]
    blocks.append(block("solution", "By Theorem [??] we add. The answer is 5.", "Exercise 3"))
    rows = pairs_of([Row("a", "en", kind=TEXT, blocks=blocks)], engine("teacher")).to_pylist()
    printed = {row["question"]: row for row in rows if row["model"] is None}
    assert [printed[text]["reason"] and printed[text]["reason"]["code"] for text in texts] == [
        Code.NOT_GIVEN,
        Code.NOT_GIVEN,
        None,
    ]
    assert printed[texts[0]]["rejected"] == "textbook_qa: the question refers to what is not given: [??]"
    assert (printed[texts[2]]["solution"], printed[texts[2]]["reference_answer"]) == (None, "5")

    (ask,) = [ask for ask in planned([passage()]) if ask.prompt]
    item = Item("What does Theorem [??] say?", params={"quote": ask.variables["passage"][:60]})
    assert textbook_qa.check(item, ask).code == Code.NOT_GIVEN


def test_a_question_that_refers_to_an_equation_elsewhere_is_refused(engine: Callable[..., Engine]) -> None:
    blocks = [
        block("exercise", "Solve equation (3.2) of the chapter for \\(x\\).", "Exercise 1"),
        block(
            "exercise",
            "By how much does 7 exceed 3, as in (3.2)?\n\n(a) What is 1 + 1?\n\n(b) Use Figure 4.",
            "Exercise 2",
        ),
        block("exercise", "What is 10 + 10?", "Exercise 3"),
        block("solution", "By (3.2) we add 10 twice. The answer is 20.", "Exercise 3"),
    ]
    params = orjson.dumps({"refers": {"1": ["in (3.2)", "Figure 4"], "3": ["By (3.2)"]}}).decode()
    rows = pairs_of([Row("a", "en", kind=TEXT, blocks=blocks, params=params)], engine("teacher")).to_pylist()
    kept_row, *refused = [row for row in rows if row["model"] is None]
    assert [dict(row["reason"]["values"])["text"] for row in refused] == [
        "equation (3.2)",
        "in (3.2)",
        "in (3.2)",
    ]
    assert {row["reason"]["code"] for row in refused} == {Code.NOT_GIVEN}
    assert (kept_row["question"], kept_row["solution"], kept_row["reference_answer"]) == (
        "What is 10 + 10?",
        None,
        "20",
    )


def test_a_passage_of_unknown_structure_is_explanation_as_a_whole() -> None:
    (ask,) = planned([Row(EXPLANATION, "en", kind=TEXT)])
    assert (ask.prompt, ask.variables["passage"]) == ("textbook_qa", EXPLANATION)
    assert planned([Row("Too short to ask about.", "en", kind=TEXT)]) == []


INTRODUCTION = (
    "Let \\(R\\) be the relation on the set of all people who live in the village, and say of each of the following whether it holds. "
    "Explain your reasoning in full sentences, and give a counterexample where it does not hold."
)


def siblings(engine: Engine) -> pa.Table:
    """The questions of an exercise with three parts, of a group with an introduction, and the second part once more elsewhere."""
    parts = "\n".join(
        f"({mark}) Is the relation {word}?"
        for mark, word in zip("abc", ("reflexive", "symmetric", "transitive"), strict=True)
    )
    group = [block("exercise", f"{INTRODUCTION}\n\nWhat is {n} in words?", f"Exercise {n}") for n in (2, 3)]
    first = Row(
        "# R", "en", kind=TEXT, blocks=[block("exercise", f"{INTRODUCTION}\n\n{parts}", "Exercise 1"), *group]
    )
    again = Row(
        "# R again",
        "en",
        kind=TEXT,
        blocks=[block("exercise", f"{INTRODUCTION}\n\nIs this relation symmetric?", "Exercise 9")],
    )
    asks = [
        ask
        for row in (first, again)
        for ask in textbook_qa.plan(to_table([row]), {("", ""): 9}, per_call=5, examples=0, seed=0)
    ]
    return generate(
        asks_table(asks), engine=engine, source="textbook_qa", license="CC0", tick=lambda n: None
    ).rows


def test_parts_that_share_an_introduction_are_no_near_duplicates_of_each_other(
    engine: Callable[..., Engine],
) -> None:
    rows = siblings(engine())
    # among other questions: what many questions have in common is not compared anyway
    others = [orjson.loads(line)["question"] for line in (SEEDS / "en.jsonl").read_text().splitlines()]
    judged = similarity(rows, pool=others)
    questions = {row["question"].rpartition("\n\n")[2]: row["rejected"] for row in judged.to_pylist()}
    assert [text for text, rejected in questions.items() if rejected is None] == [
        "Is the relation reflexive?",
        "Is the relation symmetric?",
        "Is the relation transitive?",
        "What is 2 in words?",
        "What is 3 in words?",
    ]
    (why,) = [one for one in reasons_of(judged) if one is not None]
    assert why.code == Code.NEAR  # a part of another passage is compared with all of them
    exact = pa.concat_tables([rows, rows])
    assert kept(similarity(exact, pool=others)).num_rows == 5
