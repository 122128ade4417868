"""What is recorded when a limit ends a run before it could publish."""

from __future__ import annotations

from flows.runner.artifacts import report_stopped
from flows.runner.limits import SpentWhenStopped, Stopped
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote


def stopped_at(
    tools: Tools, note: RunNote, run: str, dataset: str, by: str, why: str, accepted: int, target: int
) -> Stopped:
    """Return the error to raise. The budget of the run counts anew when it is started again, and its page says why it ended."""
    spent = tools.ledger().spent(run, note.since)
    note.stopped()
    stopped = Stopped(by, why, SpentWhenStopped(spent.usd, spent.tokens, spent.estimated, accepted, target))
    report_stopped(dataset, stopped, tools.settings)
    return stopped
