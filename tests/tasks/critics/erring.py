"""Right solutions, and wrong ones with a known first wrong step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.critics.labelled import LabelledSolution

RIGHT = ("First add 3 and 4.", "Then we carry the result over.", "Now double it.", "The answer is 14.")


def erring(count: int, wrong: Callable[[int], Sequence[str]]) -> list[LabelledSolution]:
    """Return `count` right solutions, each followed by a wrong one of the same question, in which the steps that `wrong` returns for the number of
    the question stand in the place of right ones, from the first wrong step on."""
    listed = []
    for number in range(count):
        question = f"Question {number}?"
        listed.append(LabelledSolution(question, RIGHT, True, group=question))
        place = number % 3
        instead = wrong(number)
        steps = (*RIGHT[:place], *instead, *RIGHT[place + len(instead) :])
        listed.append(LabelledSolution(question, steps, False, place, group=question))
    return listed
