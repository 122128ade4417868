"""Conditions of calls: every value is dealt before one is dealt again, in both languages, for every subdomain."""

from __future__ import annotations

import re

import pytest

from tasks.conditions import LEVELS, conditions, dealt, local_concepts, readable_concepts
from tasks.problems.machinery.family import families
from tasks.taxonomy import DOMAINS, SUBDOMAINS, local_name

CJK = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("values", [1, 5, 12])
def test_every_value_is_dealt_before_one_is_dealt_again(values: int) -> None:
    deck = list(range(values))
    for turn in range(3):
        drawn = [dealt(deck, index, 7, "kind") for index in range(turn * values, (turn + 1) * values)]
        assert sorted(drawn) == deck
    if values > 5:
        orders = {tuple(dealt(deck, index, seed, "kind") for index in deck) for seed in range(5)}
        assert len(orders) == 5  # another night has another order


def test_calls_of_a_subdomain_have_other_combinations() -> None:
    stated = [conditions().of_call("en", "probability", index, 1 + index % 3, 11) for index in range(100)]
    combinations = {
        (tuple(one["concepts"]), one["kind"], one["context"], one["level"], one["answer_type"])
        for one in stated
    }
    assert len(combinations) >= 95
    assert len({tuple(one["concepts"]) for one in stated[:21]}) == 21  # all pairs of seven concepts
    assert stated[42] == conditions().of_call("en", "probability", 42, 1 + 42 % 3, 11)


@pytest.mark.parametrize("subdomain", sorted(SUBDOMAINS))
def test_conditions_are_in_the_language_of_the_call(subdomain: str) -> None:
    for index in range(20):
        for band, levels in LEVELS.items():
            en = conditions().of_call("en", subdomain, index, band, 3)
            zh = conditions().of_call("zh", subdomain, index, band, 3)
            assert en["level"] in levels
            assert not CJK.search("".join([*en["concepts"], en["kind"], en["context"], en["answer_type"]]))
            for text in [*zh["concepts"], zh["kind"], zh["context"], zh["answer_type"]]:
                assert CJK.search(text)


def test_a_setting_is_stated_for_stories_and_none_for_pure_mathematics() -> None:
    stories = {kind for kind, _ in conditions().stories}
    for index in range(60):
        stated = conditions().of_call("en", "limits", index, 2, 5)
        assert (stated["context"] == conditions().bare[0]) == (stated["kind"] not in stories)


def test_the_file_covers_the_taxonomy_and_the_concepts_of_every_family() -> None:
    assert set(conditions().concepts) == set(SUBDOMAINS)
    assert set(conditions().answers) == {domain for domain, _ in SUBDOMAINS.values()}
    assert re.fullmatch(r"conditions@[0-9a-f]{8}", conditions().version)
    for family in families().values():
        assert set(family.concepts) <= {en for en, _ in conditions().concepts[family.subdomain]}


def test_concepts_are_named_in_the_language_of_the_row() -> None:
    for family in families().values():
        english = list(family.concepts)
        assert local_concepts(english, family.subdomain, "en") == english
        chinese = local_concepts(english, family.subdomain, "zh")
        assert all(CJK.search(name) for name in chinese), (family.name, chinese)
    # one English name of two subdomains
    assert local_concepts(["Power rule"], "derivatives", "zh") == ["幂函数求导"]
    assert local_concepts(["power rule"], "integrals", "zh") == ["幂函数的积分"]
    assert local_concepts(["percentages", "百分数的应用", "mental maths"], None, "zh") == [
        "百分数的应用",
        "mental maths",
    ]


def test_a_chinese_text_shows_no_latin_words_as_concepts() -> None:
    named = ["percentages", "mental maths", "AM-GM", "RSA 算法", "勾股定理"]
    assert readable_concepts(named, None, "zh") == ["百分数的应用", "AM-GM", "RSA 算法", "勾股定理"]
    assert readable_concepts(named, None, "en") == named


@pytest.mark.parametrize("name", [*DOMAINS, *SUBDOMAINS])
def test_domains_and_subdomains_have_chinese_names(name: str) -> None:
    assert CJK.search(local_name(name, "zh"))
    assert local_name(name, "en") == name
