"""Whole nights through endpoints that take and answer something else, by what users of real ones report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.endpoints import Answer, Body, Change, Habits, Refuse, serving
from tests.e2e.processes import Home

# tests/tasks/llm/test_dialect_runs.py and test_endpoints.py send the engine the same over a socket
pytestmark = [pytest.mark.e2e, pytest.mark.soak]

NIGHT = ("nightly", "--target", "6", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore")
MODEL = "embedded"


def error(message: str, status: int = 400, **more: Any) -> Answer:
    return status, {"error": {"message": message, **more}}


def no_system_role(asked: Body) -> Answer | None:
    if asked["messages"][0]["role"] != "system":
        return None
    return 400, {
        "object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400,
    }  # fmt: skip


def one_sampling(asked: Body) -> Answer | None:
    if "temperature" not in asked or "top_p" not in asked:
        return None
    return error("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")


def no_schema(asked: Body) -> Answer | None:
    if "response_format" not in asked:
        return None
    return error("Structured outputs are not supported for this model")


def top_p_below_one(asked: Body) -> Answer | None:
    return error("top_p must be in (0, 1), got 1.0") if asked.get("top_p") == 1.0 else None


def positive_temperature(asked: Body) -> Answer | None:
    if asked.get("temperature", 1.0) > 0:
        return None
    return error("temperature must be strictly positive")


def replying(good: Body, content: Any, finish: str | None = "stop", **message: Any) -> Body:
    message_sent = {"role": "assistant", "content": content, **message}
    return good | {"choices": [{"index": 0, "message": message_sent, "finish_reason": finish}]}


def text_of(good: Body) -> str:
    text: str = good["choices"][0]["message"]["content"]
    return text


def broken_at_first(asked: Body, good: Body, times: int) -> Answer:
    if times:
        return 200, good
    broken = replying(good, "The answ", "error")
    broken["choices"][0]["error"] = {"code": 502, "message": "upstream died"}
    return 200, broken


def thinks_to_the_cap(asked: Body, good: Body, times: int) -> Answer:
    if not _solves(asked) or asked["max_tokens"] > _shorter(asked):
        return 200, good
    return 200, replying(good, None, "length", reasoning_content="thinking ...")


def cut_in_other_words(asked: Body, good: Body, times: int) -> Answer:
    if not _solves(asked) or asked["max_tokens"] > _shorter(asked):
        return 200, good
    return 200, replying(good, "So 3+4=", "max_tokens")


CAPS: dict[str, int] = {}  # the first cap that each conversation was sent with


def _solves(asked: Body) -> bool:
    return any("boxed" in str(m["content"]) for m in asked["messages"])


def _shorter(asked: Body) -> int:
    return CAPS.setdefault(repr(asked["messages"]) + str(asked.get("seed")), asked["max_tokens"])


def thinking_and_end_token(asked: Body, good: Body, times: int) -> Answer:
    return 200, replying(good, f"<think>\nmaybe 99999\n</think>\n\n{text_of(good)}<|im_end|>")


def parts(asked: Body, good: Body, times: int) -> Answer:
    return 200, replying(
        good, [{"type": "thinking", "thinking": "maybe 99999"}, {"type": "text", "text": text_of(good)}]
    )


def reasoning_apart(asked: Body, good: Body, times: int) -> Answer:
    return 200, replying(good, text_of(good), reasoning="maybe 99999") | {"usage": None}


SPOKEN: dict[str, tuple[Refuse | None, Change | None]] = {
    "c01 system role refused": (no_system_role, None),
    "c02 temperature and top_p": (one_sampling, None),
    "c04 finish_reason error": (None, broken_at_first),
    "c05 null content at length": (None, thinks_to_the_cap),
    "c06 other words for length": (None, cut_in_other_words),
    "c08 schema refused": (no_schema, None),
    "c11 top_p of one": (top_p_below_one, None),
    "c11 temperature of zero": (positive_temperature, None),
    "c12 thinking and end token": (None, thinking_and_end_token),
    "parts": (None, parts),
    "reasoning apart": (None, reasoning_apart),
}
AZURE = "/openai/deployments/D"


def pointed_at(home: Callable[..., Home], url: str, **more: str) -> Home:
    return home(MATHMILL_TEACHER__MODEL=MODEL, MATHMILL_TEACHER__BASE_URL=url, **more)


def published(
    home: Callable[..., Home], habits: Habits, query: str = "", most: int = 1
) -> tuple[Home, dict[str, Any]]:
    """A night through the endpoint, and the same night offline from its ledger: equal rows, no call."""
    with serving(habits) as url:
        one = pointed_at(home, url + query)
        night = one.json(*NIGHT)
    assert max(habits.paid.values()) <= most
    paid = sum(line["calls"] for line in night["lineage"]["service"])
    assert paid == habits.paid.total() == one.json("ledger", "stats")["calls"]
    again = pointed_at(home, "http://127.0.0.1:9/v1", MATHMILL_LEDGER=str(one.path / "ledger.sqlite"))
    offline = again.json(*NIGHT, "--offline")
    assert offline["digest"] == night["digest"]
    rows = one.sql('SELECT count(*) AS rows FROM "math-sft"')[0]["rows"]
    assert rows == night["rows"] > 0
    text = one.sql("SELECT solution FROM \"math-sft\" WHERE solution LIKE '%<|%' OR solution LIKE '%99999%'")
    assert text == []
    return one, night


@pytest.mark.parametrize("name", SPOKEN)
def test_a_dialect_is_spoken_for_a_whole_night(name: str, home: Callable[..., Home]) -> None:
    refuse, change = SPOKEN[name]
    habits = Habits(*(each for each in (refuse,) if each), **({"change": change} if change else {}))
    _, night = published(home, habits, most=2 if change is broken_at_first else 1)
    assert (habits.refused > 0) == (refuse is not None), night["lineage"]["engines"]


def test_several_dialects_at_once_behind_an_address_with_a_query(home: Callable[..., Home]) -> None:
    """Azure's form of an address, every refusal at once and thinking before the answer."""

    def refuse(asked: Body) -> Answer | None:
        for each in (no_system_role, one_sampling, no_schema, top_p_below_one, positive_temperature):
            if (refusal := each(asked)) is not None:
                return refusal
        return None

    habits = Habits(refuse, thinking_and_end_token, AZURE)
    published(home, habits, "?api-version=2024-06-01")
    assert habits.queries == {"api-version=2024-06-01"}


