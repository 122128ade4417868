"""The error of trainings and the name of the verifier, apart from the settings, which reach much of the project: the verifier is exported
with its sources (tasks.environments)."""

from __future__ import annotations

from storage.errors import ForPeople

VERIFIER = "verifier"  # as `rollout.reward`: 1 where the final answer is the reference answer, else 0


class TrainError(ForPeople, ValueError):
    """A training run that cannot be started or continued. The message names the setting or the file, and the fix."""
