"""The step checker as a critic: it recomputes what the steps state (tasks/critics/step_checker.py), without a model.

The score is 1 where statements were decided and none is wrong, 0 where one is, and between them where the final answer is not among the
values that the steps derive; where they calculate in plain numbers, it is 0 then as well, without a wrong step. A solution in which nothing could be decided has no score. It says nothing of the plan: right arithmetic on a
wrong plan has the score 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.critics import CriticOpinion, WorkedSolution
from tasks.critics.kinds import CriticTools
from tasks.critics.step_checker import VERSION, Checked, check

UNDERIVED = 0.5  # the score of a solution whose answer no step derives
_SCORES = {"right": 1.0, "wrong": 0.0, "unchecked": 0.5}


class StepCritic:
    """Judges by arithmetic alone."""

    @property
    def identity(self) -> str:
        return f"steps:{VERSION}"

    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]:
        """Return the opinion on each solution; the words state what was recomputed."""
        return [opinion_of(check(one.steps, question=one.question, answer=one.answer)) for one in solutions]


def critic(tools: CriticTools) -> StepCritic:
    return StepCritic()


def opinion_of(checked: Checked) -> CriticOpinion:
    """Return the opinion that follows from a checked solution."""
    wrong = next((one for one in checked.statements if one.verdict == "wrong"), None)
    if checked.first_wrong is not None or checked.answer_wrong:
        score: float | None = 0.0
    elif "right" in checked.verdicts:
        score = UNDERIVED if checked.derived is False else 1.0
    else:
        score = None
    words, first = None, checked.first_wrong
    if first is not None and (wrong is None or wrong.step != first):
        words = f"Step {first + 1} shows a state that does not follow from what is before it."
    elif wrong is not None:
        words = f"Step {wrong.step + 1} states {wrong.text}, which is not true."
    elif checked.answer_wrong:
        words = f"No step derives the final answer {checked.answer}."
    return CriticOpinion(
        answer=score,
        first_wrong=checked.first_wrong,
        words=words,
        step_scores=tuple(_SCORES[one] for one in checked.verdicts),
    )
