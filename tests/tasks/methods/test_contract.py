"""The kinds of methods: what they ask a model for, in one call or several, what they make themselves, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

import tasks.methods
from storage.reasons import Code
from storage.rows import SOLUTION_BY, TEXT, Row, column, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_of, asks_table
from tasks.plugins import names
from tasks.sandbox import Sandbox
from tasks.stages.generate import generate
from tasks.stages.outcome import Balance, balance
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

METHOD = """
from storage.reasons import Code
from tasks.methods import Item, as_written

makes, takes = "texts", "documents"
prompt = "self_instruct"
check = as_written

def plan(pool, quota, *, per_call, examples, seed):
    return []

def read(text, *, cut):
    return [Item(text, kind="text", params={"cut": cut})] if text else [Item(code=Code.TRUNCATED)]

def make(ask):
    good = Item("What is 1 + 1?", solution="It is 2.", solution_by="source", reference_answer="2", params={"span": [3, 9]})
    bad = Item("What is it?", code=Code.MALFORMED_ITEM, values={"why": "nothing to go by"})
    return [bad, good][: ask.count]
"""


CONVERSING = """
from tasks.conversations import WRITER, completions, executions, request_of_prompt
from tasks.methods import Item
from prompts import load

makes, takes = "solutions", "rows"
prompt = "solve_pot"
needs = ("sandbox",)

def plan(pool, quota, *, per_call, examples, seed):
    return []

def converse(ask, endpoints):
    template = load(prompt, ask.language)
    asking = {"model": endpoints[WRITER].model, "seed": ask.seed, "tag": ask.method}
    (first,) = yield from completions([request_of_prompt(template, ask.variables, **asking)])
    (result,) = yield from executions(["print(6 * 7)"])
    turns = [{"role": "assistant", "content": first.text}, {"role": "user", "content": result.stdout + ask.variables["question"]}]
    (second,) = yield from completions([request_of_prompt(template, ask.variables, turns=turns, **asking)])
    return [Item(solution=second.text, solution_format="cot", answer=result.answer)]
"""


@pytest.fixture
def own_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A method of a user's own, in another folder."""
    (tmp_path / "own_method.py").write_text(METHOD)
    (tmp_path / "own_turns.py").write_text(CONVERSING)
    monkeypatch.setattr(tasks.methods, "__path__", [*tasks.methods.__path__, str(tmp_path)])
    names.cache_clear()
    yield "own_method"
    names.cache_clear()


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def ask(name: str, prompt: str, count: int, **more: object) -> Ask:
    variables = {"subdomain": "limits", "examples": [], "count": count, "difficulty": 1}
    return Ask(name, prompt, "en", None, count, variables, ["parent"], 7, **more)  # type: ignore[arg-type]


def test_asks_survive_being_stored() -> None:
    asks = [ask("one", "p", 3), ask("one", "", 2, at_most=True, inherited={"license": "CC0", "source": "书"})]
    assert asks_of(asks_table(asks)) == asks


def test_rows_are_made_without_a_model(own_method: str, engine: Callable[..., Engine]) -> None:
    table = asks_table([ask(own_method, "", 2, inherited={"license": "CC0", "source": "a book"})])
    outcome = generate(table, engine=engine("teacher", offline=True), source="s", license="l", tick=no_tick)
    assert balance("generate", outcome) == Balance(2, 1, 1, 0)
    good, bad = outcome.rows.to_pylist()
    assert (good["license"], good["source"], good["method"]) == ("CC0", "a book", own_method)
    assert (good["model"], good["prompt"], good["parent_ids"]) == (None, None, ["parent"])
    assert (good["solution"], good["reference_answer"]) == ("It is 2.", "2")
    assert dict(good["verdicts"]) == {SOLUTION_BY: "source"}
    assert orjson.loads(good["params"]) == {"seed": 7, "span": [3, 9]}
    assert bad["question"] == "What is it?"
    (why,) = [one for one in reasons_of(outcome.rows) if one]
    assert (why.stage, why.code, why.words) == (own_method, Code.MALFORMED_ITEM, "nothing to go by")


def test_a_method_reads_replies_of_its_own_and_may_get_fewer_rows_than_it_asks_for(
    own_method: str, engine: Callable[..., Engine]
) -> None:
    asks = [ask(own_method, "self_instruct", 5, at_most=True), ask(own_method, "", 1)]
    outcome = generate(asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=no_tick)
    counts = balance("generate", outcome)
    assert (counts.asked, counts.kept, counts.rejected, counts.failed) == (2, 1, 1, 0)
    (row,) = kept(outcome.rows).to_pylist()
    assert (row["kind"], row["model"], row["license"]) == (TEXT, "embedded", "l")
    assert orjson.loads(row["params"])["cut"] is False
    exact = asks_table([ask(own_method, "self_instruct", 5)])
    outcome = generate(exact, engine=engine("teacher"), source="s", license="l", tick=no_tick)
    counts = balance("generate", outcome)
    assert (counts.asked, counts.kept, counts.rejected) == (5, 1, 4)


