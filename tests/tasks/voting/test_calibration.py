"""Votes become calibrated probabilities, and the critic is asked where they disagree."""

from __future__ import annotations

import ast
import collections
import dataclasses
import functools
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.rows import Row, to_table
from tasks.answers import Judge, extract, group_all
from tasks.seeding import rng_of, seed_of
from tasks.voting import (
    FEATURES,
    Calibration,
    Votes,
    collect,
    disputed,
    features,
    fit,
    fit_and_check,
    from_rows,
    held_out,
    majority,
    prior,
    reliability,
    to_verdicts,
)

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def test_votes_are_counted_among_the_others_of_the_question() -> None:
    votes = collect(
        ["p", "p", "p", "p", "q", "q"],
        [0, 0, 1, -1, 0, 1],
        program=[1, 0, 0, 0, 1, 0],
        critic=[1.0, np.nan, 0.25, 0.5, 0, 1],
    )
    assert votes.agree.tolist() == [1, 1, 0, 0, 0, 0]
    assert votes.against.tolist() == [1, 1, 2, 3, 1, 1]
    assert votes.rival.tolist() == [1, 1, 2, 2, 1, 1]
    assert votes.programs.tolist() == [0, 1, 0, 0, 0, 0]
    assert votes.programs_against.tolist() == [0, 0, 1, 1, 0, 1]
    assert votes.worked.tolist() == [1, 0, 0, 0, 0, 0]
    assert votes.worked_against.tolist() == [1, 1, 1, 2, 1, 0]
    assert votes.critic.tolist() == [1, 0, -0.5, 0, -1, 1]
    assert votes.readable.tolist() == [True, True, True, False, True, True]
    assert features(votes).shape == (6, len(FEATURES))


def test_replies_without_an_answer_abstain_and_failures_of_ours_do_not() -> None:
    votes = collect(
        ["p", "p", "p", "p", "q"],
        [0, 0, -1, -1, 0],
        failed=[False, False, False, True, False],
        unanswered=[1, 1, 1, 1, 0],
    )
    assert votes.abstained.tolist() == [2, 2, 2, 2, 0]
    assert votes.agree.tolist() == [1, 1, 0, 0, 0]
    assert votes.against.tolist() == [0, 0, 2, 2, 0]
    assert to_verdicts(votes)[0] == {"programs": "0/0", "worked": "1/1", "rival": "0", "abstained": "2"}


def test_the_more_replies_abstain_the_less_an_agreement_is_worth() -> None:
    """Two samples share an answer, and beside them none, one, ... five replies give no answer."""
    question = np.repeat(np.arange(6), 2)
    votes = collect(question, [0, 0] * 6, unanswered=question)
    rng = rng_of("votes", "abstained")
    many = np.repeat(np.arange(400), 2)
    abstained = np.array([rng.randrange(4) for _ in range(400)])[many]
    labelled = collect(many, [0, 0] * 400, unanswered=abstained)
    right = np.array([rng.random() < (0.95, 0.85, 0.6, 0.3)[abstained[2 * q]] for q in range(400)])[many]
    fitted = fit(labelled, right, fold=many % 5)
    for calibration in (prior(), fitted):
        probabilities = calibration.probability(votes)[::2]
        assert (np.diff(probabilities) <= 0).all()
        assert probabilities[0] > 0.9
        assert probabilities[0] - probabilities[4] > 0.1
    shares = [right[abstained == count].mean() for count in range(3)]
    assert fitted.probability(votes)[:6:2] == pytest.approx(shares, abs=0.12)


def test_votes_do_not_depend_on_the_order_of_rows() -> None:
    rng = rng_of("votes", "order")
    question = [rng.randrange(20) for _ in range(200)]
    answer = [rng.randrange(-1, 4) for _ in range(200)]
    order = np.array(rng.sample(range(200), 200))
    whole = collect(question, answer).take(order)
    assert np.array_equal(
        features(whole), features(collect(np.array(question)[order], np.array(answer)[order]))
    )
    assert features(collect([], [])).shape == (0, len(FEATURES))


