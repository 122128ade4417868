"""An import as a user starts it: published whole, once, with its lineage, and every row that was not kept with its reason."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import reasons_of
from tests.e2e.processes import Home, end, wait_for

pytestmark = pytest.mark.e2e


def chat(number: int) -> dict[str, object]:
    animal = ("cats", "dogs", "birds", "whales", "ants")[number % 5]
    texts = [
        f"Why do {animal} sleep at hour {number}?",
        f"Because {number}.",
        f"And who wakes the {animal} of house {number * 7}?",
        "Nobody.",
    ]
    return {
        "conversations": [
            {"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)
        ]
    }


def test_an_import_is_published_once_and_accounts_for_every_record(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()
    benchmark = tmp_path / "held.jsonl"
    leaked = (
        "A farmer has seventeen sheep and sells all but nine of them to a neighbour. How many sheep are left?"
    )
    benchmark.write_text(json.dumps({"question": leaked, "answer": "9"}) + "\n")
    path = tmp_path / "chat.jsonl"
    lines = [*map(chat, range(40)), chat(3), {"conversations": []}]
    lines.append(
        {
            "conversations": [
                {"from": "human", "value": "Hi"},
                {"from": "gpt", "value": "Hello"},
                {"from": "human", "value": leaked},
                {"from": "gpt", "value": "9"},
            ]
        }
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = (
        "import",
        str(path),
        "--dataset",
        "chat",
        "--license",
        "MIT",
        "--set",
        f"decontaminate.benchmarks=[{benchmark}]",
    )
    shown = one.run(*words, "--dry-run").stdout
    assert "of the first 43 records, 43 rows: 42 kept, 1 rejected, 0 failed" in shown
    assert one.json("datasets") == []
    one.run(*words)
    store = Store(one.path)
    version = store.resolve("chat")
    assert version.rows == 40
    assert set(store.read(version, ["kind"]).column("kind").to_pylist()) == {"chat"}
    (source,) = version.lineage["inputs"]
    assert source == {
        "file": "chat.jsonl",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "records": 43,
        "kept": 42,
        "rejected": 1,
        "failed": 0,
    }
    for line in version.lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    codes = sorted(why.code for why in reasons_of(store.dropped(version.lineage["run"])) if why)
    assert codes == ["contaminated", "repeated", "unreadable"]
    assert version.lineage["licenses"] == {"MIT": 40}
    one.run(*words)
    assert [str(each) for each in store.versions("chat")] == [str(version)]
    other = tmp_path / "copy.jsonl"
    other.write_bytes(path.read_bytes())
    one.run("import", str(other), *words[2:])
    assert [str(each) for each in store.versions("chat")] == [str(version)]
    texts = [row["rejected"] for row in one.sql("SELECT rejected FROM rejected WHERE code = 'repeated'")]
    assert texts.count(f"dedup: there already, word for word, in {version}") == 41
    refused = one.run(*words, "--map", "conversation=messages", code=2).stderr
    assert "the nearest are conversations. Fix: name one of them" in refused


@pytest.mark.parametrize("stored", [2, 5], ids=["while it reads", "while it de-duplicates"])
def test_an_import_that_is_killed_is_continued_and_published_once(
    home: Callable[..., Home], tmp_path: Path, stored: int
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(chat(number)) + "\n" for number in range(4_000)))
    words = ("import", str(path), "--dataset", "chat", "--license", "MIT", "--set", "shard_rows=1000")
    whole, one = home(), home()
    whole.run(*words)
    expected = Store(whole.path).resolve("chat")
    process = one.start(*words)
    shards = one.path / "shards"
    wait_for(lambda: len([*shards.glob("*/*.json")]) >= stored, 240, f"{stored} stored shards", process)
    end(process, signal.SIGKILL)
    assert one.json("datasets") == []
    one.run(*words)
    store = Store(one.path)
    (version,) = store.versions("chat")
    assert (version.rows, version.digest) == (expected.rows, expected.digest)
    assert len(reasons_of(store.dropped(version.lineage["run"]))) == sum(
        line["rejected"] + line["failed"] for line in expected.lineage["funnel"]
    )
