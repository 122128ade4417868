"""Right solutions are not accused, wrong steps are named, and what cannot be decided says nothing."""

from __future__ import annotations

import pytest

from tasks.critics.step_checker import FEATURES, check, features


@pytest.mark.parametrize(
    ("steps", "first"),
    [
        (["He has 5 apples * 2 = 10 apples.", "He eats 10 - 3 = 6 apples.", "#### 6"], 1),
        (["1 hour = 60 minutes, so 90 minutes / 60 = 1.5 hours.", "\\boxed{1.5}"], None),
        (["50% of 20 = 10", "20 + 10% = 22"], None),
        (["He pays 20*5 = $<<20*5=100>>110.", "#### 110"], 0),
        (["That is $<<20*5=100>>110 in all."], 0),
        (["3个苹果加5个苹果等于8个苹果", "8 × 2 = 18 元"], 1),
        (["20 / 3 ≈ 6.67", "6.67 * 3 = 20"], None),
        (["Is 2 + 2 = 5? No."], None),
        (["15 > 12 + 2", "5 < 3"], 1),
        (["9 - -7 = 9 + 7 = 16", "(9 - 6 - -6 - 1) = (9 - 6 + 6 + 1) = 10"], 1),
        (["9 - -3^2 = 18", "9 -- 7 = 5", "2019--2020 = 1 year"], None),  # two readings, dashes
    ],
)
def test_the_first_wrong_step_is_named(steps: list[str], first: int | None) -> None:
    assert check(steps).first_wrong == first


def test_the_final_answer_is_derived_or_not() -> None:
    steps = ["3 + 4 = 7", "7 * 2 = 14"]
    assert check([*steps, "#### 14"]).derived is True
    assert check([*steps, "#### 15"]).derived is False
    assert check([*steps, "\\boxed{x + 1}"]).derived is None


def test_features_have_their_names() -> None:
    values = features(check(["3 + 4 = 8", "#### 8"], question="What is 3 + 4?"))
    assert values.shape == (len(FEATURES),)
    assert values[FEATURES.index("has_wrong")] == 1
    assert (features(check([])) >= 0).all()
