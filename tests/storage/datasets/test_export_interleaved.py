"""Interleaved solutions leave as calls of a tool in the shape that TRL documents, and as text in the other shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.datasets.export import export
from storage.datasets.store import Store
from storage.interleaved import TIR
from storage.rows import Row, to_table
from tests.storage.datasets.test_kinds import TOOLS, exported

TEXT = """\
We add.
```python
total = 2 + 3
print(total)
```
```output
5
```
```python
print(total * 2)
```
```output
10
```
Twice the sum is 10.
\\boxed{10}"""
MIXED = Row("Twice 2+3?", "en", solution=TEXT, solution_format=TIR, answer="10")
PLAIN = Row("1+1?", "en", solution="2", solution_format="cot")


def test_programs_are_calls_and_outputs_turns_of_the_tool(store: Store, day: Any, tmp_path: Path) -> None:
    store.publish("math-sft", [to_table([MIXED, PLAIN])], lineage={}, date=day)
    by_id: dict[str, Any] = {str(one["id"]): one for one in exported(store, tmp_path / "e", "messages")}
    assert by_id[PLAIN.id] == {
        "id": PLAIN.id,
        "messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}],
        "tools": None,
    }
    record = by_id[MIXED.id]
    assert [one["function"]["name"] for one in record["tools"]] == ["python"]
    assert record["messages"] == [
        {"role": "user", "content": "Twice 2+3?"},
        {
            "role": "assistant",
            "content": "We add.",
            "tool_calls": [call("program01", "total = 2 + 3\nprint(total)")],
        },
        {"role": "tool", "content": "5", "tool_call_id": "program01", "name": "python"},
        {"role": "assistant", "content": "", "tool_calls": [call("program02", "print(total * 2)")]},
        {"role": "tool", "content": "10", "tool_call_id": "program02", "name": "python"},
        {"role": "assistant", "content": "Twice the sum is 10.\n\\boxed{10}"},
    ]
    (pair,) = [one for one in exported(store, tmp_path / "p", "prompt-completion") if one["id"] == MIXED.id]
    assert pair["completion"] == TEXT


def call(name: str, code: str) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "python", "arguments": {"code": code}}}


def test_beside_chats_that_call_tools_all_arguments_are_texts(store: Store, day: Any, tmp_path: Path) -> None:
    thinking = Row("2+3?", "en", solution=TEXT, solution_format=TIR, reasoning="easy")
    store.publish("math-sft", [to_table([thinking, TOOLS])], lineage={}, date=day)
    by_id: dict[str, Any] = {str(one["id"]): one for one in exported(store, tmp_path / "e", "messages")}
    first, second = (by_id[thinking.id]["messages"][place] for place in (1, 3))
    assert orjson.loads(first["tool_calls"][0]["function"]["arguments"]) == {
        "code": "total = 2 + 3\nprint(total)"
    }
    assert (first["reasoning_content"], "reasoning_content" in second) == ("easy", False)
    assert by_id[TOOLS.id]["tools"] is None
    inline: dict[str, Any] = {
        str(one["id"]): one for one in exported(store, tmp_path / "i", "messages", reasoning="inline")
    }
    assert inline[thinking.id]["messages"][1]["content"] == "<think>\neasy\n</think>\n\nWe add."
    export(store, store.resolve("math-sft"), tmp_path / "q", "messages", files="parquet")


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")
def test_trl_renders_the_export(store: Store, day: Any, tmp_path: Path) -> None:
    import datasets
    import trl
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl.data_utils import apply_chat_template

    store.publish("math-sft", [to_table([MIXED, PLAIN])], lineage={}, date=day)
    exported(store, tmp_path / "e", "messages")
    (path,) = (tmp_path / "e" / "data").iterdir()
    loaded = datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"))
    templates = Path(trl.__file__).parent / "chat_templates"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), eos_token="<|im_end|>")
    tokenizer.chat_template = (templates / "qwen3.jinja").read_text(encoding="utf-8")
    texts = {}
    for record in loaded:
        messages = [{k: v for k, v in one.items() if v is not None} for one in record["messages"]]
        rendered = apply_chat_template({"messages": messages}, tokenizer, tools=record["tools"])
        texts[record["id"]] = rendered["text"]
    assert '<tool_call>\n{"name": "python", "arguments": {"code": "print(total * 2)"}}' in texts[MIXED.id]
    assert "<tool_response>\n10\n</tool_response>" in texts[MIXED.id]
    assert '"parameters": {"type": "object"' in texts[MIXED.id]
    assert "<tool_call>" not in texts[PLAIN.id]
