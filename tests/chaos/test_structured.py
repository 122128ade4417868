"""Prompts with a schema: the schema is sent where the endpoint accepts it and left out elsewhere, and an unusable completion is re-asked once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Completion, Request

QUICK = EngineLimits(deadline=20.0, backoff=0.02, backoff_cap=0.2)


class Answer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    value: int
    why: str


def read(text: str) -> Answer | ReplyFault:
    """As a stage reads: fences and a trailing comma are repaired here, the model has to fix anything else."""
    match = re.search(r"\{.*\}", text, re.DOTALL)
    if match is None:
        return ReplyFault(FaultKind.NO_OBJECT, "no JSON object in the answer")
    try:
        return Answer.model_validate_json(match[0])
    except ValidationError as error:
        return ReplyFault(FaultKind.INVALID_FIELD, str(error.errors()[0]["msg"]))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def questions(count: int) -> list[Request]:
    schema = Answer.model_json_schema()
    return [
        Request([{"role": "user", "content": f"JSON {i}"}], "m", response_schema=schema, tag="judge")
        for i in range(count)
    ]


def values(completions: list[Completion]) -> list[Answer | ReplyFault | str]:
    return [read(c.text) if c.text and not c.error else str(c.error) for c in completions]


@pytest.mark.parametrize("rates", ["none=0", "no_schema=1000", "fenced=300", "bad_json_at_first=300"])
def test_the_same_type_comes_out_either_way(rates: str, faults, ledger: Ledger) -> None:
    requests = questions(60)
    with Engine(Endpoint("critic", "m", [faults.url(rates)]), ledger, QUICK) as engine:
        parsed = values(list(engine.run(requests, check_by(read))))
        assert all(isinstance(item, Answer) for item in parsed)
        if "bad" not in rates:
            # The dialect is learnt from the first refusals; nothing is asked twice that was answered.
            assert engine.stats().calls == 60
            assert parsed == [Answer(value=len(f"JSON {i}"), why=f"JSON {i}") for i in range(60)]
        else:
            assert 65 < engine.stats().calls < 90  # the bad ones once more


def test_what_stays_unreadable_is_rejected_with_the_reason(faults, ledger: Ledger) -> None:
    with Engine(Endpoint("critic", "m", [faults.url("bad_json_answer=1000")]), ledger, QUICK) as engine:
        completions = list(engine.run(questions(5), check_by(read)))
        assert {c.error for c in completions} == {"rejected: no JSON object in the answer"}
        assert engine.stats().calls == 10  # once, and once more with the error shown
        assert all("talk" in (c.text or "") for c in completions)
        # The next night pays for none of it.
        again = list(engine.run(questions(5), check_by(read)))
        assert [c.error for c in again] == [c.error for c in completions]
        assert engine.stats().calls == 10


def test_the_error_is_shown_to_the_model(faults, ledger: Ledger) -> None:
    with Engine(Endpoint("critic", "m", [faults.url("bad_json_at_first=1000")]), ledger, QUICK) as engine:
        (completion,) = engine.run(questions(1), check_by(read))
    assert completion.error is None
    (asked_again,) = [item for item in ledger.every() if b"That answer cannot be used" in item.call.request]
    messages = json.loads(asked_again.call.request)["messages"]
    assert messages[1]["role"] == "assistant"
    assert "no JSON object" in messages[2]["content"]
