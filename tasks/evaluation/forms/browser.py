"""A task on a web page: right if the actions that the reply writes are rewarded by the page in a real browser. `reference` names the page and its
seed as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tasks.answers import Judge
from tasks.evaluation.web_pages import WebTask, actions_of, rewards
from tasks.replies.solutions import read
from tasks.sandbox import Sandbox

prompt = "browse"


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"page": item["question"]}


def bare(item: Mapping[str, Any]) -> str:
    return str(item["question"])


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return the actions of each reply, one a line; None for a reply without one."""
    written = [
        "\n".join(
            f"{one.kind} [{one.element}]"
            + (f" {orjson.dumps(one.text).decode()}" if one.kind != "click" else "")
            for one in actions_of(read(text).solution)
        )
        for text in texts
    ]
    return [one or None for one in written]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    """Return whether the page rewards each answer; no answer is not right. None never occurs: a browser that fails ends the run."""
    places = [place for place, answer in enumerate(answers) if answer]
    named = [orjson.loads(items[place]["reference"]) for place in places]
    tasks = [WebTask(one["env"], one["seed"]) for one in named]
    given = rewards(tasks, [actions_of(str(answers[place])) for place in places]) if tasks else []
    solved = {place for place, reward in zip(places, given, strict=True) if reward > 0}
    return [place in solved for place in range(len(answers))]
