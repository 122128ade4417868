"""Thinking in exports: a field of its own, inline or left out; a version without it has the records it always had."""

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
from storage.rows import reject

DIFFERENT = reason("verify", Code.DIFFERENT, answer="7", reference="8")
INLINE = "<think>\nbecause\n</think>\n\n"


@pytest.fixture
def version(store: Store, rows, day) -> Version:
    mixed = pa.concat_tables([rows(0, 4, reasoning="because"), rows(4, 6)])
    published = store.publish("math-sft", [mixed], lineage={}, date=day)
    wrong = rows(
        0, 4, solution="wrong", answer="-1", reasoning="wrongly", verdicts={"equivalent": "different"}
    )
    store.append_candidates(reject(wrong, [DIFFERENT] * 4), run="r")
    return published


def different(pairs: Any) -> list[str]:
    return ["different"] * len(pairs)


def records(store: Store, version: Version, folder: Path, shape: str, **options: Any) -> list[dict[str, Any]]:
    export(store, version, folder, shape, compare=different, **options)
    (path,) = (folder / "data").iterdir()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_messages_have_thinking_as_a_field_where_there_is_some(
    store: Store, version: Version, tmp_path: Path
) -> None:
    turns = [record["messages"][1] for record in records(store, version, tmp_path / "e", "messages")]
    assert sorted(turn.get("reasoning_content", "-") for turn in turns) == ["-", "-", *["because"] * 4]
    assert all("reasoning_content" not in turn or turn["reasoning_content"] for turn in turns)
    assert not any("because" in turn["content"] for turn in turns)


@pytest.mark.parametrize("shape", ["messages", "prompt-completion", "preference", "unpaired-preference"])
def test_thinking_is_inline_or_left_out(shape: str, store: Store, version: Version, tmp_path: Path) -> None:
    inline = records(store, version, tmp_path / "inline", shape, reasoning="inline")
    text = orjson.dumps(inline).decode()
    assert text.count(orjson.dumps(INLINE).decode()[1:-1]) == 4
    assert "reasoning" not in text.replace("rejected_reason", "")
    none = orjson.dumps(records(store, version, tmp_path / "none", shape, reasoning="none")).decode()
    assert "because" not in none
    assert "wrongly" not in none
    assert "think>" not in none


def test_other_shapes_have_thinking_as_columns(store: Store, version: Version, tmp_path: Path) -> None:
    completions = records(store, version, tmp_path / "a", "prompt-completion")
    assert (
        sorted(str(record["reasoning_content"]) for record in completions) == ["None"] * 2 + ["because"] * 4
    )
    pairs = records(store, version, tmp_path / "b", "preference")
    assert {(pair["chosen_reasoning"], pair["rejected_reasoning"]) for pair in pairs} == {
        ("because", "wrongly")
    }
    labelled = records(store, version, tmp_path / "c", "unpaired-preference")
    assert {(one["label"], one["reasoning_content"]) for one in labelled} == {
        (True, "because"), (True, None), (False, "wrongly"),
    }  # fmt: skip


@pytest.mark.parametrize("shape", ["messages", "prompt-completion", "preference", "unpaired-preference"])
def test_a_version_without_thinking_is_exported_as_before(
    shape: str, store: Store, rows, day, tmp_path: Path
) -> None:
    plain = store.publish("plain", [rows(0, 4)], lineage={}, date=day)
    wrong = rows(0, 4, solution="wrong", answer="-1", verdicts={"equivalent": "different"})
    store.append_candidates(reject(wrong, [DIFFERENT] * 4), run="r")
    ways = [
        records(store, plain, tmp_path / way, shape, reasoning=way) for way in ("field", "inline", "none")
    ]
    assert ways[0] == ways[1] == ways[2]
    assert "reasoning" not in orjson.dumps(ways[0]).decode().replace("rejected_reason", "")
