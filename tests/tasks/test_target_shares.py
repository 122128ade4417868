"""Target shares: exact where they can hold, as many rows as possible, and an error that names what is in conflict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.target_shares import ShareRule, TargetsConflict, numbers


def rule(share: float, kinds: list[int], relation: str = "exactly", name: str = "format pot") -> ShareRule:
    return ShareRule(name, relation, share, np.array(kinds, dtype=bool))  # type: ignore[arg-type]


def test_the_scarce_kind_limits_the_total() -> None:
    assert numbers([90, 10], [rule(0.5, [0, 1])], most=100, least=20).tolist() == [10, 10]


def test_the_total_is_bounded() -> None:
    assert numbers([90, 60], [rule(0.25, [0, 1])], most=40, least=20).tolist() == [30, 10]


def test_kinds_without_a_target_stay_as_they_are_available() -> None:
    """A vertex of the programme could leave one of the two out altogether."""
    first, second, third = numbers([400, 200, 300], [rule(0.5, [0, 0, 1])], most=600, least=1).tolist()
    assert (first + second, third) == (300, 300)
    assert first == pytest.approx(200, abs=12)


def test_limits_hold_beside_targets() -> None:
    rules = [rule(0.5, [0, 0, 1]), rule(0.2, [1, 0, 0], "at most"), rule(0.25, [0, 1, 0], "at least")]
    taken = numbers([100, 100, 100], rules, most=100, least=100)
    assert taken.sum() == 100
    assert taken[2] == 50
    assert taken[0] <= 20
    assert taken[1] >= 25


def test_a_conflict_names_the_targets_and_the_nearest_shares() -> None:
    rules = [
        rule(0.5, [0, 1]),
        rule(0.9, [1, 1], "at most", "language en"),
        rule(0.4, [1, 0], name="domain algebra"),
    ]
    with pytest.raises(TargetsConflict) as error:
        numbers([90, 10], rules[:1] + rules[2:], most=100, least=100)
    assert "format pot exactly 0.5 (nearest 0.1)" in str(error.value)
    assert "domain algebra exactly 0.4 (nearest 0.9)" in str(error.value)
    assert "language" not in str(error.value)
    with pytest.raises(TargetsConflict, match=r"language en at most 0.9 \(nearest 1\)"):
        numbers([90, 10], rules[1:2], most=100, least=1)


def test_a_target_without_any_row_is_a_conflict() -> None:
    with pytest.raises(TargetsConflict, match=r"format pot exactly 0.3 \(nearest 0\)"):
        numbers([50], [rule(0.3, [0])], most=50, least=25)


def test_no_rows_are_no_conflict() -> None:
    assert numbers([0, 0], [rule(0.5, [0, 1])], most=0, least=0).tolist() == [0, 0]


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 200), min_size=4, max_size=4),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
    st.integers(1, 300),
)
def test_whatever_is_there_the_shares_hold_up_to_rounding(
    available: list[int], first: float, second: float, most: int
) -> None:
    rules = [rule(first, [1, 1, 0, 0], name="a"), rule(second, [1, 0, 1, 0], name="b")]
    taken = numbers(available, rules, most=most, least=0)
    assert (taken <= available).all()
    assert (taken >= 0).all()
    total = int(taken.sum())
    assert total <= most
    for one in rules:
        assert abs(taken[one.kinds].sum() - one.share * total) <= 4
