"""Drift between nights: the measures, the changes that raise an alarm, and the rate of false alarms."""

from __future__ import annotations

import json

import numpy as np
import pytest

from storage.rows import Row, to_table
from tasks.drift import MEASURES, Mean, from_record, measure, shifts, to_record
from tasks.seeding import seed_of


def night(rng: np.random.Generator, centre: float = 0.7, spread: float = 0.02) -> dict[str, Mean]:
    """One simulated night of 200 questions whose true means scatter by `spread` between nights."""
    return {
        name: Mean(float(centre + rng.normal(0, spread) + rng.normal(0, 0.02)), 0.02, 200)
        for name in MEASURES
    }


def test_measures_are_means_over_questions() -> None:
    verified = [
        Row("p", "en", solution="a" * 10, verdicts={"consistent": "2/3"}),
        Row("p", "en", solution="b" * 10, verdicts={"consistent": "2/3"}),
        Row("p", "en", solution="c" * 10, verdicts={"consistent": "0/3"}),
        Row("q", "en", solution="d" * 30, verdicts={"consistent": "1/1"}),
    ]
    scored = [Row("p", "en", solution="a", scores={"answer": 0.5}), Row("q", "en", solution="d")]
    weighed = [verified[0], verified[1], Row("q", "en", solution="d", rejected="weigh: …")]
    found = measure([to_table(verified)], [to_table(scored)], [to_table(weighed)])
    assert "critic" not in found  # one question has no standard error
    assert found["acceptance"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert found["agreement"].mean == pytest.approx(((2 / 3 + 2 / 3 + 0) / 3 + 1) / 2)
    assert found["length"].mean == pytest.approx((np.log(11) + np.log(31)) / 2)
    assert found["length"].questions == 2
    assert from_record(json.loads(json.dumps(to_record(found)))).keys() == found.keys()


def test_a_night_without_solutions_measures_nothing() -> None:
    assert measure([], [], []) == {}
    assert shifts({}, [], 0.01) == []
    rng = np.random.default_rng(0)
    assert shifts(night(rng), [], 0.01) == []  # the first night has nothing beside it


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.03])
def test_false_alarms_stay_at_the_stated_chance(spread: float) -> None:
    """1,500 nights of 100 unchanged models: at most 1 % alarms, within what the count can vary by."""
    nights = alarms = 0
    for model in range(100):
        rng = np.random.default_rng(seed_of("drift", spread, model))
        earlier = [night(rng, spread=spread)]
        for _ in range(15):
            current = night(rng, spread=spread)
            alarms += bool(shifts(current, earlier, 0.01))
            nights += 1
            earlier.append(current)
    assert alarms / nights <= 0.01 + 3 * (0.01 * 0.99 / nights) ** 0.5


def test_a_changed_model_is_seen_and_named() -> None:
    for sign in (-1, 1):
        rng = np.random.default_rng(7)
        earlier = [night(rng) for _ in range(6)]
        current = night(rng)
        current["agreement"] = Mean(earlier[0]["agreement"].mean + sign * 0.25, 0.02, 200)
        (shift,) = shifts(current, earlier, 0.01)
        assert shift.measure == "agreement"
        assert shift.nights == 6
        assert "share of samples that agree" in str(shift)
        assert not shift.low <= shift.value <= shift.high


def test_a_chance_near_one_leaves_no_room_for_a_difference() -> None:
    """The chance is shared out so that all measures together reach it: four quarters of it would still leave room."""
    rng = np.random.default_rng(5)
    earlier, current = [night(rng)], night(rng)
    assert shifts(current, earlier, 0.01) == []
    assert len(shifts(current, earlier, 0.9999999)) > 0


def test_more_nights_allow_less() -> None:
    rng = np.random.default_rng(3)
    earlier = [night(rng, spread=0.005) for _ in range(20)]
    current = night(rng, spread=0.005)
    current["critic"] = Mean(0.7 - 0.13, 0.02, 200)
    assert shifts(current, earlier[:1], 0.01) == []
    assert [shift.measure for shift in shifts(current, earlier, 0.01)] == ["critic"]
