"""Canaries in the batches of the reasoner: hidden, counted apart, and decisive only for a reasoner that fails them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from storage.ledger import Ledger
from storage.reasons import Code
from storage.rows import SOLUTION_BY, Row, column, reasons_of, to_table
from tasks.answers import Judge
from tasks.canaries.batch import totals
from tasks.canaries.questions import EVERY, KnownSample, canary_questions, wrong
from tasks.drift.measures import measure
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import request_of
from tasks.llm.transport import AsgiTransport
from tasks.problems.machinery.family import families, make, recognise
from tasks.sandbox import Limits, Sandbox
from tasks.seeding import rng_of
from tasks.stages.outcome import Outcome, balance
from tasks.stages.solve import SolveSettings, solve
from tasks.teacher.app import make_app
from tasks.teacher.character import STRONG, Character, Rates
from tasks.teacher.comparing import same_answer
from tasks.voting import StoppingRule, prior


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Judge, Sandbox]]:
    with Judge(workers=1) as judge, Sandbox(Limits(cpu_s=2.0)) as sandbox:
        yield judge, sandbox


@pytest.fixture
def reasoner(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Makes reasoners that err at a rate, each on a ledger of its own."""
    opened: list[Engine] = []

    def engine_with(wrong: float = 0.0, name: str = "ledger") -> Engine:
        ledger = Ledger.open(str(tmp_path / f"{name}.sqlite"))
        character = Character(STRONG.name, Rates(wrong_words=wrong, wrong_program=wrong, malformed=0.0))
        transport = AsgiTransport(make_app(models=[character]))
        opened.append(
            Engine(Endpoint("reasoner", STRONG.name), ledger, EngineLimits(), transports=[transport])
        )
        return opened[-1]

    yield engine_with
    for engine in opened:
        engine.close()
        engine.ledger.close()


def asked_questions(count: int, *, language: str = "en", name: str = "batch") -> list[Row]:
    rows = []
    for i in range(count):
        rng = rng_of(name, language, i)
        problem = make(rng.choice(list(families().values())), rng, 1, language)
        rows.append(Row(problem.question, language, subdomain=problem.subdomain))
    return rows


def known_questions(count: int) -> pa.Table:
    rows = asked_questions(count, name="known")
    for row in rows:
        problem = recognise(row.question, row.language)
        assert problem is not None
        row.reference_answer = problem.worked.answer
    return to_table([*rows, Row("What has no answer?", "en")])


def run(
    rows: list[Row],
    engine: Engine,
    tools: tuple[Judge, Sandbox],
    canaries: int,
    *,
    error: float | None = 0.1,
    ticks: list[int] | None = None,
    adaptive: float = 0.0,
) -> Outcome:
    judge, sandbox = tools
    return solve(
        to_table(rows),
        engine=engine,
        settings=SolveSettings(canaries=canaries, adaptive=adaptive),
        stopping=StoppingRule(adaptive, 2, 2, prior()) if adaptive else None,
        seed=7,
        tick=lambda rows: None if ticks is None else ticks.append(rows),
        judge=judge,
        sandbox=sandbox,
        known=known_questions(10),
        error=error,
    )


def requested(engine: Engine) -> dict[str, bytes]:
    return {stored.call.key: stored.call.request for stored in engine.ledger.every()}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_canary_questions_are_known_and_none_of_the_batch(language: str) -> None:
    rows = asked_questions(30, language=language)
    table, known = to_table(rows), known_questions(10)
    hidden = [row for turn in range(30) for row in canary_questions(table, known, 3, "batch", str(turn))]
    assert len(hidden) == 90
    taken = {row.problem_id for row in rows}
    trusted = set(column(known, "problem_id"))
    for row in hidden:
        assert row.language == language
        assert row.problem_id not in taken
        problem = recognise(row.question, row.language)
        assert problem is not None
        assert same_answer(row.reference_answer or "", problem.worked.answer)
    # the trusted ones are English
    assert any(row.problem_id in trusted for row in hidden) == (language == "en")
    assert not all(row.problem_id in trusted for row in hidden)
    assert [r.id for r in canary_questions(table, known, 3, "x")] == [
        r.id for r in canary_questions(table, known, 3, "x")
    ]
    assert canary_questions(table, None, 2, "x")


