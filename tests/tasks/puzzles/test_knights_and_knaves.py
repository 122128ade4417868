"""Knights and knaves: read back from what people say, tried over every case, and each step of the deduction checked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence

import pytest

from tasks.problems.machinery.words import NAMES
from tasks.puzzles.knights_and_knaves import AGAIN, CLAIMS, PEOPLES, QUESTIONS, SAYINGS, Inference, Village
from tasks.puzzles.puzzle import Puzzle
from tests.tasks.puzzles.reading import DRAWS, any_of, puzzles, read, repeated

Kinds = Mapping[str, bool]
Meaning = Callable[[bool, bool], bool]

# what each wording says, by its words alone; x and y: whether they are knights
MEANINGS: dict[str, Meaning] = {
    "{x} is a {good}": lambda x, y: x,
    "{x} is not a {bad}": lambda x, y: x,
    "{x} always tells the truth": lambda x, y: x,
    "{x} is a {bad}": lambda x, y: not x,
    "{x} is not a {good}": lambda x, y: not x,
    "{x} always lies": lambda x, y: not x,
    "{x} and {y} are both {goods}": lambda x, y: x and y,
    "neither {x} nor {y} is a {bad}": lambda x, y: x and y,
    "{x} and {y} are both {bads}": lambda x, y: not x and not y,
    "neither {x} nor {y} is a {good}": lambda x, y: not x and not y,
    "at least one of {x} and {y} is a {good}": lambda x, y: x or y,
    "{x} and {y} are not both {bads}": lambda x, y: x or y,
    "at least one of {x} and {y} is a {bad}": lambda x, y: not (x and y),
    "{x} and {y} are not both {goods}": lambda x, y: not (x and y),
    "exactly one of {x} and {y} is a {good}": lambda x, y: x is not y,
    "{x} and {y} are of different kinds": lambda x, y: x is not y,
    "{x} and {y} are of the same kind": lambda x, y: x is y,
    "{x} is a {good} if and only if {y} is a {good}": lambda x, y: x is y,
    "if {x} is a {good}, then {y} is a {good}": lambda x, y: y if x else True,
    "if {x} is a {bad}, then {y} is a {bad}": lambda x, y: True if x else not y,
    "{x}是{good}": lambda x, y: x,
    "{x}不是{bad}": lambda x, y: x,
    "{x}总说真话": lambda x, y: x,
    "{x}是{bad}": lambda x, y: not x,
    "{x}不是{good}": lambda x, y: not x,
    "{x}总说假话": lambda x, y: not x,
    "{x}和{y}都是{good}": lambda x, y: x and y,
    "{x}和{y}都不是{bad}": lambda x, y: x and y,
    "{x}和{y}都是{bad}": lambda x, y: not x and not y,
    "{x}和{y}都不是{good}": lambda x, y: not x and not y,
    "{x}和{y}中至少有一个是{good}": lambda x, y: x or y,
    "{x}和{y}不都是{bad}": lambda x, y: x or y,
    "{x}和{y}中至少有一个是{bad}": lambda x, y: not (x and y),
    "{x}和{y}不都是{good}": lambda x, y: not (x and y),
    "{x}和{y}中恰好有一个是{good}": lambda x, y: x is not y,
    "{x}和{y}不是同一类人": lambda x, y: x is not y,
    "{x}和{y}是同一类人": lambda x, y: x is y,
    "{x}是{good}当且仅当{y}是{good}": lambda x, y: x is y,
    "如果{x}是{good}，那么{y}也是{good}": lambda x, y: y if x else True,
    "如果{x}是{bad}，那么{y}也是{bad}": lambda x, y: True if x else not y,
}
COUNTS = {
    "exactly {n} of us {are} {kind}", "the number of {goods} among us is {n}", "我们当中恰好有{n}个{good}", "我们这些人里有{n}个{good}",
}  # fmt: skip
ALL = {"all of us are {goods}", "none of us is a {bad}", "我们都是{good}", "我们当中没有{bad}"}
NONE = {"none of us is a {good}", "all of us are {bads}", "我们当中没有{good}", "我们都是{bad}"}


def test_every_wording_has_a_meaning() -> None:
    every = {template for forms in CLAIMS.values() for templates in forms.values() for template in templates}
    assert every == set(MEANINGS) | COUNTS | ALL | NONE


class Reading:
    """A puzzle as its question states it."""

    def __init__(self, question: str, language: str) -> None:
        self.question, self.language = question, language
        good, goods, bad, bads = next(words for words in PEOPLES[language] if words[2] in question)
        names = NAMES.zh if language == "zh" else NAMES.en
        self.name = any_of(names)
        self.slots = {
            "x": self.name, "y": self.name, "name": self.name, "good": good, "goods": goods, "bad": bad, "bads": bads,
            "n": r"\d", "are": "is|are", "kind": f"a {good}|{goods}",
        }  # fmt: skip
        self.good, self.bad = good, bad
        self.people: list[str] = []
        for one in re.findall(self.name, question):
            if one not in self.people:
                self.people.append(one)
        quotes = r"“([^”]*)”" if language == "zh" else r'"([^"]*)"'
        self.claims: list[tuple[str, str]] = []
        for quoted in re.finditer(quotes, question):
            sayings = [re.escape(s).replace(r"\{name\}", f"(?P<name>{self.name})").replace(r"\{claim\}", re.escape(quoted[1].rstrip(".,。"))) for s in (*SAYINGS[language], *AGAIN[language])]  # fmt: skip
            speaker = next(
                match["name"]
                for saying in sayings
                for match in re.finditer(saying, question)
                if match.start() <= quoted.start(1) < match.end()
            )
            claim = re.sub("我(?!们)", speaker, quoted[1]) if language == "zh" else quoted[1]
            self.claims.append((speaker, claim.rstrip(".,。")))
        self.solutions = [kinds for kinds in self.cases() if self.fits(kinds)]

    def cases(self) -> list[dict[str, bool]]:
        values = itertools.product((True, False), repeat=len(self.people))
        return [dict(zip(self.people, case, strict=True)) for case in values]

    def holds(self, claim: str, kinds: Kinds) -> bool:
        """Return whether a claim is true, by its words."""
        text = claim if self.language == "zh" else claim[0].lower() + claim[1:]
        for form in (claim, text):
            readings = read(form, [*MEANINGS, *COUNTS, *ALL, *NONE], self.slots)
            truths = {
                sum(kinds.values()) == int(values["n"]) if template in COUNTS
                else all(kinds.values()) if template in ALL
                else not any(kinds.values()) if template in NONE
                else MEANINGS[template](kinds[values["x"]], kinds[values.get("y") or values["x"]])
                for template, values in readings
            }  # fmt: skip
            if truths:
                (truth,) = truths
                return truth
        raise AssertionError(claim)

    def fits(self, kinds: Kinds) -> bool:
        return all(self.holds(claim, kinds) == kinds[speaker] for speaker, claim in self.claims)

    def pattern(self, template: str) -> str:
        """Return an expression for a sentence with one name."""
        words = {name: self.slots[name] for name in ("good", "goods", "bad", "bads")}
        before, _, after = template.format(name="\0", claim="\1", **words).partition("\0")
        return re.escape(before) + (f"(?P<name>{self.name})" if after or "{name}" in template else "") + re.escape(after)  # fmt: skip

    def answer(self) -> str:
        """Return the answer to what is asked, by the only solution."""
        (kinds,) = self.solutions
        asked = [
            (kind, match)
            for kind, templates in QUESTIONS[self.language].items()
            for template in templates
            if (match := re.search(self.pattern(template) + "$", self.question))
        ]
        ((kind, match),) = asked
        knights = [one for one in self.people if kinds[one]]
        if kind == "number":
            return str(len(knights))
        if kind == "one":
            return self.good if kinds[match["name"]] else self.bad
        if self.language == "zh":
            return "、".join(knights) or "没有"
        return ", ".join(knights) or "none"


def check_steps(village: Village, steps: Sequence[Inference], puzzle: Puzzle, reading: Reading) -> None:
    """Assert that each step follows from the claim that it names and from what is known by then."""
    names = [NAMES.show(number, reading.language) for number in village.names]
    spoken = {(names[speaker], claim): number for number, (speaker, claim) in enumerate(village.claims)}
    known: dict[str, bool] = {}

    def check(step: Inference, known: dict[str, bool]) -> None:
        shows = {names[person]: knight for person, knight in step.shows}
        premises = {names[person]: knight for person, knight in step.known}
        if step.claim is None:
            ((person, knight),) = shows.items()
            supposed = known | {person: not knight}
            for inner in step.inside:
                check(inner, supposed)
            assert not step.inside[-1].shows
        else:
            assert premises.items() <= known.items()
            number = spoken[names[step.speaker], step.claim]
            speaker, claim = reading.claims[number]
            cases = [
                kinds for kinds in reading.cases()
                if premises.items() <= kinds.items() and reading.holds(claim, kinds) == kinds[speaker]
            ]  # fmt: skip
            assert all(shows.items() <= kinds.items() for kinds in cases)
            assert bool(cases) == bool(shows)
        known.update(shows)

    assert len(steps) == len(puzzle.steps)
    for step, line in zip(steps, puzzle.steps, strict=True):
        check(step, known)
        for person, knight in step.shows:
            name, kind = names[person], reading.good if knight else reading.bad
            assert (f"{name}是{kind}" if reading.language == "zh" else f"{name} is a {kind}") in line
    assert known == reading.solutions[0]


@pytest.mark.parametrize("count", DRAWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_there_is_one_solution_and_every_step_leads_to_it(language: str, count: int) -> None:
    questions = []
    for (village, steps, *_), puzzle in puzzles("knights_and_knaves", count, language):
        reading = Reading(puzzle.question, language)
        assert len(reading.solutions) == 1, puzzle.question
        assert reading.answer() == puzzle.answer
        check_steps(village, steps, puzzle, reading)
        questions.append(puzzle.question)
    # 24 * 23 * 22 names of three people alone: fewer than one repetition is to be expected among 10,000
    assert repeated(questions) <= count // 10_000


@pytest.mark.parametrize("people", [2, 7])
def test_the_number_of_people_is_a_setting(people: int) -> None:
    for (village, *_), puzzle in puzzles(
        "knights_and_knaves", 5, "en", least_people=people, most_people=people
    ):
        assert len(village.names) == people == puzzle.sizes["people"]
