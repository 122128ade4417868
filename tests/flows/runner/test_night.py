"""What is said of how a night ended."""

from __future__ import annotations

import pytest

from flows.runner.night import ending


@pytest.mark.parametrize(
    ("limit", "enough", "by"),
    [
        ("", True, "target"),
        ("material", True, "target"),
        ("usd", True, "usd"),
        ("", False, "waves"),
        ("material", False, "material"),
        ("usd", False, "usd"),
    ],
)
def test_used_up_material_ends_a_night_that_has_too_few_rows_alone(limit: str, enough: bool, by: str) -> None:
    assert ending(limit, enough=enough) == by
