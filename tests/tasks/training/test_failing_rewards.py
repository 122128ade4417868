"""Training with faults injected into the sandbox and the judge, in real runs of the methods that have rewards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.answers import Judge
from tasks.sandbox import Sandbox
from tasks.training import learner, reward
from tasks.training.config import Train, TrainError
from tasks.training.curves import points
from tasks.training.run import train

from .failing import FailingJudge, FailingSandbox, Faults

SAMPLES, BATCH = 4, 32
ROLLOUT = {"samples": SAMPLES, "temperature": 1.0, "max_new_tokens": 40}


Fail = Callable[[pytest.MonkeyPatch, float], None]


@pytest.fixture(scope="module")
def fail(sandbox: Sandbox, judge: Judge) -> Fail:
    """Make the sandbox and the judge that a verifier opens fail in a share of their work."""

    def failing(patch: pytest.MonkeyPatch, share: float) -> None:
        faults = Faults(share, 11)
        patch.setattr(reward, "Sandbox", lambda *_, **__: FailingSandbox(sandbox, faults))
        patch.setattr(reward, "Judge", lambda **_: FailingJudge(judge, faults))

    return failing


@pytest.fixture(scope="module")
def learned(
    student: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Store, Path, list[dict[str, Any]]]:
    """A student that half knows some questions by heart, every other one answered by a program: its samples are
    right, wrong and unreadable."""
    folder = tmp_path_factory.mktemp("learned")
    rows = [
        Row(f"1 + {number}?", "en", answer=str(1 + number),
            solution=f"print({1 + number})" if number % 2 else f"So \\boxed{{{1 + number}}}",
            solution_format="pot" if number % 2 else "cot")
        for number in range(BATCH // SAMPLES)
    ]  # fmt: skip
    store = Store(folder / "home")
    store.publish("few", [to_table(rows)], lineage={})
    data = [{"dataset": "few"}]
    config = Train.model_validate(
        {"base": str(student), "data": data, "steps": 120, "batch": 8, "length": 128, "lr": 3e-3,
         "packing": False}
    )  # fmt: skip
    return store, train(config, store, folder / "base").checkpoint, data


def of(learned: tuple[Store, Path, list[dict[str, Any]]], method: str, **settings: Any) -> Train:
    """Run one step of the method from the trained student."""
    _, base, data = learned
    return Train.model_validate(
        {"method": method, "base": str(base), "data": data, "steps": 1, "batch": BATCH, "length": 128,
         "lr": 1e-3, "log_every": 1, "rollout": ROLLOUT, "packing": False} | settings
    )  # fmt: skip


@dataclass
class Lesson:
    """The inputs of the one step of a run. The first axis of tensors is the completions, in the order of sampling."""

    rewards: torch.Tensor  # NaN where there is none
    advantages: torch.Tensor  # before they are whitened, where a method does that
    weights: torch.Tensor  # what the tokens of a completion weigh in the loss
    unjudged: float  # the share of completions without a reward, by the run's curve


@pytest.fixture(scope="module")
def lesson(
    learned: tuple[Store, Path, list[dict[str, Any]]], fail: Fail, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, float], Lesson]:
    """Run a method with a share of failures and return the inputs of its step, once for each of the two."""

    @functools.cache
    def run(method: str, share: float) -> Lesson:
        folder = tmp_path_factory.mktemp(method)
        with pytest.MonkeyPatch.context() as patch:
            fail(patch, share)
            watched = WATCHED[method](patch)
            train(of(learned, method), learned[0], folder)
        point = points(folder)[-1]
        return Lesson(*watched(), point["worth/infrastructure"] + point["worth/unknown"])

    return run


Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def watch_trl(name: str, patch: pytest.MonkeyPatch) -> Callable[[], Parts]:
    import trl

    trainers: list[Any] = []

    class Watched(getattr(trl, name)):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            trainers.append(self)

    def parts() -> Parts:
        (trainer,) = trainers
        (rewards,) = trainer._logs["rewards"].values()
        advantages = torch.tensor(list(trainer._logs["advantages"]))
        return torch.tensor(list(rewards)), advantages, advantages

    patch.setattr(trl, name, Watched)
    return parts


def watch_ppo(patch: pytest.MonkeyPatch) -> Callable[[], Parts]:
    seen: dict[str, Any] = {}
    whitened, learn = learner.whitened, learner.Learner.learn

    def watched(advantages: Any, mask: Any) -> Any:
        seen["advantages"], seen["weights"] = advantages, whitened(advantages, mask)
        return seen["weights"]

    def learning(self: Any, batch: Any, rewards: Any, step: int) -> None:
        seen["rewards"] = torch.tensor([float("nan") if one is None else one for one in rewards])
        learn(self, batch, rewards, step)

    patch.setattr(learner, "whitened", watched)
    patch.setattr(learner.Learner, "learn", learning)
    return lambda: (seen["rewards"], seen["advantages"], seen["weights"])


WATCHED: dict[str, Callable[[pytest.MonkeyPatch], Callable[[], Parts]]] = {
    "grpo": functools.partial(watch_trl, "GRPOTrainer"),
    "rloo": functools.partial(watch_trl, "RLOOTrainer"),
    "ppo": watch_ppo,
}


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.1, marks=pytest.mark.soak), 0.3])
@pytest.mark.parametrize(("method", "group"), [("grpo", SAMPLES), ("rloo", SAMPLES), ("ppo", 1)])
def test_what_no_failure_touched_is_learned_as_in_a_faultless_run(
    method: str, group: int, share: float, lesson: Callable[[str, float], Lesson]
) -> None:
    """`group`: the completions whose rewards together decide the advantages of each."""
    whole, part = lesson(method, 0.0), lesson(method, share)
    assert len(whole.rewards) == len(part.rewards) == BATCH
    assert {0.0, 1.0} <= set(whole.rewards.tolist())
    lost = part.rewards.isnan()
    assert (lost & ~whole.rewards.isnan()).any()
    assert torch.equal(part.rewards[~lost], whole.rewards[~lost])  # no false 0, no false 1
    touched = (lost & ~whole.rewards.isnan()).view(-1, group).any(1).repeat_interleave(group)
    assert not touched.all()
    assert torch.equal(part.advantages[~touched], whole.advantages[~touched])
    assert not part.advantages.isnan().any()
    assert not part.weights[lost].any()
    assert part.unjudged == pytest.approx(lost.float().mean().item(), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.1, marks=pytest.mark.soak), 0.3])
def test_rejection_sampling_skips_and_counts_what_could_not_be_judged(
    share: float, learned: tuple[Store, Path, list[dict[str, Any]]], fail: Fail, tmp_path: Path
) -> None:
    counts = []
    for faults in (0.0, share):
        with pytest.MonkeyPatch.context() as patch:
            fail(patch, faults)
            counts.append(train(of(learned, "rft", batch=8), learned[0], tmp_path / str(faults)).metrics)
    whole, part = counts
    assert whole["sampled"] == part["sampled"] == BATCH
    assert 0 < whole["right"] < BATCH
    assert part["right"] <= whole["right"]
    lost = part["unknown"] + part["infrastructure"]
    assert lost > whole["unknown"] + whole["infrastructure"]
    # what is no longer right is lost, not wrong
    assert part["right"] + lost >= whole["right"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grpo", "ppo", "rft"])
def test_a_run_stops_where_too_much_fails(
    method: str,
    learned: tuple[Store, Path, list[dict[str, Any]]],
    fail: Fail,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(monkeypatch, 1.0)
    many = {"samples": 8} if method == "rft" else {}
    settings = of(learned, method, steps=4, rollout=ROLLOUT | {"most_unjudged": 0.2} | many)
    with pytest.raises(TrainError, match="completions have no verdict") as stopped:
        train(settings, learned[0], tmp_path / "run")
    assert "\n" not in str(stopped.value)
    assert "Fix: " in str(stopped.value)
    assert not (tmp_path / "run" / "checkpoint").exists()
