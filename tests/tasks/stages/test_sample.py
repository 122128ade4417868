"""The stages of the flow rft from sampling to allocation, on the embedded teacher."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

import prompts
from storage.rows import Row, column, from_columns, kept, reasons_of, replace, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.problems.machinery.family import families, make
from tasks.rft.allocation import SampleSettings, Tally
from tasks.rft.gathering import count, right_and_wrong, with_pass_rates
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.selection import PASS_RATE
from tasks.solution_paths import BY_EQUATIONS
from tasks.stages.allocate import allocate
from tasks.stages.distinct import PATH_SHARE, distinct
from tasks.stages.outcome import balance
from tasks.stages.pair import WORTH
from tasks.stages.sample import asked, formats_of, sample, samples_asked
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior
from tasks.worth import Worth


def ignore(rows: int) -> None:
    """Count no progress."""


def questions(count: int) -> pa.Table:
    problems = [
        make(families()[name], rng_of("sample", name, number), 2, "zh" if number % 3 == 0 else "en")
        for number in range(count)
        for name in ("linear_equation", "work_together")
    ]
    return to_table(
        Row(one.question, one.language, reference_answer=one.worked.answer, subdomain=one.subdomain)
        for one in problems
    )


def round_of(table: pa.Table, first: int, more: int) -> pa.Table:
    return asked(table, dict.fromkeys(column(table, "problem_id"), (first, more)))


def test_rounds_go_on_where_the_one_before_ended(engine: Callable[..., Engine]) -> None:
    table, samplers = questions(4), engine("samplers", "embedded-small")
    settings = SampleSettings(pot_share=0.4, temperatures=[0.5, 1.0])
    whole = sample(round_of(table, 0, 6), samplers=samplers, settings=settings, seed=1, tick=ignore)
    assert balance("sample", whole).asked == samples_asked(round_of(table, 0, 6)) == 48
    parts = [
        sample(round_of(table, first, more), samplers=samplers, settings=settings, seed=1, tick=ignore).rows
        for first, more in ((0, 4), (4, 2))
    ]
    keys = ["problem_id", "sample_index", "solution", "params", "model", "solution_format"]
    together = pa.concat_tables(parts).sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
    ordered = whole.rows.sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
    assert together.select(keys).equals(ordered.select(keys))
    assert {text[-4:-1] for text in column(ordered, "params")} == {"0.5", "1.0"}
    assert set(column(ordered, "solution_format")) == {"cot", "pot"}


def test_formats_of_fewer_samples_begin_those_of_more() -> None:
    for problem in ("a", "b", "c"):
        forty = formats_of(problem, 40, 0.3)
        assert forty[:7] == formats_of(problem, 7, 0.3)
        assert forty.count("pot") in (11, 12, 13)
    assert set(formats_of("a", 9, 0.0)) == {"cot"}
    assert set(formats_of("a", 9, 1.0)) == {"pot"}


def test_the_question_alone_is_asked_without_a_prompt(engine: Callable[..., Engine]) -> None:
    settings = SampleSettings(prompt="question", max_tokens=300)
    done = sample(
        round_of(questions(2), 0, 2), samplers=engine("samplers"), settings=settings, seed=1, tick=ignore
    )
    assert column(done.rows, "prompt") == [None] * 8
    assert any(column(done.rows, "answer"))


def test_a_model_that_chooses_its_form_is_read_in_the_form_that_it_wrote(
    engine: Callable[..., Engine],
) -> None:
    table = questions(2)
    prompt = prompts.load("solve_pot", "en")
    asks_for_a_program = [
        "\n".join(str(one["content"]) for one in prompt.messages(question=question, strategy="direct"))
        for question in column(table, "question")
    ]
    forms = {}
    for name, texts in (("words", column(table, "question")), ("program", asks_for_a_program)):
        done = sample(
            round_of(replace(table, question=texts), 0, 2),
            samplers=engine("samplers"),
            settings=SampleSettings(prompt="question", form="words_or_program", max_tokens=300),
            seed=1,
            tick=ignore,
        )
        forms[name] = set(column(done.rows, "solution_format"))
    assert forms["words"] == {"cot"}
    assert "pot" in forms["program"]  # some replies have no block, as with other models


def test_only_the_question_alone_lets_a_model_choose_its_form() -> None:
    with pytest.raises(ValueError, match="set prompt to question"):
        SampleSettings(form="words_or_program")


@pytest.mark.slow
def test_samples_become_right_and_wrong_ones_with_the_rates_of_their_questions(
    engine: Callable[..., Engine], judge: Judge, sandbox: Sandbox
) -> None:
    table, samplers = questions(6), engine("samplers", "embedded-small")
    settings = SampleSettings(pot_share=0.3)
    drawn = sample(round_of(table, 0, 10), samplers=samplers, settings=settings, seed=1, tick=ignore).rows
    verified = verify(
        kept(drawn), sandbox=sandbox, judge=judge, calibration=prior(), settings=VerifySettings(), tick=ignore
    )
    tallies: dict[str, Tally] = {}
    count(tallies, drawn, verified)
    assert sum(one.sampled for one in tallies.values()) == 120
    right, wrong = right_and_wrong([verified], tallies)
    assert right.num_rows == sum(one.right for one in tallies.values()) > 20
    assert 0 < wrong.num_rows <= sum(one.wrong for one in tallies.values())
    assert not any(reasons_of(pa.concat_tables([right, wrong])))
    assert {dict(pairs)[WORTH] for pairs in column(right, "verdicts")} == {Worth.RIGHT}
    answers = list(zip(column(wrong, "answer"), column(wrong, "reference_answer"), strict=True))
    assert set(judge.equal([pair for pair in answers if pair[0]])) == {"different"}
    for row in with_pass_rates(table, tallies).to_pylist():
        rate = tallies[row["problem_id"]].fail_rate
        assert rate is not None
        assert abs(row["difficulty"] - rate) < 1e-6
        assert abs(dict(row["scores"])[PASS_RATE] + rate - 1) < 1e-6


def path(equation: str, words: str, *, pass_rate: float = 0.25, correctness: float = 0.9) -> Row:
    return Row(
        "How many?",
        "en",
        solution=f"{words} {equation}",
        solution_format="cot",
        correctness=correctness,
        scores={PASS_RATE: pass_rate},
    )


def test_one_solution_per_path_stays_and_the_rare_ones_first() -> None:
    rows = [
        *(path("3 * 4 = 12", f"Version {number} multiplies what is given.") for number in range(5)),
        path("4 + 4 + 4 = 12", "Adding up the rows, one after another, gives"),
        path("24 / 2 = 12", "Half of two dozen is"),
        path("24 / 2 = 12", "Take the two dozens and halve them:"),
    ]
    table = distinct(to_table(rows), settings=BY_EQUATIONS, tick=ignore)
    one_per_path = kept(table)
    shares = {row["solution"]: dict(row["scores"])[PATH_SHARE] for row in one_per_path.to_pylist()}
    assert sorted(round(share, 3) for share in shares.values()) == [0.125, 0.25, 0.625]
    for most, expected in ((4, 3), (2, 2)):  # of a fail rate of 0.75: three quarters of `most`, rounded up
        settings = SampleSettings(allocate="prop2diff", most=most)
        staying = kept(allocate(one_per_path, settings=settings, tick=ignore))
        assert staying.num_rows == expected
    settings = SampleSettings(allocate="uniform", most=1)
    (only,) = kept(allocate(one_per_path, settings=settings, tick=ignore)).to_pylist()
    assert only["solution"].startswith("Adding up")


def test_an_easy_question_keeps_one_solution() -> None:
    rows = [path(f"{n} + {12 - n} = 12", f"Number {n}:", pass_rate=1.0) for n in range(5)]
    table = kept(distinct(to_table(rows), settings=BY_EQUATIONS, tick=ignore))
    assert kept(allocate(table, settings=SampleSettings(most=4), tick=ignore)).num_rows == 1
    uniform = SampleSettings(most=4, allocate="uniform")
    assert kept(allocate(table, settings=uniform, tick=ignore)).num_rows == 4


def test_nothing_to_choose_from_is_nothing_chosen() -> None:
    none = from_columns(0)
    assert distinct(none, settings=BY_EQUATIONS, tick=ignore).num_rows == 0
    assert allocate(none, settings=SampleSettings(), tick=ignore).num_rows == 0
