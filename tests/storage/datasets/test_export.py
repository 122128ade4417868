"""Exports in TRL's shapes, read back by `datasets` and DuckDB; the card; an export is complete or absent."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml
from markdown_it import MarkdownIt

from storage.datasets.export import export
from storage.datasets.steps import BELONGS_TO
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError, VersionNotFound
from storage.reasons import Code, Reason, reason
from storage.rows import Row, reject, to_table

SHAPES = ["messages", "prompt-completion", "preference", "unpaired-preference", "parquet"]
JUDGED = {"equivalent": "different"}
UNLIKELY = reason("weigh", Code.UNLIKELY, correctness=0.4, threshold=0.7, same=1, samples=4)
DIFFERENT = reason("verify", Code.DIFFERENT, answer="7", reference="8")
HOSTILE = "a|b\n# not a heading <script>``` ````"


@pytest.fixture
def version(store: Store, rows, day) -> Version:
    lineage = {
        "funnel": [{"title": "Solve", "asked": 9, "kept": 7}, {"title": HOSTILE, "asked": 7, "kept": 6}],
        "note": HOSTILE,
    }
    mixed = pa.concat_tables([rows(0, 20), rows(20, 23, license="CC-BY-4.0", source=HOSTILE)])
    published = store.publish("math-sft", [mixed], lineage=lineage, date=day)

    def bad(first: int, last: int, why: Reason, **fields: object) -> pa.Table:
        table = rows(first, last, **fields)
        return reject(table, [why] * table.num_rows)

    parts = [
        bad(0, 6, DIFFERENT, solution="wrong", solution_format="pot", answer="-1", verdicts=JUDGED),
        bad(0, 6, DIFFERENT, solution="wrong in words", solution_format="cot", answer="-1", verdicts=JUDGED),
        # the votes, a critic or a rule dropped them, and their answers are the accepted ones
        bad(15, 17, UNLIKELY, solution="right, and unlikely"),
        bad(17, 19, DIFFERENT, solution="right, by a judge that erred"),
        bad(
            6,
            8,
            reason("critique", Code.BELOW_THRESHOLD, name="answer", score="0.10", threshold="0.50"),
            solution="doubtful",
        ),
        bad(8, 10, reason("dedup", Code.EXACT, other="x"), solution="fine but like another"),
        bad(
            10,
            12,
            reason("verify", Code.PROGRAM_NOT_RUN, error="the sandbox is gone"),
            solution="never judged",
        ),
        bad(
            12,
            14,
            reason("verify", Code.INCOMPARABLE, answer="7"),
            solution="who knows",
            verdicts={"equivalent": "unknown"},
        ),
        bad(14, 15, reason("verify", Code.NO_ANSWER), solution=None),
        bad(500, 503, DIFFERENT, solution="of a question that was not published"),
    ]
    for number, part in enumerate(parts):
        store.append_candidates(part, run="r", part=str(number))
    return published


def by_text(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A judge for answers that are plain numbers."""
    return ["equal" if one == other else "different" for one, other in pairs]


def lines(folder: Path, split: str = "") -> list[dict]:
    files = sorted((folder / "data").glob(f"{split}*.jsonl"))
    return [json.loads(line) for path in files for line in path.open()]


FENCED = "```python\nwrong\n```"


def assistant_text(row: dict) -> str:
    """Return a solution as a message of the assistant, with a program in a fenced block."""
    return f"```python\n{row['solution']}\n```" if row["solution_format"] == "pot" else row["solution"]


@pytest.mark.slow
def test_messages_and_prompt_completion(store: Store, version: Version, tmp_path: Path) -> None:
    rows = store.read(version)
    expected = [(row["id"], row["question"], assistant_text(row)) for row in rows.to_pylist()]
    assert export(store, version, tmp_path / "m", "messages", rows_per_shard=10) == 23
    names = [path.name for path in sorted((tmp_path / "m" / "data").iterdir())]
    assert names == [f"train-0000{i}-of-00003.jsonl" for i in range(3)]
    assert lines(tmp_path / "m") == [
        {"id": i, "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": s}]}
        for i, q, s in expected
    ]
    assert export(store, str(version), tmp_path / "p", "prompt-completion") == 23
    assert lines(tmp_path / "p") == [{"id": i, "prompt": q, "completion": s} for i, q, s in expected]


