"""Deductions: the facts read back from the question, decided by another solver, and each line checked against what it cites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from sympy import And, Implies, Not, Or, Symbol
from sympy.logic.boolalg import Boolean
from sympy.logic.inference import satisfiable

from tasks.puzzles.formal_logic import INDIVIDUALS, LABELS, PREDICATES, RULES_IN_WORDS, Theory
from tasks.puzzles.puzzle import Puzzle
from tests.tasks.puzzles.reading import DRAWS, any_of, puzzles, read, repeated


class Reading:
    """A question as its text states it: facts as formulas, each for every individual that is named, and the hypothesis."""

    def __init__(self, question: str, language: str) -> None:
        self.zh = language == "zh"
        self.language = language
        self.predicate = any_of(PREDICATES.zh if self.zh else PREDICATES.en)
        self.individual = any_of(INDIVIDUALS.zh if self.zh else INDIVIDUALS.en)
        self.named = sorted(set(re.findall(self.individual, question)))
        self.facts = [self.fact(text) for text in re.findall(r"^\(\d+\) (.*)$", question, re.MULTILINE)]
        self.hypothesis = self.statements(question.split("\n")[-1])[0]

    @property
    def statement(self) -> str:
        return rf"{self.individual}(?:不)?是{self.predicate}的" if self.zh else rf"{self.individual} is (?:not )?{self.predicate}"  # fmt: skip

    def statements(self, text: str) -> list[Boolean]:
        """Return every statement about an individual in a text."""
        if self.zh:
            matches = re.findall(rf"({self.individual})(不)?是({self.predicate})的", text)
        else:
            matches = re.findall(rf"({self.individual}) is (not )?({self.predicate})", text)
        return [Not(Symbol(f"{p}({i})")) if no else Symbol(f"{p}({i})") for i, no, p in matches]

    def properties(self, text: str, one: str) -> list[Boolean]:
        """Return what a list of properties says of an individual."""
        if self.zh:
            matches = re.findall(rf"(不)?(?:是)?({self.predicate})的", text)
        else:
            neither = text.startswith("neither ")
            matches = [(no or neither, p) for no, p in re.findall(rf"(not )?({self.predicate})", text)]
        return [Not(Symbol(f"{p}({one})")) if no else Symbol(f"{p}({one})") for no, p in matches]

    def fact(self, text: str) -> Boolean:
        s = self.statement
        p = rf"(?:不)?(?:是)?{self.predicate}的" if self.zh else rf"(?:not )?{self.predicate}"
        several = (
            rf"{p}(?:并且{p})*"
            if self.zh
            else rf"{p}(?: and {p})*|neither {self.predicate} nor {self.predicate}"
        )
        joined = rf"{s}(?:，并且{s})*" if self.zh else rf"{s}(?: and {s})*"
        slots = {"c": joined, "s": s, "a": s, "b": s, "properties": several, "is_": several, "end": p}
        readings = [
            (kind, values)
            for kind, templates in RULES_IN_WORDS[self.language].items()
            for _, values in read(text, templates, slots)
        ]
        assert len(readings) == 1, (text, readings)
        kind, values = readings[0]
        if kind == "general":
            conditions = values.get("properties") or values["is_"]
            return And(
                *(
                    Implies(And(*self.properties(conditions, one)), self.properties(values["end"], one)[0])
                    for one in self.named
                )
            )
        if kind == "about":
            return Implies(And(*self.statements(values["c"])), self.statements(values["s"])[0])
        both = [self.statements(values[name])[0] for name in "ab" if name in values]
        return Or(*both) if kind == "or" else And(*both)

    def label(self) -> str:
        """Return what the facts say of the hypothesis, by SymPy's solver."""
        facts = And(*self.facts)
        holds, fails = (bool(satisfiable(And(facts, one))) for one in (self.hypothesis, Not(self.hypothesis)))
        assert holds or fails, "the facts contradict each other"
        return LABELS[self.language]["unknown" if holds and fails else "proved" if holds else "disproved"]


def follows(premises: Sequence[Boolean], conclusion: Boolean) -> bool:
    return satisfiable(And(*premises, Not(conclusion))) is False


def check_lines(puzzle: Puzzle, reading: Reading) -> None:
    """Assert that each line follows from the facts and steps that it cites, and that the last is about the hypothesis."""
    shown: list[Boolean] = []
    *lines, last = puzzle.steps
    for line in lines:
        fact_numbers = [int(number) for number in re.findall(r"(?:fact |事实)(\d+)", line, re.IGNORECASE)]
        step_numbers = [
            int(number) for number in re.findall(r"step (\d+)|第(\d+)步", line) for number in number if number
        ]
        conclusion = reading.statements(line)[-1]
        premises = [reading.facts[number - 1] for number in fact_numbers]
        premises += [shown[number - 1] for number in step_numbers]
        assert premises
        assert follows(premises, conclusion), line
        # what a line takes for granted besides is stated where it says so
        shown.append(conclusion)
    opposite = "opposite" in last or "相反" in last
    assert shown[-1] == (Not(reading.hypothesis) if opposite else reading.hypothesis)


def check_models(puzzle: Puzzle, reading: Reading) -> None:
    """Assert that both cases satisfy every fact, and that the hypothesis holds in one of them."""
    values = []
    for line in puzzle.steps[:2]:
        true = dict.fromkeys(reading.statements(line), True)
        everything = {symbol: true.get(symbol, False) for symbol in And(*reading.facts, reading.hypothesis).atoms(Symbol)}  # fmt: skip
        assert all(fact.subs(everything) == True for fact in reading.facts), line  # noqa: E712 - SymPy's true
        assert set(true) <= set(everything), line
        values.append(bool(reading.hypothesis.subs(everything)))
    assert values == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("count", DRAWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_label_and_every_line_follow_from_the_facts(language: str, count: int) -> None:
    questions = []
    labels = Counter[str]()
    for (theory, *_), puzzle in puzzles("formal_logic", count, language):
        reading = Reading(puzzle.question, language)
        assert reading.label() == puzzle.answer, puzzle.question
        if theory.label == "unknown":
            check_models(puzzle, reading)
        else:
            check_lines(puzzle, reading)
        labels[theory.label] += 1
        questions.append(puzzle.question)
    assert min(labels.values()) > count / 15
    assert len(labels) == 3
    assert repeated(questions) == 0


@pytest.mark.parametrize("depth", [1, 6])
def test_a_proof_has_as_many_steps_in_a_row_as_are_asked_for(depth: int) -> None:
    def steps_in_a_row(theory: Theory) -> int:
        def length(step: object) -> int:
            return (step.rule != "given") + max(map(length, step.premises), default=0)  # type: ignore[attr-defined]

        return length(theory.proof)

    settings = {"least_depth": depth, "most_depth": depth, "least_unneeded": 0, "most_unneeded": 0}
    for (theory, *_), puzzle in puzzles("formal_logic", 20, "en", **settings):
        assert puzzle.sizes["depth"] == depth
        if theory.proof is not None:
            assert steps_in_a_row(theory) == depth
