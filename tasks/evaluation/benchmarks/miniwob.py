"""MiniWoB++ (Liu et al. 2018, arXiv:1802.08802): tasks on small web pages, from the package `miniwob`, in a real browser.

A record names a page, `env` (miniwob/click-test-2-v1), and its seed or how many seeds there are (`seeds`). Where the package, playwright or
Chromium is not installed, a file of such tasks is named as skipped, and the rest of the evaluation runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from tasks.evaluation.web_pages import WebTask, observed, page_of, unavailable
from tasks.ingestion.values import Unfit

names = ("miniwob", "miniwobplusplus")
domain = "agent"
capability = "reasoning"
MOST = 100  # seeds of one record


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an item for each seed of a page. Raises Unfit if there is no such page."""
    env = record.get("env")
    if not isinstance(env, str) or page_of(env) is None:
        raise Unfit(f"env {str(env)[:60]!r} is no page of MiniWoB++")
    seed, seeds = record.get("seed", 0), record.get("seeds", 1)
    if not isinstance(seed, int) or not isinstance(seeds, int) or not 1 <= seeds <= MOST:
        raise Unfit(f"seed and seeds have to be numbers, seeds from 1 to {MOST}")
    tasks = tuple(WebTask(env, seed + number) for number in range(seeds))
    return [
        {
            "form": "browser",
            "question": shown,
            "reference": orjson.dumps({"env": task.name, "seed": task.seed}).decode(),
        }
        for task, shown in zip(tasks, _observed(tasks), strict=True)
    ]


@lru_cache(256)
def _observed(tasks: tuple[WebTask, ...]) -> list[str]:
    return observed(tasks)


def __getattr__(name: str) -> Any:
    """`skipped`: why the tasks cannot be run here, None if they can."""
    if name == "skipped":
        return unavailable()
    raise AttributeError(name)
