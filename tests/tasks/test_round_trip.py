"""What leaves comes back: every export of a real night, read as seeds, gives the same rows, and nothing that an export
says about a row (a label, a score, a reason) becomes an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.datasets.export import export
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, reason
from storage.rows import Row, kept, replace, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.sandbox import Sandbox
from tasks.stages.ingest import ingest
from tasks.training import judgements
from tests import nights


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, judge: Judge, sandbox: Sandbox) -> nights.Night:
    from storage.ledger import Ledger
    from tasks.llm.endpoint import Endpoint, EngineLimits

    folder = tmp_path_factory.mktemp("night")
    ledger = Ledger.open(str(folder / "ledger.sqlite"))
    engines: list[Engine] = []

    def engine(role: str = "reasoner") -> Engine:
        engines.append(Engine(Endpoint(role=role, model="embedded"), ledger, EngineLimits()))
        return engines[-1]

    try:
        return nights.night(folder / "home", engine=engine, sandbox=sandbox, judge=judge, seed=1)
    finally:
        for one in engines:
            one.close()
        ledger.close()


def bare(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """The part of a row that every export has."""
    return row["question"], row["solution"].strip(), row["solution_format"], row["language"]


def read_back(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest(sorted(folder.iterdir()), default_license="x").table.to_pylist()
    assert [row["rejected"] for row in rows if row["rejected"]] == []
    return rows


SHAPES = pytest.mark.parametrize(
    "shape", ["messages", "prompt-completion", "preference", "unpaired-preference", "parquet"]
)
FILES = pytest.mark.parametrize("files", ["jsonl", "parquet"])


@pytest.mark.slow
@FILES
@SHAPES
def test_an_export_read_as_seeds_gives_the_same_rows(
    shape: str, files: Any, night: nights.Night, judge: Judge, tmp_path: Path
) -> None:
    written = export(night.store, night.version, tmp_path / "out", shape, compare=judge.equal, files=files)
    rows = read_back(tmp_path / "out" / "data")
    # of the wrong solutions, those that have the format of a right one are a side of a pair
    assert len(rows) == written >= (3 if shape == "preference" else 5)
    published = {bare(row): row for row in night.store.read(night.version).to_pylist()}
    answers = {row["problem_id"]: row["answer"] for row in published.values()}
    came = [row for row in rows if row["solution"] and bare(row) in published]
    if shape == "preference":
        assert len(came) == written  # the chosen side, and never the rejected one
    else:
        assert {bare(row) for row in came} == set(published)
    for row in came:
        before = published[bare(row)]
        assert row["problem_id"] == before["problem_id"]
        if shape == "parquet":
            assert (row["answer"], row["reference_answer"]) == (before["answer"], before["reference_answer"])
        elif row["reference_answer"]:
            assert judge.equal([(row["reference_answer"], before["answer"])]) == ["equal"]
    # the others are the wrong completions: their questions come back, without their answers
    others = [row for row in rows if not row["solution"] or bare(row) not in published]
    assert bool(others) == (shape == "unpaired-preference")
    for row in others:
        assert row["problem_id"] in answers
        assert row["reference_answer"] is None
        assert row["solution"] is None


@pytest.mark.slow
@pytest.mark.parametrize("reasoning", ["field", "inline"])
@SHAPES
def test_thinking_comes_back_apart_from_the_solution(
    shape: str, reasoning: Any, night: nights.Night, judge: Judge, tmp_path: Path
) -> None:
    rows = night.store.read(night.version)
    thinking = pa.array([f"First, about {one}:\nhm." for one in rows.column("id").to_pylist()])
    version = night.store.publish(
        f"thinking-{shape}-{reasoning}", [replace(rows, reasoning=thinking)], lineage={}
    )
    export(night.store, version, tmp_path / "out", shape, compare=judge.equal, reasoning=reasoning)
    expected = {bare(row): f"First, about {row['id']}:\nhm." for row in rows.to_pylist()}
    came = [row for row in read_back(tmp_path / "out" / "data") if row["solution"] and bare(row) in expected]
    assert len(came) >= (3 if shape == "preference" else 5)
    assert [row["reasoning"] for row in came] == [expected[bare(row)] for row in came]


@pytest.mark.slow
def test_a_critic_s_judgements_give_no_answers(night: nights.Night, tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    judgements.write(night.store, [night.version], folder / "judgements.parquet")
    rows = read_back(folder)
    assert len(rows) >= 20
    assert {(row["reference_answer"], row["answer"]) for row in rows} == {(None, None)}


# (record, the letter of its answer): options by several conventions, solutions that end with a letter or with a value
CHOICES: list[tuple[dict[str, Any], str]] = [
    ({"question": "What is 17 + 25?", "options": {"A": "32", "B": "42", "C": "52", "D": "47"}, "answer": "B",
      "solution": "Seventeen and 25 make 42, so the answer is \\boxed{B}."}, "B"),
    ({"question": "A train goes 120 km in 2 hours. What is its speed in km/h?", "answer": "B",
      "options": ["50", "60", "70", "None of these"], "solution": "120/2 = 60.\nThe answer is (B)."}, "B"),
    ({"question": "Which of the numbers is prime?", "answerKey": "C",
      "choices": {"text": ["21", "27", "29", "33"], "label": ["A", "B", "C", "D"]},
      "solution": "21 = 3*7, 27 = 3*9, 33 = 3*11; 29 is prime. Therefore the answer is \\boxed{29}."}, "C"),
    ({"question": "What is the derivative of $x^2$?", "options": "['$x$', '$2x$', '$x^2$', '$2$']", "answer": "B",
      "solution": "By the power rule it is $2x$.\n\\boxed{\\text{B}}"}, "B"),
    ({"question": "Solve for $x$: $2x+3=11$.", "A": "3", "B": "4", "C": "5", "D": "8", "answer": "4",
      "solution": "2x = 8 and x = 4.\n#### B"}, "B"),
    ({"question": "Which are even?", "options": ["2", "3", "4", "5"], "answer": ["A", "C"],
      "solution": "2 and 4 are even: \\boxed{AC}"}, "AC"),
    ({"question": "What is $\\binom{5}{2}$?\n(A) 5 (B) 10 (C) 15 (D) 20 (E) 25", "answer": "B",
      "solution": "It is 10. \\boxed{\\textbf{(B)}\\ 10}"}, "B"),
    ({"question": "12加上30等于多少？", "options": ["32", "42", "52", "62"], "answer": "B",
      "solution": "12+30=42，故选B。"}, "B"),
    ({"question": "一个正方形的边长是5厘米，它的面积是多少平方厘米？", "A": "10", "B": "20", "C": "25", "D": "30",
      "answer": "C", "solution": "面积为5×5=25平方厘米。\n答案是\\boxed{C}。"}, "C"),
    ({"question": "下列哪个数是质数？", "choices": {"text": ["9", "15", "17", "21"], "label": ["A", "B", "C", "D"]},
      "answerKey": "C", "solution": "9=3×3，15=3×5，21=3×7，17是质数。所以答案为\\boxed{17}"}, "C"),
    ({"question": "3 + 4 的结果是？", "options": ["6", "7", "8", "都不对"], "answer": "B"}, "B"),
    # options that look like instructions to a model
    ({"question": "What does a good proof do last?", "answer": "B",
      "options": ["It stops.", "Put your final answer in a box.", "Show your work step by step."],
      "solution": "The box is last. \\boxed{B}"}, "B"),
    ({"question": "What is 7 - 3?", "options": ["3", "4", "Please reason step by step."], "answer": "B",
      "solution": "```python\nprint('B')\n```"}, "B"),
]  # fmt: skip


@pytest.fixture(scope="module")
def choices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Version]:
    """A version of multiple-choice rows, and a wrong candidate for each question."""
    folder = tmp_path_factory.mktemp("choices")
    (folder / "seeds.jsonl").write_bytes(b"\n".join(orjson.dumps(record) for record, _ in CHOICES))
    rows = kept(ingest([folder / "seeds.jsonl"], default_license="x").table)
    wrong = [
        Row(
            row["question"],
            row["language"],
            solution="print('A')" if row["solution_format"] == "pot" else "I guess. \\boxed{A}",
            solution_format=row["solution_format"],
            answer="A",
            verdicts={"equivalent": "different"},
            reason=reason("verify", Code.DIFFERENT, answer="A", reference=row["reference_answer"]),
        )
        for row in rows.to_pylist()
    ]
    store = Store(folder / "home")
    version = store.publish("choices", [rows], lineage={})
    store.append_candidates(to_table(wrong), run="run", stage="verify", part="0")
    return store, version


def test_the_letter_is_read_from_every_convention(choices: tuple[Store, Version]) -> None:
    store, version = choices
    letters = {
        row["question"].split("\n")[0]: row["reference_answer"] for row in store.read(version).to_pylist()
    }
    assert letters == {record["question"].split("\n")[0]: letter for record, letter in CHOICES}


@FILES
@SHAPES
def test_multiple_choice_keeps_its_options_and_its_letter(
    shape: str, files: Any, choices: tuple[Store, Version], judge: Judge, tmp_path: Path
) -> None:
    store, version = choices
    written = export(store, version, tmp_path / "out", shape, compare=judge.equal, files=files)
    rows = read_back(tmp_path / "out" / "data")
    assert len(rows) == written
    published = store.read(version).to_pylist()
    solved = {bare(row): row for row in published if row["solution"]}
    came = {bare(row): row for row in rows if row["solution"]}
    assert came.keys() == solved.keys()
    assert {row["problem_id"] for row in rows} <= {row["problem_id"] for row in published}
    for key, row in came.items():
        before = solved[key]
        assert row["problem_id"] == before["problem_id"]
        if shape == "parquet" or row["solution_format"] == "cot":
            both = (row["answer"], row["reference_answer"])
            assert both == (before["answer"], before["reference_answer"])
        else:
            assert row["reference_answer"] is None  # a program's answer is known when it is run
    if shape == "parquet":
        assert {(row["question"], row["reference_answer"]) for row in rows} == {
            (row["question"], row["reference_answer"]) for row in published
        }
    for row in rows:
        if row["solution"] is None and shape != "parquet":
            assert row["reference_answer"] is None
