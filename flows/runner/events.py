"""Events that automations listen to: a flow's failure hook says what kind of failure it was."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event

from flows.runner import run_logs
from flows.runner.limits import Stopped
from storage.errors import GateFailed
from tasks.llm.budget import BudgetExceeded

PUBLISHED, PROMOTED, ROLLED_BACK = (
    "mathmill.version.published",
    "mathmill.version.promoted",
    "mathmill.version.rolled-back",
)
GATE, BUDGET, DRIFT = "mathmill.gate.failed", "mathmill.budget.exceeded", "mathmill.drift.alarm"
CRITIC = "mathmill.critic.alarm"

run_logs.install()  # every flow has the hook of this module, in whatever process it runs


def alarm(event: str, about: str, words: str, **payload: Any) -> None:
    """Emit one event about a dataset, a model or a run; `words` are for people."""
    emit_event(
        event=event,
        resource={"prefect.resource.id": f"mathmill.{about}", "prefect.resource.name": about},
        payload={"message": words, **payload},
    )


def on_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Hook of every flow: what failed the run, as an event of its kind."""
    error = state.result(raise_on_failure=False)
    words = " ".join(str(error).split())[:500]
    about = str(flow_run.name)
    if isinstance(error, GateFailed):
        gates = [name for name, _ in error.failures]
        alarm(GATE, about, words, gates=gates, flow_run_id=str(flow_run.id))
    elif isinstance(error, (BudgetExceeded, Stopped)):
        alarm(BUDGET, about, words, flow_run_id=str(flow_run.id))
