"""The learnt token limits of a night: chosen once, the same when it is started again, and named to the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import prompts
from benchmarks.token_limits import stored_answer
from flows.runner.learnt_limits import (
    FOLDER,
    TOKEN_LIMITS,
    LimitsError,
    expected,
    from_record,
    limits_of_night,
    token_limits,
    truncation,
)
from flows.runner.resources import Tools
from flows.settings import Role, Settings
from storage.sealed_files import HomeFiles
from tasks.llm.request import Request

PROMPT = prompts.load("solve_cot", "en")
SEED = 123


def opened(home: Path, **role: object) -> Tools:
    return Tools(
        Settings(
            home=home, reasoner=Role(**({"model": "m", "base_url": ("http://h/v1",)} | role)), _env_file=None
        )
    )  # type: ignore[call-arg, arg-type]


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    tools = opened(tmp_path, limit_risk=0.05)
    yield tools
    tools.close()


def answered(tools: Tools, lengths: range) -> None:
    """Store one answer of each length, and as many that never end as a tenth of them."""
    ledger = tools.ledger()
    for number, tokens in enumerate(lengths):
        asked = Request(
            PROMPT.messages(question=f"{tokens}?"), "m", max_tokens=32_768, seed=tokens, tag="solve"
        )
        cut = number % 10 == 0
        stored = stored_answer(asked, "so 4", "length" if cut else "stop", 32_768 if cut else tokens)
        ledger.put(replace(stored.call, key=asked.key(), model="m"))
    ledger.flush()


def test_a_night_that_is_started_again_has_the_same_limits(tools: Tools) -> None:
    answered(tools, range(100, 300))
    first = limits_of_night(tools, ["teacher", "reasoner"], SEED)
    (limit,) = first["reasoner"].values()
    assert 250 < limit.limit < 400
    assert limit.most == 32_768
    answered(tools, range(1000, 2000))
    assert limits_of_night(tools, ["teacher", "reasoner"], SEED) == first
    (later,) = limits_of_night(tools, ["reasoner"], SEED + 1)["reasoner"].values()
    assert later.limit > limit.limit
    assert HomeFiles(tools.home).check()[1] == []


def test_the_limits_reach_the_requests_of_the_role_alone(tools: Tools) -> None:
    answered(tools, range(100, 300))
    tools.limits = replace(tools.limits, learnt=limits_of_night(tools, ["reasoner"], SEED))
    sampling = tools.engine("reasoner").endpoint.sampling
    asked = [Request(PROMPT.messages(question=f"{n}?"), "m", seed=n, tag="solve") for n in range(100)]
    limits = {sampling.applied(one).max_tokens for one in asked}
    assert len(limits) == 2
    assert max(limits) == 32_768
    assert not tools.engine("teacher").endpoint.sampling.learnt


def test_no_limits_without_the_setting(tmp_path: Path) -> None:
    tools = opened(tmp_path)
    answered(tools, range(100, 300))
    assert limits_of_night(tools, ["reasoner"], SEED) == {}
    assert token_limits(tools) == {}
    assert not (tmp_path / FOLDER).exists()
    tools.close()


def test_limits_that_cannot_be_read_are_an_error_that_names_the_file(tools: Tools) -> None:
    answered(tools, range(100, 300))
    limits_of_night(tools, ["reasoner"], SEED)
    (file,) = (tools.home / FOLDER).iterdir()
    file.write_bytes(b'{"reasoner": {"p": {"limit": 3}}}')
    with pytest.raises(LimitsError, match=rf"{file.name} cannot be read .*Fix: "):
        limits_of_night(tools, ["reasoner"], SEED)


def test_the_lineage_holds_the_limits_and_what_they_and_the_prompts_own_lose(tools: Tools) -> None:
    answered(tools, range(900, 1900))
    tools.limits = replace(tools.limits, learnt=limits_of_night(tools, ["reasoner"], SEED))
    record = token_limits(tools)[TOKEN_LIMITS]
    assert from_record(record) == tools.limits.learnt
    lost = record["reasoner"]["lost"]
    assert lost["answers"] == 1000
    # the prompt's own limits are 1,024 and 2,048: nine tenths exceed the first, a tenth the second as well
    own = PROMPT.front.max_tokens * (0.1 + 0.9 * 0.875) + (PROMPT.front.longer or 0) * 0.1
    assert lost["fixed"] == pytest.approx(own, rel=0.02)


def test_people_are_told_of_limits_and_of_the_truncation_to_expect(tmp_path: Path) -> None:
    thinker = opened(tmp_path, reasoning=True)
    assert (
        expected(thinker, thinker.settings.endpoint("reasoner"))
        == "thinks, 32,768 tokens per answer; truncation not measured yet"
    )
    answered(thinker, range(100, 1100))
    (line,) = truncation(thinker, ["teacher", "reasoner"])
    assert (
        line == "reasoner m: thinks, 32,768 tokens per answer; expected truncation 10.0% (1,000 answers seen)"
    )
    thinker.close()
    learning = opened(tmp_path, limit_risk=0.05)
    assert "learnt token limits (risk 5.0%); expected truncation 13." in expected(
        learning, learning.settings.endpoint("reasoner")
    )
    learning.close()
