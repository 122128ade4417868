"""Solutions that grow step by step in a search that values guide (MCTS over steps with rollouts, after rStar-Math, Guan et al. 2025,
arXiv:2501.04519), with the value of every step as a label for process supervision.

Each round goes on from the most promising step that was not gone on from yet: `width` continuations to the final answer are requested at once,
the checks that their computing steps carry are executed in the sandbox, and their answers are compared with the trusted one, or with each other where
there is none. The search ends after `rounds`, at `tokens`, or if nothing is left to go on from. The row is the right solution whose worst step
has the highest value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pydantic import Field

import prompts
from storage.datasets.steps import VALUES
from storage.reasons import Code
from tasks.answers import extract
from tasks.answers.extraction import with_closed_box
from tasks.conversations import WRITER, Conversation, comparisons, completions, executions, request_of_prompt
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.replies.solutions import read as read_reply
from tasks.rewriting.parents import parents
from tasks.rewriting.samples import ask_to_solve
from tasks.searching import SearchTree, StepSequence, Trajectory, majority
from tasks.seeding import seed_of
from tasks.settings import Section

prompt = "tree_search"
makes: Makes = "solutions"
takes: Takes = "rows"
columns = ()
role = "reasoner"
needs = ("sandbox", "judge")

MOST_STEPS: Final = 40  # of a trajectory; a longer one is left out
LONGEST_CHECK: Final = 400  # characters
USED: Final = 0.63  # share of rounds x width that searches took before they ended (docs/log.md)
_CHECK: Final = re.compile(r"[#＃][ \t]{0,4}(?:check|检查|验算)[ \t]{0,4}[:：]", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"^\[\d{1,4}\][ \t]*")
_PROGRAM: Final = "from fractions import Fraction\nfrom math import *\nprint(bool({}))"


class TreeSearchSettings(Section):
    rounds: int = Field(6, ge=1, le=200, description="times that the search goes on from a step, at most")
    width: int = Field(3, ge=1, le=32, description="continuations that are requested from a step at once")
    tokens: int = Field(
        30_000,
        ge=1,
        description="tokens of prompts and completions per question after which no further round begins; only the calls in flight exceed it",
    )


own_settings = TreeSearchSettings


@dataclass(frozen=True, slots=True)
class ContinuedSteps:
    """The steps of a completion, without their checks, and the checks by place, from 0. answer: None if it states none."""

    steps: StepSequence
    checks: Mapping[int, str]
    answer: str | None


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
) -> list[Ask]:
    """Return one search per question of the pool, until the quota is met."""
    own = settings if isinstance(settings, TreeSearchSettings) else TreeSearchSettings()
    return [
        ask_to_solve(
            prompt,
            prompt,
            row,
            {"steps": [], "reference": row["reference_answer"], **own.model_dump()},
            seed,
        )
        for row in parents(pool, quota, seed, prompt)
    ]


def calls_per_row(settings: Section) -> dict[str, float]:
    own = settings if isinstance(settings, TreeSearchSettings) else TreeSearchSettings()
    return {WRITER: max(1.0, USED * own.rounds * own.width)}


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the search for the solution of one question."""
    writer = endpoints[WRITER]
    template = prompts.load(ask.prompt, ask.language, writer.prompts)
    settings = ask.variables
    tree = SearchTree()
    answers: list[str] = [settings["reference"]] if settings["reference"] else []
    tree.right = 0 if answers else None
    tokens = requested = checked = failed_checks = rounds = 0
    error: Completion | None = None
    while rounds < settings["rounds"] and tokens < settings["tokens"]:
        beginning = tree.next_beginning()
        if beginning is None:
            break
        received = yield from completions(
            [
                request_of_prompt(
                    template,
                    settings | {"steps": list(beginning)},
                    model=writer.model,
                    seed=seed_of(ask.seed, requested + number),
                    tag=prompt,
                    sample_index=requested + number,
                )
                for number in range(settings["width"])
            ]
        )
        rounds += 1
        requested += len(received)
        tokens += sum(one.usage.prompt_tokens + one.usage.completion_tokens for one in received)
        error = next((one for one in received if one.error is not None), error)
        read = [continuation(one, beginning, ask.language) for one in received if one.error is None]
        continued = [one for one in read if one is not None]
        checks = [(i, place, text) for i, one in enumerate(continued) for place, text in one.checks.items()]
        results = yield from executions([_PROGRAM.format(text) for _, _, text in checks])
        failed: dict[int, int] = {}
        for (i, place, _), result in zip(checks, results, strict=True):
            checked += result.verdict == "ok"
            if result.verdict == "ok" and result.answer == "False":  # one that does not run says nothing
                failed_checks += 1
                failed[i] = min(place, failed.get(i, place))
        groups = yield from _grouped([one.answer for one in continued], answers)
        for i, (one, group) in enumerate(zip(continued, groups, strict=True)):
            tree.trajectories.append(Trajectory(one.steps, group, failed.get(i)))
        tree.expanded.add(beginning)
        if not settings["reference"]:
            tree.right = majority([one.group for one in tree.trajectories if one.failed_at is None])
    best = tree.best()
    search = {
        "rounds": rounds,
        "trajectories": len(tree.trajectories),
        "right": sum(one.group is not None and one.group == tree.right for one in tree.trajectories),
        "tokens": tokens,
        "checks": checked,
        "failed_checks": failed_checks,
    }
    if best is None:
        return [_without(tree, answers, settings["reference"], error, search)]
    solution = "\n".join(best.steps)
    stated = extract(solution, ask.language)
    return [
        Item(
            solution=solution,
            solution_format="cot",
            answer=stated.answer if stated else answers[best.group or 0],
            params={VALUES: tree.record(best.steps), "search": search},
        )
    ]


