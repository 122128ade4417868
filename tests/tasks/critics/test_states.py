"""States that a solution shows: what changes hands, brackets on a stack, words in alphabetical order."""

from __future__ import annotations

import pytest

from tasks.critics.kinds.steps import opinion_of
from tasks.critics.states import state_verdicts
from tasks.critics.step_checker import check

GAME = (
    "Ann, Bo, and Cleo play a game. At the start, they are each holding a ball: Ann has a red ball, Bo has a blue ball, and Cleo has a "
    "green ball.\nAs the game progresses, pairs of players trade balls. First, Bo and Ann swap balls. Then, Cleo and Bo swap balls. "
    "At the end of the game, Bo has the\nOptions:\n(A) red ball.\n(B) blue ball.\n(C) green ball."
)
GAME_RIGHT = (
    "At the start: Ann: red, Bo: blue, Cleo: green.",
    "Bo and Ann swap balls: Ann: blue, Bo: red, Cleo: green.",
    "Cleo and Bo swap balls: Ann: blue, Bo: green, Cleo: red.",
    "At the end of the game, Bo has the green ball. So the answer is (C)",
)
BRACKETS = "[ ( )"
BRACKETS_RIGHT = (
    "We should process each input one by one and keep track of the stack configuration.",
    "stack: empty",
    "[ ; stack: [",
    "( ; stack: [ (",
    ") ; stack: [",
    'Now, we have reached the end. The final stack is "[".',
    'We will need to pop out "[" and that is all.',
    'So, we need "]". So the answer is ]',
)
WORDS = "delta arab daisy"
WORDS_RIGHT = (
    'The first letter: "delta": "d" (4). "arab": "a" (1). "daisy": "d" (4).',
    'We now have: (1) "arab" < (4) ["delta" ? "daisy"].',
    'Now look at the second letters. The second letter: "delta": "e" (5). "daisy": "a" (1).',
    'We now have: (1) "daisy" < (5) "delta" for the subpart. Hence, we have "arab" < "daisy" < "delta".',
    "I have now sorted all the words. The answer is arab daisy delta",
)


def first_wrong(question: str, steps: tuple[str, ...]) -> int | None:
    return min((at for at, one in state_verdicts(question, steps).items() if one == "wrong"), default=None)


def changed(steps: tuple[str, ...], at: int, step: str) -> tuple[str, ...]:
    return (*steps[:at], step, *steps[at + 1 :])


@pytest.mark.parametrize(
    ("question", "steps", "judged"),
    [
        (GAME, GAME_RIGHT, {0, 1, 2, 3}),
        (BRACKETS, BRACKETS_RIGHT, {2, 3, 4, 5, 6, 7}),
        (WORDS, WORDS_RIGHT, {0, 1, 2, 3, 4}),
    ],
)
def test_states_that_follow_are_right(question: str, steps: tuple[str, ...], judged: set[int]) -> None:
    assert state_verdicts(question, steps) == dict.fromkeys(judged, "right")


@pytest.mark.parametrize(
    ("question", "right", "at", "step"),
    [
        (GAME, GAME_RIGHT, 0, "At the start: Ann: blue, Bo: red, Cleo: green."),
        (GAME, GAME_RIGHT, 1, "Bo and Ann swap balls: Ann: red, Bo: blue, Cleo: green."),
        (GAME, GAME_RIGHT, 1, "Bo and Cleo swap balls: Ann: red, Bo: green, Cleo: blue."),  # not in the question
        (GAME, GAME_RIGHT, 2, "Cleo and Bo swap balls: Bo: green, Cleo: red."),  # nothing of Ann any more
        (GAME, GAME_RIGHT, 2, "Cleo and Bo swap balls: Ann: red, Bo: green, Cleo: red."),
        (GAME, GAME_RIGHT, 3, "At the end of the game, Bo has the red ball. So the answer is (A)"),
        (GAME, GAME_RIGHT, 3, "At the end of the game, Bo has the green ball. So the answer is (B)"),
        (BRACKETS, BRACKETS_RIGHT, 3, "( ; stack: ( ["),
        (BRACKETS, BRACKETS_RIGHT, 3, "{ ; stack: [ {"),  # the input has another bracket
        (BRACKETS, BRACKETS_RIGHT, 4, ") ; stack: [ ("),
        (BRACKETS, BRACKETS_RIGHT, 5, "Now, we have reached the end. The final stack is empty."),
        (BRACKETS, BRACKETS_RIGHT, 7, 'So, we need ")". So the answer is )'),
        (WORDS, WORDS_RIGHT, 0, 'The first letter: "delta": "d" (4). "arab": "a" (2). "daisy": "d" (4).'),
        (WORDS, WORDS_RIGHT, 1, 'We now have: (4) ["delta" ? "daisy"] < (1) "arab".'),
        (WORDS, WORDS_RIGHT, 1, 'We now have: (1) "arab" < (4) "delta".'),  # a word is missing
        (WORDS, WORDS_RIGHT, 2, 'The second letter: "delta": "e" (5). "daisy": "i" (9).'),
        (WORDS, WORDS_RIGHT, 3, '(1) "daisy" < (5) "delta" for the subpart. Hence, "arab" < ["delta" ? "daisy"].'),
        (WORDS, WORDS_RIGHT, 4, "I have now sorted all the words. The answer is arab delta daisy"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_follow_is_the_first_wrong_step(
    question: str, right: tuple[str, ...], at: int, step: str
) -> None:
    steps = changed(right, at, step)
    assert first_wrong(question, steps) == at
    checked = check(steps, question=question)
    assert checked.first_wrong == at
    assert (
        opinion_of(checked).words
        == f"Step {at + 1} shows a state that does not follow from what is before it."
    )


def test_inputs_that_were_not_read_are_missing_at_the_end() -> None:
    assert first_wrong("[ ( ) ]", BRACKETS_RIGHT) == 5


def test_exchanges_without_names_are_those_of_the_question_in_order() -> None:
    steps = ("A: red, B: blue, C: green", "A: blue, B: red, C: green", "A: blue, B: red, C: green")
    assert state_verdicts(GAME, steps) == {0: "right", 1: "right", 2: "wrong"}


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("Ann and Bo trade stamps. Ann has 3 more than Bo. How many has Ann?", ("Ann has 5 stamps, Bo has 2.",)),
        ("What is on the stack of plates?", ("The stack is 5 plates high.", "So the answer is 5.")),
        ("Is a < b?", ("1 < 2 < 3, so a < b.",)),
    ],
)  # fmt: skip
def test_other_texts_show_no_states(question: str, steps: tuple[str, ...]) -> None:
    assert state_verdicts(question, steps) == {}
