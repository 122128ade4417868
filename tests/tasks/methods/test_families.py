"""The method `families`: every subdomain and language, exact answers in the solutions, nothing under another method's name."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from storage.rows import empty
from tasks.answers.extraction import extract
from tasks.methods import makes_rows
from tasks.problems.machinery.family import recognise
from tasks.taxonomy import SUBDOMAINS

CJK = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_subdomain_has_problems_with_the_answer_in_a_box_or_a_program(language: str) -> None:
    method = makes_rows("families")
    quota = {(language, subdomain): 6 for subdomain in SUBDOMAINS}
    asks = method.plan(empty(), quota, per_call=4, examples=3, seed=5)
    assert Counter(ask.subdomain for ask in asks) == dict.fromkeys(SUBDOMAINS, 2)
    assert sum(ask.count for ask in asks) == sum(quota.values())
    formats = Counter[str]()
    for ask in asks:
        assert (ask.method, ask.prompt) == ("families", "")
        items = method.make(ask)
        assert len(items) == ask.count
        for item in items:
            problem = recognise(item.question, language)
            assert problem is not None
            assert problem.worked.answer == item.answer == item.reference_answer
            assert (item.solution_by, problem.family) == ("procedure", item.params["family"])
            assert item.solution is not None
            assert item.concepts
            assert all(bool(CJK.search(name)) == (language == "zh") for name in item.concepts)
            assert item.difficulty in (1, 2, 4)
            formats[str(item.solution_format)] += 1
            if item.solution_format == "cot":
                extracted = extract(item.solution)
                assert extracted is not None
                assert (extracted.kind, extracted.answer) in {
                    ("boxed", item.answer),
                    ("choice", item.answer),
                }
            else:
                compile(item.solution, "program", "exec")
    assert min(formats["cot"], formats["pot"]) > sum(formats.values()) / 3


def test_equal_seeds_give_equal_problems() -> None:
    method = makes_rows("families")
    quota = {("en", "limits"): 5}
    (one,), (same,), (other,) = (
        method.plan(empty(), quota, per_call=5, examples=0, seed=seed) for seed in (1, 1, 2)
    )
    assert method.make(one) == method.make(same) != method.make(other)
