"""What a completion is worth: 1 or 0 by its final answer, or what a reward model says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from tasks.answers import Judge, extract
from tasks.sandbox import Limits, Sandbox
from tasks.train.config import VERIFIER

_PROGRAM = re.compile(r"```python\n(?P<program>.*?)\n?```", re.DOTALL)


class Verifier:
    """1.0 where the final answer is the reference answer, else 0.0. A completion that is a program is run in the
    sandbox for its answer (SandboxUnavailable where there is none). A context manager.

    An answer that cannot be compared within the judge's limits is worth nothing: it is not known to be right.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._judge = self._open.enter_context(Judge(workers=1))
        self._sandbox: Sandbox | None = None

    def rewards(
        self, completions: Sequence[str], answers: Sequence[str], languages: Sequence[str]
    ) -> list[float]:
        """One a completion; `answers` are the references."""
        found = self.answers(completions, languages)
        asked = [i for i, answer in enumerate(found) if answer]
        said = self._judge.equal([(found[i] or "", answers[i]) for i in asked])
        rewards = [0.0] * len(completions)
        for i, verdict in zip(asked, said, strict=True):
            rewards[i] = float(verdict == "equal")
        return rewards

    def answers(self, completions: Sequence[str], languages: Sequence[str]) -> list[str | None]:
        """The final answer of each completion; None where it has none."""
        programs = {
            i: match["program"] for i, text in enumerate(completions) if (match := _PROGRAM.search(text))
        }
        printed: dict[int, str | None] = {}
        if programs:
            if self._sandbox is None:
                self._sandbox = self._open.enter_context(Sandbox(Limits(wall_s=5.0), workers=1))
            results = self._sandbox.run(list(programs.values()))
            printed = {i: result.answer or None for i, result in zip(programs, results, strict=True)}
        texts = [printed[i] if i in programs else text for i, text in enumerate(completions)]
        found = [
            extract(text, language) if text else None for text, language in zip(texts, languages, strict=True)
        ]
        return [one.answer if one else None for one in found]

    def __enter__(self) -> Verifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


class RewardModel:
    """What a checkpoint of the method `reward` says of question and completion: a logit, of any size."""

    def __init__(self, checkpoint: str) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        from tasks.train.models import model_of, tokenizer_of

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = tokenizer_of(checkpoint)
        self.model = model_of(checkpoint, kind=AutoModelForSequenceClassification).to(device).eval()

    def rewards(self, prompts: Sequence[Any], completions: Sequence[str]) -> list[float]:
        """One a completion; `prompts` are conversations."""
        import torch

        talks = [
            [*prompt, {"role": "assistant", "content": said}]
            for prompt, said in zip(prompts, completions, strict=True)
        ]
        texts = [self.tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks]
        read = self.tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
        )
        with torch.inference_mode():
            found: list[float] = self.model(**read.to(self.model.device)).logits[:, 0].float().tolist()
        return found


def is_verifier(reward: str) -> bool:
    return reward == VERIFIER