def test_answers_that_cannot_be_compared_neither_agree_nor_oppose() -> None:
    """Class 1 cannot be compared with class 0, which more samples gave; both differ from class 2."""
    classes = [0, 0, 0, 1, 1, 2, -1]
    program = [1, 0, 0, 1, 0, 1, 0]
    votes = collect(["p"] * 7, classes, program=program, incomparable=[(0, 3)])
    assert votes.programs.tolist() == [0, 1, 1, 0, 0, 0, 0]
    assert votes.worked.tolist() == [2, 1, 1, 0, 0, 0, 0]
    assert votes.programs_against.tolist() == [1, 1, 1, 1, 1, 2, 3]
    assert votes.worked_against.tolist() == [0, 0, 0, 0, 0, 3, 3]
    assert votes.rival.tolist() == [1, 1, 1, 1, 1, 3, 3]
    plain = collect(["p"] * 7, classes, program=program)
    assert plain.rival.tolist() == [2, 2, 2, 3, 3, 3, 3]
    assert plain.against.tolist() == [3, 3, 3, 4, 4, 5, 6]


def test_answers_that_cannot_be_compared_leave_the_votes_of_others_as_they_would_be_without() -> None:
    rng = rng_of("votes", "incomparable")
    for _ in range(50):
        count = rng.randrange(2, 30)
        question = [rng.randrange(3) for _ in range(count)]
        answer = [rng.randrange(-1, 4) for _ in range(count)]
        program = [rng.randrange(2) for _ in range(count)]
        # class 3 of every question cannot be compared with any other class
        first = {(q, c): i for i, (q, c) in reversed(list(enumerate(zip(question, answer, strict=True))))}
        pairs = [(i, first[q, 3]) for (q, c), i in first.items() if 0 <= c < 3 and (q, 3) in first]
        others = np.flatnonzero(np.array(answer) != 3)
        readable = others[np.array(answer)[others] >= 0]
        alone = collect(
            np.array(question)[others], np.array(answer)[others], program=np.array(program)[others]
        ).take(np.array(answer)[others] >= 0)
        whole = collect(question, answer, program=program, incomparable=pairs).take(readable)
        cells = collections.Counter(zip(question, answer, strict=True))
        more = np.array([cells[question[i], 3] <= cells[question[i], answer[i]] for i in readable], bool)
        for field in dataclasses.fields(Votes):
            mine, theirs = getattr(whole, field.name), getattr(alone, field.name)
            if field.name in (
                "programs",
                "worked",
            ):  # no agreement where more samples have an answer that cannot be compared
                assert not mine[~more].any()
                mine, theirs = mine[more], theirs[more]
            assert mine.tolist() == theirs.tolist(), field.name


def test_votes_are_kept_with_rows_and_read_back() -> None:
    classes, critic = [0, 1, 0, -1, 0, 0], [0.75, np.nan, np.nan, np.nan, 0.25, np.nan]
    verdicts = to_verdicts(collect(["a"] * 4 + ["b"] * 2, classes, program=[0, 1, 1, 0, 1, 1]))
    assert verdicts[0] == {"programs": "1/2", "worked": "0/0", "rival": "1", "abstained": "1"}
    rows = to_table(
        Row(
            "ab"[i > 3],
            "en",
            solution=str(i),
            answer=None if c < 0 else str(c),
            verdicts=verdicts[i]
            | ({"equivalent": "equal"} if i == 0 else {"equivalent": "different"} if i == 1 else {}),
            scores={} if np.isnan(critic[i]) else {"answer": critic[i], "instruction": 0.1},
        )
        for i, c in enumerate(classes)
    )
    expected = collect(
        ["a"] * 4 + ["b"] * 2,
        classes,
        program=[0, 1, 1, 0, 1, 1],
        critic=critic,
        reference=[1, -1, 0, 0, 0, 0],
    )
    # whatever became of the other rows of the question
    for chosen in (slice(None), slice(1, None), slice(3, 5)):
        votes_read = from_rows(rows.take(list(range(6))[chosen]))
        want = expected.take(np.arange(6)[chosen])
        for field in dataclasses.fields(Votes):
            assert getattr(votes_read, field.name).tolist() == getattr(want, field.name).tolist(), field.name


def test_each_vote_moves_the_prior_to_its_side() -> None:
    one = collect(["p"] * 4, [0, 0, 1, -1])
    right, outvoted, unread = prior().probability(one)[[0, 2, 3]]
    assert right > 0.5 > outvoted > unread
    for name in ("reference", "critic"):
        for sign in (1.0, -1.0):
            moved = prior().probability(_with(one, name, sign))
            assert (np.sign(moved - prior().probability(one)) == sign).all()
    assert prior().probability(_with(one, "reference", 1.0))[0] > 0.98


