"""Learnt token limits: the stated risk holds on any distribution, they do not shrink, and keys change only where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.token_limits import MODELS, SYSTEM, simulated, stored_answer, summed
from storage.ledger import Ledger, Stored
from tasks.llm.learnt_limits import EXPLORE, LearntLimit, Lengths, explores, learn, lengths, prompt_of
from tasks.llm.request import Request
from tasks.llm.sampling import Sampling

Draw = Callable[[np.random.Generator, int], np.ndarray]
DISTRIBUTIONS: dict[str, Draw] = {
    "log-normal": lambda rng, n: rng.lognormal(6, 0.7, n),
    "heavy tail": lambda rng, n: 50 * (1 + rng.pareto(1.1, n)),
    "two kinds": lambda rng, n: np.where(
        rng.random(n) < 0.9, rng.normal(200, 20, n), rng.normal(3000, 300, n)
    ),
    "constant": lambda rng, n: np.full(n, 77.0),
}


def seen(values: np.ndarray, endless: int = 0, most: int = 10**9) -> Lengths:
    return Lengths(tuple(sorted(int(value) + 1 for value in values)), endless, most, {})


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("risk", "answers"), [(0.05, 120), (0.02, 400), (0.2, 9)])
def test_the_stated_risk_holds_on_average_over_what_was_seen(name: str, risk: float, answers: int) -> None:
    rng = np.random.default_rng(5)
    fresh = DISTRIBUTIONS[name](rng, 20_000).astype(int) + 1
    cut = []
    for _ in range(300):
        limit = seen(DISTRIBUTIONS[name](rng, answers), endless=3).limit(risk)
        assert limit is not None
        cut.append(float((fresh > limit.limit).mean()))
    assert np.mean(cut) <= risk + 3 * np.std(cut) / len(cut) ** 0.5


def test_too_few_answers_state_no_limit() -> None:
    assert seen(np.arange(18)).limit(0.05) is None
    assert seen(np.arange(19)).limit(0.05) is not None
    assert seen(np.arange(0)).limit(0.5) is None
    for risk in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            learn([], risk)


def test_a_limit_that_saves_nothing_is_not_set() -> None:
    """Without endless answers the largest limit loses nothing, so that no answer needs to be cut off."""
    values = np.random.default_rng(1).lognormal(6, 0.7, 400)
    assert seen(values, most=32_768).limit(0.02) == LearntLimit(32_768, 32_768, 400, 0)
    often = seen(values, endless=40, most=32_768).limit(0.02)
    assert often is not None
    assert often.limit < 4000


def request(seed: int = 1, **fields: int) -> Request:
    return Request(
        [SYSTEM, {"role": "user", "content": f"Question {seed}"}],
        "model",
        seed=seed,
        tag="solve",
        **{"max_tokens": 1024, "longer": 2048, **fields},  # type: ignore[arg-type]
    )


def answer(asked: Request, tokens: int, *, cut: bool = False) -> Stored:
    return stored_answer(asked, "so 4", "length" if cut else "stop", tokens)


PROMPT = prompt_of("solve", [SYSTEM])


def test_a_repeated_request_counts_with_its_last_answer() -> None:
    ends = request(1)
    calls = [
        answer(ends, 1024, cut=True),
        answer(ends.with_limit(2048), 1500),
        answer(request(2), 1024, cut=True),
        answer(request(2).with_limit(2048), 2048, cut=True),
        answer(request(3), 300),
        answer(request(3), 300),  # a second call of the same request, as after a race
    ]
    (learnt,) = lengths(calls).values()
    assert (learnt.ended, learnt.endless, learnt.most) == ((300, 1500), 1, 2048)
    assert learnt.lost([1024, 2048]) == pytest.approx((1024 * 2 + 2048) / 3)
    assert learnt.cut(1024) == pytest.approx(2 / 3)


def test_answers_under_a_limit_that_was_final_are_left_out() -> None:
    whole = [answer(request(seed, max_tokens=32_768), 100 * seed) for seed in range(1, 30)]
    final = [
        answer(request(seed, max_tokens=500), min(500, 100 * seed), cut=seed > 5) for seed in range(50, 90)
    ]
    assert lengths(whole + final) == lengths(whole)
    ended = [answer(request(seed, max_tokens=500), 40) for seed in range(90, 95)]
    assert len(lengths(whole + ended)[PROMPT].ended) == 34  # nothing was cut off there


def test_failed_and_estimated_answers_do_not_count() -> None:
    refused = answer(request(1), 10)
    calls = [
        replace(refused, call=replace(refused.call, raw=b'{"error": {"message": "no"}}')),
        replace(
            refused, call=replace(refused.call, raw=refused.call.raw.replace(b'"completion_tokens"', b'"x"'))
        ),
    ]
    assert all(not learnt.ended for learnt in lengths(calls).values())


def test_without_learnt_limits_no_request_changes() -> None:
    assert Sampling().applied(request()) is request() or Sampling().applied(request()) == request()
    other = {"solve-ffffffffffff": LearntLimit(64, 2048, 100, 0)}
    assert Sampling(learnt=other).applied(request()) == request()


def test_a_learnt_limit_is_final_and_one_request_in_ten_sees_the_whole_answer() -> None:
    sampling = Sampling(learnt={PROMPT: LearntLimit(640, 2048, 100, 0)})
    applied = [sampling.applied(request(seed)) for seed in range(1, 1001)]
    assert {one.longer for one in applied} == {None}
    limits = [one.max_tokens for one in applied]
    assert set(limits) == {640, 2048}
    assert limits.count(2048) == pytest.approx(1000 / EXPLORE, abs=40)
    assert [one.max_tokens == 2048 for one in applied] == [
        explores(one.messages, one.seed, one.sample_index) for one in applied
    ]
    fixed = replace(sampling, max_tokens=300)
    assert {fixed.applied(request(seed)).max_tokens for seed in range(1, 50)} == {300}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_night_after_night_the_risk_holds_and_no_more_tokens_are_lost(model: object) -> None:
    fixed = summed(simulated(model, 0.0, 6, 250)[3:])  # type: ignore[arg-type]
    lost, cut = summed(simulated(model, 0.05, 6, 250)[3:])  # type: ignore[arg-type]
    assert cut <= 0.05 + 3 * (0.05 / 700) ** 0.5  # three standard deviations of the share
    assert lost <= 1.1 * fixed[0]


def test_the_newest_answers_of_a_model_are_read_from_the_ledger(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for seed in range(1, 6):
            call = answer(request(seed), 10 * seed).call
            ledger.put(replace(call, key=f"{seed:064x}"))
        other = answer(request(9), 999).call
        ledger.put(replace(other, key=f"{9:064x}", model="other"))
        ledger.put(replace(other, key=f"{10:064x}", status=500))
        newest = ledger.newest("reasoner", "model", 3)
    assert lengths(newest)[PROMPT].ended == (30, 40, 50)
