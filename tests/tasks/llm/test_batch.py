"""Batch mode through the real openai client, against a Batch API on a real socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Ledger
from tasks.llm.batch import AnswersAwaited, Batches, BatchLimits
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.imports import take
from tasks.llm.pending import check_by
from tasks.llm.request import Request
from tests.tasks.llm.batch_api import BatchApi, serving


@pytest.fixture
def api() -> Iterator[tuple[BatchApi, str]]:
    batch_api = BatchApi()
    with serving(batch_api) as url:
        yield batch_api, url


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def asks(count: int) -> list[Request]:
    return [
        Request([{"role": "user", "content": f"q{i}"}], "m", max_tokens=40, tag="solve") for i in range(count)
    ]


def endpoint(url: str) -> Endpoint:
    return Endpoint("teacher", "m", [url], price_in=1.0, price_out=2.0)


QUICK = BatchLimits(poll=0.02)


def run(
    url: str,
    ledger: Ledger,
    folder: Path,
    requests: list[Request],
    chunking: BatchLimits = QUICK,
    **more: Any,
) -> list[str | None]:
    limits = more.pop("limits", EngineLimits(backoff=0.01))
    batches = Batches(endpoint(url), ledger, folder, chunking, **more)
    with Engine(endpoint(url), ledger, limits, through=batches.through) as engine:
        return [c.text for c in engine.run(requests)]


@pytest.mark.slow
def test_a_run_is_answered_by_batches_at_half_the_price(api, ledger: Ledger, tmp_path: Path) -> None:
    server, url = api
    requests = asks(250)
    assert run(url, ledger, tmp_path / "b", requests, replace(QUICK, most_requests=100)) == [
        f"re: q{i}" for i in range(250)
    ]
    assert len(server.batches) == 3
    assert server.chats == 0
    stats = ledger.stats()
    assert stats.cost == pytest.approx(250 * (10 + 2 * 20) / 1e6 / 2)
    assert [(group.role, group.tag, group.completions) for group in stats.groups] == [
        ("teacher", "solve", 250)
    ]
    # Again: all of it is in the ledger.
    assert run(url, ledger, tmp_path / "b", requests) == [f"re: q{i}" for i in range(250)]
    assert len(server.batches) == 3


def test_files_keep_to_the_byte_limit(api, ledger: Ledger, tmp_path: Path) -> None:
    _, url = api
    batches = Batches(endpoint(url), ledger, tmp_path / "b", BatchLimits(most_bytes=5000))
    (tmp_path / "b").mkdir()
    states = batches.write(asks(60))
    sizes = [(tmp_path / "b" / f"{state.name}.jsonl").stat().st_size for state in states]
    assert len(sizes) == 3
    assert max(sizes) <= 5000
    assert sum(state.count for state in states) == 60
    assert batches.write(asks(60)) == []  # they are pending already


def test_what_expired_is_asked_at_once_and_what_was_refused_is_kept(
    api, ledger: Ledger, tmp_path: Path
) -> None:
    server, url = api
    server.expired, server.refused = 10, 5
    texts = run(url, ledger, tmp_path / "b", asks(100))
    assert texts == [None if 10 <= i < 15 else f"re: q{i}" for i in range(100)]
    assert server.chats == 10
    (state,) = Batches(endpoint(url), ledger, tmp_path / "b").states()
    assert (state.status, state.skipped) == ("collected", {"batch_expired": 10})


def test_an_unusable_answer_is_not_bought_by_the_batch_of_every_run(
    api, ledger: Ledger, tmp_path: Path, monkeypatch
) -> None:
    server, url = api
    plain, bought = server.answer, Counter[str]()

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        question = asked["messages"][0]["content"]
        bought[question] += 1
        body = plain(asked)
        body["choices"][0]["finish_reason"] = "error" if question == "q0" else "stop"
        return body

    monkeypatch.setattr(server, "answer", answer)
    for _ in range(3):
        assert run(url, ledger, tmp_path / "b", asks(20)) == [None, *(f"re: q{i}" for i in range(1, 20))]
        ledger.flush()
        assert bought == {f"q{i}": 1 if i else 3 for i in range(20)}
    assert len(server.batches) == 1


def test_a_restart_finds_its_batches_again(api, ledger: Ledger, tmp_path: Path) -> None:
    server, url = api
    server.forget_ids = True  # the run dies after the batch was made and before it knew
    with pytest.raises(EndpointError):
        run(url, ledger, tmp_path / "b", asks(20))
    server.forget_ids = False
    assert run(url, ledger, tmp_path / "b", asks(20)) == [f"re: q{i}" for i in range(20)]
    assert len(server.batches) == 1
    # Killed after the download, before the answers were in the ledger: nothing is bought again.
    (state,) = Batches(endpoint(url), ledger, tmp_path / "b").states()
    file = tmp_path / "b" / f"{state.name}.state.json"
    file.write_bytes(file.read_bytes().replace(b"collected", b"completed"))
    with Ledger.open(tmp_path / "fresh.sqlite") as fresh:
        assert run(url, fresh, tmp_path / "b", asks(20)) == [f"re: q{i}" for i in range(20)]
        assert fresh.stats().calls == 20
    assert (len(server.batches), server.chats) == (1, 0)


def test_the_budget_holds_for_batches_too(api, ledger: Ledger, tmp_path: Path) -> None:
    server, url = api
    budget = Budget(usd=0.003)  # a batch of 25 may cost 25 * (5 + 80) / 2e6 = 0.00106, and takes 0.000625
    with pytest.raises(BudgetExceeded):
        run(url, ledger, tmp_path / "b", asks(250), replace(QUICK, most_requests=25), budget=budget)
    assert 2 <= len(server.batches) <= 4
    assert ledger.stats().cost == pytest.approx(budget.state().usd)
    assert budget.state().usd <= 0.003


@pytest.mark.parametrize(("status", "word"), [
    (401, r"Fix: set MATHMILL_TEACHER__API_KEY"), (400, r"Batch API: .*Fix: "),
    (404, r"has no Batch API .*Fix: set MATHMILL_TEACHER__BASE_URL to one that has, or run without --batch"),
    (405, r"has no Batch API .*Fix: set MATHMILL_TEACHER__BASE_URL"),
])  # fmt: skip
def test_a_refusing_api_is_reported_in_one_line(
    status: int, word: str, api, ledger: Ledger, tmp_path: Path
) -> None:
    server, url = api
    server.status = status
    with pytest.raises(EndpointError, match=word) as stopped:
        run(url, ledger, tmp_path / "b", asks(3))
    assert "\n" not in str(stopped.value)


def test_secrets_that_a_batch_echoes_rest_nowhere(api, ledger: Ledger, tmp_path: Path, monkeypatch) -> None:
    server, url = api
    secrets = ("sk-8Qw2ZrT5yUi0Pa9Sd", "hdr-7Fg3HjK1lXcV", "pw-4Bn6MqW8eRtY")
    end = replace(
        endpoint(url), api_key=SecretStr(secrets[0]), headers={"X-Auth": secrets[1]}, secrets=secrets[2:]
    )
    server.refused = 20
    plain = server.answer

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        body = plain(asked) | {"debug": secrets}
        body["choices"][0]["message"]["content"] += f" {secrets[0][3:12]} {secrets[2]}"
        return body

    monkeypatch.setattr(server, "answer", answer)
    whole = server.finish

    def finish(batch: dict[str, Any]) -> None:
        whole(batch)
        for name in (f"output-{batch['id']}", f"error-{batch['id']}"):
            server.files[name] = server.files[name].replace(b"too long", " ".join(secrets).encode())

    monkeypatch.setattr(server, "finish", finish)
    batches = Batches(end, ledger, tmp_path / "b", QUICK)
    with Engine(end, ledger, EngineLimits(backoff=0.01), through=batches.through) as engine:
        answers = [completion.text for completion in engine.run(asks(100))]
    assert sum(text is not None and text.endswith(" *** ***") for text in answers) == 80
    ledger.flush()
    stored = b"".join(item.call.raw for item in ledger.every())
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "b").iterdir())
    assert on_disk.count(b"***") > 100
    for secret in secrets:
        for start in range(len(secret) - 7):
            assert secret[start : start + 8].encode() not in stored + on_disk


def test_the_embedded_teacher_has_no_batches(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="BASE_URL"):
        list(Batches(Endpoint("teacher", "m"), ledger, tmp_path / "b").through(asks(1)))


def test_an_output_made_offline_is_imported(api, ledger: Ledger, tmp_path: Path) -> None:
    """`vllm run-batch -i NAME.jsonl -o NAME.out.jsonl`, then `mathmill ledger import NAME.out.jsonl`."""
    server, url = api
    (tmp_path / "b").mkdir()
    (state,) = Batches(endpoint(url), ledger, tmp_path / "b").write(asks(5))
    server.files["in"] = (tmp_path / "b" / f"{state.name}.jsonl").read_bytes()
    server.finish(batch := {"id": "x", "input_file_id": "in"})
    out = tmp_path / "b" / f"{state.name}.out.jsonl"
    out.write_bytes(server.files[batch["output_file_id"]])
    taken = take(ledger, out)
    assert (taken.put, taken.known) == (5, 0)
    with Engine(endpoint(url), ledger, EngineLimits(offline=True)) as engine:
        assert [c.text for c in engine.run(asks(5))] == [f"re: q{i}" for i in range(5)]


def test_follow_ups_of_a_run_by_files_are_written_to_files_too(ledger: Ledger, tmp_path: Path) -> None:
    """A run whose answers come by files ends as one that asks itself: what cannot be used is asked once more."""
    folder, one = tmp_path / "b", endpoint("http://127.0.0.1:9")
    check = check_by(lambda text: {} if text.startswith("yes") else ReplyFault(FaultKind.OTHER, "no yes"))

    def completions() -> list[str | None]:
        batches = Batches(one, ledger, folder, QUICK, submit=False)
        with Engine(one, ledger, EngineLimits(offline=True), through=batches.through) as engine:
            run = engine.run(asks(3), check)
            return [next(run).text for _ in range(3)]  # as the stages do, without asking for a fourth

    def answer(texts: list[str]) -> int:
        (path,) = [
            path
            for path in folder.glob("batch-*.jsonl")
            if path.suffixes == [".jsonl"] and not path.with_suffix(".output.jsonl").exists()
        ]
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        bodies = [
            {"model": "m", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
            for text in texts
        ]
        path.with_suffix(".output.jsonl").write_bytes(
            b"\n".join(
                orjson.dumps({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}})
                for line, body in zip(lines, bodies, strict=True)
            )
        )
        return len(lines)

    with pytest.raises(AnswersAwaited, match="3 requests"):
        completions()
    assert answer(["yes 0", "no", "no"]) == 3
    with pytest.raises(AnswersAwaited, match="2 requests"):
        completions()
    assert answer(["yes 1", "yes 2"]) == 2
    assert completions() == ["yes 0", "yes 1", "yes 2"]
