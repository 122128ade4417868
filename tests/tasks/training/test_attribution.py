"""A group that teaches what the items contradict has the lowest influence, and leaving it out confirms that."""

from __future__ import annotations

import pytest

from storage.rows import to_table
from tasks.training.attribution import Attribution, attribute
from tasks.training.config import TrainError

from .conftest import sums
from .test_interference import answered


@pytest.mark.slow
def test_a_group_that_contradicts_the_items_is_the_worst_and_its_absence_helps() -> None:
    samples = {
        "first": to_table(answered(16, "lucky")),
        "second": to_table(answered(16, "lucky", start=100)),
        "wrong": to_table(answered(16, "not a thing that anybody would ever want")),
    }
    result = attribute(samples, to_table(answered(16, "lucky", start=200)), steps=18)
    assert result.worst == "wrong"
    assert result.harmful
    assert result.rows == [16, 16, 16]
    *others, wrong = result.without
    assert len([one for one in others if one is not None]) == 1  # the two of the lowest influence are checked
    assert wrong is not None
    assert wrong < 0


def test_a_training_decides_between_the_suspects() -> None:
    groups, rows = ["a", "b", "c"], [16, 16, 16]
    assert Attribution(groups, rows, [0.10, 0.12, 0.9], [0.02, -0.05, None], 1.0).worst == "b"
    assert Attribution(groups, rows, [0.1, 0.2, 0.9], [0.04, 0.02, None], 1.0).worst == "a"
    assert Attribution(groups, rows, [0.1, 0.2, 0.9], [None, None, None], 1.0).worst == "a"
    assert not Attribution(groups, rows, [0.1, 0.2, 0.9], [0.02, 0.05, None], 1.0).harmful


def test_one_group_is_refused() -> None:
    with pytest.raises(TrainError, match=r"1 such group.*Fix: "):
        attribute({"a": to_table(sums(16)), "b": to_table(sums(3, seed=1))}, to_table(sums(16)), steps=1)
