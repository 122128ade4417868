"""Problems of the embedded teacher: drawn from problem families, with near-duplicates, repeats and flaws."""

from __future__ import annotations

import random
import re
from typing import Any

import orjson

from prompts.schemas import chinese_keys
from tasks.problems.machinery.family import Family, Problem, families, make
from tasks.teacher.character import Character
from tasks.teacher.composition import joined, side_by_side, worked_question
from tasks.teacher.compound import split
from tasks.teacher.reading import PromptRequest, known, undressed
from tasks.teacher.topics import choose_families, concept_names, families_of
from tasks.text.arithmetic import number

DRAWS = 20
MOST_PARTS = 4  # of a question for a set of concepts


def problems(job: PromptRequest, character: Character, rng: random.Random, *, valid_json: bool) -> str:
    """Return the answer to a request for problems: JSON, which is malformed at a small rate unless the caller forces JSON."""
    items: list[dict[str, object]] = []
    for _ in range(job.count):
        level = job.level or rng.randint(1, 3)
        question = _one(job, character, rng, level, items)
        difficulty = min(5, 2 * level - rng.randint(0, 1))
        items.append(
            _planned(job, question, level, rng)
            if job.planned
            else {"question": question, "difficulty": difficulty}
        )
    malformed = rng.random() < character.rates.malformed
    if malformed and valid_json:
        items[rng.randrange(len(items))]["question"] = ""
    record: dict[str, object] = {"problems": items}
    if job.chinese_keys:
        record = {
            chinese_keys()["problems"]: [
                {chinese_keys()[key]: value for key, value in item.items()} for item in items
            ]
        }
    text = orjson.dumps(record).decode()
    if malformed and not valid_json:
        return broken(text, items, rng)
    return f"```json\n{text}\n```" if not valid_json and rng.random() < 0.2 else text


def _planned(job: PromptRequest, question: str, level: int, rng: random.Random) -> dict[str, object]:
    """Return a problem with its plan before it and its check after it.

    The check works the question from its text. A question that cannot be worked that way is called sound in one case of two:
    a careless writer does not look again.
    """
    zh = job.language == "zh"
    compound = worked_question(question, job.language) if split(question) else None
    problem = (
        None
        if compound
        else next((one for text in undressed(question) if (one := known(text)) is not None), None)
    )
    if compound is not None:
        points = concept_names(sorted(job.concepts), zh=zh)
        plan = (
            f"{points}：各部分先后用到，前面的结果用在后面。"
            if zh
            else f"The parts need {points}, and their results are brought together."
        )
        sound = True
        check = (
            f"条件齐全，唯一的结果是 {compound.answer}。"
            if zh
            else f"All data are given; the only answer is {compound.answer}."
        )
    elif problem is None:
        plan = "取几个数，写成一道小题。" if zh else "Take a few numbers and build a short problem on them."
        sound = rng.random() < 0.5
        check = {
            (True, True): "看起来没有问题。",
            (False, True): "题目条件不全，无法确定结果。",
            (True, False): "It looks fine.",
            (False, False): "Something is missing, so no answer follows.",
        }[sound, zh]
    else:
        points = concept_names(families()[problem.family].concepts, zh=zh)
        plan = (
            f"考查{points}，数取得使结果精确。"
            if zh
            else f"The idea is {points}; the numbers give an exact answer."
        )
        sound = True
        answer = problem.worked.answer
        check = (
            f"条件齐全，唯一的结果是 {answer}。"
            if zh
            else f"All data are given; the only answer is {answer}."
        )
    return {
        "plan": plan,
        "question": question,
        "check": check,
        "sound": sound,
        "difficulty": job.scale or min(5, 2 * level - rng.randint(0, 1)),
    }


def _one(
    job: PromptRequest, character: Character, rng: random.Random, level: int, so_far: list[dict[str, object]]
) -> str:
    rates = character.rates
    shown = [*job.examples, *([job.question] if job.question else [])]
    pool = shown + [str(item["question"]) for item in so_far]
    drawn = rng.random()
    if pool and drawn < rates.repeat:
        return rng.choice(pool)
    if pool and drawn < rates.repeat + rates.near_duplicate:
        return _near_duplicate(rng.choice(pool), rng)
    question = _for_concepts(job, rng, level) or _drawn(job, rng, level)
    if rates.repeat + rates.near_duplicate <= drawn < rates.repeat + rates.near_duplicate + rates.flawed:
        return flawed(question, rng)
    return question


