"""Solutions of versions as training data of critics: what labels them, what is left out, and what planted errors gain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.steps import FLAW
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.answers import Judge
from tasks.critics.gain import WITH, WITHOUT, gain
from tasks.critics.labelled import (
    ANSWER,
    HUMAN,
    PLANTED,
    STRONG,
    VOTES,
    LabelledSolution,
    grouped,
    split,
    without_judged,
)
from tasks.critics.own_solutions import OwnSolutions, of_version, of_versions
from tasks.critics.strong import taught_by
from tasks.critics.trained import CriticTraining, train
from tasks.llm.engine import Engine
from tests.tasks.critics.test_trained import TOOLS
from tests.tasks.critics.test_trained import labelled as additions

RUN = "night-1"


def row(number: int, answer: int, **columns: object) -> Row:
    given = {"solution_format": "cot", "answer": str(answer), "source": "en.jsonl"} | columns
    text = f"We add {number} and 7.\n{number} + 7 = {answer}\nThe answer is \\boxed{{{answer}}}."
    return Row(f"What is {number} plus seven, number {number}?", "en", solution=text, **given)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A version whose rows and candidates are labelled in every way."""
    store = Store(tmp_path)
    flaw = {
        "id": "f" * 16,
        "line": 2,
        "answer": "72",
        "solution": "We add 60 and 7.\n60 + 7 = 72\nThe answer is \\boxed{72}.",
        "kind": "arithmetic",
        "explanation": "60 + 7 is 67.",
    }
    kept = [
        row(10, 17, correctness=0.99, scores={"answer": 0.9}),
        row(20, 27, correctness=0.6),
        row(30, 37, correctness=0.99),
        row(40, 47, correctness=0.5, verdicts={"equivalent": "equal"}, reference_answer="47"),
        row(60, 67, correctness=0.99, params=json.dumps({FLAW: flaw})),
        Row(
            "What is 2 + 7?",
            "en",
            solution="print(2 + 7)",
            solution_format="pot",
            answer="9",
            correctness=0.99,
        ),
    ]
    different = reason("verify", Code.DIFFERENT, answer="1", reference="2")
    unlikely = reason("weigh", Code.UNLIKELY, correctness="0.01", same=1, samples=4, threshold="0.5")
    failed = reason("critique", Code.CALL_FAILED, error="no answer")
    dropped = [
        row(40, 48, verdicts={"equivalent": "different"}, reference_answer="47", reason=different),
        row(10, 18, correctness=0.01, reason=unlikely),
        row(20, 28, correctness=0.3, reason=unlikely),
        row(30, 38, correctness=0.99, reason=failed),
        row(50, 57, reference_answer="57", verdicts={"ingest": "line 1 of en.jsonl"}),
        row(70, 77, reference_answer="77", source="probe.jsonl"),
    ]
    version = store.publish("sums", [to_table(kept)], lineage={"run": RUN})
    for number, one in enumerate(dropped):
        stage = one.reason.stage if one.reason else "ingest"
        store.append_candidates(to_table([one]), run=RUN, stage=stage, part=str(number))
    store.append_candidates(
        to_table([row(80, 87, verdicts={"equivalent": "equal"})]), run="another", stage="verify", part="x"
    )
    store.judge(version, [RowJudgement(kept[2].id, "Ann", RowOpinion.WRONG)])
    return store


@pytest.fixture
def own(store: Store) -> OwnSolutions:
    with Judge(workers=1) as judge:
        return of_version(store, store.resolve("sums"), judge.equal)


def label(own: OwnSolutions, text: str) -> tuple[bool, str] | None:
    one = next((one for one in own.labelled if text in one.steps), None)
    return None if one is None else (one.correct, one.by)


def test_the_surest_knowledge_labels_a_solution(own: OwnSolutions) -> None:
    assert label(own, "10 + 7 = 17") == (True, VOTES)
    assert label(own, "10 + 7 = 18") == (False, VOTES)
    assert label(own, "30 + 7 = 37") == (False, HUMAN)  # against the votes
    assert label(own, "40 + 7 = 47") == (True, ANSWER)
    assert label(own, "40 + 7 = 48") == (False, ANSWER)
    assert label(own, "50 + 7 = 57") == (True, ANSWER)  # of a seed file
    assert label(own, "60 + 7 = 72") == (False, PLANTED)


def test_later_runs_change_no_label_of_a_version(store: Store, own: OwnSolutions) -> None:
    version = store.resolve("sums")
    # the same solution once more, undecided now, and another wrong one
    alone = reason("weigh", Code.ALONE, same=1, samples=2)
    again = row(40, 48, verdicts={"equivalent": "unknown"}, reason=alone)
    other = row(40, 49, verdicts={"equivalent": "different"}, reference_answer="47", reason=alone)
    store.append_candidates(to_table([again, other]), run="night-9", stage="weigh", part="y")
    with Judge(workers=1) as judge:
        assert of_version(store, version, judge.equal) == own


