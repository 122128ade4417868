"""Anthropic's Message Batches: the fake against Anthropic's client library, then batch mode against the fake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.batch import Batches, BatchLimits
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.imports import take
from tasks.llm.request import Request
from tests.tasks.llm.providers.anthropic_api import AnthropicApi
from tests.tasks.llm.providers.fakes import KEY, serving

QUICK = BatchLimits(poll=0.02)
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2000}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def questions(count: int, model: str = "claude-old-1", **more: Any) -> list[Request]:
    return [
        Request(
            [{"role": "user", "content": f"question {number}"}], model, tag="solve", max_tokens=4000, **more
        )
        for number in range(count)
    ]


def endpoint(root: str, model: str = "claude-old-1", **more: Any) -> Endpoint:
    more = {"api_key": SecretStr(KEY), "price_in": 3.0, "price_out": 15.0} | more
    return Endpoint("teacher", model, [f"{root}/v1"], api="anthropic", **more)


def run(
    end: Endpoint, ledger: Ledger, folder: Path, requests: list[Request], limits: BatchLimits = QUICK
) -> list[Any]:
    batches = Batches(end, ledger, folder, limits)
    with Engine(end, ledger, EngineLimits(backoff=0.01), through=batches.through) as engine:
        return list(engine.run(requests))


def test_the_client_library_reads_the_fake() -> None:
    api = AnthropicApi()
    api.expired = 1
    with (
        serving(api.app) as root,
        anthropic.Anthropic(
            base_url=root, api_key=KEY, max_retries=0, _strict_response_validation=True
        ) as library,
    ):
        turns: Any = [{"role": "user", "content": "why?"}]
        params: Any = {"model": "claude-old-1", "max_tokens": 50, "messages": turns}
        bad = params | {"messages": [{"role": "tool", "content": "why?"}]}
        asked: Any = [{"custom_id": str(number), "params": params} for number in range(3)]
        asked.append({"custom_id": "bad", "params": bad})
        batch = library.messages.batches.create(requests=asked)
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 4)
        while batch.processing_status != "ended":
            batch = library.messages.batches.retrieve(batch.id)
        assert (batch.request_counts.succeeded, batch.request_counts.errored) == (2, 1)
        kinds = {line.custom_id: line.result.type for line in library.messages.batches.results(batch.id)}
        assert kinds == {"0": "expired", "1": "succeeded", "2": "succeeded", "bad": "errored"}
        assert [known.id for known in library.messages.batches.list()] == [batch.id]


@pytest.mark.parametrize("by_header", [False, True])
def test_a_run_is_answered_by_batches_at_half_the_price(
    by_header: bool, ledger: Ledger, tmp_path: Path
) -> None:
    api = AnthropicApi(bearer=by_header)
    key: dict[str, Any] = (
        {"api_key": None, "headers": {"Authorization": f"Bearer {KEY}"}} if by_header else {}
    )
    with serving(api.app) as root:
        end, asked = endpoint(root, **key), questions(50, extra=THINKING)
        done = run(end, ledger, tmp_path / "b", asked, replace(QUICK, most_requests=20))
        assert [item.text for item in done] == [f"answer to question {number}" for number in range(50)]
        assert {item.reasoning for item in done} == {f"thought on question {number}" for number in range(50)}
        assert len(api.batches) == 3
        assert ledger.stats().cost == pytest.approx(50 * (10 * 3 + 20 * 15) / 1e6 / 2)
        bodies = len(api.bodies)
        again = run(end, ledger, tmp_path / "b", asked)
        assert [item.cached for item in again] == [True] * 50
        assert (len(api.batches), len(api.bodies)) == (3, bodies)


def test_what_expired_is_asked_at_once_and_what_was_refused_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    api = AnthropicApi()
    api.expired = 10
    asked = questions(99)
    asked.append(Request([{"role": "user", "content": "a long context"}], "claude-old-1", tag="solve"))
    with serving(api.app) as root:
        end = endpoint(root)
        done = run(end, ledger, tmp_path / "b", asked)
    assert [item.text for item in done[:99]] == [f"answer to question {number}" for number in range(99)]
    assert done[99].error == "context length"
    (state,) = Batches(end, ledger, tmp_path / "b").states()
    assert (state.status, state.skipped) == ("collected", {"expired": 10})
    assert len(api.bodies) == 99


def test_a_field_that_the_batch_refused_is_left_out_of_the_next(ledger: Ledger, tmp_path: Path) -> None:
    api = AnthropicApi()
    with serving(api.app) as root:
        asked = questions(30, "claude-new-1", temperature=0.3)
        done = run(endpoint(root, "claude-new-1"), ledger, tmp_path / "b", asked)
        assert all(item.text for item in done)
        assert len(api.batches) == 2  # the refused one cost nothing, and nothing was asked at the full price
        assert ledger.stats().cost == pytest.approx(30 * (10 * 3 + 20 * 15) / 1e6 / 2)


def test_a_batch_whose_id_was_lost_is_found_again(ledger: Ledger, tmp_path: Path) -> None:
    api = AnthropicApi()
    with serving(api.app) as root:
        end = endpoint(root)
        api.forget_ids = True
        limits = replace(QUICK, unreachable_after=0.0)
        with pytest.raises(EndpointError, match="Batch API"):
            run(end, ledger, tmp_path / "b", questions(20), limits)
        api.forget_ids = False
        done = run(end, ledger, tmp_path / "b", questions(20))
    assert [item.text for item in done] == [f"answer to question {number}" for number in range(20)]
    assert len(api.batches) == 1


def test_a_downloaded_result_file_is_imported(ledger: Ledger, tmp_path: Path) -> None:
    api = AnthropicApi()
    with serving(api.app) as root:
        end = endpoint(root)
        run(end, ledger, tmp_path / "b", questions(5))
    (state,) = Batches(end, ledger, tmp_path / "b").states()
    with Ledger.open(tmp_path / "fresh.sqlite") as fresh:
        taken = take(fresh, tmp_path / "b" / f"{state.name}.output.jsonl")
        assert (taken.put, taken.known, taken.skipped) == (5, 0, {})
        with Engine(end, fresh, EngineLimits(offline=True)) as engine:
            assert all(item.text for item in engine.run(questions(5)))


def test_the_key_is_in_no_message_and_in_no_file(ledger: Ledger, tmp_path: Path) -> None:
    wrong = "sk-ant-wrong-5f2c9b7de1"
    with serving(AnthropicApi().app) as root:
        end = endpoint(root, api_key=SecretStr(wrong))
        with pytest.raises(EndpointError, match="invalid x-api-key.*MATHMILL_TEACHER__API_KEY") as stopped:
            run(end, ledger, tmp_path / "b", questions(3))
    assert wrong not in str(stopped.value)
    assert all(wrong.encode() not in file.read_bytes() for file in (tmp_path / "b").iterdir())
