"""`mathmill decontaminate` and `mathmill near`, on a file and on a version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from storage.datasets import Store
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.decontaminate.benchmarks import BenchmarkError

LEAKED = (
    "Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each. What did she earn?"
)
OTHER = "How many apples are in 3 bags of 4 apples each?"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATHMILL_HOME", str(tmp_path / "home"))
    (tmp_path / "exams").mkdir()
    for name, text in (("algebra", LEAKED), ("other", "Prove that the sum of two odd numbers is even.")):
        (tmp_path / "exams" / f"{name}.jsonl").write_text(json.dumps({"question": text}) + "\n")
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"question": text, "answer": "1"}) + "\n" for text in (OTHER, f"Hello! {LEAKED}"))
    )
    return tmp_path / "home"


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_file_against_a_folder_of_benchmarks(home: Path) -> None:
    words = ["decontaminate", "rows.jsonl", "--against", "exams", "--rule", "exact", "--rule", "ngram13"]
    said = run(*words, "--planted", "5", "--hits", "hits.jsonl", code=1)
    assert said.startswith("decontaminate: ngram13 algebra#0 overlap 1.00  Hello! Maria")
    assert "2 rows compared with 2 items: algebra (1), other (1)." in said
    assert "Rejected: 1 (ngram13 algebra 1)." in said
    assert "| verbatim | 2 | 2 | 1.000 | exact 2 |" in said
    (hit,) = map(json.loads, Path("hits.jsonl").read_text().splitlines())
    assert {name: hit[name] for name in ("benchmark", "item", "rule", "overlap")} == {
        "benchmark": "algebra", "item": "algebra#0", "rule": "ngram13", "overlap": 1.0,
    }  # fmt: skip
    found = json.loads(run(*words[:4], "--rule", "exact", "--planted", "0", "--json"))
    assert found["hits"] == found["certificate"]["recall"] == []


def test_a_version(home: Path) -> None:
    Store(home).publish("d", [to_table([Row(LEAKED, "en", solution="s"), Row(OTHER, "en")])], lineage={})
    words = ("--against", "exams/algebra.jsonl", "--rule", "exact", "--planted", "0", "--json")
    (name,) = [str(version) for version in Store(home).versions("d")]
    for source in ("d", name):
        (hit,) = json.loads(run("decontaminate", source, *words, code=1))["hits"]
        assert (hit["item"], hit["question"]) == ("algebra#0", LEAKED)


def test_what_cannot_be_used_is_named(home: Path) -> None:
    for source, against, error, words in (
        ("rows.jsonl", "none", BenchmarkError, "cannot read none"),
        ("rows.jsonl", "home", BenchmarkError, "benchmark folder home: holds no"),
        ("nothing", "exams", StorageError, "nothing"),
    ):
        home.mkdir(exist_ok=True)
        with pytest.raises(error, match=words):
            run("decontaminate", source, "--against", against, "--rule", "exact")


@pytest.mark.slow
def test_near(home: Path) -> None:
    rows = [Row(text, "en", solution="s") for text in (LEAKED, OTHER, "Differentiate sin x.")]
    Store(home).publish("d", [to_table(rows)], lineage={})
    question = "3 bags hold 4 apples each; how many apples are there?"
    found = json.loads(run("near", "d", question, "-k", "2", "--json"))
    assert (found["index"], found["questions"], found["recall"]) == ("flat", 3, 1.0)
    assert found["neighbours"][0]["question"] == OTHER
    assert len(found["neighbours"]) == 2
    assert "3 questions, flat index, recall 1.000 of exact search" in run("near", "d", question)
