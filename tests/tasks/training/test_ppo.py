"""PPO equals hand computations, and it makes rewarded completions more probable."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from storage.datasets.store import Store
from tasks.training.config import Train
from tasks.training.job import Job
from tasks.training.learner import Learner
from tasks.training.policy import Completed
from tasks.training.ppo import advantages, policy_loss, token_rewards, value_loss, whitened

KL, DISCOUNT, TRACE, CLIP = 0.1, 0.9, 0.8, 0.2

# two completions, of three tokens and of one; positions after their ends must not count
MASK = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
OLD = torch.tensor([[-1.0, -2.0, -0.5], [-0.7, 9.0, 9.0]])
REFERENCE = torch.tensor([[-1.2, -1.5, -0.5], [-0.2, 5.0, 5.0]])
VALUES = torch.tensor([[0.3, -0.1, 0.5], [0.2, 7.0, 7.0]])
REWARDS = torch.tensor([1.0, -1.0])


def test_a_step_is_the_hand_computed_one() -> None:
    each = token_rewards(OLD, REFERENCE, REWARDS, MASK, KL)
    r = [-0.1 * 0.2, -0.1 * -0.5, -0.1 * 0.0 + 1.0]  # kl a token, and the reward at the end
    assert each[0].tolist() == pytest.approx(r)
    assert each[1].tolist() == pytest.approx([-0.1 * -0.5 - 1.0, 0, 0])

    later = token_rewards(
        *(torch.nn.functional.pad(x, (2, 1)) for x in (OLD, REFERENCE)),
        REWARDS,
        torch.nn.functional.pad(MASK, (2, 1)),
        KL,
    )
    assert torch.equal(later, torch.nn.functional.pad(each, (2, 1)))  # behind prompts of two tokens

    estimates, returns = advantages(each, VALUES, MASK, DISCOUNT, TRACE)
    d2 = r[2] + 0 - 0.5
    d1 = r[1] + 0.9 * 0.5 - -0.1
    d0 = r[0] + 0.9 * -0.1 - 0.3
    a2, a1 = d2, d1 + 0.9 * 0.8 * d2
    a0 = d0 + 0.9 * 0.8 * a1
    lone = (-0.95) - 0.2
    assert estimates[0].tolist() == pytest.approx([a0, a1, a2])
    assert estimates[1].tolist() == pytest.approx([lone, 0, 0])
    assert returns[0].tolist() == pytest.approx([a0 + 0.3, a1 - 0.1, a2 + 0.5])
    assert returns[1].tolist() == pytest.approx([lone + 0.2, 0, 0])

    four = [a0, a1, a2, lone]
    mean = sum(four) / 4
    deviation = math.sqrt(sum((a - mean) ** 2 for a in four) / 4)
    white = whitened(estimates, MASK)
    assert white[0].tolist() == pytest.approx([(a - mean) / deviation for a in four[:3]], rel=1e-4)
    assert white[1].tolist() == pytest.approx([(lone - mean) / deviation, 0, 0], rel=1e-4)

    # the policy moved: ratios 1.5 (clipped where the advantage is positive), 0.9 (never), 0.5, 1.0
    moved = OLD + torch.tensor([[1.5, 0.9, 0.5], [1.0, 3.0, 3.0]]).log()
    advantage = torch.tensor([[2.0, -1.0, -3.0], [1.0, 50.0, 50.0]])
    by_hand = -(1.2 * 2.0) + 0.9 * 1.0 + 0.8 * 3.0 - 1.0 * 1.0  # 1.5 -> 1.2; 0.5 with -3 -> max(1.5, 2.4)
    assert policy_loss(moved, OLD, advantage, MASK, CLIP).item() == pytest.approx(by_hand)

    new = torch.tensor([[0.9, -0.1, 0.4], [0.2, 1.0, 1.0]])
    target = torch.tensor([[1.0, 0.0, 0.0], [0.2, 9.0, 9.0]])
    # 0.3 -> 0.9 is kept at 0.5, which is worse than 0.9: (0.5 - 1) squared counts
    by_hand = 0.5 * (0.25 + 0.01 + 0.16 + 0.0)
    assert value_loss(new, VALUES, target, MASK, CLIP).item() == pytest.approx(by_hand)


def test_gradients_stop_where_the_ratio_is_clipped() -> None:
    logps = (OLD[:1] + math.log(1.5)).clone().requires_grad_()
    policy_loss(logps, OLD[:1], torch.tensor([[1.0, -1.0, 1.0]]), MASK[:1], CLIP).backward()
    assert logps.grad is not None
    assert logps.grad[0].tolist() == pytest.approx([0.0, 1.5, 0.0])


@pytest.fixture
def learner(store: Store, tmp_path: Path, tiny: Callable[..., Train]) -> Callable[..., Learner]:
    def make(steps: int, **settings: object) -> Learner:
        rollout = {"samples": 16, "max_new_tokens": 4, "kl": 0.0, "passes": 2}
        config = tiny(
            method="ppo",
            steps=steps,
            batch=64,
            micro_batch=32,
            lr=1e-2,
            warmup=0.0,
            rollout=rollout,
            **settings,
        )
        out = tmp_path / "stage"
        out.mkdir(exist_ok=True)
        version = store.resolve("sums")
        return Learner(Job(config, config.stages()[0], 1, store, (version,), config.base, out, print), steps)

    return make


@pytest.mark.slow
def test_what_is_rewarded_becomes_likelier(learner: Callable[..., Learner]) -> None:
    """The reward is the share of tokens on one side of the embedding: about half for an untrained model, and most after training."""
    one = learner(10)
    rewarded = one.policy.model.get_output_embeddings().weight[:, 0].detach() > 0
    asked = [[{"role": "user", "content": f"{i} + 1?"}] for i in range(4)]
    shares = []
    for step in range(1, 11):
        _, batch = one.sample(asked, step)
        share = (rewarded[batch.ids] * batch.mask).sum(1) / batch.mask.sum(1)
        shares.append(share.mean().item())
        one.learn(batch, share.tolist(), step)
    assert 0.35 < shares[0] < 0.65
    assert shares[-1] > 0.75


def test_the_likelihoods_are_those_of_the_sampled_tokens(learner: Callable[..., Learner]) -> None:
    one = learner(1)
    batch = Completed.of([[5, 6, 7], [8]], [[9, 10], [11]], 0, "cpu")
    assert batch.ids.tolist() == [[5, 6, 7, 9, 10], [8, 11, 0, 0, 0]]
    assert batch.mask.tolist() == [[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]]
    with torch.no_grad():
        logps, values, _ = one.policy(batch, 0.5)
        alone = one.policy.model(input_ids=torch.tensor([[8, 11]])).logits[0, 0]
    assert logps[1, 0].item() == pytest.approx(torch.log_softmax(alone / 0.5, -1)[11].item(), abs=1e-5)
    assert values.shape == (2, 4)
