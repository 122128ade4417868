"""What is known about the correctness of a solution, and the reward that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from storage.reasons import Code, Reason
from tasks.llm.request import Failure


class Worth(StrEnum):
    """What is known about the correctness of a completion. Only the first two kinds give a reward."""

    RIGHT = "right"  # its final answer equals the reference answer
    WRONG = "wrong"  # its answer differs, it states none, or its program has an error
    UNKNOWN = "unknown"  # its answer cannot be compared with the reference, or the token limit cut it off
    INFRASTRUCTURE = "infrastructure"  # a call, the sandbox or the judge's processes failed


REWARD: Final[Mapping[Worth, float]] = {Worth.RIGHT: 1.0, Worth.WRONG: 0.0}
_NO_ANSWER: Final = frozenset({Failure.REFUSAL, Failure.EMPTY})  # the model was called, and answered so
_NOT_KNOWN: Final = frozenset({Code.INCOMPARABLE, Code.TRUNCATED, Code.UNFINISHED_THINKING, Code.UNKNOWN})


def worth_of(why: Reason | None, equivalent: str | None) -> Worth:
    """Return the worth of a sample after the stage `verify`: by the reason for which it was dropped, None if it was kept, and by its
    verdict `equivalent`. A call that the model itself refused or left empty is wrong, any other that failed is a failure of ours."""
    if why is None:
        return Worth.RIGHT if equivalent == "equal" else Worth.UNKNOWN
    if why.failed:
        of_model = why.code == Code.CALL_FAILED and why.values.get("kind") in _NO_ANSWER
        return Worth.WRONG if of_model else Worth.INFRASTRUCTURE
    return Worth.UNKNOWN if why.code in _NOT_KNOWN else Worth.WRONG
