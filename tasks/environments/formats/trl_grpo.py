"""TRL's GRPOTrainer: records with a conversational `prompt`, further columns that reward functions get by name, and a reward function that returns a list
of floats. `None` leaves a completion out of the advantages (documentation of TRL, "GRPO Trainer: Using a custom reward function")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.environments.task import EnvironmentTask, with_columns

data = "data/train.jsonl"
usage = """
```python
from datasets import load_dataset
from reward import reward
from trl import GRPOTrainer

trainer = GRPOTrainer(model=MODEL, reward_funcs=reward, train_dataset=load_dataset("json", data_files="data/train.jsonl", split="train"))
```

Install the verifier with `pip install .`, or run beside it. A completion without a judgement has the reward None, which TRL leaves out.
"""
_REWARD = '''"""The reward function of TRL's GRPOTrainer. Verifier {digest}."""

import mathmill_verifier

if mathmill_verifier.DIGEST != "{digest}":
    raise RuntimeError("another verifier is installed. Fix: pip install the folder of this environment")


def reward(prompts, completions, answer, language, question, **_):
    """Return 1.0, 0.0 or None (no judgement) per completion."""
    texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
    return mathmill_verifier.rewards(question, texts, answer, language)
'''


def record(task: EnvironmentTask, version: str) -> dict[str, Any]:
    fields = {
        "prompt": list(task.messages),
        "answer": task.answer,
        "question": task.question,
        "language": task.language,
        "id": task.id,
    }
    return with_columns(fields, task)


def files(digest: str, splits: Sequence[str]) -> dict[str, str]:
    return {"reward.py": _REWARD.format(digest=digest)}