@pytest.mark.slow
def test_preference_takes_only_what_a_judge_found_bad(store: Store, version: Version, tmp_path: Path) -> None:
    assert export(store, version, tmp_path / "p", "preference", compare=by_text) == 6
    rows = {row["id"]: row for row in store.read(version).to_pylist()}
    pairs = lines(tmp_path / "p")
    assert [pair["id"] for pair in pairs] == sorted(pair["id"] for pair in pairs)
    for pair in pairs:
        row = rows[pair["id"]]
        assert (pair["prompt"], pair["chosen"]) == (row["question"], assistant_text(row))
        same_format = FENCED if row["solution_format"] == "pot" else "wrong in words"
        assert pair["rejected"] == same_format
        assert pair["rejected_reason"] == "different"
        assert pair["margin"] >= 0
    assert export(store, version, tmp_path / "u", "unpaired-preference", compare=by_text) == 23 + 12
    labels = [record["label"] for record in lines(tmp_path / "u")]
    assert (labels.count(True), labels.count(False)) == (23, 12)


@pytest.mark.slow
@pytest.mark.parametrize("files", ["jsonl", "parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_datasets_and_duckdb_read_every_shape(
    store: Store, version: Version, tmp_path: Path, monkeypatch, shape: str, files
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    rows = export(store, version, tmp_path / "e", shape, files=files, rows_per_shard=10, compare=by_text)
    loaded = datasets.load_dataset(str(tmp_path / "e"), split="train", cache_dir=str(tmp_path / "cache"))
    streamed = datasets.load_dataset(str(tmp_path / "e"), split="train", streaming=True)
    assert len(loaded) == rows
    assert next(iter(streamed))["id"] == loaded[0]["id"]
    reader = "read_json" if files == "jsonl" else "read_parquet"
    ids = duckdb.sql(f"SELECT id FROM {reader}('{tmp_path}/e/data/train-*') ORDER BY id").fetchall()
    assert [row for (row,) in ids] == sorted(loaded["id"])
    assert (
        loaded.column_names
        == {
            "messages": ["id", "messages"],
            "prompt-completion": ["id", "prompt", "completion"],
            "preference": [
                "id",
                "prompt",
                "chosen",
                "rejected",
                "rejected_reason",
                "margin",
                "chosen_correctness",
                "rejected_correctness",
            ],
            "unpaired-preference": ["id", "prompt", "completion", "label", "rejected_reason", "correctness"],
            "parquet": store.read(version).column_names,
        }[shape]
    )
    if shape == "parquet":
        first = store.read(version).filter(pa.compute.field("id") == loaded[0]["id"]).to_pylist()[0]
        assert [(e["key"], e["value"]) for e in loaded[0]["scores"]] == first["scores"]
        assert loaded[0]["question"] == first["question"]


@pytest.mark.slow
def test_card(store: Store, version: Version, tmp_path: Path) -> None:
    export(store, version, tmp_path / "e", "messages")
    text = (tmp_path / "e" / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "pretty_name": "math-sft@2026.11.20",
        "license": ["apache-2.0", "cc-by-4.0"],
        "language": ["en", "zh"],
        "task_categories": ["text-generation"],
        "size_categories": ["n<1K"],
        "tags": ["mathematics", "synthetic"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.jsonl"}]}
        ],
    }
    for words in (
        version.digest,
        "| Apache-2.0 | 20 |",
        "| CC-BY-4.0 | 3 |",
        'load_dataset("path/to/this/folder"',
        "read_json('path/to/this/folder/data/train-*.jsonl')",
    ):
        assert words in body
    # hostile text stays in its cell, and in its fence
    assert "\n# not a heading" not in body
    assert "<script" not in body
    assert json.loads((tmp_path / "e" / "lineage.json").read_text()) == version.lineage


def test_the_card_describes_the_records_of_the_export_before_the_version(
    store: Store, version: Version, tmp_path: Path
) -> None:
    chosen = "license = 'CC-BY-4.0'"
    assert export(store, version, tmp_path / "e", where=chosen, columns=["license"], files="parquet") == 3
    _, front, body = (tmp_path / "e" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "cc-by-4.0"
    folder, _, source = body.partition("## The whole version that it was exported from")
    for words in (
        "3 records in the shape `messages`",
        "Records: 3 in the split `train` (`data/train-*.parquet`), as Parquet",
        "Fields of a record: `id`, `messages`, `license`",
        f"meet the SQL condition `{chosen}`",
        "3 of the 23 rows of the version occur",
        "| CC-BY-4.0 | 3 |",
    ):
        assert words in folder
    assert "Apache-2.0" not in body
    assert "23 rows, published" in source
    metadata = json.loads((tmp_path / "e" / "croissant.json").read_text())
    assert metadata["description"].startswith(
        f"3 records in the shape messages, exported from {version} (23 rows"
    )


def test_the_card_counts_each_split_and_records_of_rows_that_are_not_in_the_version(
    store: Store, version: Version, tmp_path: Path
) -> None:
    def tested(rows: pa.Table) -> pa.Array:
        return rows.column("problem_id").combine_chunks()[:5]

    export(store, version, tmp_path / "e", "unpaired-preference", compare=by_text, tested=tested)
    own = set(store.read(version, ["id"]).column("id").to_pylist())
    text = (tmp_path / "e" / "README.md").read_text()
    assert BELONGS_TO not in text
    assert "35 records in the shape `unpaired-preference`" in text
    moved = sum(record["id"] not in own for record in lines(tmp_path / "e", "test"))
    assert moved  # wrong solutions of the test problems
    train, test = 30 - moved, 5 + moved
    assert f"{train} in the split `train` (`data/train-*.jsonl`), {test} in the split `test`" in text
    assert "Filter: none" in text
    assert "12 records have a solution that is not in the version" in text
    assert "| Apache-2.0 | 20 |" in text


def test_the_card_says_in_short_how_a_version_was_made(store: Store, rows, day, tmp_path: Path) -> None:
    recall = [
        {"kind": kind, "planted": 50, "found": n, "named": n, "by_rule": {}}
        for kind, n in (("verbatim", 50), ("retold", 30))
    ]
    lineage = {
        "flow": "nightly",
        "run": "night-1",
        "base": "math-sft@2026.11.19",
        "prompts": ["solve_cot.en@0a1b2c3d", HOSTILE],
        "models": {
            "teacher": {"model": HOSTILE, "revision": "r7"},
            "critic": {"model": "judge-7b", "revision": ""},
        },
        "costs": [
            {"completions": 1200, "prompt_tokens": 40_000, "completion_tokens": 2_000, "usd": 1.25},
            {"completions": 34, "prompt_tokens": 500, "completion_tokens": 500, "usd": 0.25},
        ],
        "decontamination": {
            "sets": [["gsm8k.jsonl", "ab" * 32, 1319], [HOSTILE, "cd" * 32, 500]],
            "rows": 640,
            "hits": {"ngram13 gsm8k": 3},
            "recall": recall,
        },
        "parameters": {"solve": {"samples": 4}},
    }
    version = store.publish("other", [rows(0, 5)], lineage=lineage, date=day)
    export(store, version, tmp_path / "e")
    text = (tmp_path / "e" / "README.md").read_text()
    for words in (
        version.digest,
        "`nightly`, after `math-sft@2026.11.19`",
        "judge-7b as critic",
        "$1.50 for 1,234 completions, 43,000 tokens",
        "640 rows compared with 1,819 items of gsm8k.jsonl",
        "3 rejected",
        "Of 100 leaks that were planted to test the rules, 80.0% were found",
    ):
        assert words in text
    assert '"samples"' not in text  # parameters are in the file alone
    assert json.loads((tmp_path / "e" / "lineage.json").read_text()) == lineage
    page = MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])
    assert not re.search(r"<script|<h1>not a heading", page)
    assert page.count("<h2>") == 3
    assert "solve_cot" not in text  # nor are prompts and funnel, which grow with a version
    assert len(text.splitlines()) < 80


def test_a_version_with_little_lineage_has_a_card_too(store: Store, rows, day, tmp_path: Path) -> None:
    export(store, store.publish("bare", [rows(0, 2)], lineage={}, date=day), tmp_path / "e")
    text = (tmp_path / "e" / "README.md").read_text()
    assert "Benchmarks: not looked for" in text
    assert "Cost" not in text


@pytest.mark.slow
def test_datasets_reads_the_data_alone(store: Store, version: Version, tmp_path: Path) -> None:
    import datasets

    export(store, version, tmp_path / "e")
    loaded = datasets.load_dataset(str(tmp_path / "e"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 23


@pytest.mark.slow
def test_only_an_empty_folder_is_written_to(store: Store, version: Version, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert export(store, version, tmp_path / "empty") == 23
    for place in (tmp_path / "empty", tmp_path / "empty" / "README.md"):
        with pytest.raises(StorageError, match="is not empty"):
            export(store, version, place)


@pytest.mark.slow
def test_a_failed_export_leaves_nothing(store: Store, version: Version, tmp_path: Path, rows, day) -> None:
    target = tmp_path / "out" / "e"
    target.parent.mkdir()
    with pytest.raises(StorageError, match="no format 'alpaca'. Fix: choose one of messages, "):
        export(store, version, target, "alpaca")
    with pytest.raises(VersionNotFound):
        export(store, "math-sft@1999.01.01", target)
    alone = store.publish("alone", [rows(900, 905)], lineage={}, date=day)
    with pytest.raises(StorageError, match="has no rows for the format 'preference'"):
        export(store, alone, target, "preference", compare=by_text)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write to .*name another folder"):
        export(store, version, tmp_path / "file" / "e")
    Path(store.files(version)[0]).write_bytes(b"no Parquet")
    with pytest.raises(StorageError, match="is damaged"):
        export(store, version, target)
    assert not list(target.parent.iterdir())


def test_a_card_and_its_lineage_show_hidden_characters_as_escapes(
    store: Store, rows, day, tmp_path: Path
) -> None:
    hidden = "MIT\u202e\u200b![x](https://evil.example/p.png)"
    published = store.publish(
        "d", [rows(0, 3, license=hidden, source=hidden)], lineage={"flow": hidden, "models": {}}, date=day
    )
    export(store, published, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    lineage = (tmp_path / "out" / "lineage.json").read_text(encoding="utf-8")
    assert "\\u202e\\u200b" in card
    for character in "\u202e\u200b":
        assert character not in card + lineage
    assert json.loads(lineage)["flow"] == hidden


@pytest.mark.parametrize("shape", ["messages", "prompt-completion", "preference", "parquet"])
def test_a_place_in_a_curriculum_is_exported_in_every_shape(
    store: Store, day, tmp_path: Path, shape: str
) -> None:
    solved = [
        Row("What is 1 + 1?", "en", solution="2", solution_format="cot", answer="2", order=0.25),
        Row("What is 1 + 2?", "en", solution="3", solution_format="cot", answer="3"),
        Row("What is 1 + 1?", "en", solution="3", solution_format="cot", answer="3",
            reason=reason("verify", Code.DIFFERENT, answer="3", reference="2")),
    ]  # fmt: skip
    store.append_candidates(to_table(solved[2:]), run="night")
    version = store.publish("placed", [to_table(solved[:2])], lineage={"run": "night"}, date=day)
    export(store, version, tmp_path / shape, format=shape, compare=by_text, files="jsonl")
    orders = {line["id"]: line["order"] for line in lines(tmp_path / shape)}
    assert orders[solved[0].id] == 0.25
    if shape != "preference":
        assert orders[solved[1].id] is None


def test_a_version_without_a_curriculum_has_no_such_column(
    store: Store, version: Version, tmp_path: Path
) -> None:
    export(store, version, tmp_path / "plain", format="messages")
    assert all("order" not in line for line in lines(tmp_path / "plain"))
