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
from tests.e2e.hub import COMMIT, Hub, serving
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


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(2, id="while it reads", marks=pytest.mark.soak),
        pytest.param(5, id="while it de-duplicates"),
    ],
)
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


def lines(records: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


@pytest.mark.soak  # a run more; tests/tasks/test_hub.py has the hub
def test_a_data_set_of_the_hub_is_imported_by_its_commit(home: Callable[..., Home], tmp_path: Path) -> None:
    """`huggingface_hub` and `datasets` themselves ask a hub on loopback."""
    files = {
        "README.md": b"---\nlicense: mit\n---\n",
        "data/train-00000.jsonl": lines([*map(chat, range(30))]),
        "data/test-00000.jsonl": lines([chat(99)]),
    }
    one = home()
    with serving(Hub("someone/chats", files)) as hub:
        reached = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        words = ("import", "hf:someone/chats", "--dataset", "chat", "--license", "MIT")
        done = one.script(*words, **reached)
        assert done.returncode == 0, done.stderr
        again = one.script(*words, **reached)
        assert "nothing was published" in again.stdout + again.stderr
        gone = one.script("import", "hf:someone/gone", "--dataset", "gone", "--license", "MIT", **reached)
        no_split = one.script(*words, "--set", "split=dev", **reached)
    store = Store(one.path)
    (version,) = store.versions("chat")
    assert version.rows == 30
    (source,) = version.lineage["inputs"]
    assert (source["file"], source["records"], source["kept"]) == (f"someone/chats@{COMMIT[:12]}", 30, 30)
    assert (gone.returncode, no_split.returncode) == (2, 2)
    assert "hf:someone/gone: the hub cannot be read" in gone.stderr
    assert "hf:someone/chats: cannot be read after row 0" in no_split.stderr
    for refused in (gone, no_split):
        assert len([line for line in refused.stderr.splitlines() if "Fix: " in line]) == 1


@pytest.mark.soak  # trainings; tests/tasks/training has chats and pairs
def test_chats_and_preferences_are_imported_exported_and_trained_on(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()

    def preference(number: int) -> dict[str, object]:
        before = [
            {"role": "user", "content": f"Tell me of house {number * 3}."},
            {"role": "assistant", "content": f"It is house {number * 3}."},
            {"role": "user", "content": f"Who lives in the {number * 7} rooms of it?"},
        ]
        sides = {"chosen": f"{number} people live there.", "rejected": "I do not care."}
        return {name: [*before, {"role": "assistant", "content": text}] for name, text in sides.items()}

    def solved(number: int) -> dict[str, object]:
        total = 2 * number + 1
        question = f"Tree {number * number} has {number} red and {number + 1} green apples. How many has it?"
        solution = f"{number} + {number + 1} = {total}. The answer is \\boxed{{{total}}}."
        return {"question": question, "solution": solution, "answer": str(total)}

    for name, make in (("chat", chat), ("liked", preference), ("math-sft", solved)):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(lines([make(number) for number in range(24)]))
        one.run("import", str(path), "--dataset", name, "--license", "MIT", "--set", "near=false")
    one.run("export", "liked", str(tmp_path / "pairs"), "--format", "preference")
    (file,) = (tmp_path / "pairs" / "data").iterdir()
    pairs = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(pairs) == 24
    for pair in pairs:
        assert [turn["role"] for turn in pair["prompt"]] == ["user", "assistant", "user"]
        assert [turn["role"] for turn in pair["chosen"] + pair["rejected"]] == ["assistant", "assistant"]
        assert pair["rejected"][0]["content"] == "I do not care."
    small = ("--set", "batch=8", "--set", "length=128", "--set", "precision=fp32")
    stages = {}
    for recipe in ("mixed", "two-stage"):
        out = tmp_path / recipe
        one.run("train", "--recipe", recipe, "--set", "epochs=1", "--out", str(out), *small)
        stages[recipe] = json.loads((out / "run.json").read_text())["stages"]
    read = {
        recipe: [[one["version"].partition("@")[0] for one in stage["data"]] for stage in ran]
        for recipe, ran in stages.items()
    }
    assert read == {"mixed": [["math-sft", "chat"]], "two-stage": [["math-sft"], ["chat"]]}
    assert {
        recipe: sum(stage["metrics"]["epoch_rows"] for stage in ran) for recipe, ran in stages.items()
    } == {"mixed": 48, "two-stage": 48}
    out = tmp_path / "dpo"
    one.run("train", "liked", "--method", "dpo", "--set", "steps=2", "--out", str(out), *small)
    assert (out / "checkpoint" / "model.safetensors").exists()
