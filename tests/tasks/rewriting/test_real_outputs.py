"""Questions and solutions that real models wrote, through the readers and checks of the methods that rewrite questions and solve them again.

The oracles are the texts themselves, the trusted answers that the data sets state, and the verdicts of their own authors.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.reasons import Code
from tasks.answers import Judge
from tasks.llm.request import Completion, Usage
from tasks.methods import Ask, Item, evolve, fuse, rephrase
from tasks.methods.multi_path import PLAN, planned
from tasks.replies.words import SolutionInWords, in_words, reply_of

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the datasets of ../shared/data are not here")

PADDING = (
    "It was a sunny day and the birds were singing.", "Think carefully before you answer.", "The weather was pleasant.",
    "A gentle breeze was blowing through the trees.", "Explain your reasoning in detail.", "Keep track of the units.",
)  # fmt: skip
HARDER = (
    "What is the remainder when the result is divided by 7?", "How much is left after taxes of 5%?", "Only even values count.",
    "Then the rest is shared equally.", "Ties are not allowed.", "Afterwards a friend contributes the same amount.",
)  # fmt: skip

READERS = {"rewording": rephrase.read, "evolved": evolve.read, "fused": fuse.read}


def records(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} of ../shared/data is not here")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


def questions() -> list[str]:
    """Return the questions that Llama 3.1 405B and the models of DataFlow wrote."""
    rows = records("generated/nemo_openmathinstruct2.a.jsonl")
    more = records("generated/dataflow_pipeline_math.a.jsonl")
    return [row["problem"].strip() for row in rows] + [row["instruction"].strip() for row in more]


def ask(method: str, **variables: Any) -> Ask:
    return Ask(method, method, "en", None, 1, variables, ["p"], 1)


def words_of(text: str) -> SolutionInWords:
    reply = reply_of(Completion("key", text, "stop", Usage(0, 0)), reasons=False)
    return in_words(reply, "en", cut=False)


@pytest.mark.parametrize("key", READERS)
def test_every_real_question_is_read_back_from_a_reply(key: str) -> None:
    unclear = 0
    for question in questions():
        reply = {"plan": "p", key: question, "check": "c", "sound": True, "difficulty": 3}
        doubled = json.dumps(reply, ensure_ascii=False)
        plain = orjson.dumps(question).decode().replace("\\\\", "\\")  # as models write that double nothing
        undoubled = json.dumps(reply | {key: "?"}).replace('"?"', plain)
        assert READERS[key](doubled, cut=False) == [Item(question, difficulty=3)]
        if re.search(
            r"\\\\[A-Za-z]", question
        ):  # undoubled, the end of a row before a letter looks like a doubled command
            unclear += 1
            continue
        for text in (undoubled, f"Here it is:\n```json\n{undoubled}\n```"):
            assert READERS[key](text, cut=False) == [Item(question, difficulty=3)], question
    assert unclear == 1


@pytest.mark.slow
def test_a_real_question_is_a_rewording_of_itself_and_of_no_other() -> None:
    texts = questions()
    codes: Counter[tuple[str, Code | None]] = Counter()
    for text, other in itertools.pairwise(texts):
        asked = ask("rephrase", question=text)
        codes["itself", rephrase.check(Item(text), asked).code] += 1
        codes["in other words", rephrase.check(Item(f"Work this out: {text}"), asked).code] += 1
        codes["another", rephrase.check(Item(other), asked).code] += 1
        harder = ask("evolve", question=text, parent="p", strategy="deeper")
        codes["evolved", evolve.check(Item(other), harder).code] += 1
    count = len(texts) - 1
    assert codes == {
        ("itself", Code.UNCHANGED): count,
        ("in other words", None): count,
        ("another", Code.NUMBER_CHANGED): count,
        ("evolved", None): count,
    }


@pytest.mark.slow
@pytest.mark.parametrize("manner", fuse.MANNERS)
def test_two_real_questions_are_fused_where_both_are_needed(manner: str) -> None:
    texts = questions()[::4]
    codes: Counter[tuple[str, Code | None]] = Counter()
    for first, second in itertools.pairwise(texts):
        asked = ask("fuse", first=first, second=second, manner=manner, parents=["a", "b"])
        for name, text in (
            ("side by side", f"{first}\n{second}"),
            ("padded", f"{first} {second} Think carefully."),
            ("first", f"{first} Why?"),
            ("joined", f"{first} Call the result A. {second} Multiply the two results."),
        ):
            codes[name, fuse.check(Item(text), asked).code] += 1
    count = len(texts) - 1
    for name in ("side by side", "padded"):
        assert codes[name, Code.HALF_UNUSED] == count
    assert codes["joined", None] == count
    # in sequence the first result may replace the only number that the second has of its own
    assert codes["first", None] <= (0.15 * count if manner == "sequence" else 0)


@pytest.mark.slow
def test_padding_of_real_questions_is_refused_and_what_makes_them_harder_is_not() -> None:
    codes: Counter[tuple[str, bool]] = Counter()
    for number, question in enumerate(questions()[::2]):
        asked = ask("evolve", question=question, parent="p", strategy="deeper")
        for name, sentences in (("padding", PADDING), ("harder", HARDER)):
            added = sentences[number % len(sentences)]
            text = f"{question} {added}" if number % 2 else f"{added} {question}"
            codes[name, evolve.check(Item(text), asked).code is None] += 1
    assert codes["padding", True] <= 0.05 * codes["padding", False]
    assert codes["harder", False] <= 0.05 * codes["harder", True]


def test_real_solutions_have_the_answer_that_their_data_set_states(judge: Judge) -> None:
    rows = records("generated/nemo_openmathinstruct2.a.jsonl")
    solutions = [words_of(row["generated_solution"]) for row in rows]
    assert {one.code for one in solutions} == {None}
    pairs = [(one.answer or "", row["expected_answer"]) for one, row in zip(solutions, rows, strict=True)]
    assert set(judge.equal(pairs)) == {"equal"}
    for one in solutions:
        item = planned(Item(solution=f"**Plan:** name x, then solve.\n\n{one.text}"), "equation")
        assert (item.code, item.solution) == (None, one.text.strip())
        assert item.params == {"strategy": "equation", PLAN: "name x, then solve."}


def test_no_solution_that_its_authors_judged_right_is_refused(judge: Judge) -> None:
    rows = records("samples/nemo_math_3seeds.a.jsonl")
    solutions = [words_of(row["generation"]) for row in rows]
    verdicts = judge.equal(
        [(one.answer or "", row["expected_answer"]) for one, row in zip(solutions, rows, strict=True)]
    )
    for one, row, verdict in zip(solutions, rows, verdicts, strict=True):
        if row["symbolic_correct"]:
            assert (one.code, verdict) == (None, "equal"), row["generation"][-200:]
    # four more are right, whose answer their authors did not read, or read with its unit or from another place
    assert sum(verdict == "equal" for verdict in verdicts) <= sum(row["symbolic_correct"] for row in rows) + 4
