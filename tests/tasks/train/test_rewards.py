"""Rewards: a failure of ours and an answer that cannot be compared are no rewards of 0, in any method that has rewards."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from storage.datasets import Store
from tasks.answers import Judge
from tasks.answers.pool import WorkerError
from tasks.sandbox import Result, Sandbox
from tasks.seeding import seed_of
from tasks.train import sampling
from tasks.train.config import Train, TrainError
from tasks.train.ppo import advantages, token_rewards, whitened
from tasks.train.reward import LEAST, Verifier, Worth
from tasks.train.run import train


class FailingSandbox:
    """The real sandbox, of whose results a share is lost on purpose."""

    def __init__(self, real: Any, share: float, seed: int) -> None:
        self.real, self.share, self.rng = real, share, random.Random(seed)

    def run(self, programs: Sequence[str], **settings: Any) -> list[Result]:
        results = self.real.run(programs, **settings)
        return [
            Result("infra", error="on purpose") if self.rng.random() < self.share else result
            for result in results
        ]


class FailingJudge:
    """The real judge, whose workers die, or run out of time on a pair, on purpose."""

    def __init__(self, real: Judge, share: float, seed: int) -> None:
        self.real, self.share, self.rng = real, share, random.Random(seed)

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Any]:
        if self.rng.random() < self.share:
            raise WorkerError("on purpose")
        verdicts = self.real.equal(pairs)
        return ["unknown" if self.rng.random() < self.share else verdict for verdict in verdicts]


def cases(count: int) -> tuple[list[str], list[str], list[float]]:
    """Completions in words and as programs, their references, and what a faultless verifier says."""
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
        judge=FailingJudge(judge, share, 1),  # type: ignore[arg-type]
        sandbox=FailingSandbox(sandbox, share, 2),  # type: ignore[arg-type]
    )
    with verifier:
        found = [
            reward
            for start in range(0, len(texts), 6)
            for reward in verifier.rewards(
                texts[start : start + 6], references[start : start + 6], ["en"] * 6
            )
        ]
    assert all(reward in (None, expected) for reward, expected in zip(found, truth, strict=True))
    assert 0 < found.count(None) < 40
    counts = verifier.counts
    assert counts.total() == 60
    assert counts[Worth.UNKNOWN] + counts[Worth.INFRASTRUCTURE] == found.count(None)
    assert counts[Worth.RIGHT] == found.count(1.0)
    assert counts[Worth.WRONG] == found.count(0.0)
    assert sum(verifier.shares().values()) == pytest.approx(1, abs=1e-3)


def test_a_fault_of_the_program_is_its_own(sandbox: Sandbox, judge: Judge) -> None:
    texts = ["```python\n1 / 0\n```", "```python\npass\n```", "no answer here", "So \\boxed{3}"]
    with Verifier(judge=judge, sandbox=sandbox) as verifier:
        assert verifier.rewards(texts, ["3"] * 4, ["en"] * 4) == [0.0, 0.0, 0.0, 1.0]


def test_an_answer_that_cannot_be_compared_is_unknown(judge: Judge) -> None:
    with Verifier(judge=judge) as verifier:
        worths = verifier.worths(["So \\boxed{@#%}"], ["3"], ["en"])
    assert worths == [Worth.UNKNOWN]


def test_the_run_stops_where_too_many_have_no_verdict(sandbox: Sandbox, judge: Judge) -> None:
    broken = FailingSandbox(sandbox, 1.0, 0)
    texts = ["```python\nprint(1)\n```"] * 8
    with Verifier(judge=judge, sandbox=broken, most_unjudged=0.2) as verifier:  # type: ignore[arg-type]
        for _ in range(LEAST // 8 - 1):
            assert verifier.rewards(texts, ["1"] * 8, ["en"] * 8) == [None] * 8
        with pytest.raises(
            TrainError, match=r"64 of the last 64 completions have no verdict \(64 by a failing"
        ):
            verifier.rewards(texts, ["1"] * 8, ["en"] * 8)


def test_ppo_masks_what_has_no_reward_and_leaves_the_others_as_they_were() -> None:
    torch.manual_seed(0)
    logps, reference, values = (torch.randn(4, 6) for _ in range(3))
    mask = torch.ones(4, 6)
    mask[1, 4:] = 0
    rewards = torch.tensor([1.0, 0.0, 1.0, 0.0])
    known = torch.tensor([True, True, False, True])

    def of(there: Any, told: Any) -> tuple[Any, Any]:
        each = token_rewards(logps, reference, told, there, 0.05)
        return advantages(each, values, there, 1.0, 0.95)

    whole, returns = of(mask, rewards)
    masked = mask * known[:, None]
    part, part_returns = of(masked, torch.where(known, rewards, 0.0))
    assert torch.equal(part[known], whole[known])
    assert torch.equal(part_returns[known], returns[known])
    assert not (whitened(part, masked)[~known]).any()
    # the mean and the variance are those of the completions that are left
    assert torch.allclose(whitened(part, masked)[known], whitened(whole[known], mask[known]))
    assert not whitened(part, torch.zeros(4, 6)).isnan().any()


class Marking:
    """A verifier whose rewards follow from the texts; of `lost` it has none."""

    lost: Callable[[str], bool] = staticmethod(lambda text: False)

    def __init__(self, **_: Any) -> None:
        pass

    def rewards(self, texts: Sequence[str], *_: Any) -> list[float | None]:
        return [None if self.lost(text) else float(seed_of("mark", text) % 2) for text in texts]

    def shares(self) -> dict[str, float]:
        return {}

    def __enter__(self) -> Marking:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_groups_without_a_loss_have_the_advantages_of_a_faultless_run(
    method: str, store: Store, tmp_path: Path, tiny: Callable[..., Train], monkeypatch: pytest.MonkeyPatch
) -> None:
    import trl

    name = f"{method.upper()}Trainer"
    made: list[Any] = []

    class Watched(getattr(trl, name)):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            made.append(self)

    monkeypatch.setattr(trl, name, Watched)
    monkeypatch.setattr(sampling, "Verifier", Marking)
    rollout = {"samples": 4, "max_new_tokens": 8}
    found = []
    for number, lost in enumerate((lambda text: False, lambda text: seed_of("lost", text) % 8 == 0)):
        monkeypatch.setattr(Marking, "lost", staticmethod(lost))
        train(tiny(method=method, steps=1, batch=32, rollout=rollout), store, tmp_path / str(number))
        logs = made[-1]._logs
        (rewards,) = logs["rewards"].values()
        found.append((torch.tensor(list(logs["advantages"])), torch.tensor(list(rewards))))
    (whole, told), (part, left) = found
    assert len(whole) == len(part) == 32
    missing = left.isnan()
    assert 0 < missing.sum() < 32
    assert torch.equal(told[~missing], left[~missing])
    untouched = ~missing.view(-1, 4).any(1).repeat_interleave(4)
    assert untouched.any()
    assert torch.equal(whole[untouched], part[untouched])
    assert not part[missing].any()
    assert not part.isnan().any()
