"""`mathmill decontaminate` and `mathmill near`, on a file and on a version."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli.similarity import _questions, decontaminate, near
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.decontamination.benchmarks import BenchmarkError
from tasks.ingestion.record import IngestError

ROOT = Path(__file__).resolve().parents[3]
LEAKED = (
    "Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each. What did she earn?"
)
OTHER = "How many apples are in 3 bags of 4 apples each?"


Run = Callable[..., tuple[str, int]]


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


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command itself, called in process: what it output, and its exit code."""

    def called(source: str, against: str, *rules: str, **more: Any) -> tuple[str, int]:
        options = {"ask": False, "planted": 0, "pairs": None, "hits": None, "json": False} | more
        with pytest.raises(typer.Exit) as end:
            decontaminate(source, [Path(against)], list(rules), **options)
        return capsys.readouterr().out, end.value.exit_code

    return called


def test_a_file_against_a_folder_of_benchmarks(home: Path, run: Run) -> None:
    output, code = run("rows.jsonl", "exams", "exact", "ngram13", planted=5, hits=Path("hits.jsonl"))
    assert code == 1
    assert output.startswith("decontaminate: ngram13 algebra#0 overlap 1.00  Hello! Maria")
    assert "2 rows compared with 2 items: algebra (1), other (1)." in output
    assert "Rejected: 1 (ngram13 algebra 1)." in output
    assert "| verbatim | 2 | 2 | 1.000 | exact 2 |" in output
    (hit,) = map(json.loads, Path("hits.jsonl").read_text().splitlines())
    assert {name: hit[name] for name in ("benchmark", "item", "rule", "overlap")} == {
        "benchmark": "algebra", "item": "algebra#0", "rule": "ngram13", "overlap": 1.0,
    }  # fmt: skip
    output, code = run("rows.jsonl", "exams", "exact", json=True)
    result = json.loads(output)
    assert (result["hits"], result["certificate"]["recall"], code) == ([], [], 0)


def test_a_version(home: Path, run: Run) -> None:
    Store(home).publish("d", [to_table([Row(LEAKED, "en", solution="s"), Row(OTHER, "en")])], lineage={})
    (name,) = [str(version) for version in Store(home).versions("d")]
    for source in ("d", name):
        output, code = run(source, "exams/algebra.jsonl", "exact", json=True)
        (hit,) = json.loads(output)["hits"]
        assert (hit["item"], hit["question"], code) == ("algebra#0", LEAKED, 1)


def test_what_cannot_be_used_is_named(home: Path) -> None:
    home.mkdir()
    for source, against, error, words in (
        ("rows.jsonl", "none", BenchmarkError, "cannot read none"),
        ("rows.jsonl", "home", BenchmarkError, "benchmark folder home: holds no"),
        ("nothing", "exams", StorageError, "nothing"),
    ):
        with pytest.raises(error, match=words):
            decontaminate(source, [Path(against)], ["exact"])


@pytest.mark.slow
def test_strict_fails_on_records_that_cannot_be_read(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file of rows, and in a benchmark: named, counted, and exit code 2 with --strict."""
    rows, exam = Path("rows.jsonl"), Path("exams/algebra.jsonl")
    output, code = run(str(rows), "exams", "exact", strict=True)
    assert (code, "could not be read" in output) == (0, False)
    for file in (rows, exam):
        whole = file.read_text()
        file.write_text(whole + '{"question": \n')
        output, code = run(str(rows), "exams", "exact")
        assert code == 0
        assert "1 record could not be read and was not compared:" in output
        assert f"{file}, line {len(whole.splitlines()) + 1}: " in output
        with pytest.raises(IngestError, match=r"^1 record could not be read.* Fix: correct or drop them"):
            run(str(rows), "exams", "exact", strict=True)
        capsys.readouterr()
        file.write_text(whole)
    rows.write_text(rows.read_text() + '{"question": \n')
    words = ["decontaminate", str(rows), "--against", "exams", "--rule", "exact", "--planted", "0"]
    done = subprocess.run(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *words, "--strict"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "1 record could not be read, the first is rows.jsonl, line 3: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.soak
def test_near(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row(text, "en", solution="s") for text in (LEAKED, OTHER, "Differentiate sin x.")]
    Store(home).publish("d", [to_table(rows)], lineage={})
    question = "3 bags hold 4 apples each; how many apples are there?"
    near("d", [question], 2, json=True)
    result = json.loads(capsys.readouterr().out)
    assert (result["index"], result["size"], result["recall"]) == ("flat", 3, 1.0)
    (answer,) = result["answers"]  # of one question the same shape as of several
    assert answer["neighbours"][0]["question"] == OTHER
    assert len(answer["neighbours"]) == 2
    assert set(result) == {"version", "index", "size", "recall", "answers"}
    near("d", [question])
    assert "3 questions, flat index, recall 1.000 of exact search" in capsys.readouterr().out


@pytest.mark.slow
def test_several_questions_are_compared_with_one_encoder(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row(text, "en", solution="s") for text in (LEAKED, OTHER, "Differentiate sin x.")]
    Store(home).publish("d", [to_table(rows)], lineage={})
    asked = ["3 bags hold 4 apples each; how many apples are there?", "What is the derivative of sin x?"]
    nearest = [OTHER, "Differentiate sin x."]
    for given, typed in (
        (asked, ""),
        (["-"], f"{asked[0]}\n\n  {asked[1]}  \r\n"),
        ([asked[0], "-"], asked[1]),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert _questions(given) == asked
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(asked)))
    near("d", None, 2, json=True)
    result = json.loads(capsys.readouterr().out)
    assert [one["question"] for one in result["answers"]] == asked
    assert [one["neighbours"][0]["question"] for one in result["answers"]] == nearest
    assert [len(one["neighbours"]) for one in result["answers"]] == [2, 2]
    near("d", asked, 1)
    output = capsys.readouterr().out
    assert output.index(asked[0]) < output.index(OTHER) < output.index(asked[1])


def test_without_a_question_there_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(home).publish("d", [to_table([Row(OTHER, "en", solution="s")])], lineage={})
    monkeypatch.setattr("sys.stdin", io.StringIO("\n  \n"))
    with pytest.raises(StorageError, match="no question was given. Fix: "):
        near("d", [])


@pytest.mark.parametrize("content", [" \n", "[]", '{"id": 7}\n', '{"question": ""}\nnot JSON\n'])
def test_a_file_without_a_row_to_compare_is_refused(
    content: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.parent / "none.jsonl").write_text(content)
    with pytest.raises(IngestError, match=r"none\.jsonl.*Fix: "):
        decontaminate("none.jsonl", [Path("exams")], ["exact"], ask=False, planted=0, pairs=None, hits=None)
