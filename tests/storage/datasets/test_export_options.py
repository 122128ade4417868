"""Splits, filters, further columns, CSV and Croissant of exports."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.datasets.export import RecordCounts, export
from storage.datasets.steps import BELONGS_TO, RIGHT_STEPS, WRONG
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.decontamination.benchmarks import Items
from tasks.decontamination.judge import RuleTools
from tasks.decontamination.matching import Search
from tasks.splits import RULES, masked, split_by_problem
from tasks.text.shared import Shared

NAMES = (
    "Ada",
    "Bo",
    "Chen",
    "Dana",
    "Eli",
    "Femi",
    "Gus",
    "Hana",
    "Ivan",
    "Jo",
    "Kim",
    "Lea",
    "Mo",
    "Nia",
    "Ola",
    "Pia",
)
THINGS = ("pens", "books", "apples", "stones", "maps", "cups", "shells", "coins", "bricks", "seeds")
PLACES = (
    "in a red box on the shelf",
    "under the old bridge near town",
    "behind the barn of an uncle",
    "at school in the third drawer",
)


def question(number: int, amount: int) -> str:
    """A question whose words, apart from the numbers, belong to `number`."""
    name, thing = NAMES[number % 16], THINGS[number // 16 % 10]
    place, action = PLACES[number // 7 % 4], ("finds", "buys", "loses", "paints", "sells")[number // 3 % 5]
    return f"Problem of kind {'abcdefghij'[number % 10] * (1 + number // 10)}: {name} keeps {amount} {thing} {place}, and {action} {amount + 2} more. How many {thing} are there now?"


@pytest.fixture
def version(tmp_path: Path) -> Version:
    rows = []
    for number in range(100):
        for amount in (10, 20):  # the same problem with other numbers
            for solution in ("\\boxed{1}", "So \\boxed{1}"):
                rows.append(
                    Row(
                        question(number, amount), "zh" if number % 5 == 0 else "en", solution=solution, solution_format="cot", answer="1",
                        subdomain="counting", source="s, \"q\"", license="MIT", scores={"answer": 0.5},
                    )
                )  # fmt: skip
    return Store(tmp_path / "home").publish("d", [to_table(rows)], lineage={"licenses": {"MIT": 400}})


def read(folder: Path, split: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((folder / "data").glob(f"{split}-*.jsonl"))
        for line in path.open()
    ]


def test_a_split_is_by_problem_and_clean(tmp_path: Path, version: Version) -> None:
    store, out = Store(tmp_path / "home"), tmp_path / "out"
    assert export(store, version, out, tested=split_by_problem(0.3), rows_per_shard=150) == 400
    train, test = read(out, "train"), read(out, "test")
    assert len(train) + len(test) == 400
    asked = [{row["messages"][0]["content"] for row in part} for part in (train, test)]
    assert not asked[0] & asked[1]
    assert not {masked(text) for text in asked[0]} & {masked(text) for text in asked[1]}
    held = sorted(asked[1])
    rest = sorted(asked[0])
    search = Search.of(Items(held, held, held), RULES, RuleTools(), Shared())
    assert search.hits(Items(rest, rest, rest)) == {}
    assert 4 <= len(test) <= 200  # many of these questions are too like training problems to stay
    front = yaml.safe_load((out / "README.md").read_text().split("---")[1])
    assert [one["split"] for one in front["configs"][0]["data_files"]] == ["train", "test"]
    again = tmp_path / "again"
    export(store, version, again, tested=split_by_problem(0.3))
    assert {row["id"] for row in read(again, "test")} == {row["id"] for row in test}


WITH_WRONG_ONES = ("stepwise-supervision", "unpaired-preference")


@pytest.fixture
def steps(tmp_path: Path) -> Version:
    """Solutions whose steps are right, each with a wrong one that it keeps."""
    rows = [
        Row(
            question(number, 10), "zh" if number % 5 == 0 else "en", solution="First 1.\nSo 1.", solution_format="cot", answer="1",
            params=json.dumps({
                RIGHT_STEPS: ["steps"],
                WRONG: [{"id": f"wrong{number}", "solution": "First 1.\nSo 2.", "answer": "2", "solution_format": "cot", "code": "different",
                         "step": 2}],
            }, separators=(",", ":")),
        )
        for number in range(40)
    ]  # fmt: skip
    return Store(tmp_path / "home").publish("steps", [to_table(rows)], lineage={})


def by_text(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["equal" if one == other else "different" for one, other in pairs]


@pytest.mark.parametrize("shape", WITH_WRONG_ONES)
def test_a_wrong_solution_is_in_the_split_of_its_question(tmp_path: Path, steps: Version, shape: str) -> None:
    store, out, counts = Store(tmp_path / "home"), tmp_path / "out", RecordCounts()
    tested = split_by_problem(0.5)
    assert export(store, steps, out, shape, compare=by_text, tested=tested, counts=counts) == 80
    train, test = read(out, "train"), read(out, "test")
    assert test
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in test}
    assert {len([row for row in part if row["id"].startswith("wrong")]) * 2 for part in (train, test)} == {
        len(train),
        len(test),
    }
    assert BELONGS_TO not in train[0]
    assert str(counts) == "40 are of the 40 rows, 40 are of solutions beside them, such as wrong ones"


@pytest.mark.parametrize("shape", WITH_WRONG_ONES)
def test_a_wrong_solution_is_chosen_with_its_question(tmp_path: Path, steps: Version, shape: str) -> None:
    store, out = Store(tmp_path / "home"), tmp_path / "out"
    assert export(store, steps, out, shape, compare=by_text, where="language = 'zh'") == 16
    assert sum(row["id"].startswith("wrong") for row in read(out, "train")) == 8


@pytest.mark.slow
def test_a_test_problem_that_is_in_a_training_problem_moves_there() -> None:
    import pyarrow as pa

    text = question(3, 10)
    longer = f"Read this story first, please. {text} Explain why."
    rows = pa.table({"problem_id": [f"p{n}" for n in range(40)], "question": [text, longer] * 20})
    for seed in range(20):
        assert len(split_by_problem(0.5, seed)(rows)) in (0, 40)


def test_an_empty_split_is_refused(tmp_path: Path, version: Version) -> None:
    with pytest.raises(StorageError, match="no record is left for the split 'test'"):
        export(Store(tmp_path / "home"), version, tmp_path / "out", tested=split_by_problem(1e-9))
    assert not (tmp_path / "out").exists()


def test_rows_are_filtered_and_get_columns(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path / "home")
    assert (
        export(store, version, tmp_path / "zh", where="language = 'zh'", columns=["subdomain", "scores"])
        == 80
    )
    rows = read(tmp_path / "zh", "train")
    assert {row["subdomain"] for row in rows} == {"counting"}
    assert json.loads(rows[0]["scores"]) == {"answer": 0.5}
    with pytest.raises(StorageError, match="--where 'langage = 1' is no condition"):
        export(store, version, tmp_path / "no", where="langage = 1")
    with pytest.raises(StorageError, match=r"no column 'subdomains'. Fix: choose of id"):
        export(store, version, tmp_path / "no", columns=["subdomains"])
    with pytest.raises(StorageError, match="already"):
        export(store, version, tmp_path / "no", columns=["id"])
    assert not (tmp_path / "no").exists()


def test_a_condition_can_do_nothing_but_choose(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path / "home")
    for hostile in (
        "1=1); COPY (SELECT 1) TO '/tmp/mathmill-hostile.csv'; --",
        "id IN (SELECT content FROM read_text('/etc/passwd'))",
    ):
        with pytest.raises(StorageError, match="is no condition"):
            export(store, version, tmp_path / "no", where=hostile)
    assert not Path("/tmp/mathmill-hostile.csv").exists()


def test_csv_has_plain_cells_and_messages_as_json(tmp_path: Path, version: Version) -> None:
    assert export(Store(tmp_path / "home"), version, tmp_path / "out", files="csv", columns=["source"]) == 400
    (path,) = (tmp_path / "out" / "data").glob("*.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    assert rows[0]["source"] == 's, "q"'
    assert [turn["role"] for turn in json.loads(rows[0]["messages"])] == ["user", "assistant"]
    assert "read_csv" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("files", ["jsonl", "parquet", "csv"])
def test_croissant_names_every_file_with_its_digest(tmp_path: Path, version: Version, files: Any) -> None:
    out = tmp_path / "out"
    export(
        Store(tmp_path / "home"),
        version,
        out,
        format="prompt-completion",
        files=files,
        tested=split_by_problem(0.3),
    )
    record = json.loads((out / "croissant.json").read_text())
    listed = {one["contentUrl"]: one["sha256"] for one in record["distribution"]}
    there = {
        f"data/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (out / "data").iterdir()
    }
    assert listed == there
    assert [one["name"] for one in record["recordSet"]] == ["train", "test"]
    assert {"id", "prompt", "completion"} <= {field["name"] for field in record["recordSet"][0]["field"]}


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("mlcroissant") is None, reason="mlcroissant is not installed (extra croissant)"
)
@pytest.mark.parametrize("files", ["jsonl", "parquet", "csv"])
def test_croissant_is_valid_and_reads_the_records(tmp_path: Path, version: Version, files: Any) -> None:
    import mlcroissant

    out = tmp_path / "out"
    for shape in ("prompt-completion", "messages"):
        export(Store(tmp_path / "home"), version, out / shape, format=shape, files=files)
        dataset = mlcroissant.Dataset(jsonld=str(out / shape / "croissant.json"))
        assert dataset.metadata.issues.errors == set()
        assert dataset.metadata.url.startswith("urn:mathmill:")
        records = list(dataset.records("train"))
        assert len(records) == 400
        assert any("Problem of kind" in str(value) for value in records[0].values())


def test_a_condition_chooses_rows_before_they_become_questions(tmp_path: Path, version: Version) -> None:
    """A question is exported if any of its rows is chosen, whichever of them its record is made of."""
    store = Store(tmp_path / "home")
    rows = store.read(version, ["id", "question", "solution"]).to_pylist()
    chosen = {row["question"] for row in rows if row["solution"].startswith("So")}
    export(store, version, tmp_path / "out", "prompt-only", where="solution LIKE 'So%'")
    assert {row["prompt"] for row in read(tmp_path / "out", "train")} == chosen
