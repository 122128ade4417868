"""verifiers (Prime Intellect): a module with `load_environment`, which returns a SingleTurnEnv with a data set of `prompt`, `answer` and `info`, and a Rubric
(documentation of verifiers, "Environments").

A rubric turns an exception of a reward function into a reward of 0. So a completion without a judgement sets `state["error"]`, to an InfraError where the
verifier failed: trainers leave out rollouts with an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.environments.task import EnvironmentTask, with_columns

data = "data/train.jsonl"
usage = """
```python
import mathmill_environment

environment = mathmill_environment.load_environment()
```

`pip install .` installs the verifier; `mathmill_environment.py` lies beside the data. A completion without a judgement sets `state["error"]`, which
trainers leave out; its reward of 0 is not one.
"""
_ENVIRONMENT = '''"""An environment of the library verifiers. Verifier {digest}."""

import json
from pathlib import Path

import mathmill_verifier
import verifiers as vf
from datasets import Dataset

if mathmill_verifier.DIGEST != "{digest}":
    raise RuntimeError("another verifier is installed. Fix: pip install the folder of this environment")


class NoJudgement(vf.Error):
    """An answer that cannot be compared with the trusted one."""


def correct_answer(completion, answer, info, state):
    """Return 1.0 or 0.0. Without a judgement state["error"] is set, and the reward means nothing."""
    text = completion if isinstance(completion, str) else _text(completion[-1])
    details = json.loads(info) if isinstance(info, str) else info
    (worth,) = mathmill_verifier.worths([details["question"]], [text], [answer], [details["language"]])
    if worth not in ("right", "wrong"):
        kind = vf.InfraError if worth == "infrastructure" else NoJudgement
        state["error"] = kind(f"no judgement of the answer: {{worth}}")
    return float(worth == "right")


def _text(message):
    content = message["content"] if isinstance(message, dict) else message.content
    return content if isinstance(content, str) else str(content or "")


def load_environment(**options):
    """Return the environment; `options` are those of SingleTurnEnv."""
    return vf.SingleTurnEnv(
        dataset=_split("train"), eval_dataset=_split("test"), rubric=vf.Rubric(funcs=[correct_answer]), **options
    )


def _split(name):
    """Return the questions of a split, or None if it was not exported."""
    file = Path(__file__).resolve().parent / "data" / f"{{name}}.jsonl"
    if not file.is_file():
        return None
    return Dataset.from_list([json.loads(line) for line in file.read_text(encoding="utf-8").split("\\n") if line])
'''


def record(task: EnvironmentTask, version: str) -> dict[str, Any]:
    return {
        "prompt": list(task.messages),
        "answer": task.answer,
        "info": with_columns(
            {"question": task.question, "language": task.language, "id": task.id, "version": version}, task
        ),
    }


def files(digest: str, splits: Sequence[str]) -> dict[str, str]:
    return {"mathmill_environment.py": _ENVIRONMENT.format(digest=digest)}