@pytest.mark.slow
def test_the_other_questions_are_solved_as_without_canaries(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    """The same rows and the same requests for them, in the same order; those for canaries come besides, under the same tag."""
    rows = asked_questions(2 * EVERY)
    plain, ridden = reasoner(0.1, "plain"), reasoner(0.1, "ridden")
    ticks: list[int] = []
    without, with_ = run(rows, plain, tools, 0), run(rows, ridden, tools, 2, ticks=ticks)
    assert with_.rows.equals(without.rows)
    assert balance("solve", with_) == balance("solve", without)
    assert sum(ticks) == without.rows.num_rows
    keys, more = requested(plain), requested(ridden)
    assert keys.keys() < more.keys()
    assert len(more) == len(keys) + 2 * 4
    (record,) = with_.facts["canaries"]
    assert (record["scorer"], record["role"], record["calls"]) == ("solve", "reasoner", 8)
    assert (record["again"], record["dropped"]) == (0, 0)
    assert record["asked"] == {"cot": 4, "pot": 4}
    assert with_.facts["bills"][0]["completions"] == without.facts["bills"][0]["completions"] + 8
    assert "canaries" not in without.facts

    def form(body: bytes) -> tuple[object, ...]:
        request = request_of(body)
        names = ("model", "temperature", "top_p", "max_tokens", "stop", "response_schema", "extra")
        return tuple(str(getattr(request, name)) for name in names)

    ordinary = {form(body) for body in keys.values()}
    for key in more.keys() - keys.keys():
        assert form(more[key]) in ordinary
        assert b"canar" not in more[key].lower()


@pytest.mark.slow
def test_canaries_get_as_many_samples_as_the_votes_ask_for(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    rows = asked_questions(2 * EVERY)
    without = run(rows, reasoner(0.2, "plain"), tools, 0, adaptive=0.05)
    with_ = run(rows, reasoner(0.2, "ridden"), tools, 2, adaptive=0.05)
    assert with_.rows.equals(without.rows)
    assert with_.asked == without.asked < 4 * len(rows)
    (record,) = with_.facts["canaries"]
    assert record["calls"] in range(4, 9)


@pytest.mark.slow
def test_a_small_batch_has_few_canaries(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    outcome = run(asked_questions(EVERY), reasoner(), tools, 5)
    (record,) = outcome.facts["canaries"]
    assert record["calls"] == 4
    assert "canaries" not in run([], reasoner(name="none"), tools, 5).facts


@pytest.mark.slow
def test_a_reasoner_that_fails_its_canaries_is_asked_again_and_its_solutions_are_not_used(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    rows = asked_questions(2 * EVERY)
    engine = reasoner(1.0)
    ticks: list[int] = []
    outcome = run(rows, engine, tools, 2, error=0.1, ticks=ticks)
    counts = balance("solve", outcome)
    assert (counts.asked, counts.failed, counts.kept) == (4 * len(rows), 4 * len(rows), 0)
    codes = Counter(why.code for why in reasons_of(outcome.rows) if why)
    assert codes[Code.CANARIES_WRONG] == 4 * len(rows)
    assert sum(ticks) == counts.asked
    (record,) = outcome.facts["canaries"]
    assert (record["again"], record["dropped"], record["calls"]) == (1, 1, 16)
    assert sum(bill["completions"] for bill in outcome.facts["bills"]) == 2 * 4 * (len(rows) + 2)
    assert totals([outcome.facts])[0]["dropped"] == 1
    measures = measure(
        written=[], verified=[], scored=[], weighed=[], answered=[], known=[], canaries=[],
        canary_answers=outcome.facts["answered"],
    )  # fmt: skip
    assert measures["answers"].mean.questions == 4  # both requests are evidence
    assert measures["answers"].mean.mean < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("error", [0.5, None])
def test_a_reasoner_of_whom_errors_are_expected_fails_no_batch(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox], error: float | None
) -> None:
    outcome = run(asked_questions(2 * EVERY), reasoner(1.0), tools, 2, error=error)
    (record,) = outcome.facts["canaries"]
    assert (record["again"], record["dropped"]) == (0, 0)
    assert not any(why and why.code == Code.CANARIES_WRONG for why in reasons_of(outcome.rows))


def test_what_failed_on_our_side_says_nothing_of_the_reasoner(
    tmp_path: Path, tools: tuple[Judge, Sandbox]
) -> None:
    with (
        Ledger.open(str(tmp_path / "empty.sqlite")) as ledger,
        Engine(Endpoint("reasoner", STRONG.name), ledger, EngineLimits(offline=True)) as offline,
    ):
        outcome = run(asked_questions(2 * EVERY), offline, tools, 2, error=0.01)
    (record,) = outcome.facts["canaries"]
    assert (record["failed"], record["asked"], record["again"]) == (8, {}, 0)
    assert {why.code for why in reasons_of(outcome.rows) if why} == {Code.CALL_FAILED}


def test_a_question_is_wrong_if_fewer_than_half_of_its_judged_samples_are_right() -> None:
    def samples(name: str, *right: bool | None) -> list[KnownSample]:
        return [KnownSample(name, "cot", "m", one) for one in right]

    assert wrong([]) == (0, 0)
    assert wrong(samples("a", None, None)) == (0, 0)
    mixed = [*samples("a", True, False), *samples("b", False, None), *samples("c", True, False, False)]
    assert wrong(mixed) == (2, 3)


@pytest.mark.slow
def test_the_known_questions_of_a_night_show_how_many_the_reasoner_gets_wrong(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    judge, sandbox = tools
    known = known_questions(12)
    known = known.slice(0, 12)

    def missed(engine: Engine) -> list[int]:
        outcome = solve(
            known, engine=engine, settings=SolveSettings(), seed=7, tick=lambda rows: None, blind=True,
            judge=judge, sandbox=sandbox,
        )  # fmt: skip
        assert "canaries" not in outcome.facts
        return list(outcome.facts["known"])

    assert missed(reasoner(0.0, "right")) == [0, 12]
    assert missed(reasoner(1.0, "wrong"))[0] >= 10


@pytest.mark.slow
def test_questions_that_come_with_a_solution_are_not_lost_with_the_batch(
    reasoner: Callable[..., Engine], tools: tuple[Judge, Sandbox]
) -> None:
    """No model is asked about them, so that they get no canaries and stay where the reasoner fails the others."""
    judge, sandbox = tools
    rows = asked_questions(2 * EVERY + 3)
    for row in rows[:3]:
        row.solution, row.answer, row.verdicts = r"\boxed{5}", "5", {SOLUTION_BY: "source"}

    def solved(rows: list[Row], engine: Engine) -> Outcome:
        return solve(
            to_table(rows), engine=engine, settings=SolveSettings(), seed=7, tick=lambda rows: None, own=True,
            judge=judge, sandbox=sandbox, error=0.1,
        )  # fmt: skip

    assert "canaries" not in solved(rows[:3], reasoner(name="none")).facts
    outcome = solved(rows, reasoner(1.0))
    counts = balance("solve", outcome)
    assert (counts.kept, counts.failed) == (3, 4 * 2 * EVERY)
    assert column(outcome.rows, "id")[:3] == [row.id for row in rows[:3]]
