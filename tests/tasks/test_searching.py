"""The tree of a search over steps: values, where it goes on, and which solution it keeps."""

from __future__ import annotations

import pytest

from tasks.searching import SearchTree, Trajectory, majority

RIGHT, WRONG = 0, 1


def tree(*trajectories: Trajectory) -> SearchTree:
    return SearchTree(list(trajectories), {()}, RIGHT)


def path(steps: str, group: int | None, failed_at: int | None = None) -> Trajectory:
    return Trajectory(tuple(steps), group, failed_at)


def test_the_value_of_a_step_is_the_share_of_right_trajectories_through_it() -> None:
    four = tree(path("abx", RIGHT), path("aby", WRONG), path("acz", RIGHT), path("dz", WRONG))
    assert four.value(("a",)) == pytest.approx(2 / 3)
    assert four.value(("a", "b")) == 0.5
    assert four.value(("a", "c")) == 1.0
    assert four.value(("d",)) == 0.0
    assert four.value(("unknown",)) == 0.0


def test_a_failed_check_condemns_its_step_and_what_follows_but_not_what_comes_before() -> None:
    one = tree(path("abcx", RIGHT, failed_at=2), path("abdx", RIGHT))
    assert one.outcomes(("a", "b")) == [1.0]
    assert one.outcomes(("a", "b", "c")) == [0.0]
    assert one.outcomes(("a", "b", "c", "x")) == [0.0]


def test_a_trajectory_without_an_answer_says_nothing() -> None:
    assert tree(path("ab", None)).outcomes(("a",)) == []


def test_it_goes_on_from_the_most_promising_open_step() -> None:
    one = tree(path("abx", RIGHT), path("acx", RIGHT), path("dex", WRONG))
    assert SearchTree().next_beginning() == ()
    assert one.next_beginning() == ("a",)
    one.expanded.add(("a",))
    # what follows "a" ends in the answer, and is not gone on from
    assert one.next_beginning() == ("d",)
    one.expanded |= {("d",), ("d", "e")}
    assert one.next_beginning() is None
    assert tree(path("ax", RIGHT)).next_beginning() is None


def test_a_step_that_was_tried_rarely_gets_its_turn() -> None:
    trajectories = [path(f"ab{i}x", RIGHT if i % 2 else WRONG) for i in range(20)] + [path("cdx", WRONG)]
    one = tree(*trajectories)
    one.expanded |= {("a",), ("a", "b")}
    assert one.next_beginning() == ("c",)


def test_the_best_solution_has_the_best_worst_step() -> None:
    one = tree(path("abx", RIGHT), path("aby", WRONG), path("cdz", RIGHT), path("cez", RIGHT))
    best = one.best()
    assert best is not None
    assert best.steps[0] == "c"
    assert tree(path("ab", WRONG)).best() is None
    assert tree(path("abx", RIGHT, failed_at=1)).best() is None
    record = one.record(("a", "b", "x"))
    assert [(step["text"], step["value"]) for step in record] == [("a", 0.5), ("b", 0.5), ("x", 1.0)]
    assert [other["text"] for other in record[0]["others"]] == ["c"]
    assert [other["text"] for other in record[2]["others"]] == ["y"]


def test_the_majority_is_the_most_frequent_answer_and_the_first_of_equal_ones() -> None:
    assert majority([None, 2, 1, 1, None]) == 1
    assert majority([3, 2, 2, 3]) == 3
    assert majority([None]) is None
