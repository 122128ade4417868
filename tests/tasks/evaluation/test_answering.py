"""The forms on completions of every kind, and the whole stage: gold answers have the score 1 and wrong ones 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.ledger import Ledger
from tasks.answers import Judge
from tasks.evaluation.answering import ANSWERED, Asking, answer_items, prompt_refs
from tasks.evaluation.items import as_form, load
from tasks.evaluation.report import rows_of
from tasks.evaluation.scores import as_record, compare, score
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.transport import Response
from tasks.plugins import module
from tasks.sandbox import Result, Sandbox

ROLES = {"question": "Who?", "language": "en", "reference": "Ada is a knight, and Bo is a knave."}
CHOICE = {"question": "Which?", "language": "en", "options": ["4", "1/2", "Paris"], "reference": "B"}
NUMBERS = {"question": "q", "language": "en", "options": ["40", "50", "60", "70"], "reference": "C"}
ROOTS = {
    "question": "q",
    "language": "en",
    "options": ["$\\sqrt3$", "$c$", "$3c$", "$c\\sqrt{3}$"],
    "reference": "A",
}
THINGS = {
    "question": "q",
    "language": "en",
    "options": ["a bike", "a boat", "a car", "a bus"],
    "reference": "C",
}
SEVERAL = {"question": "q", "language": "en", "options": ["2", "3", "4"], "reference": "AC"}
VALUED = {"question": "q", "language": "en", "options": ["2", "1/2"], "reference": "0.5"}
GRADED = {"question": "q", "language": "en", "solution": "a", "reference": "wrong"}
STEPS = {"question": "q", "language": "en", "solution": "a\nb", "reference": "2"}


@pytest.mark.parametrize(
    ("form", "item", "text", "answer", "right"),
    [
        ("choice", CHOICE, "So it is \\boxed{B}", "B", True),
        ("choice", CHOICE, "\\boxed{\\text{B}}", "B", True),
        ("choice", CHOICE, "The answer is (b) 1/2.", "B", True),
        ("choice", CHOICE, "The answer is 0.5", "B", True),
        ("choice", CHOICE, "The answer is Paris.", "C", False),
        ("choice", CHOICE, "The answer is 7.", None, False),
        ("choice", CHOICE, "\\boxed{D}", None, False),
        ("choice", CHOICE, "", None, False),
        ("choice", NUMBERS, "So the answer is $d = 60$.", "C", True),
        ("choice", ROOTS, "\\boxed{c\\sqrt{3}}", "D", False),
        ("choice", ROOTS, "\\boxed{c}", "B", False),
        ("choice", THINGS, "The answer is a car.", "C", True),
        ("choice", THINGS, "The answer is A car.", "C", True),
        ("choice", NUMBERS, "\\boxed{\\mathrm{(C)}}", "C", True),
        ("choice", NUMBERS, "\\boxed{\\textbf{(C)}\\ 60}", "C", True),
        ("choice", NUMBERS, "\\boxed{C}", "C", True),
        ("choice", NUMBERS, "The answer is (C).", "C", True),
        ("choice", NUMBERS, "The answer is C) 60", "C", True),
        ("choice", NUMBERS, "**C**", "C", True),
        ("choice", NUMBERS, "\\boxed{60}", "C", True),
        ("choice", NUMBERS, "\\boxed{(a, b)}", None, False),
        ("choice", NUMBERS, "\\boxed{a + 1}", None, False),
        ("choice", NUMBERS, "The answer is a triangle.", "a triangle", None),
        ("choice", NUMBERS, "The answer is B) 60", "C", True),
        ("choice", SEVERAL, "\\boxed{A, C}", "AC", True),
        ("choice", SEVERAL, "\\boxed{CA}", "AC", True),
        ("choice", SEVERAL, "\\boxed{A}", "A", False),
        ("choice", VALUED, "\\boxed{B}", "B", True),
        ("judgement", GRADED, '{"instruction_score": 8, "answer_score": 2, "first_wrong_step": 1, "critique": "no"}', "wrong", True),
        ("judgement", GRADED, '{"instruction_score": 8, "answer_score": 9, "first_wrong_step": null, "critique": "ok"}', "right", False),
        ("roles", ROLES, "Ada is a knave? No.\nAda is a knight\nBo is a knave", "Ada is a knight, Bo is a knave", True),
        ("roles", ROLES, "**Ada**: knight\n**Bo**: Knave", "Ada is a knight, Bo is a knave", True),
        ("roles", ROLES, "Ada is a knight, Bo is a knight", "Ada is a knight, Bo is a knight", False),
        ("roles", ROLES, "Ada is a knight", None, False),
        ("first_error", STEPS, '{"instruction_score": 8, "answer_score": 2, "first_wrong_step": 2, "critique": "no"}', "2", True),
        ("first_error", STEPS, '{"instruction_score": 8, "answer_score": 9, "first_wrong_step": null, "critique": "ok"}', "0", False),
        ("first_error", STEPS, "Step 2 is wrong.", None, False),
    ],
)  # fmt: skip
def test_forms(
    form: str, item: dict[str, Any], text: str, answer: str | None, right: bool | None, judge: Judge
) -> None:
    ours = module("tasks.evaluation.forms", form)
    extracted = ours.answers([item], [text], cut=[False], judge=judge, sandbox=None)
    assert extracted == [answer]
    assert ours.right([item], extracted, judge=judge) == [right]


VALUE = {"question": "Which?", "language": "en", "options": ["85.71", "1", "600/7"], "reference": "600/7"}
WORDS = {"question": "Which?", "language": "en", "options": ["4", "the shape above"], "reference": "B"}


@pytest.mark.parametrize(
    ("form", "item", "answer", "right"),
    [
        ("open", {"reference": "600/7"}, "600/7", True),
        ("open", {"reference": "600/7"}, "85", False),
        ("open", {"reference": "600/7"}, "85.71", None),
        ("open", {"reference": "600/7"}, None, False),
        ("program", {"reference": "600/7"}, "85.71", None),
        ("choice", VALUE, "A", False),  # C is known to be the reference
        ("choice", VALUE, "C", True),
        ("choice", VALUE | {"options": ["85.71", "1"]}, "A", None),
        ("choice", VALUE | {"options": ["85.71", "1"]}, "B", False),
        ("choice", WORDS, "12", None),
        ("choice", CHOICE, None, False),
    ],
)
def test_what_cannot_be_compared_is_not_wrong(
    form: str, item: dict[str, Any], answer: str | None, right: bool | None, judge: Judge
) -> None:
    assert module("tasks.evaluation.forms", form).right([item], [answer], judge=judge) == [right]


def test_a_value_that_cannot_be_compared_with_the_right_option_stays(judge: Judge) -> None:
    choice = module("tasks.evaluation.forms", "choice")
    texts = ["\\boxed{12}"] * 2
    assert choice.answers([WORDS, CHOICE], texts, cut=[False] * 2, judge=judge, sandbox=None) == ["12", None]


@pytest.mark.parametrize(
    ("form", "item", "text", "whole", "cut"),
    [
        ("open", VALUE, "First 3 + 4 = 7, and then", "7", None),
        ("open", VALUE, "So it is \\boxed{5}. Let me check th", "5", "5"),
        ("open", VALUE, "So it is \\boxed{45", "45", None),
        ("choice", CHOICE, "So 1/2, as computed. The answer is B", "B", None),
        ("choice", CHOICE, "\\boxed{B}, since", "B", "B"),
        ("roles", ROLES, "Ada is a knight\nBo is a knave", "Ada is a knight, Bo is a knave", None),
        ("roles", ROLES, "Ada is a knight\nBo is a knave\nLet me che", "Ada is a knight, Bo is a knave",
         "Ada is a knight, Bo is a knave"),
        ("first_error", STEPS, '{"instruction_score": 8, "answer_score": 2, "first_wrong', None, None),
    ],
)  # fmt: skip
def test_a_reply_that_the_cap_of_tokens_cut_off_has_no_fallback_answer(
    form: str, item: dict[str, Any], text: str, whole: str | None, cut: str | None, judge: Judge
) -> None:
    ours = module("tasks.evaluation.forms", form)
    texts, caps = [text, text], [False, True]
    assert ours.answers([item] * 2, texts, cut=caps, judge=judge, sandbox=None) == [whole, cut]


@pytest.mark.slow
def test_a_program_that_the_cap_of_tokens_cut_off_is_not_run(judge: Judge, sandbox: Sandbox) -> None:
    texts = ["```python\nx = 4\nprint(x)"] * 2
    ours = module("tasks.evaluation.forms", "program")
    assert ours.answers([VALUE] * 2, texts, cut=[False, True], judge=judge, sandbox=sandbox) == ["4", None]


class Scripted:
    """A model that answers each question by a script."""

    def __init__(self, script: Callable[[str, int], str]) -> None:
        self.script = script
        self.asked: list[dict[str, Any]] = []

    async def post(self, path: str, headers: Any, body: bytes, seconds: float) -> Response:
        asked = orjson.loads(body)
        self.asked.append(asked)
        text = self.script(asked["messages"][-1]["content"], len(self.asked))
        message = {"role": "assistant", "content": text}
        reply = {
            "id": "1", "model": "scripted", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        return Response(200, {}, orjson.dumps(reply))

    async def get(self, path: str, headers: Any, seconds: float) -> Response:
        return Response(200, {}, b'{"data": [{"id": "scripted"}]}')

    async def close(self) -> None: ...


@pytest.fixture
def ask(tmp_path: Path, judge: Judge) -> Any:
    """Answer items by a script and return the answered table."""
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))

    def answered(
        items: pa.Table, script: Callable[[str, int], str], sandbox: Any = None, **asking: Any
    ) -> pa.Table:
        model = Scripted(script)
        with Engine(Endpoint(role="student", model="scripted"), ledger, transports=[model]) as engine:
            done = answer_items(
                items,
                engine=engine,
                judge=judge,
                sandbox=sandbox,
                asking=Asking(**asking),
                seed=0,
                tick=lambda _: None,
            )
        answered.asked = model.asked  # type: ignore[attr-defined]
        return done.rows

    yield answered
    ledger.close()


def items_of(tmp_path: Path, count: int = 20) -> pa.Table:
    file = tmp_path / "gsm8k_test.jsonl"
    file.write_text(
        "\n".join(
            json.dumps({"question": f"What is {i} + 100?", "answer": f"#### {i + 100}"}) for i in range(count)
        )
    )
    return load([file])


def number(text: str) -> int:
    return int(text.split("What is ")[1].split()[0])


@pytest.mark.slow
def test_gold_answers_score_one_and_wrong_ones_nothing(ask: Any, tmp_path: Path) -> None:
    items = items_of(tmp_path)
    gold = ask(items, lambda text, _: f"\\boxed{{{number(text) + 100}}}")
    wrong = ask(items, lambda text, _: f"\\boxed{{{number(text) + 99}}}", max_tokens=77)
    assert gold.schema.equals(ANSWERED)
    assert gold.column("score").to_pylist() == [1.0] * 20
    assert wrong.column("score").to_pylist() == [0.0] * 20
    assert {asked["max_tokens"] for asked in ask.asked} == {77}
    whole = next(one for one in compare(gold, wrong) if one.group == "all")
    assert (whole.paired.delta, whole.shown) == (1.0, "better")
    assert next(one for one in compare(wrong, gold) if one.group == "domain").shown == "worse"


def test_samples_give_pass_at_one_and_a_vote(ask: Any, tmp_path: Path) -> None:
    """Two of three samples are right: pass@1 is 2/3, the majority is right."""
    items = items_of(tmp_path, 5)

    seen: dict[int, int] = {}

    def script(text: str, turn: int) -> str:
        seen[number(text)] = seen.get(number(text), 0) + 1
        return f"\\boxed{{{number(text) + (100 if seen[number(text)] != 2 else 7)}}}"

    answered = ask(items, script, samples=3, temperature=0.7)
    assert answered.column("score").to_pylist() == pytest.approx([2 / 3] * 5)
    assert answered.column("majority").to_pylist() == [True] * 5
    assert len({asked["seed"] for asked in ask.asked}) == 15
    (one,) = score(answered, ["benchmark"])
    assert (one.items, one.samples, one.majority) == (5, 3, 1.0)
    assert as_record(one)["name"] == "gsm8k_test"


def test_unknown_is_counted_beside_the_score(ask: Any, tmp_path: Path) -> None:
    """Of four items one is right, one wrong, one cannot be compared, and one has no answer: 1 of 4 and 1 unknown."""
    file = tmp_path / "sevenths.jsonl"
    file.write_text(
        "\n".join(json.dumps({"question": f"What is {i} + 100?", "answer": "600/7"}) for i in range(4))
    )
    replies = ["\\boxed{600/7}", "\\boxed{85}", "\\boxed{85.71}", ""]
    answered = ask(load([file]), lambda text, _: replies[number(text)])
    assert answered.column("right").to_pylist() == [[True], [False], [None], [False]]
    assert answered.column("unknown").to_pylist() == [0, 0, 1, 0]
    assert answered.column("score").to_pylist() == [1.0, 0.0, 0.0, 0.0]
    (one,) = score(answered, ["benchmark"])
    assert (one.items, one.score, one.failed, one.unknown) == (4, 0.25, 0, 1)
    record = {"model": "student", "baseline": None, "scores": {"student": [as_record(one)]}}
    headings, (cells,) = rows_of(record, "benchmark")
    assert dict(zip(["name", *headings], cells, strict=True))["unknown"] == "1"
    assert dict(zip(["name", *headings], cells, strict=True))["no answer"] == "1"


def test_the_question_alone_where_it_is_asked_bare(ask: Any, tmp_path: Path) -> None:
    items = items_of(tmp_path, 2)
    ask(items, lambda text, _: "\\boxed{1}", bare=True)
    assert [[m["role"] for m in asked["messages"]] for asked in ask.asked] == [["user"], ["user"]]
    assert sorted(asked["messages"][0]["content"] for asked in ask.asked) == [
        "What is 0 + 100?",
        "What is 1 + 100?",
    ]
    assert prompt_refs(items, bare=True) == {"open.en": "the question alone"}
    assert prompt_refs(items, bare=False)["open.en"].startswith("solve_cot.en@")


@pytest.mark.slow
def test_programs_run_in_the_sandbox(ask: Any, tmp_path: Path, sandbox: Sandbox) -> None:
    items = as_form(items_of(tmp_path, 3), "program")
    answered = ask(items, lambda text, _: f"```python\nprint({number(text)} + 100)\n```", sandbox=sandbox)
    assert answered.column("score").to_pylist() == [1.0] * 3
    with pytest.raises(ValueError, match="needs a sandbox"):
        ask(items, lambda text, _: "```python\nprint(1)\n```", max_tokens=9)


PRINTS = "```python\nx = 4\nprint(x + 1)\n```"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "answer", "cut"),
    [
        (PRINTS, "5", "5"),
        (f"The program below computes it.\n\n{PRINTS}", "5", "5"),
        (f"{PRINTS}\nIt prints the sum.", "5", "5"),
        (f"So it is \\boxed{{6}}, which this checks:\n{PRINTS}", "5", "5"),
        ("x = 4\ny = 5\nThe answer is 6.", "6", None),  # words, however they look
        ("So x + 1 = 6.\n\\boxed{6}", "6", "6"),
        (f"{PRINTS}\n```output\n6\n```\nSo it is \\boxed{{6}}.", "6", "6"),  # what the model says that it prints
        ("```python\nprint(undefined)\n```", None, None),
        ("```python\nx = 4\nprint(x)", "4", None),
        ("```python\nprint(", None, None),
        ("I do not know.", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_words_or_a_program_are_read_whichever_comes(
    text: str, answer: str | None, cut: str | None, judge: Judge, sandbox: Sandbox
) -> None:
    form = module("tasks.evaluation.forms", "words_or_program")
    mixed = [text, "\\boxed{1}", PRINTS, text]  # each keeps its place among others
    read = form.answers([VALUE] * 4, mixed, cut=[False] * 3 + [True], judge=judge, sandbox=sandbox)
    assert read == [answer, "1", "5", cut]


@pytest.mark.slow
def test_a_model_that_chooses_its_form_is_judged_in_both(ask: Any, tmp_path: Path, sandbox: Sandbox) -> None:
    items = as_form(items_of(tmp_path, 4), "words_or_program")

    def script(text: str, _: int) -> str:
        n = number(text)
        return f"```python\nprint({n} + 100)\n```" if n % 2 else f"\\boxed{{{n + 100 + (n == 2)}}}"

    answered = ask(items, script, sandbox=sandbox, bare=True)
    assert dict(
        zip(answered.column("question").to_pylist(), answered.column("score").to_pylist(), strict=True)
    ) == {f"What is {n} + 100?": float(n != 2) for n in range(4)}
    with pytest.raises(ValueError, match="needs a sandbox"):
        ask(items, lambda text, _: "\\boxed{1}", max_tokens=9)


def test_a_failure_of_the_sandbox_is_no_answer_and_ends_the_stage(judge: Judge) -> None:
    class Failing:
        def run(self, programs: list[str]) -> list[Result]:
            return [Result("infra", error="sandbox: gone") for _ in programs]

    form = module("tasks.evaluation.forms", "words_or_program")
    item = VALUE | {"id": "b#1"}
    with pytest.raises(RuntimeError, match="the sandbox failed on b#1: sandbox: gone"):
        form.answers([item] * 2, ["\\boxed{1}", PRINTS], cut=[False] * 2, judge=judge, sandbox=Failing())
    words = form.answers([item], ["\\boxed{1}"], cut=[False], judge=judge, sandbox=Failing())
    assert words == ["1"]


def test_pass_at_k_is_in_the_table_where_there_are_enough_samples(ask: Any, tmp_path: Path) -> None:
    items = items_of(tmp_path, 4)
    turns: dict[int, int] = {}

    def script(text: str, turn: int) -> str:
        asked = turns[number(text)] = turns.get(number(text), 0) + 1
        return f"\\boxed{{{number(text) + (100 if asked == 1 else 7)}}}"

    answered = ask(items, script, samples=4, temperature=0.7)
    (whole,) = score(answered, ["benchmark"], pass_at=[2, 4, 10])
    assert whole.pass_at == pytest.approx({2: 0.5, 4: 1.0})
    record = orjson.loads(
        orjson.dumps(
            {"model": "m", "baseline": "", "scores": {"m": [as_record(whole)]}},
            option=orjson.OPT_NON_STR_KEYS,
        )
    )
    headings, cells = rows_of(record, "benchmark")
    assert dict(zip(headings, cells[0][1:], strict=True)) | {"pass@2": "50.0", "pass@4": "100.0"} == dict(
        zip(headings, cells[0][1:], strict=True)
    )