def _with(votes: Votes, name: str, value: float) -> Votes:
    return dataclasses.replace(votes, **{name: np.full(len(votes), value)})


def test_few_labels_leave_the_prior_nearly_alone_and_many_do_not() -> None:
    rng = rng_of("votes", "few")
    question = np.repeat(np.arange(400), 3)
    votes = collect(question, [rng.randrange(3) for _ in question])
    # a world in which agreement means nothing
    truth = np.array([rng.random() < 0.2 for _ in question])
    assert fit(votes.take(np.zeros(len(votes), bool)), []) == prior()
    distance = [
        np.abs(np.subtract(fit(votes.take(np.arange(n)), truth[:n]).weights, prior().weights)).max()
        for n in (2, 1200)
    ]
    assert distance[0] < 0.1 < 0.3 < distance[1]
    fitted = fit(votes, truth, fold=question % 5)
    assert fitted.overrules  # the majority is wrong here, and the rows left out show it
    assert abs(fitted.probability(votes).mean() - 0.2) < 0.03
    assert fitted == fit(votes, truth, fold=question % 5)


def test_the_reference_is_hidden_from_the_fit() -> None:
    question = np.repeat(np.arange(50), 3)
    votes = collect(question, [0, 0, 1] * 50)
    truth = np.array([1, 1, 0] * 50)
    assert fit(dataclasses.replace(votes, reference=2.0 * truth - 1), truth) == fit(votes, truth)


def test_nights_add_up() -> None:
    rng = rng_of("votes", "nights")
    question = np.repeat(np.arange(300), 4)
    votes = collect(question, [rng.randrange(3) for _ in question])
    truth = np.array([rng.random() < 0.3 for _ in question])
    weights, calibration = [], None
    for night in range(12):
        tonight = (question % 12) == night
        calibration = fit(votes.take(tonight), truth[tonight], calibration, question[tonight] % 5)
        weights.append(calibration.weights)
    assert calibration is not None
    assert (
        calibration.rows == 1200 - 100
    )  # earlier rows count as MOST_ROWS, and those of this night as their number
    moves = [np.abs(np.subtract(a, b)).max() for a, b in itertools.pairwise(weights)]
    assert max(moves[-3:]) < moves[0]
    assert abs(calibration.probability(votes).mean() - 0.3) < 0.05


def test_held_out_rows_are_not_in_their_own_fit() -> None:
    votes = collect(np.arange(40), np.zeros(40))
    fold = np.arange(40) % 2
    truth = fold == 0  # a fold is all right or all wrong: only rows that saw themselves could look calibrated
    held = held_out(votes, truth, fold)
    assert held[0] < prior().probability(votes)[0] < held[1]


def test_a_calibration_survives_json() -> None:
    fitted = Calibration(tuple(float(i) / 3 for i in range(len(FEATURES))), 7)
    assert Calibration.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    checked = dataclasses.replace(fitted, agreement=0.25, overrules=True)
    assert Calibration.from_dict(json.loads(json.dumps(checked.to_dict()))) == checked
    # as an older version wrote it
    older = {name: fitted.to_dict()[name] for name in ("weights", "rows")}
    assert Calibration.from_dict(older) == fitted
    # of another version's features, or of no night at all
    assert Calibration.from_dict({"weights": dict.fromkeys(FEATURES[1:], 0.0), "rows": 5}) == prior()
    assert Calibration.from_dict({}) == prior()
    with pytest.raises(ValueError, match="0 or 1"):
        fit(collect(["p"], [0]), [2])


def test_without_evidence_the_majority_is_not_overruled() -> None:
    votes = collect(["p"] * 8, [0, 0, 1, 2, 3, 4, 5, -1])
    against = Calibration((-3.0,) + (0.0,) * (len(FEATURES) - 1))
    decisions = against.probability(votes) >= 0.5
    assert decisions.tolist() == majority(votes).tolist() == [True, True] + [False] * 6
    tie = collect(["p"] * 4, [0, 0, 1, 1])
    assert not (Calibration((3.0,) + (0.0,) * (len(FEATURES) - 1)).probability(tie) >= 0.5).any()
    # a trusted answer and a critic still decide
    assert (prior().probability(_with(votes, "reference", -1.0)) < 0.5).all()
    assert not (dataclasses.replace(against, overrules=True).probability(votes) >= 0.5).any()


