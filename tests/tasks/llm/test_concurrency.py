"""The controller against simulated endpoints. The test provides the clock, so nothing depends on the load of the machine."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from tasks.llm.concurrency import Controller


def drive(
    controller: Controller, latency: Callable[[int], float], refuse: Callable[[int], bool], seconds: float
) -> list[int]:
    """Keep the controller's pipe full; answers take latency(in flight), or are refused at once. The
    limit after each answer."""
    now, limits, flying = 0.0, [], []
    while now < seconds:
        while len(flying) < controller.limit:
            busy = len(flying) + 1
            refused = refuse(busy)
            heapq.heappush(
                flying,
                (
                    now + (0.05 if refused else latency(busy)),
                    random.Random(len(limits)).random(),
                    now,
                    refused,
                ),
            )
        now, _, sent, refused = heapq.heappop(flying)
        if refused:
            controller.refused(now, sent)
        else:
            controller.succeeded(now, sent, 1000, busy=True)
        limits.append(controller.limit)
    return limits


def test_slow_start_doubles_each_round_trip_up_to_the_cap() -> None:
    controller = Controller(4, 64)
    limits = drive(controller, lambda n: 1.0, lambda n: False, 6.5)
    assert limits[-1] == 64
    assert controller.cuts == 0
    assert next(i for i, limit in enumerate(limits) if limit == 64) < 70


def test_a_hard_limit_is_found_and_kept_near() -> None:
    controller = Controller(16, 256)
    limits = drive(controller, lambda n: 0.2, lambda n: n > 40, 120)
    late = limits[len(limits) // 2 :]
    assert 32 <= sum(late) / len(late) <= 44
    assert max(late) <= 48


def test_one_cut_per_overload() -> None:
    controller = Controller(64, 64)
    for _ in range(64):
        controller.refused(1.0, 0.5)  # all sent before the cut that the first of them made
    assert controller.cuts == 1
    assert controller.limit == 32
    controller.refused(2.0, 1.5)
    assert controller.cuts == 2


def test_random_refusals_leave_the_endpoint_busy() -> None:
    draw = random.Random(7)
    controller = Controller(16, 256)
    limits = drive(controller, lambda n: 0.2, lambda n: draw.random() < 0.05, 120)
    late = limits[len(limits) // 2 :]
    assert sum(late) / len(late) > 20


def test_past_the_knee_it_goes_back() -> None:
    """An endpoint that works on 50 at once and queues the rest: more in flight is only more waiting."""
    controller = Controller(8, 1024)
    limits = drive(controller, lambda n: max(1.0, n / 50), lambda n: False, 200)
    assert controller.cuts >= 1
    late = limits[len(limits) // 2 :]
    assert 40 <= sum(late) / len(late) <= 250


def test_a_slow_disk_is_not_taken_for_a_slow_endpoint() -> None:
    """Calls count as in flight until they are durable: here most of that time is the disk's, and noisy."""
    draw = random.Random(3)
    controller = Controller(16, 16)
    now = 0.0
    for _ in range(400):
        now += draw.choice([0.02, 0.2])  # a commit lets 16 calls go and come back
        for _ in range(16):
            controller.succeeded(now, now - 0.004 * draw.uniform(1, 3), 1000, busy=True)
    assert controller.cuts == 0


def test_longer_answers_are_not_a_slower_endpoint() -> None:
    controller = Controller(8, 64)
    now = 0.0
    for latency, size, rounds in ((0.2, 500, 60), (4.0, 10_000, 60), (0.2, 500, 60)):
        for _ in range(rounds):
            now += latency
            for _ in range(controller.limit):
                controller.succeeded(now, now - latency, size, busy=True)
    assert controller.cuts == 0
    assert controller.limit == 64


def test_no_growth_while_failures_last() -> None:
    controller = Controller(4, 64)
    controller.failed(10.0, pause=5.0)
    controller.succeeded(12.0, 11.0, 1, busy=True)
    assert controller.limit == 4
    controller.succeeded(15.5, 14.0, 1, busy=True)
    assert controller.limit == 5


def test_the_limit_does_not_grow_without_waiting_calls() -> None:
    controller = Controller(4, 64)
    for i in range(50):
        controller.succeeded(float(i), i - 0.5, 1, busy=False)
    assert controller.limit == 4


def test_the_limit_never_falls_below_one() -> None:
    controller = Controller(3, 8)
    for i in range(20):
        controller.refused(float(i), i - 0.1)
    assert controller.limit == 1
