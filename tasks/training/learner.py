"""The body of PPO's loop: sample, estimate and learn. Its state is written, so that a run can be resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from transformers import get_cosine_schedule_with_warmup

from storage.atomic import remove_remains, replacing
from tasks.training.completion import Completer
from tasks.training.curves import Curve
from tasks.training.job import Job
from tasks.training.models import bf16, model_of, save
from tasks.training.policy import Completed, Policy, logps_of
from tasks.training.ppo import advantages, policy_loss, token_rewards, value_loss, whitened
from tasks.training.trl_pairs import chat_tokenizer


class Learner:
    """The policy, reference and optimizer of a stage. `done` is the number of steps that an earlier start of the run made."""

    def __init__(self, job: Job, steps: int) -> None:
        self.job, self.steps, self.done = job, steps, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = chat_tokenizer(job.base)
        self.reference = model_of(job.base).to(self.device).eval()
        self.policy = Policy(model_of(job.base)).to(self.device).eval()  # without dropout: ratios begin at 1
        if job.config.checkpointing:
            self.policy.model.gradient_checkpointing_enable()
        config = job.config
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), lr=job.stage.lr or config.lr, weight_decay=config.weight_decay
        )
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, round(config.warmup * steps), steps)
        self.curve = Curve(job)
        self.curve.begin(steps)
        self._resume()

    def sample(self, prompts: Sequence[Any], seed: int) -> tuple[list[str], Completed]:
        """Sample `rollout.samples` completions per prompt; return their texts, and prompts and completions as tokens."""
        rollout = self.job.config.rollout
        with self._precision():
            completer = Completer(self.policy.model, self.tokenizer)
            drawn = completer.complete(
                prompts,
                max_new_tokens=rollout.max_new_tokens,
                temperature=rollout.temperature,
                samples=rollout.samples,
                seed=seed % 2**63,
            )
        end = [int(self.tokenizer.eos_token_id)]
        prompt_ids = [completer.encode(prompt) for prompt in prompts for _ in range(rollout.samples)]
        completions = [completion for samples in drawn for completion in samples]
        tokens = [[*one.tokens, *(end if one.ended else [])] for one in completions]
        batch = Completed.of(prompt_ids, tokens, self.tokenizer.pad_token_id, self.device)
        return [one.text for one in completions], batch

    def learn(self, batch: Completed, rewards: Sequence[float | None], step: int) -> None:
        """Take one step on sampled completions, of `rollout.passes` updates. A completion without a reward is masked: it
        changes no sum, mean or gradient. Without any reward the step updates nothing."""
        config, rollout = self.job.config, self.job.config.rollout
        known = torch.tensor([one is not None for one in rewards], device=self.device)
        mask = batch.mask[:, 1:] * known[:, None]
        old, values, reference = self._estimates(batch)
        known_rewards = torch.tensor([one or 0.0 for one in rewards], dtype=torch.float32, device=self.device)
        each = token_rewards(old, reference, known_rewards, mask, rollout.kl)
        advantage, returns = advantages(each, values, mask, rollout.discount, rollout.trace)
        advantage = whitened(advantage, mask)
        count = mask.sum().clamp(min=1)
        sums = {"policy_loss": 0.0, "value_loss": 0.0, "entropy": 0.0, "clipped": 0.0}
        for _ in range(rollout.passes if known.any() else 0):
            self.optimizer.zero_grad()
            for rows in self._parts(len(mask)):
                with self._precision():
                    logps, new, entropies = self.policy(batch.part(rows), rollout.temperature)
                part_mask = mask[rows]
                policy = policy_loss(logps, old[rows], advantage[rows], part_mask, rollout.clip) / count
                value = (
                    value_loss(new.float(), values[rows], returns[rows], part_mask, rollout.value_clip)
                    / count
                )
                (policy + rollout.value_weight * value).backward()
                sums["policy_loss"] += policy.item() / rollout.passes
                sums["value_loss"] += value.item() / rollout.passes
                sums["entropy"] += ((entropies * part_mask).sum() / count).item() / rollout.passes
                far = ((logps - old[rows]).exp() - 1).abs() > rollout.clip
                sums["clipped"] += ((far * part_mask).sum() / count).item() / rollout.passes
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), config.clip_norm or float("inf"))
            self.optimizer.step()
        self.schedule.step()
        judged = int(known.sum())
        facts = {}
        if judged:
            facts = {
                "reward": (known_rewards.sum() / judged).item(),
                "kl": ((old - reference) * mask).sum().item() / judged,
                "tokens_a_completion": (count / judged).item(),
            }
        if step == 1 or step % config.log_every == 0 or step == self.steps:
            rate = self.schedule.get_last_lr()[0]
            self.curve.add(step, self.steps, {**facts, **sums, "learning_rate": rate})
        if config.save_every and step % config.save_every == 0 and step < self.steps:
            self._write(step)

    def finish(self, rows: int) -> dict[str, Any]:
        """Save the policy as an ordinary checkpoint, without the value head, and return the metrics."""
        metrics = self.curve.metrics() | {"steps": self.steps, "epoch_rows": rows}
        self.job.finish(lambda out: save(self.policy.model, self.tokenizer, out), metrics)
        return metrics

    def _estimates(self, batch: Completed) -> tuple[Any, Any, Any]:
        """Return the log-probabilities and values at the time of sampling, and the log-probabilities of the reference."""
        rollout = self.job.config.rollout
        estimates = []
        with torch.no_grad(), self._precision():
            for rows in self._parts(len(batch.ids)):
                part = batch.part(rows)
                logps, values, _ = self.policy(part, rollout.temperature)
                logits = self.reference(input_ids=part.ids, use_cache=False).logits
                estimates.append((logps, values.float(), logps_of(logits, part.ids, rollout.temperature)[0]))
        old, values, reference = (torch.cat(parts) for parts in zip(*estimates, strict=True))
        return old, values, reference

    def _parts(self, count: int) -> list[slice]:
        size = self.job.config.micro()
        return [slice(start, start + size) for start in range(0, count, size)]

    def _precision(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16(self.job.config))

    def _write(self, step: int) -> None:
        """Write the state after a step, completely or not at all."""
        place = self.job.out / "trainer" / f"checkpoint-{step}"
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_remains(place)
        with replacing(place) as beside:
            beside.mkdir()
            save_model(self.policy, str(beside / "policy.safetensors"))
            torch.save(
                {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()},
                beside / "optimizer.pt",
            )
            (beside / "trainer_state.json").write_text(json.dumps({"step": step}), encoding="utf-8")
        for old in sorted(place.parent.glob("checkpoint-*")):
            if old != place:
                shutil.rmtree(old)

    def _resume(self) -> None:
        newest = self.job.resumable()
        if newest is None:
            return
        place = Path(newest)
        load_model(self.policy, str(place / "policy.safetensors"), device=str(self.device))
        state = torch.load(place / "optimizer.pt", map_location=self.device, weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.done = int(json.loads((place / "trainer_state.json").read_text(encoding="utf-8"))["step"])
