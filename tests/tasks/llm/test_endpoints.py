"""Whole runs through endpoints that accept and answer differently, each like a real one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Ledger
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Failure, Request
from tasks.llm.transport import AsgiTransport, joined

KEY = "sk-canary-0123456789-abcdef"
QUICK = EngineLimits(deadline=20.0, backoff=0.01, backoff_cap=0.05, breaker_after=8, breaker_cooloff=0.02)
Answer = tuple[int, Any]


def good(text: str = "10", **changes: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return 200, {"id": "x", "model": "m", "choices": [choice], "usage": usage} | changes


def ended(finish: str | None, **message: Any) -> Answer:
    return good(choices=[{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}])


def refused(message: str, status: int = 400) -> Answer:
    return status, {"error": {"message": message}}


class Server:
    """Answers each body by `policy`; a body comes as the dictionary that was sent and how often it came before."""

    def __init__(self, policy: Callable[[dict[str, Any], int], Answer]) -> None:
        self.policy = policy
        self.sent: list[dict[str, Any]] = []
        self.times: Counter[bytes] = Counter()

    async def __call__(self, scope, receive, send) -> None:
        raw = (await receive())["body"]
        status, content = 200, {"data": [{"id": "m"}]}
        if not scope["path"].endswith("/models"):
            asked = orjson.loads(raw)
            self.sent.append(asked)
            status, content = self.policy(asked, self.times[raw])
            self.times[raw] += 1
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


END = Endpoint(
    "teacher", "m", price_in=1.0, price_out=2.0, api_key=SecretStr(KEY), headers={"X-Auth": "hdr-canary-99"}
)


def questions(count: int, **more: Any) -> list[Request]:
    settings: dict[str, Any] = {"temperature": 0.7, "seed": 3, "stop": ("END",), "max_tokens": 500} | more
    return [
        Request([{"role": "system", "content": "Be exact."}, {"role": "user", "content": f"question {i}"}], "m", **settings)
        for i in range(count)
    ]  # fmt: skip


def run(
    server: Server, ledger: Ledger, requests: list[Request], endpoint: Endpoint = END
) -> tuple[list[Completion], Any]:
    with Engine(endpoint, ledger, QUICK, transports=[AsgiTransport(server)]) as engine:
        return list(engine.run(requests)), engine.stats()


def both_samplings(asked: dict[str, Any], _: int) -> Answer:
    if "temperature" in asked and "top_p" in asked:
        return refused(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    return good()


def when(
    condition: Callable[[dict[str, Any]], bool], answer: Answer
) -> Callable[[dict[str, Any], int], Answer]:
    return lambda asked, _: answer if condition(asked) else good()


def has(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda asked: name in asked


DIALECTS = {
    "no system role": (
        when(lambda asked: asked["messages"][0]["role"] == "system", refused("System role not supported")),
        ("system texts put before the user's",),
    ),
    "one of temperature and top_p": (both_samplings, ("top_p left out",)),
    "schema in other words": (
        when(has("response_format"), refused("Structured outputs are not supported for this model")),
        ("response_format left out",),
    ),
    "schema by 501": (when(has("response_format"), (501, b"")), ("response_format left out",)),
    "schema by 500 with its reason": (
        when(has("response_format"), refused("failed to parse grammar", 500)),
        ("response_format left out",),
    ),
    "schema by 500 without a word": (
        when(has("response_format"), (500, b"Internal Server Error")), ("response_format left out",),
    ),
    "top_p of 1": (when(has("top_p"), refused("top_p must be in (0, 1), got 1.0", 422)), ("top_p left out",)),
    "no seed": (when(has("seed"), (422, {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]})), ("seed left out",)),
    "other cap": (when(has("max_tokens"), refused("Unsupported parameter: 'max_tokens'")), ("max_tokens sent as max_completion_tokens",)),
    "a refusal that names nothing": (
        when(has("stop"), refused("Bad Request")),
        ("response_format left out", "seed left out", "stop left out", "top_p left out", "temperature left out"),
    ),
    "several at once": (
        lambda asked, _: next(
            (refused(f"Unsupported parameter: {name}") for name in ("seed", "stop", "temperature") if name in asked),
            good(),
        ),
        ("seed left out", "stop left out", "temperature left out"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_learnt_once_and_everything_is_answered(name: str, ledger: Ledger) -> None:
    policy, notes = DIALECTS[name]
    server = Server(policy)
    requests = questions(60, response_schema={"type": "object"})
    completions, stats = run(server, ledger, requests)
    assert {(c.text, c.error) for c in completions} == {("10", None)}
    assert [c.key for c in completions] == [request.key() for request in requests]
    assert stats.dialect == notes
    assert stats.calls == 60  # what was refused is not paid for
    assert len(server.sent) <= 60 + 16 * 4  # the calls that were in flight while it was learnt
    again, stats = run(server, ledger, requests)
    assert all(c.cached for c in again)


def test_a_greedy_request_is_asked_just_above_zero(ledger: Ledger) -> None:
    server = Server(when(lambda a: a["temperature"] <= 0, refused("temperature must be strictly positive")))
    completions, stats = run(server, ledger, questions(5, temperature=0.0))
    assert {c.text for c in completions} == {"10"}
    assert stats.dialect == ("temperature 0 sent as 0.01",)


def test_an_error_inside_the_answer_is_asked_again(ledger: Ledger) -> None:
    broken = ended("error", content="The answ")
    server = Server(lambda asked, times: broken if times == 0 else good())
    completions, stats = run(server, ledger, questions(10))
    assert {c.text for c in completions} == {"10"}
    assert stats.calls == 20


def test_an_outage_that_all_calls_in_flight_meet_does_not_end_the_run(ledger: Ledger) -> None:
    broken = ended("error", content="The answ")
    server = Server(lambda asked, times: broken if times == 0 else good())
    completions, _ = run(server, ledger, questions(60))
    assert {c.text for c in completions} == {"10"}
    assert set(server.times.values()) == {2}


@pytest.mark.parametrize(
    "cut",
    [ended("max_tokens", content="So 3+4="), ended("MAX_TOKENS", content="So"), ended("model_length", content="So"),
     ended("length", content=None, reasoning_content="thinking ...")],
)  # fmt: skip
def test_a_cut_off_answer_is_asked_once_with_the_longer_cap(cut: Answer, ledger: Ledger) -> None:
    server = Server(lambda asked, _: cut if asked["max_tokens"] < 1000 else good())
    completions, stats = run(server, ledger, questions(10, longer=2000))
    assert {c.text for c in completions} == {"10"}
    assert stats.calls == len(server.sent) == 20


CUT = {
    "in its text": ended("length", content="So 3+4="),
    "in other words": ended("MAX_TOKENS", content="So"),
    "before its text": ended("length", content=None, reasoning_content="thinking ..."),
    "in its thinking": ended("length", content="<think>So"),
}


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("longer", [None, 2000])
@pytest.mark.parametrize("wrong", [None, ReplyFault(FaultKind.OTHER, "not a number")])
def test_a_cut_off_answer_is_not_bought_again_by_the_next_runs(
    cut: str, longer: int | None, wrong: ReplyFault | None, tmp_path: Path
) -> None:
    """Once with the cap, once with the longer one; a check that refuses the last has it re-asked once, in the first run."""
    server = Server(lambda asked, _: CUT[cut])
    requests = questions(3, longer=longer)
    for _ in range(3):
        with (
            Ledger.open(tmp_path / "ledger.sqlite") as opened,
            Engine(END, opened, QUICK, transports=[AsgiTransport(server)]) as engine,
        ):
            completions = list(engine.run(requests, lambda completion: wrong))
        assert {c.finish_reason for c in completions} == {"length"}
        assert {c.kind for c in completions} == {None if wrong is None else Failure.REJECTED}
        assert set(server.times.values()) == {1}
        assert len(server.sent) == 3 * (1 + (longer is not None) + (wrong is not None))


def test_usage_that_cannot_be_is_capped_and_counted(ledger: Ledger) -> None:
    usage = {"prompt_tokens": 1 << 40, "completion_tokens": 1 << 40}
    completions, stats = run(Server(lambda asked, _: good(usage=usage)), ledger, questions(10))
    assert {c.text for c in completions} == {"10"}
    assert {c.usage.completion_tokens for c in completions} == {500}
    assert stats.by_tag[""].capped == stats.estimated == 10
    assert stats.cost_usd < 0.2


def test_a_renamed_model_stops_the_run_at_the_first_answer_and_the_setting_makes_it_usable(
    ledger: Ledger,
) -> None:
    server = Server(lambda asked, _: good(model="gpt-4o-mini-2024-07-18"))
    with pytest.raises(
        EndpointError, match=r"'gpt-4o-mini-2024-07-18'.*'m'.*MATHMILL_TEACHER__ACCEPT_MODELS"
    ):
        run(server, ledger, questions(500))
    paid = len(server.sent)
    assert paid <= 32
    accepting = Endpoint("teacher", "m", accept_models=["gpt-4o-mini"])
    completions, _ = run(server, ledger, questions(500), accepting)
    assert {c.text for c in completions} == {"10"}
    assert len(server.sent) == 500  # what was paid for before the setting was made is used


UNUSABLE = {
    "no choices": good(choices=[]),
    "a stream without its end": (200, b'data: {"choices": [{"delta": {"content": "1"}}]}\n\n'),
    "HTML": (200, b"<html>Sign in</html>"),
    "null content": ended("stop", content=None),
    "cut by 206": (206, b'{"choices": [{"message": {"content": "1'),
    "error inside": ended("error", content="The answ"),
    "choices: null": good(choices=None),
    "calls of tools only": ended("tool_calls", content=None, tool_calls=[{"id": "1", "type": "function"}]),
    "thinking only": ended("stop", content=None, reasoning="So it is 10"),
    "parts of thinking only": ended("stop", content=[{"type": "thinking", "thinking": "10"}]),
    "an error without a number": (200, {"error": {"message": "upstream failed"}}),
    "another protocol": (200, {"type": "reply", "parts": [{"type": "text", "text": "10"}]}),
    "cut JSON": (200, orjson.dumps(good()[1])[:-20]),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_endpoint_whose_every_answer_is_unusable_stops_the_run(name: str, ledger: Ledger) -> None:
    server = Server(lambda asked, _: UNUSABLE[name])
    with pytest.raises(
        EndpointError,
        match=r"\d+ answers in a row cannot be used \(\w+: .*for example .*Fix: .*MATHMILL_TEACHER__MODEL",
    ):
        run(server, ledger, questions(500))
    transient = name in ("a stream without its end", "error inside", "an error without a number")
    assert len(server.sent) < (200 if transient else 100)


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_answer_is_not_bought_beyond_its_tries_over_all_runs(name: str, ledger: Ledger) -> None:
    server = Server(
        lambda asked, _: UNUSABLE[name] if asked["messages"][1]["content"] == "question 0" else good()
    )
    for _ in range(3):
        completions, _stats = run(server, ledger, questions(2))
        ledger.flush()
        assert completions[0].kind in (Failure.MALFORMED, Failure.EMPTY)
        assert completions[1].text == "10"
    assert sorted(server.times.values()) == [1, 3]


SPOKEN = {
    "201": (201, good()[1]),
    "parts": ended("stop", content=[{"type": "text", "text": "1"}, {"type": "text", "text": "0"}]),
    "stream": (200, b'data: {"model": "m", "choices": [{"delta": {"content": "10"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'),
    "no finish reason": ended(None, content="10"),
    "parts of several types": ended("stop", content=[
        {"type": "thinking", "thinking": [{"type": "text", "text": "9"}]}, {"type": "reasoning", "text": "9"},
        {"type": "text", "text": "1"}, {"type": "output_text", "text": "0", "annotations": []},
    ]),
    "one part": ended("stop", content={"type": "text", "text": {"value": "10"}}),
    "parts that are texts": ended("stop", content=["1", "0"]),
    "reasoning": ended("stop", content="10", reasoning="9", reasoning_content="9", refusal=None, tool_calls=[]),
    "a completion of texts": good(choices=[{"text": "10", "finish_reason": "stop"}]),
    "one choice": good(choices={"message": {"content": "10"}}),
    "a list around it": (200, [good()[1]]),
    "a byte order mark": (200, b"\xef\xbb\xbf" + orjson.dumps(good()[1])),
    "comments before it": (200, b": PROCESSING\n\n: PROCESSING\n\n" + orjson.dumps(good()[1])),
    "NaN and a lone surrogate": (200, b'{"x": NaN, "y": "\\ud800", "choices": [{"message": {"content": "10"}}]}'),
    "a path as the model": good(model="/models/org/m/"),
    "error: null": good(error=None),
    "stop in capitals": ended("FINISH_REASON_STOP", content="10"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOKEN)
def test_unusual_answers_are_read_and_paid_once(name: str, ledger: Ledger) -> None:
    server = Server(lambda asked, _: SPOKEN[name])
    for _ in range(2):
        completions, _stats = run(server, ledger, questions(5))
        assert {c.text for c in completions} == {"10"}
    assert len(server.sent) == 5


ECHOES = {
    "a refusal": refused(f"bad headers: Authorization: Bearer {KEY}, X-Auth: hdr-canary-99"),
    "a terminal refusal": refused(f"maximum context length; headers {KEY} hdr-canary-99"),
    "a key behind 290 characters": refused("x" * 290 + KEY + " hdr-canary-99"),
    "HTML": (200, f"<html>{KEY} hdr-canary-99</html>".encode()),
    "an error with status 200": (200, {"error": {"message": f"{KEY} hdr-canary-99"}}),
    "an answer": good(f"the key is {KEY}"),
    "a server error": (503, f"{KEY} hdr-canary-99".encode()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ECHOES)
def test_no_part_of_a_key_rests_anywhere(name: str, ledger: Ledger, tmp_path: Path) -> None:
    limits = EngineLimits(deadline=0.5, backoff=0.05, breaker_cooloff=0.05, unreachable_after=3.0)
    output = ""
    with Engine(
        END, ledger, limits, transports=[AsgiTransport(Server(lambda asked, _: ECHOES[name]))]
    ) as engine:
        try:
            output = repr(list(engine.run(questions(30))))
        except EndpointError as error:
            output = repr(error)
    ledger.flush()
    stored = b"".join(item.call.raw for item in ledger.every())
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (KEY, "hdr-canary-99"):
        for start in range(len(secret) - 7):
            part = secret[start : start + 8]
            assert part not in output
            assert part.encode() not in stored
            assert part.encode() not in on_disk


def test_a_path_is_put_before_the_query_of_a_base_url() -> None:
    azure = "https://NAME.openai.azure.com/openai/deployments/D?api-version=2024-06-01"
    assert joined(azure, "/chat/completions") == (
        "https://NAME.openai.azure.com/openai/deployments/D/chat/completions?api-version=2024-06-01"
    )
    assert joined("https://host/v1", "/models") == "https://host/v1/models"
    assert joined("https://host", "/models") == "https://host/models"
    end = Endpoint("teacher", "m", [azure])
    assert end.base_urls == (azure,)


def test_an_error_with_status_200_is_waited_for_as_with_its_own_status(ledger: Ledger) -> None:
    busy: Answer = (200, {"error": {"message": "Rate limit exceeded", "code": 429}})
    server = Server(lambda asked, times: busy if times == 0 else good())
    completions, stats = run(server, ledger, questions(10))
    assert {c.text for c in completions} == {"10"}
    assert (stats.calls, len(server.sent)) == (10, 20)  # nothing of it is paid


@pytest.mark.parametrize(
    ("answer", "setting"),
    [
        ((429, {"error": {"message": "Insufficient balance"}}), "API_KEY"),
        ((429, {"error": {"message": "x", "code": "insufficient_quota"}}), "API_KEY"),
        ((200, {"error": {"message": "x", "code": "insufficient_quota"}}), "API_KEY"),
        ((200, {"error": {"message": "Invalid API key", "code": 401}}), "API_KEY"),
        ((200, {"code": 404, "message": "no such model"}), "MODEL"),
    ],
)  # fmt: skip
def test_a_permanent_error_stops_the_run_at_once(answer: Answer, setting: str, ledger: Ledger) -> None:
    server = Server(lambda asked, _: answer)
    with pytest.raises(EndpointError, match=rf"Fix: .*MATHMILL_TEACHER__{setting}"):
        run(server, ledger, questions(500))
    assert len(server.sent) <= 32
    assert ledger.stats().calls == 0


def test_the_number_of_unusable_answers_in_a_row_is_a_setting(ledger: Ledger) -> None:
    server = Server(lambda asked, _: UNUSABLE["HTML"])
    limits = replace(QUICK, unusable_in_a_row=1, max_in_flight=1, start_in_flight=1)
    with (
        Engine(END, ledger, limits, transports=[AsgiTransport(server)]) as engine,
        pytest.raises(EndpointError, match=r": 1 answer in a row.*MATHMILL_UNUSABLE_IN_A_ROW"),
    ):
        list(engine.run(questions(50)))
    assert len(server.sent) == 1
