"""Training while a share of the sandbox's and the judge's work fails: real runs of the methods that have rewards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from storage.datasets import Store
from storage.rows import Row, to_table
from tasks.answers import Judge
from tasks.answers.pool import WorkerError
from tasks.sandbox import Result, Sandbox
from tasks.train import learner, reward
from tasks.train.config import Train, TrainError
from tasks.train.curves import points
from tasks.train.run import train

SAMPLES, BATCH = 4, 32
ROLLOUT = {"samples": SAMPLES, "temperature": 1.0, "max_new_tokens": 40}


class Faults:
    """How often the two fail, by a seeded draw."""

    def __init__(self, share: float) -> None:
        self.share, self.rng = share, random.Random(11)

    def __call__(self) -> bool:
        return self.rng.random() < self.share


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Has the sandbox and the judge that a verifier opens fail at a share of what they are asked."""

    def fail(share: float) -> None:
        faults = Faults(share)

        class FailingSandbox(Sandbox):
            def run(self, programs: Iterable[str], **settings: Any) -> list[Result]:
                results = super().run(programs, **settings)
                return [Result("infra", error="on purpose") if faults() else result for result in results]

        class FailingJudge(Judge):
            def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Any]:
                if faults():
                    raise WorkerError("on purpose")
                return ["unknown" if faults() else verdict for verdict in super().equal(pairs)]

        monkeypatch.setattr(reward, "Sandbox", FailingSandbox)
        monkeypatch.setattr(reward, "Judge", FailingJudge)

    return fail


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


@pytest.fixture
def config(
    learned: tuple[Store, Path, list[dict[str, Any]]], tiny: Callable[..., Train]
) -> Callable[..., Train]:
    def make(method: str, **settings: Any) -> Train:
        _, base, data = learned
        return tiny(**{"method": method, "base": str(base), "data": data, "steps": 1, "batch": BATCH,
                       "rollout": ROLLOUT, "packing": False} | settings)  # fmt: skip

    return make


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.1, marks=pytest.mark.soak), 0.3])
@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_groups_without_a_failure_learn_what_a_faultless_run_learns(
    method: str,
    share: float,
    learned: tuple[Store, Path, list[dict[str, Any]]],
    config: Callable[..., Train],
    failing: Callable[[float], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import trl

    name = f"{method.upper()}Trainer"
    trainers: list[Any] = []

    class Watched(getattr(trl, name)):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            trainers.append(self)

    monkeypatch.setattr(trl, name, Watched)
    runs = []
    for faults in (0.0, share):
        failing(faults)
        train(config(method), learned[0], tmp_path / str(faults))
        logs = trainers[-1]._logs
        (rewards,) = logs["rewards"].values()
        runs.append((torch.tensor(list(rewards)), torch.tensor(list(logs["advantages"]))))
    (truth, whole), (rewards, part) = runs
    assert {0.0, 1.0} <= set(truth[~truth.isnan()].tolist())
    lost = rewards.isnan() & ~truth.isnan()
    assert lost.any()
    known = ~rewards.isnan()
    assert torch.equal(rewards[known], truth[known])  # no false 0, no false 1
    untouched = ~lost.view(-1, SAMPLES).any(1).repeat_interleave(SAMPLES)
    assert untouched.any()
    assert torch.equal(part[untouched], whole[untouched])
    assert not part[lost].any()
    point = points(tmp_path / str(share))[-1]
    unjudged = point["worth/infrastructure"] + point["worth/unknown"]
    assert unjudged == pytest.approx(rewards.isnan().float().mean().item(), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.1, marks=pytest.mark.soak), 0.3])
def test_ppo_learns_from_the_others_what_a_faultless_run_learns(
    share: float,
    learned: tuple[Store, Path, list[dict[str, Any]]],
    config: Callable[..., Train],
    failing: Callable[[float], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    whitened, learn = learner.whitened, learner.Learner.learn

    def watched(advantage: Any, mask: Any) -> Any:
        seen[-1].append((advantage, mask))
        return whitened(advantage, mask)

    def learning(self: Any, batch: Any, rewards: Any, step: int) -> None:
        seen.append([rewards])
        learn(self, batch, rewards, step)

    monkeypatch.setattr(learner, "whitened", watched)
    monkeypatch.setattr(learner.Learner, "learn", learning)
    for faults in (0.0, share):
        failing(faults)
        train(config("ppo"), learned[0], tmp_path / str(faults))
    (truth, (whole, _)), (rewards, (part, mask)) = seen
    assert {0.0, 1.0} <= set(truth)
    lost = torch.tensor([one is None for one in rewards])
    assert lost.sum() > sum(one is None for one in truth)
    assert all(one in (None, right) for one, right in zip(rewards, truth, strict=True))
    assert torch.equal(part[~lost], whole[~lost])
    assert not mask[lost].any()
    point = points(tmp_path / str(share))[-1]
    unjudged = point["worth/infrastructure"] + point["worth/unknown"]
    assert unjudged == pytest.approx(lost.float().mean().item(), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.1, marks=pytest.mark.soak), 0.3])
def test_rejection_sampling_skips_and_counts_what_could_not_be_judged(
    share: float,
    learned: tuple[Store, Path, list[dict[str, Any]]],
    config: Callable[..., Train],
    failing: Callable[[float], None],
    tmp_path: Path,
) -> None:
    counts = []
    for faults in (0.0, share):
        failing(faults)
        settings = config("rft", batch=8)
        counts.append(train(settings, learned[0], tmp_path / str(faults)).metrics)
    whole, part = counts
    assert whole["sampled"] == part["sampled"] == 32
    assert 0 < whole["right"] < 32
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
    config: Callable[..., Train],
    failing: Callable[[float], None],
    tmp_path: Path,
) -> None:
    failing(1.0)
    many = {"samples": 8} if method == "rft" else {}
    settings = config(method, steps=4, rollout=ROLLOUT | {"most_unjudged": 0.2} | many)
    with pytest.raises(TrainError, match="completions have no verdict") as stopped:
        train(settings, learned[0], tmp_path / "run")
    assert "\n" not in str(stopped.value)
    assert "Fix: " in str(stopped.value)
    assert not (tmp_path / "run" / "checkpoint").exists()
