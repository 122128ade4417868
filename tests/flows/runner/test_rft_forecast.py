"""What a run of rft is expected to cost: the rules of allocation, simulated."""

from __future__ import annotations

from flows.runner.rft_forecast import simulated
from tasks.rft.allocation import SampleSettings


def test_hard_questions_cost_more_and_keep_more() -> None:
    settings = SampleSettings(samples=8, most_samples=32, most=4, allocate="prop2diff")
    easy, hard = (simulated(settings, rate) for rate in (0.95, 0.4))
    assert 8 <= easy[0] < hard[0] <= 32
    assert easy[1] < hard[1] <= 4
    uniform = simulated(settings.model_copy(update={"allocate": "uniform"}), 0.95)
    assert uniform[1] > easy[1]
    fixed = simulated(settings.model_copy(update={"allocate": "fixed"}), 0.4)
    assert fixed[0] == 8