def _without(
    tree: SearchTree,
    answers: Sequence[str],
    reference: str | None,
    error: Completion | None,
    search: Mapping[str, int],
) -> Item:
    """Return why a search has no solution: no answer, or none that is the trusted one, with the first that has another."""
    other = next((one for one in tree.trajectories if one.group is not None), None)
    if not tree.trajectories and error is not None:
        return Item(code=Code.CALL_FAILED, values={"error": str(error.error), "kind": str(error.kind)})
    if other is None or other.group is None or reference is None or other.group == tree.right:
        return Item(code=Code.NO_ANSWER, params={"search": search})
    answer = answers[other.group]
    return Item(
        solution="\n".join(other.steps),
        solution_format="cot",
        answer=answer,
        params={"search": search},
        code=Code.DIFFERENT,
        values={"answer": answer, "reference": reference},
    )


def _grouped(given: Sequence[str | None], answers: list[str]) -> Conversation[list[int | None]]:
    """Return for each answer the number of the equal one among `answers`, to which an answer that equals none is added."""
    groups: list[int | None] = []
    for answer in given:
        if answer is None:
            groups.append(None)
            continue
        judgements = yield from comparisons([(answer, other) for other in answers])
        place = next((i for i, judgement in enumerate(judgements) if judgement == "equal"), None)
        if place is None:
            answers.append(answer)
            place = len(answers) - 1
        groups.append(place)
    return groups


def continuation(completion: Completion, beginning: StepSequence, language: str) -> ContinuedSteps | None:
    """Return the steps of a completion behind a beginning, None if it is cut off or has none.

    StepSequence of the beginning that it repeats are left out, and so is what follows the line with the answer.
    """
    reply = read_reply(completion.text or "", completion.reasoning)
    if completion.finish_reason == "length" and not reply.ended:
        return None
    lines = [line.strip() for line in with_closed_box(reply.solution).splitlines() if line.strip()]
    pairs = [_apart(_NUMBERED.sub("", line)) for line in lines]
    if tuple(text for text, _ in pairs[: len(beginning)]) == beginning:
        pairs = pairs[len(beginning) :]
    end = next((place for place, (text, _) in enumerate(pairs) if "\\boxed" in text), len(pairs) - 1)
    pairs = [(text, check) for text, check in pairs[: end + 1] if text]
    steps = (*beginning, *(text for text, _ in pairs))
    if not pairs or len(steps) > MOST_STEPS:
        return None
    checks = {
        len(beginning) + place: check
        for place, (_, check) in enumerate(pairs)
        if check and len(check) <= LONGEST_CHECK and re.search(r"\d", check)
    }
    stated = extract(steps[-1], language)
    return ContinuedSteps(steps, checks, stated.answer if stated and stated.kind == "boxed" else None)


def _apart(line: str) -> tuple[str, str | None]:
    """Return a line without its check, and the check."""
    match = _CHECK.search(line)
    if match is None:
        return line, None
    return line[: match.start()].rstrip(" \t`"), line[match.end() :].strip(" \t`")
