"""verl: a Parquet file with `data_source`, `prompt`, `ability`, `reward_model.ground_truth` and `extra_info`, and a function `compute_score(data_source,
solution_str, ground_truth, extra_info)` that returns a number or a dict with `score` (documentation of verl, "Prepare Data for Post-Training" and
"Implement Reward Function for Dataset").

verl's reward functions know no missing reward. By default a completion without a judgement is an error that ends the step, so that it is never
learned as a reward of 0. With `no_reward=mark` it gets `valid: 0`, and a reward manager masks its tokens by `mask_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.environments.task import EnvironmentTask, with_columns

data = "data/train.parquet"
usage = """
```text
python -m verl.trainer.main_ppo data.train_files=data/train.parquet \\
  custom_reward_function.path=reward.py custom_reward_function.name=compute_score
```

Install the verifier with `pip install .`. A completion without a judgement raises NoReward, which ends the step: it is never a reward of 0. With
`+custom_reward_function.reward_kwargs.no_reward=mark` its result has `valid: 0` instead; then its tokens must be masked, which `mask_of` in reward.py
does on `response_mask`, in a reward manager of yours.
"""
_REWARD = '''"""The reward function of verl. Verifier {digest}."""

import mathmill_verifier

if mathmill_verifier.DIGEST != "{digest}":
    raise RuntimeError("another verifier is installed. Fix: pip install the folder of this environment")


class NoReward(RuntimeError):
    """A completion that the verifier could not judge, which is no reward of 0."""


def compute_score(data_source, solution_str, ground_truth, extra_info=None, no_reward="raise", **_):
    """Return {{"score", "acc", "valid"}}. Raises NoReward without a judgement, unless no_reward is "mark": then `valid` is 0."""
    info = extra_info or {{}}
    (worth,) = mathmill_verifier.worths([info.get("question", "")], [solution_str], [ground_truth], [info.get("language", "en")])
    if worth in ("right", "wrong"):
        score = float(worth == "right")
        return {{"score": score, "acc": score, "valid": 1}}
    if no_reward != "mark":
        raise NoReward(f"no judgement ({{worth}}) of the completion of {{info.get('id')}}. Fix: no_reward=mark, with a manager that masks")
    return {{"score": 0.0, "acc": 0.0, "valid": 0}}


def mask_of(response_mask, valid):
    """Return the mask of the responses (tensor of shape (n, length)) without those whose `valid` (n numbers) is 0."""
    return response_mask * response_mask.new_tensor(list(valid))[:, None]
'''


def record(task: EnvironmentTask, version: str) -> dict[str, Any]:
    return {
        "data_source": f"mathmill/{version}",
        "prompt": list(task.messages),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": task.answer},
        "extra_info": with_columns(
            {
                "split": task.split,
                "index": task.index,
                "id": task.id,
                "question": task.question,
                "language": task.language,
            },
            task,
        ),
    }


def files(digest: str, splits: Sequence[str]) -> dict[str, str]:
    return {"reward.py": _REWARD.format(digest=digest)}
