"""The whole night on the embedded teacher: twice in one home, and again in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from storage.datasets.store import Store
from tasks.answers import Judge
from tests.e2e.processes import Home, balanced

pytestmark = pytest.mark.e2e

NIGHT = ("nightly", "--target", "48", "--set", "shard_rows=64")
RESHARDED = ("nightly", "--target", "48", "--set", "shard_rows=33")
STAGES = [
    "ingest",
    "generate",
    "similarity",
    "semantic",
    "solve",
    "verify",
    "heuristics",
    "critique",
    "calibrate",
    "weigh",
    "dedup",
    "decontaminate",
    "probe",
    "retrieve",
    "mix",
    "certify",
]


COMPUTED = ("dependency_graph", "knights_and_knaves")


@dataclass
class Nights:
    home: Home
    first: dict[str, Any]
    second: dict[str, Any]


@pytest.fixture(scope="module")
def nights(home: Callable[..., Home]) -> Nights:
    """A home after two nights, and what each said."""
    one = home()
    return Nights(one, one.json(*NIGHT), one.json(*NIGHT))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as one:
        yield one


def test_every_stage_is_there_and_balances(nights: Nights) -> None:
    for night in (nights.first, nights.second):
        funnel = night["lineage"]["funnel"]
        balanced(night["lineage"])
        assert [stage for stage in STAGES if stage not in {line["stage"] for line in funnel}] == []
        assert [line["stage"] for line in funnel[-2:]] == ["mix", "certify"]
        assert funnel[-2]["kept"] == funnel[-1]["kept"] == night["added"]
        by_title = {line["title"]: line for line in funnel}
        for before, after in (
            ("Verify answers, wave 1", "Score by heuristics, wave 1"),
            ("Score by heuristics, wave 1", "Score by critique, wave 1"),
            ("Score by critique, wave 1", "Weigh the votes, wave 1"),
            ("Weigh the votes, wave 1", "De-duplicate, wave 1"),
            ("De-duplicate, wave 1", "Decontaminate, wave 1"),
        ):
            assert by_title[before]["kept"] == by_title[after]["asked"]
        solved = by_title["Solve in words and programs, wave 1"]["asked"]
        new = by_title["Drop similar questions, wave 1"]["kept"]
        computed = [record for record in night["lineage"]["methods"] if record["method"] in COMPUTED]
        # a question that is computed has its own solution and no samples
        assert 4 * (new - sum(record["new"] for record in computed)) <= solved <= 4 * new


def test_the_second_night_goes_on_from_the_first(nights: Nights) -> None:
    first, second = nights.first, nights.second
    assert first["rows"] == first["added"] == 48
    assert second["rows"] == 48 + second["added"]
    assert second["added"] >= 36
    assert second["lineage"]["base"] == first["version"]
    if second["version"][:20] == first["version"][:20]:  # otherwise midnight was between the two
        assert second["version"] == first["version"] + ".2"
    assert second["version"] > first["version"]
    listed = nights.home.json("datasets")
    assert [entry["version"] for entry in listed] == [first["version"], second["version"]]


def test_the_second_night_is_shown_rows_of_the_first(nights: Nights) -> None:
    store = Store(nights.home.path)
    first = set(store.read(nights.first["version"], ["id"])["id"].to_pylist())
    candidates = store.candidates()
    assert candidates is not None
    questions = candidates.to_table(
        columns=["parent_ids"],
        filter=(pc.field("method") == "self_instruct") & pc.field("solution").is_null(),
    )
    shown = [set(parents) & first for parents in questions["parent_ids"].to_pylist()]
    assert sum(map(bool, shown)) >= 5


def test_no_duplicate_across_versions(nights: Nights) -> None:
    name = nights.second["version"]
    (counts,) = nights.home.sql(f'SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM "{name}"')
    assert counts["rows"] == counts["ids"] == nights.second["rows"]
    old, new = nights.first["version"], name
    shared = nights.home.sql(
        f'SELECT n.question FROM "{new}" n JOIN "{old}" o USING (problem_id) '
        f'WHERE n.id NOT IN (SELECT id FROM "{old}")'
    )
    assert shared == []
    folded = nights.home.sql(
        "SELECT count(DISTINCT problem_id) AS problems, "
        "count(DISTINCT lower(regexp_replace(question, '\\s+', ' ', 'g'))) AS questions "
        f'FROM "{name}"'
    )
    assert folded[0]["problems"] == folded[0]["questions"]


def test_published_rows_are_verified_and_judged(nights: Nights) -> None:
    (bad,) = nights.home.sql(
        'SELECT count(*) AS rows FROM "math-sft" WHERE rejected IS NOT NULL OR answer IS NULL '
        "OR solution IS NULL OR verdicts['consistent'] IS NULL "
        # the critic is one voice among others about a solution that was computed
        "OR scores['answer'] < CASE WHEN verdicts['solution_by'] IS NULL THEN 0.6 ELSE 0.3 END "
        "OR (solution_format = 'pot' AND verdicts['executed'] <> 'ok')"
    )
    assert bad["rows"] == 0
    kinds = {row["k"] for row in nights.home.sql('SELECT DISTINCT solution_format AS k FROM "math-sft"')}
    assert kinds == {"cot", "pot"}
    languages = {row["k"] for row in nights.home.sql('SELECT DISTINCT language AS k FROM "math-sft"')}
    assert languages == {"en", "zh"}


def test_the_answers_are_right(nights: Nights, judge: Judge) -> None:
    """The oracle knows the exact answer of every question of a problem family, and of those that are made from such ones."""
    from tasks.teacher.composition import worked_question

    # questions that are computed with their solution have an oracle of their own in tests/tasks/puzzles
    rows = nights.home.sql(
        "SELECT question, language, answer FROM \"math-sft\" WHERE verdicts['solution_by'] IS NULL"
    )
    known = [
        (row["answer"], worked.answer)
        for row in rows
        if (worked := worked_question(row["question"], row["language"]))
    ]
    assert len(known) >= 0.9 * len(rows)
    verdicts = judge.equal(known)
    # two samples in four can agree on one slip; more than a few in a hundred would be a broken filter
    assert verdicts.count("different") <= 0.04 * len(known)


def test_correctness_is_a_calibrated_probability(nights: Nights, judge: Judge) -> None:
    """Of all rows that were weighed, kept or not; the oracle knows who is right."""
    from tasks.problems.machinery.family import recognise
    from tasks.voting import reliability

    kept = nights.home.sql('SELECT question, language, answer, correctness FROM "math-sft"')
    assert all(row["correctness"] >= 0.7 for row in kept)
    dropped = nights.home.sql(
        "SELECT question, language, answer, correctness FROM rejected "
        "WHERE stage IN ('critique', 'weigh', 'dedup', 'decontaminate', 'mix') AND correctness IS NOT NULL"
    )
    known = [
        (row, p.worked.answer)
        for row in kept + dropped
        if (p := recognise(row["question"], row["language"])) and row["answer"]
    ]
    right = [verdict == "equal" for verdict in judge.equal([(row["answer"], gold) for row, gold in known])]
    error = reliability([row["correctness"] for row, _ in known], right)
    assert error.ece <= 0.05
    assert error.accuracy >= 0.95


def test_the_votes_are_calibrated_anew_every_night(nights: Nights) -> None:
    first, second = (night["lineage"]["calibration"] for night in (nights.first, nights.second))
    assert 0 < first["labelled"] == first["rows"]
    assert second["rows"] == first["rows"] + second["labelled"]
    assert first["weights"] != second["weights"]
    # which format was right is counted as well, and carried on
    formats = [night["lineage"]["formats"] for night in (nights.first, nights.second)]
    asked = [sum(line["asked"] for line in lines) for lines in formats]
    assert 0 < asked[0] < asked[1]
    assert {line["format"] for line in formats[1]} == {"cot", "pot"}
    assert "Which formats were right" in Path(nights.second["report"]).read_text()
    assert "How far" in Path(nights.second["report"]).read_text()


def test_the_critic_is_asked_where_votes_disagree(nights: Nights) -> None:
    (asked,) = nights.home.sql(
        "SELECT count(*) FILTER (verdicts['settled'] = 'yes') AS settled, "
        "count(*) FILTER (verdicts['settled'] = 'yes' AND scores['answer'] IS NULL) AS spared, "
        "count(*) FILTER (verdicts['settled'] = 'no' AND scores['answer'] IS NULL) AS missed, "
        "count(*) FILTER (scores['instruction'] IS NULL) AS unjudged FROM \"math-sft\""
    )
    assert asked["spared"] >= 0.3 * asked["settled"] > 0
    assert asked["missed"] == 0
    assert asked["unjudged"] == 0


def test_the_plan_is_near_what_like_nights_took(nights: Nights) -> None:
    plan = nights.home.json("plan", *NIGHT)
    assert (plan["nights"], plan["guessed"]) == (2, [])
    low, likely, high = plan["figures"]["calls"]
    assert low <= likely <= high
    paid = [
        sum(line["calls"] for line in night["lineage"]["service"]) for night in (nights.first, nights.second)
    ]
    assert 0.7 * min(paid) <= likely <= 1.3 * max(paid)
    assert [night["lineage"]["forecast"]["nights"] for night in (nights.first, nights.second)] == [0, 1]
    for night in (nights.first, nights.second):  # whatever asked a model had a line in the forecast
        planned = {(line["role"], line["stage"]) for line in night["lineage"]["forecast"]["stages"]}
        assert {(line["role"], line["tag"]) for line in night["lineage"]["service"]} <= planned
    page = Path(nights.second["report"]).read_text()
    assert "Forecast and fact" in page
    assert "How the models served" in page


def test_the_lineage_names_everything(nights: Nights) -> None:
    lineage = nights.second["lineage"]
    assert {entry["file"] for entry in lineage["inputs"]} == {"en.jsonl", "zh.jsonl", "probe.jsonl"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]) for entry in lineage["inputs"])
    assert lineage["models"]["student"]["model"] == "embedded-small"
    assert any(ref.startswith("solve_pot.zh@") for ref in lineage["prompts"])
    assert lineage["parameters"]["target"] == 48
    assert sum(lineage["licenses"].values()) == nights.second["added"]
    roles = {cost["role"]: cost for cost in lineage["costs"]}
    assert set(roles) == {"teacher", "reasoner", "critic", "student"}
    assert all(cost["prompt_tokens"] > cost["completions"] for cost in roles.values())


def test_why_tells_the_life_of_a_row(nights: Nights) -> None:
    home = nights.home
    (row,) = home.sql("SELECT id FROM \"math-sft\" WHERE source = 'self_instruct' ORDER BY id LIMIT 1")
    life = home.json("why", row["id"])
    assert life["published"]
    assert life["row"]["question"] in life["completion"]["request"]["messages"][-1]["content"]
    assert life["ancestors"][0]["question"] == life["row"]["question"]
    assert len(life["ancestors"]) > 1
    for stage in ("similarity", "weigh"):
        (lost,) = home.sql(f"SELECT id, rejected FROM rejected WHERE stage = '{stage}' ORDER BY id LIMIT 1")
        assert home.json("why", lost["id"])["row"]["rejected"].startswith(f"{stage}: ")
    assert "dropped" in home.run("why", lost["id"]).stdout
    assert "there is no row" in home.run("why", "f" * 24, code=2).stderr


def test_sql_sees_the_tables_and_nothing_else(nights: Nights) -> None:
    for query, expected in (
        ("SELECT nonsense FROM nowhere", "nowhere"),
        ("SELECT * FROM read_text('/etc/passwd')", "disabled"),
        ("DROP VIEW rejected; SELECT", "query"),
    ):
        done = nights.home.run("sql", query, code=2)
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


def test_every_row_of_the_night_is_somewhere(nights: Nights) -> None:
    """What the funnel says was dropped is what the table of rejected rows holds, stage by stage."""
    funnel = nights.first["lineage"]["funnel"] + nights.second["lineage"]["funnel"]
    held = {
        row["stage"]: row["rows"]
        for row in nights.home.sql("SELECT stage, count(*) AS rows FROM rejected GROUP BY stage")
    }
    for stage in {line["stage"] for line in funnel}:
        dropped = sum(line["rejected"] + line["failed"] for line in funnel if line["stage"] == stage)
        assert held.get(stage, 0) == dropped, stage


def test_the_report_is_one_file(nights: Nights) -> None:
    page = Path(nights.second["report"]).read_text()
    assert nights.second["version"] in page
    assert page.count('class="row"') == 10
    assert "<script" not in page


# test_recorded_night.py has its digest with other sharding too
@pytest.mark.soak
def test_same_seed_and_configuration_same_digests(nights: Nights, home: Callable[..., Home]) -> None:
    """Fresh home, other sharding, other number of calls in flight: byte-equal versions."""
    other = home(MATHMILL_IN_FLIGHT="7", MATHMILL_SANDBOX_WORKERS="2", MATHMILL_ANSWER_WORKERS="2")
    assert other.json(*RESHARDED)["digest"] == nights.first["digest"]


@pytest.mark.soak
def test_same_digests_night_after_night(nights: Nights, home: Callable[..., Home]) -> None:
    other = home(MATHMILL_IN_FLIGHT="64")
    for night in (nights.first, nights.second):
        assert other.json(*RESHARDED)["digest"] == night["digest"]


@pytest.mark.soak
def test_another_seed_makes_another_version(nights: Nights, home: Callable[..., Home]) -> None:
    other = home().json(
        *NIGHT, "--set", "seed=1", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore"
    )
    assert other["digest"] != nights.first["digest"]
