"""Rewards of completions, from their final answer (Verifier) or from a reward model (RewardModel).

A completion gets no reward if the sandbox or the judge failed, or if its answer cannot be compared: rft skips it, its reward
is None for grpo and rloo, and ppo masks it. grpo and rloo take the mean of a group over the completions that have a reward.
So the advantages of groups without a failure are the same, bit for bit, as in a run without any failure; the other groups
are smaller, and their baseline is unbiased as well.

In a multiple-choice question the reference answer is a letter, or the value of an option. A completion may state either;
both are compared as the option that they name (tasks.answers.choices).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from storage.counting import counted
from tasks.answers import Judge, extract
from tasks.answers.choices import Choice, are_letters, as_letters, letter_stated
from tasks.answers.exact import decide
from tasks.answers.pool import WorkerError
from tasks.ingestion.options import written_in
from tasks.replies.programs import program
from tasks.sandbox import Limits, Sandbox
from tasks.training.errors import VERIFIER, TrainError
from tasks.worth import REWARD, Worth

TRIES = 2  # times that a completion is judged in all, if the infrastructure fails
WINDOW = 256  # completions over which the share without a judgement is watched, from LEAST completions on
LEAST = 64
_WORTH = {"equal": Worth.RIGHT, "different": Worth.WRONG, "unknown": Worth.UNKNOWN}


class Verifier:
    """A context manager that judges completions by their final answer. A completion that is a program is run in the sandbox.

    most_unjudged: the largest share of the last WINDOW completions that may be unknown or lost to infrastructure.
    judge, sandbox: used instead of the verifier's own, and left open. Raises TrainError above the share `most_unjudged`, and
    SandboxUnavailable if there is a program but no sandbox.
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
        self,
        questions: Sequence[str],
        completions: Sequence[str],
        answers: Sequence[str],
        languages: Sequence[str],
    ) -> list[float | None]:
        """Return 1.0 (right), 0.0 (wrong) or None (not known) per completion. None is not a reward of 0: training leaves
        such a completion out. The arguments are those of `worths`."""
        return [REWARD.get(worth) for worth in self.worths(questions, completions, answers, languages)]

    def worths(
        self,
        questions: Sequence[str],
        completions: Sequence[str],
        answers: Sequence[str],
        languages: Sequence[str],
    ) -> list[Worth]:
        """Return the Worth of each completion. Raises TrainError if too many are unjudged.

        questions: the questions, one per completion, with the options that they list. answers: their reference answers.
        """
        worths_found: list[Worth | None] = [None] * len(completions)
        for _ in range(TRIES):
            left = [i for i, worth in enumerate(worths_found) if worth in (None, Worth.INFRASTRUCTURE)]
            if not left:
                break
            judged = self._judged(
                [questions[i] for i in left],
                [completions[i] for i in left],
                [answers[i] for i in left],
                [languages[i] for i in left],
            )
            for i, worth in zip(left, judged, strict=True):
                worths_found[i] = worth
        known = [worth for worth in worths_found if worth is not None]
        self.counts.update(known)
        self._recent.extend(known)
        self._watch()
        return known

    def shares(self) -> dict[str, float]:
        """Return the share of each kind of Worth among all completions so far, as values of a curve; empty before the first."""
        total = self.counts.total()
        return {f"worth/{worth}": round(self.counts[worth] / total, 4) for worth in Worth} if total else {}

    def _watch(self) -> None:
        unjudged = sum(worth not in REWARD for worth in self._recent)
        if len(self._recent) >= LEAST and unjudged > self._most_unjudged * len(self._recent):
            ours = sum(worth is Worth.INFRASTRUCTURE for worth in self._recent)
            raise TrainError(
                f"{unjudged} of the last {counted(len(self._recent), 'completion')} have no verdict ({ours} by a failing sandbox or "
                f"judge, the others could not be compared), rollout.most_unjudged allows {self._most_unjudged:g}. "
                "Fix: ./mathmill doctor names what fails here; or raise the setting"
            )

    def _judged(
        self,
        questions: Sequence[str],
        completions: Sequence[str],
        answers: Sequence[str],
        languages: Sequence[str],
    ) -> list[Worth]:
        extracted, lost, unmarked = self._answers(completions, languages)
        worths = [Worth.INFRASTRUCTURE if i in lost else Worth.WRONG for i in range(len(completions))]
        pairs = {i: (answer, answers[i]) for i, answer in enumerate(extracted) if answer}
        choices: dict[int, Choice] = {}
        for i, (answer, reference) in pairs.items():
            listed = written_in(questions[i])
            if listed is None:
                continue
            options = listed[1].texts
            right = reference if are_letters(reference, options) else letter_stated(reference, options)
            if right is not None:
                choices[i] = Choice(answer, options, right)
            elif (letter := letter_stated(answer, options)) is not None:
                pairs[i] = (options[ord(letter) - 65], reference)  # the reference is a value
        by_value = [i for i in pairs if i not in choices]
        try:
            judgements = self._judge.equal([pairs[i] for i in by_value])
            letters = as_letters(list(choices.values()), self._judge) if choices else []
        except WorkerError:
            for i in pairs:
                worths[i] = Worth.INFRASTRUCTURE
            return worths
        for i, judgement in zip(by_value, judgements, strict=True):
            worths[i] = _WORTH[judgement]
        for (i, choice), letter in zip(choices.items(), letters, strict=True):
            if letter is not None and not are_letters(letter, choice.options):
                worths[i] = Worth.UNKNOWN
                pairs[i] = (choice.answer, choice.options[ord((choice.reference or "A")[0]) - 65])
            elif letter == choice.reference:
                worths[i] = Worth.RIGHT
        for i in unmarked:
            if worths[i] is Worth.UNKNOWN and decide(*pairs[i]) == "unknown":
                worths[i] = Worth.WRONG  # prose without a marked answer: it states none
        return worths

    def answers(self, completions: Sequence[str], languages: Sequence[str]) -> list[str | None]:
        """Return the final answer of each completion, or None if it has none."""
        return self._answers(completions, languages)[0]

    def _answers(
        self, completions: Sequence[str], languages: Sequence[str]
    ) -> tuple[list[str | None], set[int], set[int]]:
        """Return the final answers, the numbers of the completions without one because the sandbox failed, and the numbers of
        those whose answer is the end of the text since none is marked."""
        stated = [extract(text, language) for text, language in zip(completions, languages, strict=True)]
        programs: dict[int, str] = {}
        for i, text in enumerate(completions):
            answer = stated[i]
            # equations beside a marked answer are its derivation; without a mark they may be a program without fences
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
        extracted = [
            extract(printed[i] or "", languages[i]) if i in programs else answer
            for i, answer in enumerate(stated)
        ]
        unmarked = {i for i, one in enumerate(extracted) if one and not one.marked}
        return [one.answer if one else None for one in extracted], lost, unmarked

    def __enter__(self) -> Verifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


class RewardModel:
    """A checkpoint of the training method `reward`. The reward of a completion is a logit, which is not bounded."""

    def __init__(self, checkpoint: str) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        from tasks.training.models import model_of, tokenizer_of

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = tokenizer_of(checkpoint)
        self.model = model_of(checkpoint, kind=AutoModelForSequenceClassification).to(device).eval()

    def rewards(self, prompts: Sequence[Any], completions: Sequence[str]) -> list[float]:
        """Return one reward per completion; `prompts` are conversations."""
        import torch

        talks = [
            [*prompt, {"role": "assistant", "content": completion}]
            for prompt, completion in zip(prompts, completions, strict=True)
        ]
        texts = [self.tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks]
        tokens = self.tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
        )
        with torch.inference_mode():
            logits: list[float] = self.model(**tokens.to(self.model.device)).logits[:, 0].float().tolist()
        return logits


def is_verifier(reward: str) -> bool:
    """Return whether the setting `rollout.reward` names the verifier rather than a checkpoint."""
    return reward == VERIFIER
