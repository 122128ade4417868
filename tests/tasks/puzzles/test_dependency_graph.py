"""Word problems on graphs: read back from their sentences, computed anew, and each line of the solution checked."""

from __future__ import annotations

import contextlib
import io
import re
from fractions import Fraction

import pytest

from tasks.puzzles import dependency_graph
from tasks.puzzles.dependency_graph import OPENINGS, PHRASES, QUESTIONS, TEMPLATES, THEMES, Theme
from tests.tasks.puzzles.reading import DRAWS, any_of, puzzles, read, repeated

Quantity = tuple[str, str]  # place, thing; "" for a total


def phrases_of(theme: Theme, language: str) -> dict[str, Quantity]:
    """Return every phrase for a quantity or a total, in small letters."""
    words, everything = PHRASES[language], theme.everything[language]
    places, things = theme.places[language], theme.things[language]
    phrases = {
        words["quantity"].format(place=place, thing=thing, at=theme.at): (place, thing)
        for place in places
        for thing in things
    }
    phrases |= {
        words["place"].format(place=place, everything=everything, at=theme.at): (place, "")
        for place in places
    }
    phrases |= {words["thing"].format(thing=thing): ("", thing) for thing in things}
    return {phrase.lower(): (place.lower(), thing.lower()) for phrase, (place, thing) in phrases.items()}


NTHS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "二": 2, "三": 3, "四": 4, "五": 5}


def solved(question: str, language: str) -> tuple[int, dict[Quantity, Fraction], dict[str, Quantity]]:
    """Return the answer, and the value of every quantity, from the words of the question alone."""
    theme, opening = next(
        (theme, start)
        for theme in THEMES
        for opening in OPENINGS[language]
        if question.startswith(start := opening.format(everything=theme.everything[language]))
    )
    phrases = phrases_of(theme, language)
    named = any_of(phrases)
    slots = {
        "x": named, "y": named, "n": r"\d+", "nth": "third|quarter|fifth|二|三|四|五", "unit": theme.unit, "at": theme.at,
        "place": any_of(theme.places[language]), "thing": any_of(theme.things[language]),
    }  # fmt: skip
    body = question[len(opening) :].strip()
    end = "。" if language == "zh" else ". "
    *sentences, asked = body.split(end) if language == "en" else body.removesuffix("。").split(end)
    equations: dict[Quantity, tuple[str, dict[str, str]]] = {}
    for sentence in sentences:
        text = sentence.replace("is half of", "is one half of").replace("的一半", "的二分之一").strip()
        readings = [
            (kind, values)
            for kind, templates in TEMPLATES[language].items()
            for _, values in read(text, templates, slots | {"nth": "half|third|quarter|fifth|二|三|四|五"})
        ]
        assert len(readings) == 1, (sentence, readings)
        kind, values = readings[0]
        place = (values["place"].lower(), values["thing"].lower())
        assert place not in equations
        equations[place] = (kind, values)
    known: dict[Quantity, Fraction] = {}

    def value(quantity: Quantity) -> Fraction | None:
        if "" not in quantity:
            return known.get(quantity)
        inside = [one for one in equations if quantity[0] in ("", one[0]) and quantity[1] in ("", one[1])]
        return (
            sum((known[one] for one in inside), Fraction()) if all(one in known for one in inside) else None
        )

    while len(known) < len(equations):
        before = len(known)
        for place, (kind, values) in equations.items():
            number = Fraction(int(values.get("n") or NTHS.get(values.get("nth", ""), 0)))  # fmt: skip
            x, y = (
                value(phrases[values[name].lower()]) if name in values else Fraction() for name in ("x", "y")
            )
            if place not in known and x is not None and y is not None:
                known[place] = {
                    "given": number, "more": x + number, "fewer": x - number, "times": x * number,
                    "part": x / number if number else Fraction(), "sum": x + y, "difference": x - y,
                }[kind]  # fmt: skip
        assert len(known) > before, "the sentences define quantities by each other"
    ((_, question_of),) = read(asked.strip(), QUESTIONS[language], slots) or read(f"{asked}。", QUESTIONS[language], slots)  # fmt: skip
    answer = value(phrases[question_of["x"].lower()])
    assert answer is not None
    assert answer.denominator == 1
    return int(answer), known, phrases


def value_of(quantity: Quantity, known: dict[Quantity, Fraction]) -> Fraction:
    return sum(
        (
            value
            for one, value in known.items()
            if quantity[0] in ("", one[0]) and quantity[1] in ("", one[1])
        ),
        Fraction(),
    )


@pytest.mark.parametrize("count", DRAWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_answer_and_every_line_follow_from_the_sentences(language: str, count: int) -> None:
    questions = []
    for (graph, *_), puzzle in puzzles("dependency_graph", count, language):
        answer, known, phrases = solved(puzzle.question, language)
        assert str(answer) == puzzle.answer
        assert all(value > 0 and value.denominator == 1 for value in known.values())
        for line in puzzle.steps:
            phrase = max((one for one in phrases if one in line.lower()), key=len)
            sides = re.search(r"(\d[\d +*/-]*?)(?: = (\d+))?[.。]$", line)
            assert sides is not None, line
            computed = eval(
                sides[1].replace("/", "//") if "/" in sides[1] else sides[1]
            )  # digits and signs only
            assert computed == int(sides[2] or sides[1]) == value_of(phrases[phrase], known), line
        assert puzzle.program is not None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(puzzle.program, {})  # our own program
        assert printed.getvalue().strip() == puzzle.answer
        assert len(puzzle.steps) <= len(known) + len(graph.values)
        questions.append(puzzle.question)
    # six numbers of about 40 and dozens of phrases: a repeated question is not to be expected among 10,000
    assert repeated(questions) == 0


@pytest.mark.parametrize(("depth", "unneeded"), [(1, 0), (3, 2), (6, 4), (12, 6)])
def test_a_problem_has_the_depth_and_the_unneeded_facts_that_are_asked_for(depth: int, unneeded: int) -> None:
    settings = {
        "least_depth": depth,
        "most_depth": depth,
        "least_unneeded": unneeded,
        "most_unneeded": unneeded,
    }
    for (graph, *_), puzzle in puzzles("dependency_graph", 15, "en", **settings):
        depths: dict[object, int] = {}
        for node in dependency_graph._order(graph):
            depths[node] = 1 + max((depths[one] for one in graph.parts(node)), default=-1)
        assert depths[graph.asked] == depth
        assert sum(node not in depths for node in graph.definitions) >= unneeded
        assert puzzle.sizes["unneeded"] == sum(node not in depths for node in graph.definitions)
