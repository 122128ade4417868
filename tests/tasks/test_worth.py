"""What a sample is worth: a failure of ours is never a wrong answer."""

from __future__ import annotations

import pytest

from storage.reasons import FAILURES, Code, Reason, reason
from tasks.llm.request import Failure
from tasks.worth import REWARD, Worth, worth_of


@pytest.mark.parametrize(
    ("why", "equivalent", "worth", "reward"),
    [
        (None, "equal", Worth.RIGHT, 1.0),
        (None, None, Worth.UNKNOWN, None),
        (reason("verify", Code.DIFFERENT, answer="3", reference="4"), "different", Worth.WRONG, 0.0),
        (reason("verify", Code.INCOMPARABLE, answer="3"), "unknown", Worth.UNKNOWN, None),
        (reason("verify", Code.PROGRAM_FAILED, verdict="error", error=""), None, Worth.WRONG, 0.0),
        (reason("sample", Code.NO_ANSWER), None, Worth.WRONG, 0.0),
        (reason("sample", Code.TRUNCATED), None, Worth.UNKNOWN, None),
        (reason("sample", Code.UNFINISHED_THINKING), None, Worth.UNKNOWN, None),
        (Reason("x", "a code of a newer program", failed=True), None, Worth.INFRASTRUCTURE, None),
    ],
)
def test_the_reason_decides(
    why: Reason | None, equivalent: str | None, worth: Worth, reward: float | None
) -> None:
    assert worth_of(why, equivalent) is worth
    assert REWARD.get(worth) == reward


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_what_failed_has_no_reward(code: Code) -> None:
    assert worth_of(Reason("verify", code, failed=True), None) is Worth.INFRASTRUCTURE


def test_a_model_that_refuses_or_says_nothing_is_wrong_and_a_server_that_fails_is_not() -> None:
    kinds = {
        kind: worth_of(reason("sample", Code.CALL_FAILED, error="", kind=kind), None) for kind in Failure
    }
    assert {kind for kind, worth in kinds.items() if worth is Worth.WRONG} == {Failure.REFUSAL, Failure.EMPTY}
    assert set(kinds.values()) == {Worth.WRONG, Worth.INFRASTRUCTURE}
