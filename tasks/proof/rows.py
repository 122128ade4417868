"""What the proof is asked and given first: items, seed problems and the base's corpus out of the problem families, and prompts for easy problems."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import prompts
from storage.atomic import write_text
from tasks.problems.machinery.family import Problem, families, make
from tasks.proof.sizes import FAMILIES
from tasks.seeding import rng_of
from tasks.teacher.solving import laid_out_code, laid_out_words
from tasks.weakness.split import measures

LANGUAGE, LEVEL = "en", 1
PER_PASSAGE = 4  # problems of a section of a book
MEASURES = 0.5  # share of all questions that measure, by their hash
WRITTEN_BY = ("similar", "weakness")  # prompts that every row of the proof is written by
_VARIED = re.compile(r"^- Vary the difficulty:.*$", re.MULTILINE)
_EASY = "- Difficulty: 1 of 5, for every problem."


def draw(
    name: str, count: int, subdomains: Sequence[str], *, part: str, without: Collection[str] = ()
) -> list[Problem]:
    """Draw `count` problems with different questions, equally many of the family of each subdomain, none of them in `without`.

    part: "drives" or "measures", the part of a probe in which each question is, or "any".
    """
    problems: list[Problem] = []
    taken = set(without)
    for subdomain in subdomains:
        rng = rng_of("proof", name, subdomain)
        family = families()[FAMILIES[subdomain].name]
        wished = len(problems) + count // len(subdomains)
        while len(problems) < wished:
            one = make(family, rng, LEVEL, LANGUAGE)
            if one.question in taken or (
                part != "any" and measures(one.question, MEASURES) != (part == "measures")
            ):
                continue
            taken.add(one.question)
            problems.append(one)
    return problems


def solved(
    name: str, count: int, subdomains: Sequence[str], without: Collection[str], *, programs: bool = False
) -> list[dict[str, str]]:
    """Return `count` records of problems with solutions in the layouts of the embedded teacher, in words or as programs, for an import."""
    rng = rng_of("proof", name, "layouts")
    laid_out = laid_out_code if programs else laid_out_words
    return [
        _record(one.question, laid_out(one.worked, LANGUAGE, rng), one.worked.answer, one.subdomain)
        for one in draw(name, count, subdomains, part="any", without=without)
    ]


def passages(name: str, count: int, without: Collection[str]) -> str:
    """Return a Markdown book of problems with their solutions in words: a section of PER_PASSAGE problems of one subdomain after another."""
    rng = rng_of("proof", name, "layouts")
    problems = draw(name, count, list(FAMILIES), part="any", without=without)
    book = ["# Solved problems"]
    for number, start in enumerate(range(0, len(problems), PER_PASSAGE), start=1):
        book.append(f"## Section {number}: {problems[start].subdomain}")
        for one in problems[start : start + PER_PASSAGE]:
            book += [one.question, laid_out_words(one.worked, LANGUAGE, rng)]
    return "\n\n".join(book) + "\n"


def _record(question: str, solution: str, answer: str, subdomain: str) -> dict[str, str]:
    return {
        "question": question,
        "solution": solution,
        "answer": answer,
        "subdomain": subdomain,
        "language": LANGUAGE,
    }


def easy_prompts(folder: Path) -> Path:
    """Write the project's prompts for problems like failed ones into the folder, with an easy difficulty in place of a varied one and the
    knowledge point of the subdomain's family, so that a small student can learn what is written. Returns the folder, which the setting
    MATHMILL_PROMPTS names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in WRITTEN_BY:
        file = f"{name}.{LANGUAGE}.md"
        text, replaced = _VARIED.subn(_EASY + _points(), (prompts.HERE / file).read_text(encoding="utf-8"))
        if replaced != 1:
            raise ValueError(f"prompts/{file}: it has no line that begins with '- Vary the difficulty:'")
        write_text(folder / file, text)
    return folder


def _points() -> str:
    return "".join(
        f"\n{{% if subdomain == '{subdomain}' %}}\n- Knowledge points: {family.point}\n{{% endif %}}"
        for subdomain, family in FAMILIES.items()
    )
