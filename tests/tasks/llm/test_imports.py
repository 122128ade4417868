from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.imports import ImportProblem, take
from tasks.llm.request import Request

ASK = {"role": "user", "content": "2 + 2?"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def lines(path: Path, *records: object) -> Path:
    data = b"".join(orjson.dumps(record) + b"\n" for record in records)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def stored_text(ledger: Ledger, request: Request, revision: str = "") -> str | None:
    with Engine(Endpoint("teacher", "m", revision=revision), ledger, EngineLimits(offline=True)) as engine:
        (completion,) = engine.run([request])
    return completion.text


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [ASK], "completion": "four", "model": "m", "temperature": 0.5, "max_tokens": 9},
        {"messages": [ASK], "response": {"role": "assistant", "content": "four"}, "temperature": 0.5},
        {
            "messages": [ASK],
            "completion": [{"role": "assistant", "content": "four"}],
            "max_tokens": 9,
            "model": "m",
        },
        {"messages": [ASK, {"role": "assistant", "content": "four"}], "model": "m"},
    ],
)
def test_messages_and_completion_in_the_usual_shapes(record: dict, ledger: Ledger, tmp_path: Path) -> None:
    defaults = {"model": "m", "temperature": 0.5, "max_tokens": 9}
    path = lines(tmp_path / "in.jsonl.gz", record)
    assert take(ledger, path, defaults=defaults, revision="r").put == 1
    request = Request([ASK], "m", temperature=0.5, max_tokens=9)
    assert stored_text(ledger, request, "r") == "four"
    assert stored_text(ledger, request) is None
    assert take(ledger, path, defaults=defaults, revision="r").known == 1
    assert ledger.stats().cost == 0


def test_an_answer_that_is_here_stays(ledger: Ledger, tmp_path: Path) -> None:
    record = {"messages": [ASK], "model": "m"}
    path = lines(tmp_path / "in.jsonl", {**record, "completion": "four"}, {**record, "completion": "five"})
    assert take(ledger, path).put == 2
    assert stored_text(ledger, Request([ASK], "m")) == "four"


def test_a_foreign_batch_with_its_input(ledger: Ledger, tmp_path: Path) -> None:
    body = {"model": "m", "messages": [ASK], "temperature": 0.2, "max_completion_tokens": 77}
    asked = lines(
        tmp_path / "in.jsonl",
        {"custom_id": "row-1", "method": "POST", "body": body},
        {"custom_id": "2", "body": body},
    )
    answer = {"model": "m", "choices": [{"message": {"content": "four"}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 1, "completion_tokens": 1}}  # fmt: skip
    out = lines(
        tmp_path / "out.jsonl",
        {"custom_id": "row-1", "response": {"status_code": 200, "body": answer}},
        {"custom_id": "2", "response": {"status_code": 500, "body": {"error": "x"}}},
        {"custom_id": "2", "response": None, "error": {"code": "batch_cancelled"}},
    )
    taken = take(ledger, out, requests_file=asked)
    assert (taken.put, taken.skipped) == (1, {"http 500": 1, "batch_cancelled": 1})
    assert stored_text(ledger, Request([ASK], "m", temperature=0.2, max_tokens=77)) == "four"
    with pytest.raises(ImportProblem, match="input file"):
        take(ledger, out)


def test_an_export_of_another_ledger(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "other.sqlite") as other:
        take(other, lines(tmp_path / "in.jsonl", {"messages": [ASK], "completion": "four", "model": "m"}))
        other.export(tmp_path / "export.jsonl.gz")
    assert take(ledger, tmp_path / "export.jsonl.gz").put == 1
    assert stored_text(ledger, Request([ASK], "m")) == "four"


@pytest.mark.parametrize(
    ("records", "word"),
    [
        ([], "no lines"), ([{"a": 1}], "line 1: neither"), ([{"messages": [ASK], "completion": "x"}], "line 1: no model"),
        ([{"messages": [ASK], "model": "m"}], "line 1: no completion"), ([[1]], "line 1: not a JSON object"),
        ([{"messages": [ASK], "completion": "x", "model": "m"}, {"messages": 3, "completion": "x", "model": "m"}],
         "line 2: messages"),
        ([{"messages": [ASK], "completion": "x", "model": "m", "max_tokens": 0}], "line 1: max_tokens"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_taken_is_named(
    records: list, word: str, ledger: Ledger, tmp_path: Path
) -> None:
    path = lines(tmp_path / "in.jsonl", *records)
    with pytest.raises(ImportProblem, match=word) as refused:
        take(ledger, path)
    assert "in.jsonl" in str(refused.value)


def test_a_line_that_is_not_json_is_named(ledger: Ledger, tmp_path: Path) -> None:
    path = lines(tmp_path / "in.jsonl", {"messages": [ASK], "completion": "x", "model": "m"})
    path.write_bytes(path.read_bytes() + b"{oops\n")
    with pytest.raises(ImportProblem, match="line 2: not JSON"):
        take(ledger, path)
