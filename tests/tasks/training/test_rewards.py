"""An infrastructure failure and an answer that cannot be compared are never a reward of 0, in any method with rewards."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tasks.answers import Judge
from tasks.sandbox import Sandbox
from tasks.training.config import TrainError
from tasks.training.ppo import advantages, token_rewards, whitened
from tasks.training.reward import LEAST, Verifier
from tasks.worth import Worth

from .failing import FailingJudge, FailingSandbox, Faults


def cases(count: int) -> tuple[list[str], list[str], list[float]]:
    """Return completions in words and as programs, their references, and the rewards of a verifier without failures."""
    texts, references, rewards = [], [], []
    for number in range(count):
        right = number % 3 != 0
        answer = number if right else number + 1
        program = number % 2 == 0
        texts.append(f"```python\nprint({answer})\n```" if program else f"So \\boxed{{{answer}}}")
        references.append(str(number))
        rewards.append(float(right))
    return texts, references, rewards


@pytest.mark.parametrize("share", [0.05, 0.15, 0.3])
def test_no_false_zero_when_a_share_of_calls_fails(sandbox: Sandbox, judge: Judge, share: float) -> None:
    texts, references, truth = cases(60)
    verifier = Verifier(
        judge=FailingJudge(judge, Faults(share, 1)),  # type: ignore[arg-type]
        sandbox=FailingSandbox(sandbox, Faults(share, 2)),  # type: ignore[arg-type]
    )
    with verifier:
        rewards_seen = [
            reward
            for start in range(0, len(texts), 6)
            for reward in verifier.rewards(
                ["Q?"] * 6, texts[start : start + 6], references[start : start + 6], ["en"] * 6
            )
        ]
    assert all(reward in (None, expected) for reward, expected in zip(rewards_seen, truth, strict=True))
    assert 0 < rewards_seen.count(None) < 40
    counts = verifier.counts
    assert counts.total() == 60
    assert counts[Worth.UNKNOWN] + counts[Worth.INFRASTRUCTURE] == rewards_seen.count(None)
    assert counts[Worth.RIGHT] == rewards_seen.count(1.0)
    assert counts[Worth.WRONG] == rewards_seen.count(0.0)
    assert sum(verifier.shares().values()) == pytest.approx(1, abs=1e-3)


def test_a_fault_of_the_program_is_its_own(sandbox: Sandbox, judge: Judge) -> None:
    texts = ["```python\n1 / 0\n```", "```python\npass\n```", "no answer here", "So \\boxed{3}"]
    with Verifier(judge=judge, sandbox=sandbox) as verifier:
        assert verifier.rewards(["Q?"] * 4, texts, ["3"] * 4, ["en"] * 4) == [0.0, 0.0, 0.0, 1.0]


def test_an_answer_that_cannot_be_compared_is_unknown(judge: Judge) -> None:
    with Verifier(judge=judge) as verifier:
        worths = verifier.worths(["Q?"], ["So \\boxed{@#%}"], ["3"], ["en"])
    assert worths == [Worth.UNKNOWN]


CHOICE = "How far does it go?\nA) 40 km\nB) 60 km\nC) 1/2 km\nD) 0.5 km"


@pytest.mark.parametrize(
    ("completion", "reference", "worth"),
    [
        (r"So \boxed{60 \text{ km}}", "B", Worth.RIGHT),  # the value of the right option
        (r"So \boxed{B}", "B", Worth.RIGHT),
        (r"So \boxed{(b)}", "B", Worth.RIGHT),
        ("So the answer is B) 60 km.", "B", Worth.RIGHT),
        (r"So \boxed{B}", "60 km", Worth.RIGHT),  # the reference is the value of an option
        (r"So \boxed{60 \text{ km}}", "60 km", Worth.RIGHT),
        (r"So \boxed{60 \text{ km}}", "B) 60 km", Worth.RIGHT),
        (r"So \boxed{40 \text{ km}}", "B", Worth.WRONG),
        (r"So \boxed{A}", "60 km", Worth.WRONG),
        (r"So \boxed{A}", "B", Worth.WRONG),
        (r"So \boxed{E}", "B", Worth.WRONG),
        (r"So \boxed{70 \text{ km}}", "B", Worth.WRONG),
        (r"So \boxed{\frac{1}{2} \text{ km}}", "B", Worth.WRONG),  # one of two, and neither is right
        (r"So \boxed{\frac{1}{2} \text{ km}}", "C", Worth.UNKNOWN),  # one of two equal options
        (r"So \boxed{@#%}", "B", Worth.UNKNOWN),
    ],
)
def test_options_count_by_letter_and_by_value(
    judge: Judge, completion: str, reference: str, worth: Worth
) -> None:
    with Verifier(judge=judge) as verifier:
        assert verifier.worths([CHOICE], [completion], [reference], ["en"]) == [worth]


def test_a_failing_judge_gives_choices_no_reward(judge: Judge) -> None:
    broken = FailingJudge(judge, Faults(1.0, 0))
    with Verifier(judge=broken) as verifier:  # type: ignore[arg-type]
        assert verifier.rewards([CHOICE], [r"So \boxed{60 \text{ km}}"], ["B"], ["en"]) == [None]


def test_the_run_stops_where_too_many_have_no_verdict(sandbox: Sandbox, judge: Judge) -> None:
    broken = FailingSandbox(sandbox, Faults(1.0, 0))
    texts = ["```python\nprint(1)\n```"] * 8
    with Verifier(judge=judge, sandbox=broken, most_unjudged=0.2) as verifier:  # type: ignore[arg-type]
        for _ in range(LEAST // 8 - 1):
            assert verifier.rewards(["Q?"] * 8, texts, ["1"] * 8, ["en"] * 8) == [None] * 8
        with pytest.raises(
            TrainError, match=r"64 of the last 64 completions have no verdict \(64 by a failing"
        ):
            verifier.rewards(["Q?"] * 8, texts, ["1"] * 8, ["en"] * 8)


def test_ppo_masks_what_has_no_reward_and_leaves_the_others_as_they_were() -> None:
    torch.manual_seed(0)
    logps, reference, values = (torch.randn(4, 6) for _ in range(3))
    mask = torch.ones(4, 6)
    mask[1, 4:] = 0
    rewards = torch.tensor([1.0, 0.0, 1.0, 0.0])
    known = torch.tensor([True, True, False, True])

    def of(present: Any, reward_values: Any) -> tuple[Any, Any]:
        each = token_rewards(logps, reference, reward_values, present, 0.05)
        return advantages(each, values, present, 1.0, 0.95)

    whole, returns = of(mask, rewards)
    masked = mask * known[:, None]
    part, part_returns = of(masked, torch.where(known, rewards, 0.0))
    assert torch.equal(part[known], whole[known])
    assert torch.equal(part_returns[known], returns[known])
    assert not (whitened(part, masked)[~known]).any()
    # the mean and the variance are those of the completions that are left
    assert torch.allclose(whitened(part, masked)[known], whitened(whole[known], mask[known]))
    assert not whitened(part, torch.zeros(4, 6)).isnan().any()
