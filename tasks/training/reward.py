"""What a completion is worth: by its final answer, where that can be known, or what a reward model says.

A failure of ours (sandbox, judge) and an answer that cannot be compared are no rewards: such a completion is skipped by
rft, has no reward (None) for grpo and rloo, and is masked by ppo. A group of grpo or rloo takes its mean over the
completions that have a reward; so completions of groups without such a loss have the advantages of a run without any
failure, bit for bit, and the others have those of a smaller group, whose baseline is unbiased as well.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from types import TracebackType
from typing import Any

from tasks.answers import Judge, extract
from tasks.answers.exact import decide
from tasks.answers.pool import WorkerError
from tasks.replies.programs import program
from tasks.sandbox import Limits, Sandbox
from tasks.training.config import VERIFIER, TrainError


class Worth(StrEnum):
    """What is known of a completion. Only the first two are rewards."""

    RIGHT = "right"  # its final answer equals the reference answer
    WRONG = "wrong"  # its answer differs, it states none, or its program failed by its own fault
    UNKNOWN = "unknown"  # the judge could not compare its answer with the reference
    INFRASTRUCTURE = "infrastructure"  # the sandbox or the judge's processes failed, TRIES times


TRIES = 2  # times that a completion is judged again where our own infrastructure failed
WINDOW = 256  # completions over which the share without a verdict is watched, once LEAST of them are there
LEAST = 64
_WORTH = {"equal": Worth.RIGHT, "different": Worth.WRONG, "unknown": Worth.UNKNOWN}
_REWARD = {Worth.RIGHT: 1.0, Worth.WRONG: 0.0}


class Verifier:
    """Tells what a completion is worth by its final answer. A completion that is a program is run in the sandbox for
    its answer (SandboxUnavailable where there is none). A context manager.

    `most_unjudged`: the largest share of the last WINDOW completions that may be unknown or lost to infrastructure;
    TrainError above it. `judge` and `sandbox`: those to use instead of the verifier's own, which it closes.
    """

    def __init__(
        self, *, most_unjudged: float = 1.0, judge: Judge | None = None, sandbox: Sandbox | None = None
    ) -> None:
        self._open = ExitStack()
        self._judge = judge or self._open.enter_context(Judge(workers=1))
        self._sandbox = sandbox
        self._most_unjudged = most_unjudged
        self._recent: deque[Worth] = deque(maxlen=WINDOW)
        self.counts: Counter[Worth] = Counter()

    def rewards(
        self, completions: Sequence[str], answers: Sequence[str], languages: Sequence[str]
    ) -> list[float | None]:
        """1.0 (right), 0.0 (wrong) or None (not known) per completion; `answers` are the references. A None is not a
        reward of 0: whoever learns from rewards leaves such a completion out."""
        return [_REWARD.get(worth) for worth in self.worths(completions, answers, languages)]

    def worths(
        self, completions: Sequence[str], answers: Sequence[str], languages: Sequence[str]
    ) -> list[Worth]:
        """What is known of each completion; `answers` are the references. TrainError where too many are unjudged."""
        found: list[Worth | None] = [None] * len(completions)
        for _ in range(TRIES):
            left = [i for i, worth in enumerate(found) if worth in (None, Worth.INFRASTRUCTURE)]
            if not left:
                break
            judged = self._judged(
                [completions[i] for i in left], [answers[i] for i in left], [languages[i] for i in left]
            )
            for i, worth in zip(left, judged, strict=True):
                found[i] = worth
        known = [worth for worth in found if worth is not None]
        self.counts.update(known)
        self._recent.extend(known)
        self._watch()
        return known

    def shares(self) -> dict[str, float]:
        """The share of each kind of Worth among all completions so far, as a curve's values; empty before the first."""
        total = self.counts.total()
        return {f"worth/{worth}": round(self.counts[worth] / total, 4) for worth in Worth} if total else {}

    def _watch(self) -> None:
        unjudged = sum(worth not in _REWARD for worth in self._recent)
        if len(self._recent) >= LEAST and unjudged > self._most_unjudged * len(self._recent):
            ours = sum(worth is Worth.INFRASTRUCTURE for worth in self._recent)
            raise TrainError(
                f"{unjudged} of the last {len(self._recent)} completions have no verdict ({ours} by a failing sandbox or "
                f"judge, the others could not be compared), rollout.most_unjudged allows {self._most_unjudged:g}. "
                "Fix: ./mathmill doctor names what fails here; or raise the setting"
            )

    def _judged(
        self, completions: Sequence[str], answers: Sequence[str], languages: Sequence[str]
    ) -> list[Worth]:
        found, lost, unmarked = self._answers(completions, languages)
        worths = [Worth.INFRASTRUCTURE if i in lost else Worth.WRONG for i in range(len(completions))]
        asked = [i for i, answer in enumerate(found) if answer]
        try:
            said = self._judge.equal([(found[i] or "", answers[i]) for i in asked])
        except WorkerError:
            for i in asked:
                worths[i] = Worth.INFRASTRUCTURE
            return worths
        for i, verdict in zip(asked, said, strict=True):
            worths[i] = _WORTH[verdict]
            if verdict == "unknown" and i in unmarked and decide(found[i] or "", answers[i]) == "unknown":
                worths[i] = Worth.WRONG  # prose that is not even said to be the answer: it states none
        return worths

    def answers(self, completions: Sequence[str], languages: Sequence[str]) -> list[str | None]:
        """The final answer of each completion; None where it has none."""
        return self._answers(completions, languages)[0]

    def _answers(
        self, completions: Sequence[str], languages: Sequence[str]
    ) -> tuple[list[str | None], set[int], set[int]]:
        """The final answers, which completions have none because the sandbox failed, and of which the answer is only
        the end of the text, nothing in it being marked as the answer."""
        stated = [extract(text, language) for text, language in zip(completions, languages, strict=True)]
        programs: dict[int, str] = {}
        for i, text in enumerate(completions):
            answer = stated[i]
            # equations beside a marked answer are its working; without a mark they may be a program without fences
            code = program(text, unfenced=answer is None or not answer.marked)
            if code is not None:
                programs[i] = code
        printed: dict[int, str | None] = {}
        lost: set[int] = set()
        if programs:
            if self._sandbox is None:
                self._sandbox = self._open.enter_context(Sandbox(Limits(wall_s=5.0), workers=1))
            results = self._sandbox.run(list(programs.values()))
            printed = {i: result.answer or None for i, result in zip(programs, results, strict=True)}
            lost = {i for i, result in zip(programs, results, strict=True) if result.verdict == "infra"}
        found = [
            extract(printed[i] or "", languages[i]) if i in programs else answer
            for i, answer in enumerate(stated)
        ]
        unmarked = {i for i, one in enumerate(found) if one and not one.marked}
        return [one.answer if one else None for one in found], lost, unmarked

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

        from tasks.training.models import model_of, tokenizer_of

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