def test_a_call_that_failed_costs_an_open_ask_one_row(own_method: str, engine: Callable[..., Engine]) -> None:
    table = asks_table([ask(own_method, "self_instruct", 5, at_most=True)])
    outcome = generate(table, engine=engine("teacher", offline=True), source="s", license="l", tick=no_tick)
    counts = balance("generate", outcome)
    assert (counts.asked, counts.failed) == (1, 1)


QUESTION = "Solve for x: 3x + 4 = 19."


def test_a_method_may_take_several_calls_for_an_ask_with_programs_in_between(
    own_method: str, engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    inherited = {"question": QUESTION, "license": "CC0", "source": "a book", "reference_answer": "5"}
    one = Ask(
        "own_turns", "solve_pot", "en", None, 1, {"question": QUESTION}, ["parent"], 7, inherited=inherited
    )
    two = Ask(
        "own_turns", "solve_pot", "en", None, 2, {"question": QUESTION}, ["parent"], 8, inherited=inherited
    )
    teacher = engine("teacher")
    outcome = generate(
        asks_table([one, two]), engine=teacher, source="s", license="l", tick=no_tick, sandbox=sandbox
    )
    assert balance("generate", outcome) == Balance(3, 2, 1, 0)
    first, *_ = kept(outcome.rows).to_pylist()
    assert (first["question"], first["license"], first["reference_answer"]) == (QUESTION, "CC0", "5")
    assert (first["answer"], first["model"], first["solution_format"]) == ("42", "embedded", "cot")
    assert first["prompt"].startswith("solve_pot.en@")
    assert orjson.loads(first["params"])["calls"] == 2
    (bills,) = outcome.facts["bills"]
    assert (bills["completions"], outcome.facts["deferred"]) == (4, 0)
    assert [why.code for why in reasons_of(outcome.rows) if why] == [Code.MISSING_ITEM]


def test_what_interrupts_a_conversation_costs_the_rows_of_its_ask(
    own_method: str, engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    asks = [
        Ask(
            "own_turns",
            "solve_pot",
            "en",
            None,
            count,
            {"question": QUESTION},
            ["parent"],
            count,
            at_most=open_,
        )
        for count, open_ in ((2, False), (5, True))
    ]
    for teacher, box, code in (
        (engine("teacher", offline=True), sandbox, Code.CALL_FAILED),
        (engine("teacher"), None, Code.PROGRAM_NOT_RUN),
    ):
        outcome = generate(
            asks_table(asks), engine=teacher, source="s", license="l", tick=no_tick, sandbox=box
        )
        assert balance("generate", outcome) == Balance(3, 0, 0, 3)
        assert {why.code for why in reasons_of(outcome.rows) if why} == {code}
        assert len(set(column(outcome.rows, "id"))) == 3
        assert bool(outcome.facts["deferred"]) == (code is Code.CALL_FAILED)


def test_a_solution_that_a_question_comes_with_is_one_of_its_samples(engine: Callable[..., Engine]) -> None:
    printed = Row(QUESTION, "en", solution="x = 5", solution_format="cot", verdicts={SOLUTION_BY: "source"})
    written = Row(
        "Solve for x: 2x + 1 = 9.", "en", solution="x = 4", solution_format="cot", answer="4", model="m"
    )
    bare = Row("Solve for x: 5x - 1 = 9.", "en", verdicts={SOLUTION_BY: "source"})
    rows = to_table([printed, written, bare])
    settings = SolveSettings(samples=2)
    outcome = solve(rows, engine=engine(), settings=settings, seed=1, own=True, tick=no_tick)
    counts = balance("solve", outcome)
    assert counts.asked == 1 + (1 + 2) + 2
    by_question = [
        column(outcome.rows, "solution")[i]
        for i, question in enumerate(column(outcome.rows, "question"))
        if question == QUESTION
    ]
    assert by_question == ["x = 5"]
    assert {row["id"] for row in outcome.rows.to_pylist()} > {printed.id, written.id}
    asked = [row for row in outcome.rows.to_pylist() if row["id"] not in (printed.id, written.id)]
    # a model wrote these, whatever the row before them says
    assert not any(SOLUTION_BY in dict(row["verdicts"]) for row in asked)
    alone = solve(rows, engine=engine(), settings=settings, seed=1, tick=no_tick)
    assert balance("solve", alone).asked == 6


def test_a_printed_solution_needs_no_votes_and_is_held_to_the_printed_answer(judge: Judge) -> None:
    def judged(**columns: object) -> list[str | None]:
        row = Row("q", "en", solution="s", solution_format="cot", **columns)  # type: ignore[arg-type]
        rows = verify(
            to_table([row]),
            sandbox=None,
            judge=judge,
            calibration=prior(),
            settings=VerifySettings(),
            tick=no_tick,
        )
        out = weigh(kept(rows), calibration=prior(), settings=WeighSettings(), tick=no_tick)
        return [why.code for table in (rows, out) for why in reasons_of(table) if why]

    printed = {SOLUTION_BY: "source"}
    assert judged() == [Code.UNLIKELY]
    assert judged(answer="5") == [Code.UNLIKELY]
    assert judged(verdicts=printed) == []
    assert judged(answer="5", verdicts=printed) == []
    assert judged(answer="5", reference_answer="6", verdicts=printed) == [Code.DIFFERENT]
