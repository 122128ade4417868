"""Gemini's batch mode: the fake against Google's client library, then batch mode against the fake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from storage.ledger import Ledger
from tasks.llm.batch import Batches, BatchLimits
from tasks.llm.batch_services import GeminiBatches
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.imports import take
from tasks.llm.prices import published
from tasks.llm.request import Request
from tests.tasks.llm.providers.fakes import KEY, serving
from tests.tasks.llm.providers.gemini_api import ANSWER, PROMPT, THOUGHTS, GeminiApi

QUICK = BatchLimits(poll=0.02)
THINKING = {"thinkingConfig": {"includeThoughts": True}}
PRICE = 2.0, 8.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def questions(count: int, model: str = "gemini-new", **more: Any) -> list[Request]:
    return [
        Request(
            [{"role": "user", "content": f"question {number}"}], model, tag="solve", max_tokens=4000, **more
        )
        for number in range(count)
    ]


def endpoint(root: str, model: str = "gemini-new", **more: Any) -> Endpoint:
    more = {"api_key": SecretStr(KEY), "price_in": PRICE[0], "price_out": PRICE[1]} | more
    return Endpoint("teacher", model, [f"{root}/v1beta"], api="gemini", **more)


def run(
    end: Endpoint, ledger: Ledger, folder: Path, requests: list[Request], limits: BatchLimits = QUICK
) -> list[Any]:
    batches = Batches(end, ledger, folder, limits)
    with Engine(end, ledger, EngineLimits(backoff=0.01), through=batches.through) as engine:
        return list(engine.run(requests))


def cost(calls: int, answer: int) -> float:
    """Return what so many calls cost in batch mode, in USD."""
    return calls * (PROMPT * PRICE[0] + answer * PRICE[1]) / 1e6 / 2


def test_the_client_library_reads_the_fake(tmp_path: Path) -> None:
    genai = pytest.importorskip("google.genai", reason="the extra dev is not installed")
    api = GeminiApi()
    api.lost = 1
    lines = [
        {"key": str(number), "request": {"contents": [{"role": "user", "parts": [{"text": f"question {number}"}]}]}}
        for number in range(3)
    ]  # fmt: skip
    bad = {"contents": [{"role": "tool", "parts": [{"text": "?"}]}]}
    lines.append({"key": "bad", "request": bad})
    file = tmp_path / "asked.jsonl"
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    with serving(api.app) as root:
        client = genai.Client(api_key=KEY, http_options={"base_url": root, "api_version": "v1beta"})
        uploaded = client.files.upload(file=file, config={"mime_type": "application/jsonl"})
        job = client.batches.create(model="gemini-new", src=uploaded.name, config={"display_name": "batch-1"})
        assert (job.display_name, job.state.name, job.model) == (
            "batch-1",
            "JOB_STATE_PENDING",
            "models/gemini-new",
        )
        assert [one.name for one in client.batches.list()] == [job.name]
        while not job.done:
            job = client.batches.get(name=job.name)
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        results = [orjson.loads(line) for line in client.files.download(file=job.dest.file_name).splitlines()]
    kinds = {line["key"]: "response" if "response" in line else line["error"]["code"] for line in results}
    assert kinds == {"0": 13, "1": "response", "2": "response", "bad": 3}
    for line in results[1:3]:
        answer = genai.types.GenerateContentResponse.model_validate(line["response"])
        assert answer.text == f"answer to question {line['key']}"


@pytest.mark.parametrize("by_header", [False, True])
def test_a_run_is_answered_by_batches_at_half_the_price(
    by_header: bool, ledger: Ledger, tmp_path: Path
) -> None:
    api = GeminiApi()
    key: dict[str, Any] = (
        {"api_key": None, "headers": {"x-goog-api-key": KEY, "Authorization": "Bearer gateway-token-1"}}
        if by_header
        else {}
    )
    with serving(api.app) as root:
        end, asked = endpoint(root, **key), questions(50, extra=THINKING)
        done = run(end, ledger, tmp_path / "b", asked, replace(QUICK, most_requests=20))
        assert [item.text for item in done] == [f"answer to question {number}" for number in range(50)]
        assert {item.reasoning for item in done} == {f"thought on question {number}" for number in range(50)}
        assert len(api.batches) == 3
        assert ledger.stats().cost == pytest.approx(cost(50, ANSWER + THOUGHTS))
        again = run(end, ledger, tmp_path / "b", asked)
        assert [item.cached for item in again] == [True] * 50
        assert (len(api.batches), len(api.bodies)) == (3, 50)
    assert not {"x-goog-api-key", "authorization"} & api.upload_headers.keys()


def test_what_was_lost_is_asked_at_once_and_what_was_refused_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    api = GeminiApi()
    api.lost = 10
    asked = questions(99)
    asked.append(Request([{"role": "user", "content": "a long context"}], "gemini-new", tag="solve"))
    with serving(api.app) as root:
        end = endpoint(root)
        done = run(end, ledger, tmp_path / "b", asked)
    assert [item.text for item in done[:99]] == [f"answer to question {number}" for number in range(99)]
    assert done[99].error == "context length"
    (state,) = Batches(end, ledger, tmp_path / "b").states()
    assert (state.status, state.skipped) == ("collected", {"http 500": 10})
    assert len(api.bodies) == 99


def test_a_field_that_the_batch_refused_is_left_out_of_the_next(ledger: Ledger, tmp_path: Path) -> None:
    api = GeminiApi()
    api.refused = "seed"
    with serving(api.app) as root:
        done = run(endpoint(root), ledger, tmp_path / "b", questions(30, seed=7))
        assert all(item.text for item in done)
        assert len(api.batches) == 2  # the refused one cost nothing, and nothing was asked at the full price
        assert ledger.stats().cost == pytest.approx(cost(30, ANSWER))


def test_a_batch_whose_id_was_lost_is_found_again_on_a_later_page(ledger: Ledger, tmp_path: Path) -> None:
    api = GeminiApi()
    api.per_page = 1
    with serving(api.app) as root:
        end = endpoint(root)
        api.forget_ids = True
        with pytest.raises(EndpointError, match=r"Batch API.*Fix: "):
            run(end, ledger, tmp_path / "b", questions(20), replace(QUICK, unreachable_after=0.0))
        api.forget_ids = False
        others = Batches(end, ledger, tmp_path / "other", QUICK)
        with Engine(end, ledger, EngineLimits(), through=others.through) as engine:
            assert all(item.text for item in engine.run(questions(25)[20:]))
        done = run(end, ledger, tmp_path / "b", questions(20))
    assert [item.text for item in done] == [f"answer to question {number}" for number in range(20)]
    assert len(api.batches) == 2
    assert ledger.stats().cost == pytest.approx(cost(25, ANSWER))


def test_a_run_that_was_killed_while_its_batch_was_answered_pays_nothing_again(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = GeminiApi()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with serving(api.app) as root:
        end = endpoint(root)
        monkeypatch.setattr(GeminiBatches, "progress", killed)
        with pytest.raises(Killed):
            run(end, ledger, tmp_path / "b", questions(20))
        monkeypatch.undo()
        (state,) = Batches(end, ledger, tmp_path / "b").states()
        assert (state.status, state.batch_id) == ("validating", "batches/b0")
        done = run(end, ledger, tmp_path / "b", questions(20))
    assert all(item.text for item in done)
    assert (len(api.batches), len(api.bodies)) == (1, 20)
    assert ledger.stats().cost == pytest.approx(cost(20, ANSWER))


@pytest.mark.parametrize("ends", ["EXPIRED", "CANCELLED"])
def test_a_batch_that_ends_without_results_is_left_to_the_engine(
    ends: str, ledger: Ledger, tmp_path: Path
) -> None:
    api = GeminiApi()
    api.ends = ends
    with serving(api.app) as root:
        done = run(endpoint(root), ledger, tmp_path / "b", questions(5))
    assert all(item.text for item in done)
    assert ledger.stats().cost == pytest.approx(2 * cost(5, ANSWER))


def test_a_batch_that_failed_stops_the_run_in_one_line(ledger: Ledger, tmp_path: Path) -> None:
    api = GeminiApi()
    api.ends = "FAILED"
    with (
        serving(api.app) as root,
        pytest.raises(
            EndpointError, match=r"batch batches/b0 failed: the batch has failed\. Fix: "
        ) as raised,
    ):
        run(endpoint(root), ledger, tmp_path / "b", questions(5))
    assert "\n" not in str(raised.value)


def test_a_downloaded_result_file_is_imported(ledger: Ledger, tmp_path: Path) -> None:
    api = GeminiApi()
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
    wrong = "AIza-wrong-5f2c9b7de1"
    with serving(GeminiApi().app) as root:
        end = endpoint(root, api_key=SecretStr(wrong))
        with pytest.raises(EndpointError, match="API key not valid.*MATHMILL_TEACHER__API_KEY") as stopped:
            run(end, ledger, tmp_path / "b", questions(3))
    assert wrong not in str(stopped.value)
    assert all(wrong.encode() not in file.read_bytes() for file in (tmp_path / "b").iterdir())


def test_the_factor_of_batch_mode_is_published() -> None:
    price = published("gemini-2.5-flash")
    assert price is not None
    assert price.batched().completion == price.completion / 2
