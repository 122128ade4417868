"""The measure of variety: templates with masked numbers, questions of no one family, artefacts by row."""

from __future__ import annotations

from benchmarks.variety import artefacts, own_wording, templates
from storage.rows import Row, to_table
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of


def test_numbers_make_no_template() -> None:
    assert len(templates(["What is 2 + 3?", "What is 12 + 7?", "What is 2 - 3?"])) == 2


def test_a_wording_of_a_family_is_known() -> None:
    problem = make(families()["gcd_lcm"], rng_of("variety", 0), 2, "en")
    assert own_wording([(problem.question, "en"), ("A wording of nobody's?", "en")]) == 1


def test_artefacts_are_counted_once_per_row() -> None:
    rows = [
        Row("Please answer: what is 1 + 1?", "en", solution="2", solution_format="cot"),
        Row("What is ___ + 1?", "en", solution="print((-5)*x**0)\nprint(2*x**0)", solution_format="pot"),
        Row(r"Find \(2^3\).", "en", solution="2^3 = 8.\n\\boxed{8}", solution_format="cot"),
        Row(r"Find \(2^3\).", "en", solution=r"It is \(2^3 = 8\). \boxed{8}", solution_format="cot"),
    ]
    counts = artefacts(to_table(rows))
    assert {name: count for name, count in counts.items() if count} == {
        "question: opening of a conversation": 1,
        "question: a number is missing": 1,
        "program: a power of nought": 1,
        "solution: ASCII where the question has LaTeX": 1,
    }