def test_the_place_of_a_flaw_is_known_and_the_score_of_the_critic_kept(own: OwnSolutions) -> None:
    flawed = next(one for one in own.labelled if one.by == PLANTED)
    assert flawed.first_error == 1
    assert next(one for one in own.labelled if "10 + 7 = 17" in one.text).strong == pytest.approx(0.9)


def test_questions_that_people_judged_are_kept_from_the_training(own: OwnSolutions) -> None:
    assert [one.steps[1] for one in own.judged] == ["30 + 7 = 37"]
    another = LabelledSolution("What is 30 plus seven, number 30?", ("30 + 7 = 3", "\\boxed{3}"), False)
    others, hidden = without_judged(grouped([*own.labelled, another]))
    assert {one.question for one in hidden} == {"What is 30 plus seven, number 30?"}
    assert len(hidden) == 2  # the other solutions of its question too
    assert not any("30 plus seven" in one.question for one in others)
    assert len(others) + len(hidden) == len(own.labelled) + 1


def test_what_nobody_is_sure_of_has_no_label(own: OwnSolutions) -> None:
    assert {one.steps[1] for one in own.unsure} == {"20 + 7 = 27", "20 + 7 = 28"}


def test_failures_probes_programs_and_other_runs_are_left_out(own: OwnSolutions) -> None:
    every = [one.text for one in (*own.labelled, *own.unsure)]
    assert len(every) == 10
    assert not any(text in one for one in every for text in ("30 + 7 = 38", "70 + 7", "print", "80 + 7"))


def test_a_solution_of_two_versions_counts_once(store: Store, own: OwnSolutions) -> None:
    store.publish("more", [store.read("sums")], lineage={})
    with Judge(workers=1) as judge:
        both = of_versions(store, [store.resolve("sums"), store.resolve("more")], judge.equal)
    assert {one.id for one in both.labelled} == {one.id for one in own.labelled}


def test_a_strong_model_labels_what_is_unsure_and_contradicts_no_label(
    own: OwnSolutions, engine: Callable[..., Engine]
) -> None:
    with Judge(workers=1) as judge, engine("teacher") as strong:
        opinions = taught_by(strong, own.labelled, own.unsure, judge)
        again = taught_by(strong, own.labelled, own.unsure, judge)
    assert [(one.id, one.correct, one.by) for one in opinions.labelled] == [
        (one.id, one.correct, one.by) for one in own.labelled
    ]
    assert all(one.strong is not None for one in opinions.labelled)
    assert len(opinions.taught) + opinions.unclear == len(own.unsure)
    assert {one.by for one in opinions.taught} <= {STRONG}
    assert all(
        (one.strong or 0) >= 0.5 if one.correct else (one.strong or 0) < 0.5 for one in opinions.taught
    )
    assert again == opinions


def test_a_strong_model_that_cannot_be_asked_labels_nothing(
    own: OwnSolutions, engine: Callable[..., Engine]
) -> None:
    with Judge(workers=1) as judge, engine("teacher", offline=True) as strong:
        opinions = taught_by(strong, own.labelled, own.unsure, judge)
    assert opinions.taught == []
    assert opinions.unclear == len(own.unsure)
    assert opinions.failed == opinions.asked


def right_only(count: int) -> list[LabelledSolution]:
    """Return solutions of a night that kept what is right: few wrong ones."""
    every = additions(count)
    return grouped(
        [one for number, one in enumerate(every) if one.correct or (number % 9 == 0 and one.first_error)]
    )


@pytest.mark.slow
def test_planted_errors_train_a_critic_where_hardly_anything_is_wrong() -> None:
    fitting, reporting = split(right_only(500), 0.4, 0, "report")
    settings = CriticTraining(own={"components": 8, "rounds": 30}, planted=1.0)
    critic = train(fitting, settings, "words", TOOLS)
    without = train(fitting, CriticTraining(own=settings.own), "words", TOOLS)
    record = gain(reporting, critic, without, seed=0, resamples=200)
    spoilt = record["parts"]["planted"]
    gained = {one["measure"]: one for one in spoilt["differences"]}
    assert gained["balanced_accuracy"]["low"] > 0
    assert {one["name"] for one in record["kinds"][0]["critics"]} == {WITH, WITHOUT}
    labels = critic.record["counts"]["calibrating"]["labels"]
    assert labels[PLANTED] >= 10
    assert PLANTED not in without.record["counts"]["calibrating"]["labels"]
