"""Variances are estimated as they were drawn, and power grows with what is measured."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.proof.power import Components, components, power


def test_components_are_those_that_were_drawn() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.normal(0, 0.5, (200, 1)) + rng.normal(0, 1.0, (1, 300)) + rng.normal(0, 0.7, (200, 300))
    of = components(drawn)
    assert of.seeds == pytest.approx(0.25, rel=0.2)
    assert of.items == pytest.approx(1.0, rel=0.2)
    assert of.rest == pytest.approx(0.49, rel=0.1)
    assert components(np.ones((3, 4))) == Components(0.0, 0.0, 0.0)


@pytest.mark.slow
def test_power_grows_with_the_effect_and_the_items_and_without_one_is_the_level() -> None:
    of = Components(0.0001, 0.02, 0.15)
    assert power(of, 0.0, seeds=4, items=200, alpha=0.05) < 0.05
    weak, strong = (power(of, effect, seeds=4, items=200, alpha=0.05) for effect in (0.03, 0.08))
    assert weak < strong
    assert power(of, 0.03, seeds=4, items=800, alpha=0.05) > weak
    assert power(of, 0.0, seeds=4, items=800, alpha=0.05, margin=0.05) > 0.8
    assert power(of, 0.05, seeds=4, items=800, alpha=0.05, margin=0.05) < 0.06