def renamed(asked: Body, good: Body, times: int) -> Answer:
    return 200, good | {"model": "gpt-4o-mini-2024-07-18"}


UNUSABLE: dict[str, tuple[Change, str]] = {
    "c07 renamed model": (renamed, "MATHMILL_TEACHER__ACCEPT_MODELS"),
    "a stream without its end": (
        lambda asked, good, times: (200, b'data: {"choices": [{"delta": {"content": "1"}}]}\n\n'),
        "MATHMILL_TEACHER__BASE_URL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_endpoint_that_cannot_be_used_stops_the_night_in_a_line(
    name: str, home: Callable[..., Home], tmp_path: Path
) -> None:
    change, setting = UNUSABLE[name]
    habits = Habits(change=change)
    with serving(habits) as url:
        one = pointed_at(home, url)
        first = one.run(*NIGHT, code=2)
        paid = habits.paid.total()
        line = first.stderr.strip().splitlines()[-1]
        assert line.startswith("mathmill: ")
        assert "Fix: " in line
        assert setting in line
        assert "Traceback" not in first.stdout + first.stderr
        assert paid <= 64
        one.run(*NIGHT, code=2)
        assert max(habits.paid.values()) <= 3
        assert one.json("datasets") == []
        if change is renamed:
            before = dict(habits.paid)
            night = one.json(*NIGHT, MATHMILL_TEACHER__ACCEPT_MODELS='["gpt-4o-mini"]')
            assert {body: habits.paid[body] for body in before} == before  # what was paid for is used
            assert night["rows"] > 0


def test_a_night_without_its_known_answers_says_what_the_votes_rest_on(home: Callable[..., Home]) -> None:
    """The solutions that calibrate the votes are requested first; all of their calls fail."""
    asked_before = 0

    def refuse(asked: Body) -> Answer | None:
        nonlocal asked_before
        asked_before += 1
        if asked_before > 4:
            return None
        return error("This model's maximum context length is 8 tokens", code="context_length_exceeded")

    with serving(Habits(refuse)) as url:
        one = pointed_at(home, url)
        done = one.run(*NIGHT)
    text = "calibrated on 0 of 4 solutions that were requested for questions with known answers: 4 failed"
    assert text in done.stdout
    assert text in done.stderr
    shown = one.json("show", "math-sft")
    calibration = shown["lineage"]["calibration"]
    assert {name: calibration[name] for name in ("asked", "failed", "dropped", "labelled", "rows")} == {
        "asked": 4, "failed": 4, "dropped": 0, "labelled": 0, "rows": 0,
    }  # fmt: skip
    (report,) = (one.path / "reports").glob("math-sft@*[0-9].html")
    assert text in report.read_text()
