"""Draw questions evenly from the classes of mathematics, and in each class those with longer reasoning first (s1,
arXiv:2501.19393).

The classes are the 63 of the Mathematics Subject Classification (subjects.yaml). A question has the class whose description is
nearest to it by the encoder (which reads Chinese badly), or the one that the teacher names (prompt `subject`). As in s1, one class after the other is drawn at random, each
equally likely, and then one of its questions, whose chance halves with each place in the order of length.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import yaml
from pydantic import Field

import prompts
from prompts.asking_again import FaultKind, ReplyFault
from prompts.schemas.subject import SubjectOfProblem
from storage.indexes.vectors import Encode
from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.conversations import request_of_prompt
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.replies.items import single
from tasks.seeding import rng_of, seed_of
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE = "select"
PROMPT: Final = "subject"
UNKNOWN: Final = "unknown"  # the class of a question for which the teacher named none
NAME = "subject"  # the verdict with the class of a row
CLASSES = Path(__file__).with_name("subjects.yaml")
_BLOCK = 8192  # questions that are compared with the classes at once

whole = True
parents = False


class SubjectsSettings(Section, title="Subjects"):
    by: Literal["encoder", "model"] = Field(
        "encoder",
        description="what finds the class of a question: the nearest description by the encoder, which is made for English, or the teacher",
    )
    keep: Share = Field(0.8, description="share of the questions that is drawn")
    rows: int | None = Field(None, ge=1, description="number of questions that is drawn, instead of a share")


own_settings = SubjectsSettings


def needs(settings: SubjectsSettings) -> Mapping[str, str]:
    return {"teacher": "teacher"} if settings.by == "model" else {"encode": "encoder"}


def calls(settings: SubjectsSettings, methods: Mapping[str, float]) -> Mapping[str, float]:
    return {"teacher": 1.0} if settings.by == "model" else {}


def select(
    rows: pa.Table,
    *,
    settings: SubjectsSettings,
    seed: int,
    tick: Tick,
    encode: Encode | None = None,
    teacher: Engine | None = None,
) -> Selection:
    """Keep all rows of the questions that are drawn. The verdict `subject` of every row is its class, such as `11 Number theory`, or UNKNOWN
    where the teacher named none; these form a class of their own. A row of a question whose call failed has failed."""
    problems, questions = column(rows, "problem_id"), column(rows, "question")
    # the subdomain is in English, which the encoder reads better than any other language
    topics = column(rows, "subdomain")
    texts = {
        problem: f"{topic}: {question}" if topic else question
        for problem, topic, question in zip(problems, topics, questions, strict=True)
    }
    ids = sorted(texts)
    costs: dict[str, Any] = {}
    failures: dict[str, Reason] = {}
    if encode is not None:
        class_of = dict(zip(ids, nearest_classes([texts[one] for one in ids], encode), strict=True))
    else:
        assert teacher is not None, "a selector by the teacher is given the teacher"
        asked = {
            one: (question, language)
            for one, question, language in zip(problems, questions, column(rows, "language"), strict=True)
        }
        class_of, failures, costs = classes_by_model({one: asked[one] for one in ids}, teacher, seed)
    lengths: Counter[str] = Counter()
    for problem, thinking, solution in zip(
        problems, column(rows, "reasoning"), column(rows, "solution"), strict=True
    ):
        lengths[problem] = max(lengths[problem], len(thinking or "") + len(solution))
    by_class: dict[str, list[str]] = {}
    ids = [one for one in ids if one not in failures]
    for one in sorted(ids, key=lambda one: (-lengths[one], one)):
        by_class.setdefault(class_of[one], []).append(one)
    count = min(len(ids), settings.rows or round(settings.keep * len(ids)))
    drawn = draw(by_class, count, seed)
    tick(rows.num_rows)
    names = classes()
    titles = {
        one: UNKNOWN if code == UNKNOWN else f"{code} {names[code]['en']}" for one, code in class_of.items()
    }
    reasons: list[Reason | None] = [
        failures.get(problem)
        or (None if problem in drawn else reason(STAGE, Code.NOT_DRAWN, value=titles[problem]))
        for problem in problems
    ]
    facts = {"subjects": dict(sorted(Counter(titles[one] for one in ids).items())), **costs}
    return Selection(reasons, verdicts={NAME: [titles.get(problem) for problem in problems]}, facts=facts)


@functools.cache
def classes() -> Mapping[str, Mapping[str, str]]:
    """Return the classes by their two digits, each with its name in English (`en`) and Chinese (`zh`) and typical words (`about`)."""
    loaded: Mapping[str, Mapping[str, str]] = yaml.safe_load(CLASSES.read_text(encoding="utf-8"))
    return loaded


def nearest_classes(questions: list[str], encode: Encode) -> list[str]:
    """Return the two digits of the class nearest to each question, by cosine; of equally near ones the first."""
    codes = list(classes())
    if not questions:
        return []
    described = encode([f"{classes()[code]['en']}: {classes()[code]['about']}" for code in codes])
    vectors = encode(questions)
    nearest = [
        np.argmax(vectors[start : start + _BLOCK] @ described.T, axis=1)
        for start in range(0, len(vectors), _BLOCK)
    ]
    return [codes[i] for i in np.concatenate(nearest).tolist()]


def classes_by_model(
    questions: Mapping[str, tuple[str, str]], teacher: Engine, seed: int
) -> tuple[dict[str, str], dict[str, Reason], dict[str, Any]]:
    """Return the class of each question (id -> its text and language) by the teacher, UNKNOWN where a reply names none, the reasons of the
    questions whose calls failed, and the facts of what the calls cost."""
    endpoint = teacher.endpoint
    costs = RoleCosts.of(endpoint)
    listed = {
        language: [f"{code} {entry[language]}" for code, entry in classes().items()]
        for language in ("en", "zh")
    }
    completions = teacher.run(
        request_of_prompt(
            prompts.load(PROMPT, language, endpoint.prompts),
            {"question": question, "classes": listed[language]},
            model=endpoint.model,
            seed=seed_of(seed, PROMPT, one),
            tag=PROMPT,
        )
        for one, (question, language) in questions.items()
    )
    class_of: dict[str, str] = {}
    failed: dict[str, Reason] = {}
    for one, completion in zip(questions, completions, strict=True):
        costs.add(completion)
        if completion.error is not None and not completion.failed_by_model:
            failed[one] = reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
            continue
        named = class_in(completion.text or "")
        class_of[one] = UNKNOWN if isinstance(named, ReplyFault) else named
    return class_of, failed, costs.facts()


def class_in(text: str) -> str | ReplyFault:
    """Return the two digits of the class that a reply names, or the fault that it names none."""
    reply = single(text, SubjectOfProblem, key="msc")
    if isinstance(reply, ReplyFault):
        return reply
    return (
        reply.msc if reply.msc in classes() else ReplyFault(FaultKind.OTHER, f"no class {reply.msc}", "msc")
    )


def draw(by_class: Mapping[str, list[str]], count: int, seed: int) -> set[str]:
    """Return `count` questions, or all of them if there are fewer. `by_class` has the questions of each class, those with the
    longest reasoning first."""
    rng = rng_of(seed, STAGE, "subjects")
    left = {name: list(questions) for name, questions in sorted(by_class.items()) if questions}
    drawn: set[str] = set()
    while left and len(drawn) < count:
        name = rng.choice(list(left))
        place = 0
        while place + 1 < len(left[name]) and rng.random() < 0.5:
            place += 1
        drawn.add(left[name].pop(place))
        if not left[name]:
            del left[name]
    return drawn
