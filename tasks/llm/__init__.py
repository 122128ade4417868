"""Asking models: one engine for every endpoint, every fault and every dollar."""

from tasks.llm.budget import Budget, BudgetExceeded, BudgetState
from tasks.llm.endpoint import Endpoint, EndpointError, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request, Usage
from tasks.llm.slots import Check, check_by
from tasks.llm.stats import Stats, TagStats

__all__ = [
    "Budget",
    "BudgetExceeded",
    "BudgetState",
    "Check",
    "Completion",
    "Endpoint",
    "EndpointError",
    "Engine",
    "EngineLimits",
    "Request",
    "Stats",
    "TagStats",
    "Usage",
    "check_by",
]
