"""Written problems have the requested subdomain and number, and duplicates and flaws at the stated rates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

import pytest
from rapidfuzz.distance import Levenshtein

from tasks.problems.machinery.family import LANGUAGES, families, make, of_subdomain, recognise
from tasks.replies.items import problems
from tasks.seeding import rng_of
from tasks.taxonomy import SUBDOMAINS, domain_of, local_name
from tasks.teacher.answering import Forced, answer
from tasks.teacher.character import PERFECT, STRONG, Character
from tasks.teacher.composition import worked_question
from tasks.teacher.compound import split
from tasks.teacher.reading import PromptRequest

Say = Callable[..., list[str]]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("subdomain", sorted(SUBDOMAINS))
def test_every_subdomain_is_written_and_known(say: Say, subdomain: str, language: str) -> None:
    (text,) = say(
        "self_instruct",
        language,
        subdomain=local_name(subdomain, language),
        examples=[],
        count=6,
        difficulty=2,
    )
    written = problems(text)
    assert len(written) == 6
    assert len({item.question for item in written}) >= 4
    for item in written:
        assert item.question is not None
        assert item.difficulty in (3, 4)
        known = recognise(item.question, language)
        assert known is not None
        if of_subdomain(subdomain):
            assert known.subdomain == subdomain
        else:
            assert (
                domain_of(known.subdomain) == domain_of(subdomain)
                or known.subdomain == "multi-step arithmetic"
            )


@pytest.mark.parametrize("subdomain", ["word problems", "None", "astrology", "应用题"])
def test_a_topic_that_it_does_not_know_falls_back_to_something_sensible(say: Say, subdomain: str) -> None:
    (text,) = say("self_instruct", "en", subdomain=subdomain, examples=[], count=3, difficulty=1)
    for item in problems(text):
        known = recognise(item.question or "", "en")
        assert known is not None
        assert known.subdomain == "multi-step arithmetic"


def test_without_a_topic_the_examples_decide(say: Say) -> None:
    shown = make(families()["matrix_product"], rng_of("shown"), 1, "en").question
    (text,) = say(
        "self_instruct",
        "en",
        subdomain="things like these",
        examples=[{"question": shown}],
        count=5,
        difficulty=1,
    )
    topics = {known.subdomain for item in problems(text) if (known := recognise(item.question or "", "en"))}
    assert topics == {"matrix operations"}


def test_similar_problems_train_the_failed_skill(say: Say) -> None:
    failed = make(families()["determinant"], rng_of("failed"), 2, "zh")
    texts = say("similar", "zh", subdomain="行列式", question=failed.question, examples=[], count=5, n=8)
    written = [item.question for text in texts for item in problems(text)]
    assert len(written) == 40
    topics = Counter(known.subdomain for question in written if (known := recognise(question or "", "zh")))
    assert topics["determinants"] == 40
    assert failed.question not in written


def test_duplicates_repeats_and_flaws_come_at_the_stated_rates(say: Say) -> None:
    counts: Counter[str] = Counter()
    total = 0
    for index, subdomain in enumerate(sorted(SUBDOMAINS)):
        family = (of_subdomain(subdomain) or list(families().values()))[0]
        shown = [make(family, rng_of("rates", subdomain, i), 2, "en").question for i in range(3)]
        texts = say(
            "self_instruct",
            "en",
            character=STRONG,
            n=6,
            seed=index,
            subdomain=subdomain,
            examples=[{"question": question} for question in shown],
            count=5,
            difficulty=2,
        )
        for text in texts:
            written: list[str] = []
            for item in problems(text):
                if item.question is None:
                    continue
                total += 1
                pool = shown + written
                if item.question in pool:
                    counts["repeat"] += 1
                elif "___" in item.question:
                    counts["flawed"] += 1
                elif min(Levenshtein.distance(item.question, other) for other in pool) <= 4 or any(
                    item.question.endswith(other) for other in pool
                ):
                    counts["near"] += 1
                written.append(item.question)
    rates = STRONG.rates
    assert total > 700
    # draws of one template may be close or equal by chance, so the counts may be above the rate, not under it
    for name, rate in (("repeat", rates.repeat), ("near", rates.near_duplicate), ("flawed", rates.flawed)):
        sigma = (total * rate * (1 - rate)) ** 0.5
        assert total * rate - 4.5 * sigma <= counts[name] <= total * (rate + 0.15) + 4.5 * sigma, (
            name,
            counts,
            total,
        )


@pytest.mark.slow
def test_malformed_json_comes_at_the_stated_rate_but_never_where_json_is_forced() -> None:
    job = PromptRequest("write", "en", subdomain="linear equations", count=3)
    broken = 0
    for seed in range(600):
        text = answer(job, STRONG, rng_of("free", seed))
        broken += any(item.fault for item in problems(text)) or len(problems(text)) != 3
        forced = json.loads(answer(job, STRONG, rng_of("forced", seed), Forced(json=True)))
        assert len(forced["problems"]) == 3
    rate = STRONG.rates.malformed
    assert abs(broken - 600 * rate) <= 4.5 * (600 * rate * (1 - rate)) ** 0.5


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_for_a_set_of_concepts_needs_all_of_them(language: str) -> None:
    """One family where it needs all, else parts of several, each concept in one of them."""
    perfect = Character("perfect", PERFECT)
    sets = (
        ("percentages", "greatest common divisor"),
        ("combinations", "arithmetic mean", "definite integrals"),
        ("laws of logarithms", "logarithmic equations"),
    )
    for number, named in enumerate(sets * 4):
        job = PromptRequest("write", language, concepts=frozenset(named), subdomain="counting")
        (item,) = problems(answer(job, perfect, rng_of("sets", number), Forced(json=True)))
        assert item.question is not None
        assert worked_question(item.question, language) is not None
        parts = [item.question]
        while any(compounds := [split(part) for part in parts]):
            parts = [
                text
                for part, compound in zip(parts, compounds, strict=True)
                for text in (
                    [part]
                    if compound is None
                    else [re.sub(r"\(A [+-] \d+\)", "7", compound.slots[slot]) for slot in compound.slots]
                )
            ]
        needed = set()
        for part in parts:
            problem = recognise(part, language)
            assert problem is not None, part
            needed |= {name.lower() for name in families()[problem.family].concepts}
        assert set(named) <= needed