def test_decisions_on_rows_left_out_are_never_worse_than_the_majority() -> None:
    rng = rng_of("votes", "worse")
    for night in range(20):
        question = np.repeat(np.arange(30), 4)
        votes = collect(
            question,
            [rng.randrange(-1, 3) for _ in question],
            critic=[rng.choice([np.nan, 0.0, 1.0]) for _ in question],
        )
        truth = np.array([rng.random() < night / 20 for _ in question])
        calibration, probability = fit_and_check(votes, truth, question % 5)
        assert ((probability >= 0.5) == truth).mean() >= (majority(votes) == truth).mean()
        assert calibration.rows == len(truth)
    assert fit_and_check(votes.take(truth & ~truth), [], [])[0] == prior()


def test_likely_answers_count_for_less_where_samples_agree_less() -> None:
    easy = collect(np.repeat(np.arange(100), 4), [0, 0, 0, 0] * 80 + [0, 0, 0, 1] * 20)
    hard = collect(np.repeat(np.arange(100), 4), [0, 1, 2, 3] * 60 + [0, 0, 1, 2] * 30 + [0, 0, 0, 0] * 10)
    calibration = fit(easy, majority(easy))
    assert calibration.adapted(easy).confidence == 1
    adapted = calibration.adapted(hard)
    assert 0.5 <= adapted.confidence < 0.8
    before, after = calibration.probability(hard), adapted.probability(hard)
    assert (after[before > 0.5] < before[before > 0.5]).all()
    assert ((after >= 0.5) == (before >= 0.5)).all()
    assert prior().adapted(hard) == prior()  # nothing is known of the questions behind it
    # a handful of rows has little weight
    few = calibration.adapted(hard.take(np.arange(len(hard)) < 8))
    assert adapted.confidence < few.confidence <= 1


def test_reliability_of_known_probabilities() -> None:
    error = reliability([0.05, 0.05, 0.95, 0.95], [0, 1, 1, 1])
    assert error.ece == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    assert error.accuracy == 0.75
    assert error.bins == ((0.05, 0.5, 2), (0.95, 1.0, 2))
    assert reliability([1.0, 0.0], [1, 0]).ece == 0
    with pytest.raises(ValueError, match="needs rows"):
        reliability([], [])


def test_what_is_disputed() -> None:
    groups = {
        "unanimous": ([0, 0, 0, 0], None),
        "split": ([0, 0, 1, 1], None),
        "unanimous but for the critic": ([0, 0, 0], 0.0),
        "nobody answers": ([-1, -1], None),
        "alone": ([0], None),
    }
    question = [name for name, (classes, _) in groups.items() for _ in classes]
    votes = collect(
        question,
        [c for classes, _ in groups.values() for c in classes],
        program=[i % 2 for classes, _ in groups.values() for i in range(len(classes))],
        critic=[np.nan if c is None else c for classes, c in groups.values() for _ in classes],
    )
    asked = disputed(votes, prior())
    asked_by_name = {
        name: {bool(a) for q, a in zip(question, asked, strict=True) if q == name} for name in groups
    }
    assert asked_by_name == {
        "unanimous": {False},
        "split": {True},
        "unanimous but for the critic": {True},
        "nobody answers": {False},
        "alone": {True},
    }
    assert not disputed(_with(votes, "reference", -1.0), prior()).any()
    assert disputed(votes, prior(), sure=1.0).tolist() == votes.readable.tolist()


# real samples: several models' answers to each question, with the truth by the reference answer


