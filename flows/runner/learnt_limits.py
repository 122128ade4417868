"""The learnt token limits of a night: chosen once from the ledger, and stored before its first call.

They are part of the completion keys. So a night that is started again, under whatever settings, has the limits that it
was first started with, however many answers there are by then: they are stored by the night's random seed, from which the
seeds of its requests follow, and by role, model and risk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

import prompts
from flows.runner.resources import Tools
from storage.counting import counted
from storage.errors import ForPeople
from storage.sealed_files import HomeFiles
from tasks.llm.endpoint import Endpoint
from tasks.llm.learnt_limits import MOST_CALLS, LearntLimit, learn, lengths, prompt_of

FOLDER = "token_limits"
TOKEN_LIMITS = "token_limits"  # key of the lineage
LimitsByRole = Mapping[str, Mapping[str, LearntLimit]]  # by role and prompt


class LimitsError(ForPeople, ValueError):
    """The stored limits of a night cannot be read; the message names the file."""


def limits_of_night(tools: Tools, roles: Iterable[str], seed: int) -> LimitsByRole:
    """Return the limits of the roles whose settings ask for learnt ones. Raises LimitsError."""
    path = tools.home / FOLDER / f"{seed:016x}.json"
    stored = _read(path) if path.exists() else {}
    limits: dict[str, dict[str, LearntLimit]] = {}
    added = False
    for role in roles:
        risk, endpoint = tools.settings.role(role).limit_risk, tools.settings.endpoint(role)
        if not risk:
            continue
        name = f"{role} {endpoint.model}@{endpoint.revision} {risk:g}"
        if name not in stored:
            added = True
            calls = tools.ledger().newest(role, endpoint.model, MOST_CALLS)
            stored[name] = {prompt: asdict(limit) for prompt, limit in learn(calls, risk).items()}
        limits[role] = {prompt: LearntLimit(**limit) for prompt, limit in stored[name].items()}
    if added:
        HomeFiles(tools.home).write(path, orjson.dumps(stored, option=orjson.OPT_SORT_KEYS))
    return limits


def token_limits(tools: Tools) -> dict[str, Any]:
    """Return the learnt limits of this run as a version's lineage stores them, by role, and the tokens per request that they and
    the prompts' own limits lose; nothing if there are none."""
    if not any(tools.limits.learnt.values()):
        return {}
    record = {}
    for role, by_prompt in tools.limits.learnt.items():
        limits = {prompt: asdict(limit) for prompt, limit in by_prompt.items()}
        record[role] = {"limits": limits, "lost": _lost(tools, role, by_prompt)}
    return {TOKEN_LIMITS: record}


def from_record(record: Mapping[str, Any]) -> LimitsByRole:
    """Return the limits in what `token_limits` stored."""
    return {
        role: {prompt: LearntLimit(**limit) for prompt, limit in facts["limits"].items()}
        for role, facts in record.items()
    }


def _lost(tools: Tools, role: str, by_prompt: Mapping[str, LearntLimit]) -> dict[str, float]:
    """Return the tokens per request that are lost in answers that are cut off, under the learnt limits and under the prompts'
    own, estimated from `answers` answers whose length was seen whole."""
    endpoint = tools.settings.endpoint(role)
    calls = tools.ledger().newest(role, endpoint.model, MOST_CALLS)
    learnt = fixed = answers = 0.0
    for prompt, seen in lengths(calls).items():
        own = _own_limits(prompt, endpoint)
        if prompt in by_prompt and own:
            count = len(seen.ended) + seen.endless
            learnt += count * seen.lost_by_learning(by_prompt[prompt])
            fixed += count * seen.lost(own)
            answers += count
    return {
        "answers": answers,
        "learnt": round(learnt / max(1, answers), 1),
        "fixed": round(fixed / max(1, answers), 1),
    }


def _own_limits(prompt: str, endpoint: Endpoint) -> list[int]:
    """Return the limits that requests of a prompt would have one after the other without learning."""
    for name in prompts.names():
        front = prompts.load(*name.rsplit(".", 1), overlay=endpoint.prompts).front
        if prompt.endswith(prompt_of("", [{"role": "system", "content": front.system}])):
            first = endpoint.sampling.limit(front.max_tokens)
            return [first, front.longer] if front.longer and front.longer > first else [first]
    return []


def expected(tools: Tools, endpoint: Endpoint) -> str:
    """Return how the answers of a role's model are limited and how many of them a night should expect to be cut off, for
    people."""
    risk = tools.settings.role(endpoint.role).limit_risk
    thinks = "thinks, " if endpoint.sampling.reasoning else ""
    return f"{thinks}{_limit(endpoint, risk)}; {_truncation(tools, endpoint, risk)}"


def truncation(tools: Tools, roles: Iterable[str]) -> list[str]:
    """Return a line for people per role and model that thinks or whose token limits are learnt."""
    return [
        f"{role} {endpoint.model}: {expected(tools, endpoint)}"
        for role in roles
        for endpoint, _ in tools.settings.mix(role)
        if tools.settings.role(role).limit_risk or endpoint.sampling.reasoning
    ]


def _limit(endpoint: Endpoint, risk: float) -> str:
    sampling = endpoint.sampling
    if sampling.max_tokens is not None:
        return f"{counted(sampling.max_tokens, 'token')} per answer"
    if risk:
        return f"learnt token limits (risk {risk:.1%})"
    return f"{sampling.limit(0):,} tokens per answer" if sampling.reasoning else "the prompts' token limits"


def _truncation(tools: Tools, endpoint: Endpoint, risk: float) -> str:
    """Return the share of answers that are expected to be cut off, from the ledger."""
    seen = lengths(tools.ledger().newest(endpoint.role, endpoint.model, MOST_CALLS)).values()
    answers = sum(len(one.ended) + one.endless for one in seen)
    if not answers:
        return "truncation not measured yet"
    limits = [(one, one.limit(risk) if risk else None) for one in seen]
    cut = sum(
        one.cut(learnt.limit if learnt else one.most) * (len(one.ended) + one.endless)
        for one, learnt in limits
    )
    return f"expected truncation {cut / answers:.1%} ({counted(answers, 'answer')} seen)"


def _read(path: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = orjson.loads(path.read_bytes())
        for by_prompt in stored.values():
            for limit in by_prompt.values():
                LearntLimit(**limit)
    except (ValueError, TypeError, AttributeError) as error:
        raise LimitsError(
            f"{path} cannot be read ({' '.join(str(error).split())[:200]}). Fix: restore it from a backup, or remove it: "
            "the limits are learnt again, and calls that were made with other limits are made again"
        ) from error
    return stored
