"""What any critic must beat: opinions that need no critic.

- majority class: every solution has the share of right ones as its probability;
- majority of its set: the same per source, so a critic that only recognises the set does not look good;
- answer agreement: the share of the other samples of the question that end in the same answer (self-consistency, arXiv:2203.11171);
- the step checker alone (tasks/critics/step_checker.py).

The first two are fitted to the very solutions that they judge, and so are the probabilities and thresholds of the last two, which
flatters them. Where they say wrong, they name the most common place of
the first error in the set; answer agreement names no step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from storage.rows import content_id
from tasks.answers import Judge, extract, group_all
from tasks.arrays import Floats, Mask
from tasks.critics.evaluation import NOT_NAMED, Opinion
from tasks.critics.labelled import PLANTED, LabelledSolution
from tasks.critics.step_checker import Checked

MAJORITY = "majority class"
SOURCE = "majority of its set"
AGREEMENT = "answer agreement"
CHECKER = "step checker"


def majority(solutions: Sequence[LabelledSolution]) -> Opinion:
    """Return the opinion that all solutions are what most of them are."""
    return _majority(solutions, ["" for _ in solutions], MAJORITY)


def majority_of_source(solutions: Sequence[LabelledSolution]) -> Opinion:
    """Return the opinion that each solution is what most solutions of its set are."""
    return _majority(solutions, [one.source for one in solutions], SOURCE)


def _majority(solutions: Sequence[LabelledSolution], parts: Sequence[str], name: str) -> Opinion:
    right, place = np.zeros(len(solutions)), np.full(len(solutions), NOT_NAMED, np.int64)
    members: dict[str, list[int]] = defaultdict(list)
    for row, part in enumerate(parts):
        members[part].append(row)
    for rows in members.values():
        right[rows] = np.mean([solutions[row].correct for row in rows])
        errors = [solutions[row].first_error for row in rows]
        places = Counter(at for at in errors if at is not None)
        if places and right[rows[0]] < 0.5:
            place[rows] = min(places, key=lambda at: (-places[at], at))
    return Opinion(name, right, place)


def answers_of(solutions: Sequence[LabelledSolution]) -> list[str | None]:
    """Return the final answer of each solution, None where it has none."""
    extracted = [extract(one.text, one.language) for one in solutions]
    return [None if one is None else one.answer for one in extracted]


def agreement_shares(
    solutions: Sequence[LabelledSolution], judge: Judge, samples: Sequence[LabelledSolution] = ()
) -> Floats:
    """Return the share of the other samples of its question that end in the answer of each solution, NaN where there are none.

    `samples` are more solutions of the same questions, whose labels are not read. A solution into which an error was planted is no
    sample.
    """
    pool = {one.id: one for one in samples if one.by != PLANTED}
    pool |= {one.id: one for one in solutions if one.by != PLANTED}
    asked = {content_id(one.language, one.question) for one in solutions}
    by_question: dict[str, dict[str, LabelledSolution]] = defaultdict(dict)
    for one in [*solutions, *pool.values()]:
        question = content_id(one.language, one.question)
        if question in asked:
            by_question[question][one.id] = one
    questions = [list(members.values()) for members in by_question.values()]
    classes = group_all([answers_of(members) for members in questions], judge)
    agrees: dict[str, float] = {}
    for members, sorted_into in zip(questions, classes, strict=True):
        sampled = [number for one, number in zip(members, sorted_into.classes, strict=True) if one.id in pool]
        counts = Counter(sampled)
        for one, number in zip(members, sorted_into.classes, strict=True):
            own = one.id in pool
            others = len(sampled) - own
            if others:
                same = counts[number] - own if number is not None else 0
                agrees[one.id] = same / others
    return np.array([agrees.get(one.id, np.nan) for one in solutions], np.float64)


def answer_agreement(solutions: Sequence[LabelledSolution], shares: Floats) -> Opinion:
    """Return the opinion of answer agreement by its `shares`. A solution without other samples gets the mean of the others, which is the
    best guess without looking at it."""
    mean = float(np.nanmean(shares)) if np.isfinite(shares).any() else 0.5
    right: Floats = np.where(np.isnan(shares), mean, shares)
    labels = np.array([one.correct for one in solutions], bool)
    named = np.full(len(solutions), NOT_NAMED, np.int64)
    return Opinion(AGREEMENT, right, named, best_threshold(right, labels))


def step_checker(solutions: Sequence[LabelledSolution], checked: Sequence[Checked]) -> Opinion:
    """Return the opinion of the step checker: the share of right solutions among those with the same finding (a wrong step, an answer
    that no step derives, neither), and the first step that it recomputed to be wrong."""
    labels = np.array([one.correct for one in solutions], bool)
    findings = np.array([2 if one.first_wrong is not None else int(one.derived is False) for one in checked])
    right = np.zeros(len(solutions))
    for finding in np.unique(findings):
        right[findings == finding] = labels[findings == finding].mean()
    place = [NOT_NAMED if one.first_wrong is None else one.first_wrong for one in checked]
    return Opinion(CHECKER, right, np.array(place, np.int64), best_threshold(right, labels))


def best_threshold(right: Floats, labels: Mask) -> float:
    """Return the threshold with the highest balanced accuracy: the middle between two probabilities, the lowest one of several; 0.5 where
    there is one class only."""
    good, bad = int(labels.sum()), int((~labels).sum())
    if not good or not bad:
        return 0.5
    values = np.unique(right)
    cuts = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2])
    order = np.sort(right[labels]), np.sort(right[~labels])
    accepted = good - np.searchsorted(order[0], cuts, "left")
    refused = np.searchsorted(order[1], cuts, "left")
    return float(cuts[int(np.argmax(accepted / good + refused / bad))])
