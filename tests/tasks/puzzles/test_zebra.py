"""Grid puzzles: the clues read back from the question, solved by backtracking, and each elimination checked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tasks.puzzles.zebra import (
    ATTRIBUTES,
    CLUES,
    COLOUR_OF,
    HOUSE_CLUES,
    HOUSE_WHERE,
    IN_HOUSE,
    WHERE,
    AttributeValue,
    Elimination,
    Grid,
    _everywhere,
    _propagate,
    _solved,
    houses_of,
    solve,
    subject,
    who,
)
from tests.tasks.puzzles.reading import DRAWS, any_of, puzzles, read, repeated

# what each wording says, by its words alone; x, y: houses; n, m: numbers of houses
MEANINGS: dict[str, Callable[[int, int, int, int], bool]] = {
    "{x} {has}.": lambda x, y, n, m: x == y,
    "{x} and {y} are different people.": lambda x, y, n, m: x != y,
    "{x} and {y} do not live in the same house.": lambda x, y, n, m: x != y,
    "{x} lives directly to the left of {y}.": lambda x, y, n, m: x + 1 == y,
    "{y} lives in the next house to the right of {x}.": lambda x, y, n, m: x + 1 == y,
    "{x} lives next door to {y}.": lambda x, y, n, m: x - y in (1, -1),
    "{x} and {y} are neighbours.": lambda x, y, n, m: x - y in (1, -1),
    "{x} lives somewhere to the left of {y}.": lambda x, y, n, m: x < y,
    "{y} lives somewhere to the right of {x}.": lambda x, y, n, m: x < y,
    "There is exactly one house between {x} and {y}.": lambda x, y, n, m: x - y in (2, -2),
    "{x} lives in house {n}.": lambda x, y, n, m: x == n,
    "In house {n} lives {x}.": lambda x, y, n, m: x == n,
    "{x} does not live in house {n}.": lambda x, y, n, m: x != n,
    "{x} lives in house {n} or in house {m}.": lambda x, y, n, m: x in (n, m),
    "{x}{has}。": lambda x, y, n, m: x == y,
    "{x}和{y}不是同一个人。": lambda x, y, n, m: x != y,
    "{x}和{y}不住在同一座房子里。": lambda x, y, n, m: x != y,
    "{x}紧挨着住在{y}的左边。": lambda x, y, n, m: x + 1 == y,
    "{y}住在{x}右边的第一座房子里。": lambda x, y, n, m: x + 1 == y,
    "{x}与{y}住在隔壁。": lambda x, y, n, m: x - y in (1, -1),
    "{x}和{y}是邻居。": lambda x, y, n, m: x - y in (1, -1),
    "{x}住在{y}左边的某座房子里。": lambda x, y, n, m: x < y,
    "{y}住在{x}右边的某座房子里。": lambda x, y, n, m: x < y,
    "{x}和{y}之间恰好隔着一座房子。": lambda x, y, n, m: x - y in (2, -2),
    "{x}住在{n}号房子。": lambda x, y, n, m: x == n,
    "{n}号房子里住的是{x}。": lambda x, y, n, m: x == n,
    "{x}不住在{n}号房子。": lambda x, y, n, m: x != n,
    "{x}住在{n}号或{m}号房子。": lambda x, y, n, m: x in (n, m),
    "{y} does not live in {h}.": lambda x, y, n, m: x != y,
    "{h} is house {n}.": lambda x, y, n, m: x == n,
    "House {n} is {c}.": lambda x, y, n, m: x == n,
    "{h} is not house {n}.": lambda x, y, n, m: x != n,
    "House {n} is not {c}.": lambda x, y, n, m: x != n,
    "{h} is house {n} or house {m}.": lambda x, y, n, m: x in (n, m),
    "{y}不住在{h}里。": lambda x, y, n, m: x != y,
    "{h}是{n}号。": lambda x, y, n, m: x == n,
    "{n}号房子是{c}色的。": lambda x, y, n, m: x == n,
    "{h}不是{n}号。": lambda x, y, n, m: x != n,
    "{n}号房子不是{c}色的。": lambda x, y, n, m: x != n,
    "{h}是{n}号或{m}号。": lambda x, y, n, m: x in (n, m),
}
WORDINGS = {
    language: [
        template
        for forms in (CLUES[language], HOUSE_CLUES[language])
        for templates in forms.values()
        for template in templates
    ]
    for language in CLUES
}

Read = tuple[str, AttributeValue, AttributeValue, int, int]  # wording, values x and y, numbers n and m


def test_every_wording_has_a_meaning() -> None:
    assert {template for templates in WORDINGS.values() for template in templates} == set(MEANINGS)


class Reading:
    """A puzzle as its question states it."""

    def __init__(self, question: str, language: str) -> None:
        self.language = language
        lines = question.split("\n")
        self.lists: dict[int, list[AttributeValue]] = {}
        self.clues: list[Read] = []
        colon, comma = ("：", "、") if language == "zh" else (": ", ", ")
        for line in lines:
            if line.startswith("- "):
                title, words = line[2:].split(colon)
                (attribute,) = [n for n, kind in enumerate(ATTRIBUTES) if kind.title[language] == title]
                shown = ATTRIBUTES[attribute].values
                names = list(shown.zh if language == "zh" else shown.en)
                self.lists[attribute] = [(attribute, names.index(word)) for word in words.split(comma)]
        self.values = [value for row in self.lists.values() for value in row]
        self.houses = len(next(iter(self.lists.values())))
        self.people = {who(value, language).lower(): value for value in self.values}
        self.has = {
            ATTRIBUTES[a].has[language].format(v=ATTRIBUTES[a].values.show(v, language)).lower(): (a, v)
            for a, v in self.values
        }
        coloured = [value for value in self.values if ATTRIBUTES[value[0]].house]
        self.coloured = {subject(value, language).lower(): value for value in coloured}
        self.colours = {ATTRIBUTES[a].values.show(v, language).lower(): (a, v) for a, v in coloured}
        for line in lines:
            if match := re.match(r"\d+\. (.*)", line):
                self.clues.append(self.clue(match[1]))
        self.asked = lines[-1]

    def clue(self, text: str) -> Read:
        person = any_of(self.people)
        slots = {
            "x": person, "y": person, "has": any_of(self.has), "n": r"\d", "m": r"\d",
            "h": any_of(self.coloured or ["\0"]), "c": any_of(self.colours or ["\0"]),
        }  # fmt: skip
        readings = read(text, WORDINGS[self.language], slots)
        assert len(readings) == 1, (text, readings)
        template, values = readings[0]
        if "h" in values or "c" in values:
            x = self.coloured[values["h"].lower()] if "h" in values else self.colours[values["c"].lower()]
        else:
            x = self.people[values["x"].lower()]
        if "has" in values:
            y = self.has[values["has"].lower()]
        else:
            y = self.people[values["y"].lower()] if "y" in values else x
        return template, x, y, int(values.get("n", 0)), int(values.get("m", 0))

    def solutions(self) -> Iterator[dict[AttributeValue, int]]:
        """Yield all solutions: an order of the houses per attribute, attribute by attribute, as long as no clue is broken."""
        within: dict[frozenset[int], list[Read]] = {}
        for clue in self.clues:
            within.setdefault(frozenset((clue[1][0], clue[2][0])), []).append(clue)

        def kept(clues: list[Read], places: dict[AttributeValue, int]) -> bool:
            return all(MEANINGS[template](places[x], places[y], n, m) for template, x, y, n, m in clues)

        orders = {
            attribute: [
                order
                for numbers in itertools.permutations(range(1, self.houses + 1))
                if kept(
                    within.get(frozenset((attribute,)), []), order := dict(zip(row, numbers, strict=True))
                )
            ]
            for attribute, row in self.lists.items()
        }
        attributes = sorted(self.lists, key=lambda attribute: len(orders[attribute]))

        def extended(places: dict[AttributeValue, int], depth: int) -> Iterator[dict[AttributeValue, int]]:
            if depth == len(attributes):
                yield places
                return
            new = attributes[depth]
            clues = [clue for old in attributes[:depth] for clue in within.get(frozenset((old, new)), [])]
            for order in orders[new]:
                if kept(clues, more := places | order):
                    yield from extended(more, depth + 1)

        yield from extended({}, 0)

    def answer(self, places: dict[AttributeValue, int]) -> str:
        """Return the answer to what is asked."""
        houses = {IN_HOUSE[self.language].format(n=house): house for house in range(1, self.houses + 1)}
        slots = {"who": any_of([*self.people, *houses]), "n": r"\d", "h": any_of(self.coloured or ["\0"])}
        asks = {kind.asks[self.language]: number for number, kind in enumerate(ATTRIBUTES)}
        asks[COLOUR_OF[self.language]] = next(n for n, kind in enumerate(ATTRIBUTES) if kind.house)
        forms = [*asks, *WHERE[self.language], HOUSE_WHERE[self.language]]
        ((template, values),) = read(self.asked, forms, slots)
        named = values.get("who", "").lower()
        if "n" in values:
            house = int(values["n"])
        elif "h" in values:
            house = places[self.coloured[values["h"].lower()]]
        else:
            house = houses[named] if named in houses else places[self.people[named]]
        if template not in asks:
            return str(house)
        ((attribute, value),) = [one for one in self.lists[asks[template]] if places[one] == house]
        return ATTRIBUTES[attribute].values.show(value, self.language)


def check_steps(grid: Grid, steps: list[Elimination], lines: tuple[str, ...], reading: Reading) -> None:
    """Assert that each elimination follows from its clue, or from there being one value in each house, and from those before."""
    places = {value: set(range(grid.houses)) for value in reading.values}
    for step, line in zip(steps, lines, strict=False):
        known = {value: set(houses_of(bits)) for value, bits in step.known.items()}
        left = {value: set(houses_of(bits)) for value, bits in step.left.items()}
        assert all(places[value] == houses for value, houses in known.items())
        if step.rule.kind == "clue":
            template, x, y, n, m = reading.clues[step.rule.clue]
            assert set(known) == {x, y}
            pairs = [
                (one, other) for one in places[x] for other in places[y]
                if MEANINGS[template](one + 1, other + 1, n, m) and (x != y or one == other)
            ]  # fmt: skip
            possible = {x: {one for one, _ in pairs}, y: {other for _, other in pairs}}
            number = re.search(r"(?:clue |线索)(\d+)", line)
            assert number is not None
            assert int(number[1]) == step.rule.clue + 1
        else:
            row = reading.lists[step.rule.value[0]]
            own = step.rule.value
            if step.rule.kind == "taken":
                assert len(places[own]) == 1
                possible = {other: places[other] - places[own] for other in row if other != own}
            else:
                possible = {own: places[own] - set().union(*(places[other] for other in row if other != own))}
        assert all(possible[value] == houses and houses < places[value] for value, houses in left.items())
        places |= left
        for value, houses in left.items():
            numbers = re.sub(r"[^\d]", "", line[line.lower().rindex(subject(value, reading.language).lower()) :].split("号")[0].split(" and ")[0])  # fmt: skip
            assert numbers.startswith("".join(str(house + 1) for house in sorted(houses))), (line, value)
    assert all(houses == {grid.solution[value]} for value, houses in places.items())
    assert len(lines) == len(steps) + grid.houses


@pytest.mark.slow
@pytest.mark.parametrize("count", DRAWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_there_is_one_solution_and_every_elimination_leads_to_it(language: str, count: int) -> None:
    questions = []
    for (grid, steps, *_), puzzle in puzzles("zebra", count, language):
        reading = Reading(puzzle.question, language)
        solutions = list(itertools.islice(reading.solutions(), 2))
        assert len(solutions) == 1, puzzle.question
        assert {value: house - 1 for value, house in solutions[0].items()} == dict(grid.solution)
        assert reading.answer(solutions[0]) == puzzle.answer
        check_steps(grid, steps, puzzle.steps, reading)
        questions.append(puzzle.question)
    assert repeated(questions) == 0


def test_no_clue_can_be_left_out_of_the_deduction_and_the_solver_sees_a_second_solution() -> None:
    """A clue less may leave the solution unique, but eliminations do not reach it any more; without most clues it is not unique."""
    for (grid, *_), _ in puzzles("zebra", 10, "en"):
        assert solve(grid) == [grid.solution]
        for clue in grid.clues:
            rest = [one for one in grid.clues if one != clue]
            places = _everywhere(grid)
            _propagate(grid, rest, places)
            assert not _solved(places)
        assert len(solve(replace(grid, clues=grid.clues[:2]))) == 2


@pytest.mark.parametrize(("houses", "attributes"), [(3, 2), (6, 6)])
def test_the_sizes_are_settings(houses: int, attributes: int) -> None:
    sizes = {"least_houses": houses, "most_houses": houses, "least_attributes": attributes, "most_attributes": attributes}  # fmt: skip
    for (grid, *_), puzzle in puzzles("zebra", 2, "en", **sizes):
        assert (grid.houses, len(grid.values)) == (houses, attributes)
        assert len(puzzle.question) < 4_000


@pytest.mark.slow
def test_a_house_has_a_number_and_its_owner_lives_in_it() -> None:
    """The house of an owner of a house is that house, and a coloured house does not live anywhere."""
    for language, wrong in (
        (
            "en",
            r"house of the (?:owner|person in house)|owner of the \w+ house (?:lives in|does not live in) house \d",
        ),
        ("zh", r"主人的房子|房子的主人(?:不?住在|在)\d|里住的是.色房子|色房子的主人住在几号"),
    ):
        for _, puzzle in puzzles("zebra", 60, language):
            text = "\n".join([puzzle.question, *puzzle.steps])
            assert not re.search(wrong, text, re.IGNORECASE), text
