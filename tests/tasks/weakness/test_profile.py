"""Profiles of questions: subdomain, concepts, operations, type of the answer."""

from __future__ import annotations

import pytest

from tasks.problems.machinery.family import families, make
from tasks.retrieval.encoder import Encoder
from tasks.seeding import rng_of
from tasks.weakness.profile import Labeller, answer_type, operations_of, profile_of


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("12", "integer"),
        ("-1,200", "integer"),
        ("1, 2", "several"),
        (r"\frac{3}{4}", "fraction"),
        ("3/4", "fraction"),
        ("0.25", "decimal"),
        ("(1, 2)", "several"),
        ("2x + 1", "expression"),
        ("yes", "words"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_the_type_of_an_answer(reference: str | None, kind: str) -> None:
    assert answer_type(reference) == kind


def test_operations_are_read_in_both_languages() -> None:
    assert {"percent", "money"} <= operations_of("A coat of $80 is reduced by 15 percent.")
    assert {"percent", "money"} <= operations_of("一件 80 元的外套降价百分之十五。")
    assert operations_of("Name the capital of France.") == frozenset()


def test_a_stated_subdomain_comes_before_a_guess() -> None:
    stated = profile_of("Solve x + 1 = 3.", "linear equations", "2", guess="polynomials")
    assert (stated.subdomain, stated.guessed) == ("linear equations", False)
    guessed = profile_of("Solve x + 1 = 3.", "Counting & Probability", "2", guess="linear equations")
    assert (guessed.subdomain, guessed.guessed) == ("linear equations", True)
    assert profile_of("Solve x + 1 = 3.", None).subdomain is None


@pytest.mark.slow
def test_most_drawn_questions_are_labelled_with_their_subdomain() -> None:
    encode = Encoder()
    rng = rng_of("profile test")
    problems = [make(family, rng, 2, "en") for family in families().values() if "en" in family.phrasings]
    labeller = Labeller(encode)
    guesses = labeller.guesses(encode([one.question for one in problems]))
    right = sum(guess == one.subdomain for guess, one in zip(guesses, problems, strict=True))
    assert right >= 0.85 * len(problems)
    assert labeller.guesses(encode(["Who wrote the novel, and when did the poet die?"])) == [None]
