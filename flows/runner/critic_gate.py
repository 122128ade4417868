"""The alarm about a trained critic: it misjudged more of the canaries of a run than of the solutions that it was calibrated on.

The judgements of a batch that fails are not used (tasks/canaries/batch.py). This looks at all batches of a run together, where fewer
misjudged ones are enough, and at once: a trained critic says how often it errs, so there need be no earlier night to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.runner.events import CRITIC, alarm
from storage.datasets.gates import Gate
from tasks.canaries.batch import fails, totals


def trusted_critics(dataset: str, facts: Iterable[Mapping[str, Any]]) -> Gate:
    """Return the gate that refuses to publish what a trained critic judged that cannot be believed; the alarm is raised here. `facts` are
    those of the shards."""
    reasons = [reason for record in totals(facts) if (reason := misjudging(record))]
    for words in reasons:
        alarm(CRITIC, dataset, words)
    advice = (
        "Fix: train it on versions like this one (./mathmill critic train --version NAME), name another by MATHMILL_TRAINED_CRITIC, or "
        "leave trained_critic out of score.scorers"
    )
    return Gate("gates.critic", lambda written: f"{'; '.join(reasons)}. {advice}" if reasons else None)


def misjudging(record: Mapping[str, Any]) -> str:
    """Return what is wrong with the critic of a record of `totals`, "" if nothing is, or if it is no trained one."""
    if "error" not in record:
        return ""
    judged, right = (sum(record[name].values()) for name in ("asked", "right"))
    if not fails(judged - right, judged, record["error"]):
        return ""
    return (
        f"the critic {record['model']} misjudged {judged - right} of {judged} solutions whose judgement is known, where at most "
        f"{record['error']:.0%} were expected"
    )