@functools.cache
def samples(name: str) -> list[tuple[str, str, str | None, str]]:
    """(question, model, answer, gold) of each output."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in the shared data folder")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    errors = []
    for row in rows:
        if "6b_finetuning" in row:
            gold = row["ground_truth"].rsplit("A: ", 1)[-1]
            outputs = {model: row[model]["solution"] for model in row if model.startswith(("6b", "175b"))}
        else:
            gold = str(row["answer"]).removeprefix("# ")
            output = row["output"] if isinstance(row["output"], list) else ast.literal_eval(row["output"])
            outputs = {row["generator"]: output[0]}
        for model, text in outputs.items():
            hit = extract(text)
            errors.append((str(row.get("id", row.get("_index"))), model, hit.answer if hit else None, gold))
    return errors


def table(name: str, judge: Judge) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """question, model, class and truth columns."""
    rows = samples(name)
    by_question: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        by_question.setdefault(row[0], []).append(index)
    groups = group_all([[rows[i][2] for i in members] for members in by_question.values()], judge)
    classes = np.full(len(rows), -1)
    for members, group in zip(by_question.values(), groups, strict=True):
        classes[members] = [-1 if class_of is None else class_of for class_of in group.classes]
    verdicts = judge.equal([(answer or "", gold) for _, _, answer, gold in rows])
    truth = np.array([verdict == "equal" for verdict in verdicts])
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), classes, truth


FOUR_MODELS = "gsm8k/example_model_solutions.a.jsonl.gz"
SEVEN_MODELS = "samples/zeroeval_gsm8k.a.jsonl.gz"
HARD_QUESTIONS = "samples/zeroeval_math_l5.a.jsonl.gz"


@pytest.mark.parametrize(
    "name", [FOUR_MODELS, SEVEN_MODELS, pytest.param(HARD_QUESTIONS, marks=pytest.mark.soak)]
)
def test_probabilities_are_calibrated_on_held_out_questions(name: str, judge: Judge) -> None:
    question, _, classes, truth = table(name, judge)
    votes = collect(question, classes)
    for split in range(3):
        train = np.array([seed_of("votes", split, item) % 2 == 0 for item in question])
        probability = fit(votes.take(train), truth[train]).probability(votes.take(~train))
        error = reliability(probability, truth[~train])
        by_majority = (majority(votes) == truth)[~train].mean()
        print(
            f"{name} split {split}: ECE {error.ece:.3f}, accuracy {error.accuracy:.3f}, majority {by_majority:.3f}"
        )
        assert error.ece <= 0.05
        assert error.accuracy >= by_majority


@pytest.mark.slow
def test_a_fit_on_other_models_and_questions_holds(judge: Judge) -> None:
    """Fitted to one set of models and questions, asked about another: never worse than the majority, and what is
    called nearly certain is right."""
    tables = {name: table(name, judge) for name in (FOUR_MODELS, SEVEN_MODELS, HARD_QUESTIONS)}
    votes = {name: collect(question, classes) for name, (question, _, classes, _) in tables.items()}
    for fitted, (question, _, _, truth) in tables.items():
        fold = np.array([seed_of("votes", item) % 5 for item in question])
        calibration, _ = fit_and_check(votes[fitted], truth, fold)
        for asked in tables.keys() - {fitted}:
            other, labels = votes[asked], tables[asked][3]
            probability = calibration.adapted(other).probability(other)
            accuracy = ((probability >= 0.5) == labels).mean()
            sure = probability >= 0.95
            print(
                f"{fitted} -> {asked}: accuracy {accuracy:.3f}, majority {(majority(other) == labels).mean():.3f}, "
                f"sure {sure.sum()} of {len(sure)}, right {labels[sure].mean() if sure.any() else 1:.3f}"
            )
            assert accuracy >= (majority(other) == labels).mean()
            assert not sure.any() or labels[sure].mean() >= 0.95


def test_the_judge_is_asked_where_votes_disagree_and_nothing_is_lost(judge: Judge) -> None:
    # the strongest model's own answers are the expensive judge of the six others'
    question, model, classes, truth = table(SEVEN_MODELS, judge)
    strong = model == "deepseek-chat"
    opinion = dict(zip(question[strong], classes[strong], strict=True))
    question, classes, truth = question[~strong], classes[~strong], truth[~strong]
    judged = np.array([opinion[q] == c and c >= 0 for q, c in zip(question, classes, strict=True)])
    votes = collect(question, classes)
    train = np.array([seed_of("votes", "judge", item) % 2 == 0 for item in question])
    fitted = fit(votes.take(train), truth[train])
    held = votes.take(~train)
    everything = (judged == truth)[~train].mean()
    asked = disputed(held, fitted)
    accuracy = (np.where(asked, judged[~train], fitted.probability(held) > 0.5) == truth[~train]).mean()
    print(f"judging everything {everything:.4f}; {asked.mean():.1%} of the calls {accuracy:.4f}")
    assert asked.mean() <= 0.4
    assert accuracy >= everything - 0.005