def _for_concepts(job: PromptRequest, rng: random.Random, level: int) -> str:
    """Return a question that needs every concept that is asked for and that the teacher knows, joined from those of several families where
    none needs them all; empty if one concept or none is asked for. Of a family whose answers are no numbers nothing can be joined."""
    if len(job.concepts) < 2:
        return ""
    chosen = _covering(job.concepts, job.subdomain, rng)
    if len(chosen) == 1:
        return _part(chosen[0], rng, level, job.language, numeric=False)
    drawn = (_part(family, rng, level, job.language, numeric=True) for family in chosen)
    parts = [part for part in drawn if part][:MOST_PARTS]
    if len(parts) < 2:
        return "".join(parts)
    if len(parts) > 2:
        return side_by_side(parts, job.language)
    first, second = parts
    return joined(first, second, rng.choice(("sequence", "parallel", "condition")), job.language, rng)


def _part(family: Family, rng: random.Random, level: int, language: str, *, numeric: bool) -> str:
    """Return a question of the family, empty if there is none in DRAWS draws."""
    for _ in range(DRAWS):
        problem = make(family, rng, level, language)
        if not numeric or number(problem.worked.answer) is not None:
            return problem.question
    return ""


def _covering(concepts: frozenset[str], subdomain: str | None, rng: random.Random) -> list[Family]:
    """Return families that need all of the concepts together, as few as a greedy choice finds; those of the subdomain come first."""
    missing = {name for name in concepts if families_of(name)}
    chosen: list[Family] = []
    while missing:
        candidates = sorted({one.name for name in missing for one in families_of(name)})
        rng.shuffle(candidates)
        covers = {
            name: {one for one in missing if name in {f.name for f in families_of(one)}}
            for name in candidates
        }
        best = max(candidates, key=lambda name: (len(covers[name]), families()[name].subdomain == subdomain))
        chosen.append(families()[best])
        missing -= covers[best]
    return chosen


def _drawn(job: PromptRequest, rng: random.Random, level: int) -> str:
    question = ""
    for _ in range(DRAWS):
        question = make(_family(job, rng), rng, level, job.language).question
        if not any(_begins(question, avoided) for avoided in job.avoid):
            return question
    return question  # this teacher knows no other


def _family(job: PromptRequest, rng: random.Random) -> Family:
    """Return a family for the next problem: often that of the failed problem, else one of the subdomain."""
    if job.problem is not None and rng.random() < 0.5:
        return families()[job.problem.family]
    subdomain = job.problem.subdomain if job.problem is not None else job.subdomain
    if subdomain is None:
        subdomain = _topic_of_examples(job.examples)
    choice = choose_families(subdomain)
    named = [one for one in choice if not job.concepts.isdisjoint(point.lower() for point in one.concepts)]
    return rng.choice(named or choice)


def _begins(question: str, beginning: str) -> bool:
    """Return whether a question begins as one that the prompt says to avoid, of which it may show the beginning only."""
    return " ".join(question.split()).startswith(" ".join(beginning.split()))


def _topic_of_examples(examples: tuple[str, ...]) -> str | None:
    for text in examples:
        problem: Problem | None = known(text)
        if problem is not None:
            return problem.subdomain
    return None


# sentences with which writers end a problem and that change nothing of it
_CLOSINGS = {
    "en": (
        " Give the exact value.",
        " Simplify your answer.",
        " Show each step of your calculation.",
        " Give a reason for each step.",
    ),
    "zh": ("请给出精确值。", "结果请化简。", "请写出计算过程。", "请说明每一步的理由。"),
}


def _near_duplicate(question: str, rng: random.Random) -> str:
    """Return the question with one small change: a further sentence, or one number changed a little."""
    language = "zh" if re.search(r"[\u4e00-\u9fff]", question) else "en"
    numbers = list(re.finditer(r"(?<![\w.])\d+(?![\w.]*\d)", question))
    if numbers and rng.random() < 0.4:
        spot = rng.choice(numbers)
        return (
            question[: spot.start()]
            + str(int(spot.group(0)[:12]) + rng.randint(1, 3))
            + question[spot.end() :]
        )
    return question + rng.choice(_CLOSINGS[language])


def flawed(question: str, rng: random.Random) -> str:
    """Return the question without one of its numbers, as a careless writer might."""
    numbers = list(re.finditer(r"(?<![\w.])\d+(?![\w.]*\d)", question))
    if not numbers:
        return question[: max(1, len(question) * 2 // 3)]
    spot = rng.choice(numbers)
    return question[: spot.start()] + "___" + question[spot.end() :]


def broken(text: str, items: list[dict[str, Any]], rng: random.Random) -> str:
    """Return the JSON of items as a careless model writes it: cut off, as a numbered list of their questions (or first fields), or
    with a colon missing."""
    key = "question" if all("question" in item for item in items) else next(iter(items[0]))
    drawn = rng.randrange(3)
    if drawn == 0:
        return text[: max(20, int(len(text) * rng.uniform(0.4, 0.95)))]
    if drawn == 1:
        return "\n".join(f"{index}. {item[key]}" for index, item in enumerate(items, 1))
    return text.replace(f'"{key}":', f'"{key}" ', 1)
