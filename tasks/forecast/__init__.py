"""Forecasts the calls, tokens, cost, duration and accepted rows of a night before it runs, each with a range.

`measurements` measures shares, prices and errors on earlier nights and on the ledger; `simulation` draws nights from them.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.forecast.measurements import ForecastInputs, plan_of
from tasks.forecast.simulation import Forecast, simulate

__all__ = ["Forecast", "ForecastInputs", "forecast"]


def forecast(inputs: ForecastInputs, *, seed: int) -> Forecast:
    """Return the forecast of a night. Equal inputs and seeds give equal forecasts."""
    return replace(simulate(plan_of(inputs), seed=seed), nights=len(inputs.nights))
