"""The number of missing rows and of questions to request for them, with minimum shares of domains."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tasks.demand import ANY, Demand

DOMAINS = ("algebra", "calculus", "geometry")


def rows(**solutions: list[int]) -> pa.Table:
    """By domain, how many solutions each of its questions has."""
    records = [
        {"problem_id": f"{domain}{i}", "domain": domain}
        for domain, counts in solutions.items()
        for i, count in enumerate(counts)
        for _ in range(count)
    ]
    return pa.Table.from_pylist(
        records, schema=pa.schema([("problem_id", pa.string()), ("domain", pa.string())])
    )


def test_a_question_gives_some_solutions_no_more() -> None:
    demand = Demand(2, 2, {}, 20)
    assert demand.usable(rows(algebra=[1, 2, 5], calculus=[3])) == {"algebra": 5, "calculus": 2}


def test_what_is_missing_is_of_the_domains_that_are_short() -> None:
    demand = Demand(2, 2, {"algebra": 0.5, "calculus": 0.1}, 20)
    usable = Counter({"algebra": 30, "calculus": 20})
    assert demand.worth(usable) == 50
    assert demand.missing(usable, 100) == {"algebra": 20, ANY: 30}
    assert demand.missing(Counter({"algebra": 20, "calculus": 80}), 100) == {"algebra": 30}
    assert demand.worth(Counter({"algebra": 20, "calculus": 80})) == 40
    assert demand.missing(Counter({"algebra": 60, "calculus": 40}), 100) == {}


def test_questions_follow_the_acceptance_measured() -> None:
    demand = Demand(2, 2, {}, 20)
    assert demand.questions(30, Counter()) == 22  # 30 / (2 x 0.75), and a tenth more
    demand.count_requests({("en", "linear equations"): 10, ("en", "limits"): 30})
    usable = Counter({"algebra": 10, "calculus": 3})
    assert demand.questions(100, usable, "algebra") == 110  # one row per question
    assert demand.questions(100, usable, "calculus") == 1100  # a tenth of a row
    assert demand.questions(13, usable) == 44  # all together: 13 of 40


def test_a_low_share_of_accepted_rows_makes_no_huge_wave() -> None:
    demand = Demand(2, 2, {}, 5)
    demand.count_requests({("en", "limits"): 1000})
    assert demand.questions(100, Counter({"calculus": 2})) == 500  # 55,000 at the share that was measured
    assert demand.questions(100, Counter({"calculus": 400})) == 275


@given(
    st.dictionaries(st.sampled_from(DOMAINS), st.integers(0, 300)),
    st.dictionaries(st.sampled_from(DOMAINS), st.floats(0.01, 0.33), max_size=3),
    st.integers(1, 200),
)
def test_nothing_missing_means_worth_the_target(
    have: dict[str, int], least: dict[str, float], until: int
) -> None:
    demand, usable = Demand(2, 2, least, 20), Counter(have)
    missing = demand.missing(usable, until)
    assert all(rows > 0 for rows in missing.values())
    usable.update(missing)
    assert demand.missing(usable, until) == {}
    assert demand.worth(usable) >= until or sum(least.values()) > 1
