"""The canaries of a night: as many per shard as the setting says, and more where a night has few shards."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.config.nightly import Nightly
from flows.runner.night import Night


def canaries(shards: int, *, so_far: list[int], **score: int) -> int:
    config = Nightly.model_validate({"score": score})
    roles = ("critic", "reasoner")
    facts: list[dict[str, object]] = [
        {"canaries": [{"calls": calls, "role": role} for role in roles]} for calls in so_far
    ]
    line = SimpleNamespace(facts=lambda: [*facts, {}])
    return Night.canaries(SimpleNamespace(config=config, line=line), shards)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shards", "so_far", "expected"),
    [
        (8, [], 2),
        (1, [], 16),
        (3, [], 6),
        (1, [6], 10),
        (2, [6, 4], 3),
        (1, [20], 2),
        (1, [16], 2),
    ],
)
def test_a_night_of_few_shards_has_its_least_number_of_canaries_early(
    shards: int, so_far: list[int], expected: int
) -> None:
    assert canaries(shards, so_far=so_far, canaries=2, least_canaries=16) == expected


def test_the_setting_of_a_shard_switches_all_of_them_off() -> None:
    assert canaries(1, so_far=[], canaries=0, least_canaries=16) == 0
    assert canaries(1, so_far=[], canaries=3, least_canaries=0) == 3
