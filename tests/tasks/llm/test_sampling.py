"""Sampling settings of a role, and the token limits of models that think: asked again once, paid once, known to a rerun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.ledger import Ledger
from tasks.llm.costs import RoleCosts, total
from tasks.llm.dialect import Dialect
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.providers.chat import body
from tasks.llm.request import Completion, Request, Usage, request_of
from tasks.llm.sampling import THINKING_TOKENS, Sampling, limit_after
from tasks.llm.transport import AsgiTransport

ASK = Request([{"role": "user", "content": "2 + 2?"}], "m", temperature=0.7, max_tokens=100, longer=200)


class Thinker:
    """A server whose answers take `needs` tokens: the first 300 of them are thinking, in `field`."""

    def __init__(self, needs: int, field: str | None = "reasoning_content") -> None:
        self.needs, self.field = needs, field
        self.limits: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = orjson.loads((await receive())["body"] or b"{}")
        limit = request["max_tokens"]
        self.limits.append(limit)
        self.bodies.append(request)
        cut = limit < self.needs
        thought = "hm " * min(limit, 300)
        text = "" if limit <= 300 else "So \\boxed{4}" if not cut else "So"
        if self.field:
            message = {"content": text or None, self.field: thought}
        else:
            message = {"content": f"<think>{thought}" + (f"</think>{text}" if text else "")}
        answer = {
            "model": "m",
            "choices": [{"message": {"role": "assistant", **message}, "finish_reason": "length" if cut else "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": min(limit, self.needs)},
        }  # fmt: skip
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json")],
        }
        await send(start)
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def completion(ledger: Ledger, model: Thinker, request: Request = ASK, **sampling: Any) -> Completion:
    endpoint = Endpoint("reasoner", "m", price_in=1.0, price_out=2.0, sampling=Sampling(**sampling))
    with Engine(endpoint, ledger, EngineLimits(), transports=[AsgiTransport(model)]) as engine:
        (done,) = engine.run([request])
    return done


@pytest.mark.parametrize("field", ["reasoning_content", None])
def test_a_reply_cut_while_thinking_is_asked_once_more_with_the_limit_of_thinking(
    ledger: Ledger, field: str | None
) -> None:
    model = Thinker(500, field)
    done = completion(ledger, model)
    assert model.limits == [100, THINKING_TOKENS]
    assert (done.error, done.finish_reason) == (None, "stop")
    assert "boxed{4}" in (done.text or "")
    assert done.truncated_tokens == 100
    assert done.cost == pytest.approx((20 * 1.0 + 600 * 2.0) / 1e6)
    again = Thinker(500, field)
    known = completion(ledger, again)
    assert again.limits == []
    assert known.cached
    assert (known.text, known.reasoning, known.truncated_tokens) == (done.text, done.reasoning, 100)
    assert known.cost == pytest.approx(done.cost)
    costs = RoleCosts.of(Endpoint("reasoner", "m"))
    costs.add(done)
    costs.add(known)
    (sums,) = total([costs.facts()])
    assert (sums["prompt_tokens"], sums["completion_tokens"], sums["truncated_tokens"]) == (40, 1200, 200)


def test_a_role_that_reasons_has_the_limit_at_once_and_books_what_is_cut(ledger: Ledger) -> None:
    model = Thinker(10**6)
    done = completion(ledger, model, reasoning=True)
    assert model.limits == [THINKING_TOKENS]
    assert (done.error, done.finish_reason) == (None, "length")
    costs = RoleCosts.of(Endpoint("reasoner", "m"))
    costs.add(done)
    costs.add(Completion("k", "4", "stop", Usage(5, 7), truncated_tokens=100))
    (sums,) = total([costs.facts(), costs.facts()])
    assert (sums["truncated"], sums["truncated_tokens"]) == (2, 2 * (THINKING_TOKENS + 100))


def test_an_answer_in_words_that_was_cut_gets_the_prompts_own_limit() -> None:
    cut = Completion("k", "So far I have", "length", Usage(1, 1))
    assert limit_after(ASK, cut) == 200
    thinking = Completion("k", "<think>So far", "length", Usage(1, 1))
    assert limit_after(ASK, thinking) == THINKING_TOKENS
    closed = Completion("k", "<think>So</think>It is", "length", Usage(1, 1))
    assert limit_after(ASK, closed) == 200
    assert limit_after(ASK.with_limit(100), thinking) is None
    assert limit_after(ASK, Completion("k", "4", "stop", Usage(1, 1))) is None


def test_settings_of_a_role_are_sent_and_part_of_the_key(ledger: Ledger) -> None:
    model = Thinker(301)
    extra = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": True}}
    completion(ledger, model, temperature=0.6, top_p=0.95, max_tokens=5000, extra=extra)
    (sent,) = model.bodies
    assert {name: sent[name] for name in ("temperature", "top_p", "max_tokens", "top_k")} == {
        "temperature": 0.6, "top_p": 0.95, "max_tokens": 5000, "top_k": 20,
    }  # fmt: skip
    assert sent["chat_template_kwargs"] == {"enable_thinking": True}
    completion(ledger, model, temperature=0.6, top_p=0.95, max_tokens=5000, extra=extra)
    assert len(model.bodies) == 1
    completion(ledger, model, temperature=0.6, top_p=0.95, max_tokens=5000, extra={"top_k": 40})
    assert len(model.bodies) == 2


def test_without_settings_a_request_is_the_same_object_with_the_same_key() -> None:
    assert Sampling().applied(ASK) is ASK
    assert b"extra" not in ASK.canonical()
    extended = Sampling(extra={"top_k": 1}).applied(ASK)
    assert extended.key() != ASK.key()
    assert request_of(extended.canonical()).extra == {"top_k": 1}


def test_further_fields_replace_none_of_the_request() -> None:
    request = Sampling(extra={"model": "other", "max_tokens": 1}).applied(ASK)
    sent = orjson.loads(body(request, Dialect()))
    assert (sent["model"], sent["max_tokens"]) == ("m", 100)
