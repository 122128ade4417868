"""Selectors: what each keeps and drops, with its reason, independent of the order of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from storage.reasons import Code
from storage.rows import CHAT, ChatTurn, Row, column, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.selection.k_centre import k_centre
from tasks.selection.quality import quality
from tasks.selection.subjects import classes, draw
from tasks.stages.outcome import Outcome, balance
from tasks.stages.select import SelectSettings, select


def solved(name: str, count: int, *, language: str = "en", seed: int = 0) -> list[Row]:
    """Rows with the right solutions of a problem family."""
    rows = []
    for i in range(count):
        problem = make(families()[name], rng_of("selection", name, seed, i), 2, language)
        rows.append(
            Row(
                problem.question,
                language,
                solution="\n".join([*problem.worked.steps, rf"\boxed{{{problem.worked.answer}}}"]),
                solution_format="cot",
                answer=problem.worked.answer,
                correctness=0.9,
            )
        )
    return rows


def chosen(rows: Sequence[Row], name: str, settings: dict[str, Any] | None = None, **tools: Any) -> Outcome:
    """The outcome of a selector, which is the same for the rows in another order."""
    outcomes = [
        select(to_table(order), name=name, settings=settings or {}, seed=3, tick=lambda n: None, **tools)
        for order in (list(rows), list(reversed(rows)))
    ]
    forwards, backwards = (
        dict(
            zip(
                column(one.rows, "id"),
                one.rows.select(["scores", "verdicts", "rejected"]).to_pylist(),
                strict=True,
            )
        )
        for one in outcomes
    )
    assert forwards == backwards
    balance("select", outcomes[0])
    return outcomes[0]


def codes(outcome: Outcome) -> Counter[str | None]:
    return Counter(why and why.code for why in reasons_of(outcome.rows))


def with_rate(rows: list[Row], rates: Sequence[float]) -> list[Row]:
    for row, rate in zip(rows, rates, strict=True):
        row.scores["pass_rate"] = rate
    return rows


def test_the_band_keeps_what_the_student_sometimes_fails(engine: Callable[..., Engine], judge: Judge) -> None:
    rows = solved("gcd_lcm", 12) + solved(
        "matrix_product", 12
    )  # the small student is very weak in one of them
    outcome = chosen(
        rows,
        "pass_rate",
        {"samples": 4, "least": 0.25, "most": 0.75},
        student=engine("student", "embedded-small"),
        judge=judge,
    )
    rates = [dict(pairs)["pass_rate"] for pairs in column(outcome.rows, "scores")]
    assert set(rates) <= {0, 0.25, 0.5, 0.75, 1}
    assert [0.25 <= rate <= 0.75 for rate in rates] == [why is None for why in reasons_of(outcome.rows)]
    assert codes(outcome).keys() == {None, Code.OUTSIDE_BAND}
    assert np.mean(rates[:12]) > np.mean(rates[12:])
    # each question is asked once per sample, however many solutions it has
    assert outcome.facts["bills"][0]["completions"] == 4 * len({row.problem_id for row in rows})


def test_a_call_that_failed_is_a_failed_row_and_no_wrong_answer(
    engine: Callable[..., Engine], judge: Judge
) -> None:
    outcome = select(
        to_table(solved("gcd_lcm", 3)),
        name="pass_rate",
        settings={"samples": 2},
        seed=0,
        tick=lambda n: None,
        student=engine("student", offline=True),
        judge=judge,
    )
    assert balance("select", outcome).failed == 3
    assert all(not pairs for pairs in column(outcome.rows, "scores"))


def test_questions_that_a_model_gets_right_are_left_out(engine: Callable[..., Engine], judge: Judge) -> None:
    rows = solved("matrix_product", 16)
    outcome = chosen(
        rows,
        "two_models",
        first=engine("student", "embedded-small"),
        second=engine("reasoner"),
        judge=judge,
    )
    reasons = [why for why in reasons_of(outcome.rows) if why]
    assert {why.values["name"] for why in reasons} <= {"student", "reasoner"}
    assert {why.code for why in reasons} == {Code.MODEL_RIGHT}
    assert reasons
    # the second model is asked only what the first gets wrong
    by_first = sum(why.values["name"] == "student" for why in reasons)
    asked = [bill["completions"] for bill in outcome.facts["bills"]]
    assert asked == [16, 16 - by_first]


def test_easy_questions_are_thinned_out_to_a_mirrored_j() -> None:
    rows = [Row(f"Question {i}?", "en", solution="1") for i in range(100)]
    rates = [0.0] * 5 + [0.25] * 20 + [0.5] * 10 + [0.75] * 30 + [1.0] * 35
    outcome = chosen(with_rate(rows, rates), "mirrored_j", {"fall": 0.8})
    left = Counter(round(dict(pairs)["pass_rate"], 2) for pairs in column(kept(outcome.rows), "scores"))
    assert left == {0.0: 5, 0.25: 4, 0.5: 3, 0.75: 2, 1.0: 1}
    assert codes(outcome)[Code.OVER_LEVEL] == 85


def test_all_solutions_of_a_question_stay_or_go_together() -> None:
    rows = [Row(f"Question {i // 2}?", "en", solution=f"way {i}") for i in range(40)]
    outcome = chosen(with_rate(rows, [float(i >= 4) for i in range(40)]), "mirrored_j")
    left = Counter(column(kept(outcome.rows), "problem_id"))
    assert set(left.values()) == {2}
    assert len(left) == 3  # two of the hard level, one of the easy one


def test_a_child_must_be_harder_than_its_parent(engine: Callable[..., Engine], judge: Judge) -> None:
    easy, hard = solved("gcd_lcm", 8), solved("matrix_product", 8)

    def children(rows: list[Row], parents: list[Row]) -> list[Row]:
        rows_of_both = []
        for row, parent in zip(rows, parents, strict=True):
            question = Row(row.question, "en", method="evolve", parent_ids=[parent.id])
            rows_of_both += [
                question,
                Row(
                    row.question,
                    "en",
                    solution=row.solution,
                    solution_format="cot",
                    answer=row.answer,
                    method="evolve",
                    parent_ids=[question.id],
                ),
            ]
        return rows_of_both

    harder, easier = children(hard, easy), children(easy, hard)
    pool = to_table([*easy, *hard, *harder, *easier])
    tools = {"parents": pool, "student": engine("student", "embedded-small"), "judge": judge}
    up = chosen([row for row in harder if row.solution], "harder_than_parent", {"samples": 6}, **tools)
    down = chosen([row for row in easier if row.solution], "harder_than_parent", {"samples": 6}, **tools)
    verdicts = [
        Counter(dict(pairs)["harder_than_parent"] for pairs in column(one.rows, "verdicts"))
        for one in (up, down)
    ]
    assert verdicts[0]["yes"] > verdicts[0]["no"]
    assert verdicts[1]["no"] > verdicts[1]["yes"]
    assert codes(down)[Code.NOT_HARDER] == verdicts[1]["no"]
    assert codes(up)[None] == verdicts[0]["yes"]


def test_a_question_with_a_number_that_no_solution_uses_is_refused_with_all_its_rows() -> None:
    parent = Row("A farm has 12 hens that lay 7 eggs each. How many eggs are there?", "en")
    padded = f"The farmer is 46 years old. {parent.question}"
    harder = f"{parent.question[:-24]} 29 eggs break. How many are left?"

    def rows_of(question: str, *solutions: str, method: str = "evolve") -> list[Row]:
        of = Row(question, "en", method=method, parent_ids=[parent.id])
        common = {"solution_format": "cot", "method": method, "parent_ids": [of.id]}
        pool.append(of)
        return [Row(question, "en", solution=solution, **common) for solution in solutions]  # type: ignore[arg-type]

    pool = [parent]
    rows = [
        *rows_of(padded, "12 * 7 = 84", "84 = 7 * 12 eggs"),
        *rows_of(harder, "12 * 7 = 84, 84 - 29 = 55"),
        *rows_of(padded + " Say why.", "12 * 7 = 84", method="rephrase"),
    ]
    outcome = chosen(rows, "needed_numbers", parents=to_table(pool))
    assert codes(outcome) == {Code.UNNEEDED_NUMBERS: 2, None: 2}
    assert {why.values["numbers"] for why in reasons_of(outcome.rows) if why} == {"46"}
    assert codes(chosen(rows, "needed_numbers", parents=to_table([]))) == {None: 4}


def test_a_child_without_a_known_parent_is_kept(engine: Callable[..., Engine], judge: Judge) -> None:
    rows = solved("gcd_lcm", 2)
    for row in rows:
        row.method, row.parent_ids = "evolve", ["not-there"]
    outcome = chosen(
        rows,
        "harder_than_parent",
        {"samples": 1},
        parents=to_table([]),
        student=engine("student"),
        judge=judge,
    )
    assert codes(outcome) == {None: 2}
    assert column(outcome.rows, "verdicts") == [[("harder_than_parent", "unknown")]] * 2


def test_quality_ranks_elaborate_solutions_that_check_themselves_first() -> None:
    plain = "3 + 4 = 7. \\boxed{7}"
    good = "Perhaps we add first, since both are given. 3 + 4 = 7. Therefore the sum is 7. Check: 7 - 4 = 3. \\boxed{7}"
    long = "3 + 4 = 7. " * 20 + "\\boxed{7}"
    values = quality([plain, good, long], ["en"] * 3)
    assert values[1] > values[2] > values[0]
    assert values.min() >= 0
    assert values.max() <= 1
    rows = [Row("What is 3 + 4?", "en", solution=text, solution_format="cot") for text in (plain, good, long)]
    outcome = chosen(rows, "quality", {"keep": 0.34})
    assert [why is None for why in reasons_of(outcome.rows)] == [False, True, False]
    assert codes(outcome)[Code.BELOW_THRESHOLD] == 2


def test_quality_compares_rows_of_one_language_and_format() -> None:
    values = quality(["short", "a long text in English", "短"], [("en",), ("en",), ("zh",)])
    assert values[2] == pytest.approx(0.5)


class Directions:
    """An encoder of texts such as "3 1": the direction of these coordinates."""

    identity = "directions"

    def __call__(self, texts: Sequence[str]) -> Any:
        points = np.array([[float(part) for part in text.split()] for text in texts], dtype=np.float32)
        return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_k_centre_covers_the_outlier_before_it_repeats_a_cluster() -> None:
    questions = ["10 1", "10 2", "10 3", "1 10", "2 10", "-5 -5"]
    outcome = chosen(
        [Row(q, "en", solution="1") for q in questions], "k_centre", {"rows": 3}, encode=Directions()
    )
    left = set(column(kept(outcome.rows), "question"))
    assert "-5 -5" in left
    assert len(left & {"10 1", "10 2", "10 3"}) == len(left & {"1 10", "2 10"}) == 1
    covered = [why for why in reasons_of(outcome.rows) if why]
    assert {why.code for why in covered} == {Code.COVERED}
    assert all(float(why.values["score"]) > 0.9 for why in covered)


def test_k_centre_is_within_twice_of_the_best_cover() -> None:
    """Against every choice of three centres of twelve: the greedy radius is at most twice the best one."""
    import itertools

    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    best = min(distances[:, list(three)].min(axis=1).max() for three in itertools.combinations(range(12), 3))
    centres, nearest, _ = k_centre(points, 3)
    assert distances[:, centres].min(axis=1).max() <= 2 * best + 1e-6
    assert set(nearest.tolist()) <= set(centres)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_teacher_names_the_class_of_questions_in_both_languages(
    engine: Callable[..., Engine], language: str
) -> None:
    expected = {"matrix_product": "15", "gcd_lcm": "11", "definite_integral": "26", "round_solid": "51"}
    rows = [row for name in expected for row in solved(name, 6, language=language)]
    outcome = chosen(rows, "subjects", {"by": "model", "keep": 0.5}, teacher=engine("teacher"))
    subjects = [dict(pairs)["subject"][:2] for pairs in column(outcome.rows, "verdicts")]
    expected_order = [expected[name] for name in expected for _ in range(6)]
    by_id = dict(zip(column(outcome.rows, "id"), subjects, strict=True))
    right = sum(by_id[row.id] == code for row, code in zip(rows, expected_order, strict=True))
    assert right >= 0.8 * len(rows)
    assert kept(outcome.rows).num_rows == len(rows) // 2
    assert outcome.facts["bills"][0]["completions"] == len(rows)


def test_a_question_whose_class_was_not_answered_has_failed(engine: Callable[..., Engine]) -> None:
    outcome = chosen(
        solved("gcd_lcm", 3), "subjects", {"by": "model"}, teacher=engine("teacher", offline=True)
    )
    assert balance("select", outcome).failed == 3


def test_every_class_of_the_classification_is_listed_once() -> None:
    assert len(classes()) == 63
    assert all(entry.keys() == {"en", "zh", "about"} for entry in classes().values())


def test_classes_are_drawn_evenly_and_longer_reasoning_first() -> None:
    by_class = {"a": [f"a{i:03}" for i in range(300)], "b": [f"b{i}" for i in range(30)]}
    drawn = draw(by_class, 40, seed=1)
    counts = Counter(one[0] for one in drawn)
    assert 12 <= counts["a"] <= 28  # half of 40, although ten times as many are there
    places = sorted(int(one[1:]) for one in drawn if one[0] == "a")
    assert np.median(places) < counts["a"]  # the chance halves with each place
    assert draw(by_class, 1000, seed=1) == {one for several in by_class.values() for one in several}


def test_chats_and_documents_are_not_shown_to_a_selector() -> None:
    turn = ChatTurn(
        role="assistant",
        content="Sure, here it is",
        reasoning=None,
        tool_calls=None,
        tool_call_id=None,
        name=None,
    )
    rows = [
        Row("Hello", "en", kind=CHAT, messages=[turn]),
        Row("A question", "en"),
        Row("What is 1 + 1?", "en", solution="Sure, it is \\boxed{2}", solution_format="cot"),
    ]
    outcome = chosen(rows, "consistency")
    assert [why is None for why in reasons_of(outcome.rows)] == [True, True, False]
    assert chosen(rows[:2], "quality").rows.equals(to_table(rows[:2]))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ({"pass_rates": {}}, "unknown selector 'pass_rates', the nearest is 'pass_rate'"),
        ({"quality": {"kepp": 1}}, "quality.kepp"),
        ({"quality": {"keep": 2}}, "quality.keep"),
        ({"mirrored_j": {}}, "put pass_rate before it"),
        ({"mirrored_j": {}, "pass_rate": {}}, "put pass_rate before it"),
        ({"pass_rate": {"least": 0.9, "most": 0.1}}, "least 0.9 is above most 0.1"),
        ({"naturalness": {}}, "naturalness.model"),
        ({"two_models": {"models": ["student", "student"]}}, "name two models"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(by: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectSettings(by=by)


def test_selectors_of_a_wave_and_of_all_waves_are_distinguished() -> None:
    settings = SelectSettings(by={"pass_rate": {}, "quality": {}, "mirrored_j": {}, "consistency": {}})
    assert settings.names(whole=False) == ["pass_rate", "consistency"]
    assert settings.names(whole=True) == ["quality", "mirrored_j"]


def test_an_empty_table_passes() -> None:
    assert chosen([], "quality").rows.num_rows == 0
    assert isinstance(chosen([], "k_centre", encode=Directions()).rows, pa.Table)


@pytest.mark.parametrize("name", ["pass_rate", "harder_than_parent"])
def test_a_bare_question_is_sent_as_in_training_data(
    name: str, engine: Callable[..., Engine], judge: Judge
) -> None:
    parent, row = solved("gcd_lcm", 2)
    row.method, row.parent_ids = "evolve", [parent.id]
    asked = []
    for bare in (True, False):
        student = Listening(engine("student", "embedded-small"))
        tools = {"student": student, "judge": judge}
        tools |= {"parents": to_table([parent])} if name == "harder_than_parent" else {}
        chosen([row], name, {"samples": 1, "bare": bare}, **tools)
        asked.append({request.messages[-1]["content"] == row.question for request in student.requests})
        assert all((len(request.messages) == 1) == bare for request in student.requests)
    assert [True in contents for contents in asked] == [True, False]


class Listening:
    """An engine that keeps what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.endpoint, self.requests, self._engine = engine.endpoint, list[Any](), engine

    def run(self, requests: Any, *more: Any) -> Any:
        self.requests += (one := list(requests))
        return self._engine.run(one, *more)
