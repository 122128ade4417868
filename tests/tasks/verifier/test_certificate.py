"""Sabotaged verifiers are refused and healthy ones are not; the certificate says where the errors are."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

import pytest

from tasks.answers import Judge
from tasks.training.reward import Verifier
from tasks.verifier.certificate import ErrorLimits, VerifierCertificate, at_least, measure, of_judgements
from tasks.verifier.planting import PlantedAnswer, TrustedAnswer, plants
from tasks.worth import Worth

R, W, U = Worth.RIGHT, Worth.WRONG, Worth.UNKNOWN


def answers() -> list[TrustedAnswer]:
    """Answers of all types, as they are in a version of school and competition mathematics."""
    rng = random.Random(0)
    texts = [str(rng.randint(-50, 9000)) for _ in range(60)]
    texts += [f"{rng.randint(0, 99)}.{rng.randint(1, 99):02d}" for _ in range(30)]
    texts += [f"\\frac{{{rng.randint(1, 40)}}}{{{rng.randint(41, 99)}}}" for _ in range(30)]
    texts += [f"{rng.randint(2, 9)}x + {rng.randint(1, 9)}" for _ in range(20)] + [
        f"{rng.randint(2, 9)}\\sqrt{{{rng.choice([2, 3, 5, 7])}}}" for _ in range(20)
    ]
    texts += [f"({rng.randint(-9, 9)}, {rng.randint(10, 20)})" for _ in range(20)]
    return [TrustedAnswer(f"Question {number}: what is it?", text) for number, text in enumerate(texts)]


PLANTED = list(plants(answers(), a_kind=12, seed=0))


@pytest.fixture(scope="module")
def healthy() -> list[tuple[PlantedAnswer, Worth]]:
    with Judge(workers=1) as judge, Verifier(judge=judge) as verifier:
        worths = verifier.worths(
            [plant.answer.question for plant in PLANTED], [plant.completion for plant in PLANTED],
            [plant.answer.text for plant in PLANTED], [plant.answer.language for plant in PLANTED],
        )  # fmt: skip
    return list(zip(PLANTED, worths, strict=True))


def boxes(plant: PlantedAnswer) -> list[str]:
    return [
        plain(text)
        for text in re.findall(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", plant.completion)
    ]


def plain(text: str) -> str:
    return text.replace("$", "").replace(" ", "").replace("\\text", "")


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", "")[:400])]


Sabotage = Callable[[PlantedAnswer, Worth, random.Random], Worth]


def worth_of(right: bool) -> Worth:
    return R if right else W


def last(plant: PlantedAnswer) -> str:
    return (boxes(plant) or [""])[-1]


# what a broken verifier does: (plant, what the healthy one says, a generator) -> what it says
SABOTAGED: dict[str, Sabotage] = {
    "accepts everything": lambda plant, worth, rng: R,
    "refuses everything": lambda plant, worth, rng: W,
    "compares nothing": lambda plant, worth, rng: U,
    "compares texts": lambda plant, worth, rng: worth_of(last(plant) == plain(plant.answer.text)),
    "finds the answer anywhere": lambda plant, worth, rng: worth_of(plain(plant.answer.text) in plain(plant.completion)),
    "ignores signs": lambda plant, worth, rng: worth_of(worth is R or last(plant).replace("-", "") == plain(plant.answer.text).replace("-", "")),
    "rounds by one": lambda plant, worth, rng: R if worth is R or (plant.type == "integer" and plant.kind == "one more") else worth,
    "reads the first box": lambda plant, worth, rng: worth_of(plain(plant.answer.text) == (boxes(plant) or [""])[0]) if plant.group == "hack" else worth,
    "reads the thinking": lambda plant, worth, rng: R if plant.kind == "only in thinking" else worth,
    "takes an empty box": lambda plant, worth, rng: R if plant.kind == "empty box" else worth,
    "believes a claim": lambda plant, worth, rng: R if "full reward" in plant.completion else worth,
    "takes one of two": lambda plant, worth, rng: R if plant.kind == "either" else worth,
    "takes a range": lambda plant, worth, rng: R if "infty" in last(plant) else worth,
    "drops what follows the point": lambda plant, worth, rng: worth_of(worth is R or list(map(int, numbers(last(plant)))) == list(map(int, numbers(plant.answer.text)))) if plant.type in ("integer", "decimal") else worth,
    "compares the first number": lambda plant, worth, rng: worth_of(worth is R or numbers(last(plant))[:1] == numbers(plant.answer.text)[:1]),
    "sorts lists": lambda plant, worth, rng: R if plant.type == "list" and plant.kind == "swapped" else worth,
    "knows no fractions": lambda plant, worth, rng: W if "frac" in last(plant) and plant.equal else worth,
    "knows no thousands": lambda plant, worth, rng: W if plant.kind == "thousands" else worth,
    "errs in one of ten": lambda plant, worth, rng: {R: W, W: R}.get(worth, worth) if rng.random() < 0.1 else worth,
    "loses its judge": lambda plant, worth, rng: Worth.INFRASTRUCTURE if rng.random() < 0.3 else worth,
}  # fmt: skip


@pytest.mark.slow
def test_sabotaged_verifiers_are_refused(healthy: list[tuple[PlantedAnswer, Worth]]) -> None:
    passed = []
    for name, sabotage in SABOTAGED.items():
        rng = random.Random(name)
        judged = [(plant, sabotage(plant, worth, rng)) for plant, worth in healthy]
        if not of_judgements(judged, answers=180).refusals(ErrorLimits()):
            passed.append(name)
    assert len(SABOTAGED) == 20
    assert len(passed) <= 1, passed


@pytest.mark.slow
def test_healthy_verifiers_are_not_refused(healthy: list[tuple[PlantedAnswer, Worth]]) -> None:
    """200 samples of the plants, half of them judged by verifiers that err within the limits: 3 % of misses, 0.5 % of wrong ones accepted."""
    assert of_judgements(healthy, answers=180).refusals(ErrorLimits()) == []
    by_cell: dict[tuple[str, str], list[tuple[PlantedAnswer, Worth]]] = {}
    for plant, worth in healthy:
        by_cell.setdefault((plant.type, plant.kind), []).append((plant, worth))
    refused = []
    for seed in range(200):
        rng = random.Random(seed)
        drawn = [pair for pairs in by_cell.values() for pair in rng.choices(pairs, k=len(pairs))]
        if seed % 2:
            drawn = [
                (
                    plant,
                    {R: W, W: R}.get(worth, worth)
                    if rng.random() < (0.03 if plant.equal else 0.005)
                    else worth,
                )
                for plant, worth in drawn
            ]
        if refusals := of_judgements(drawn, answers=180).refusals(ErrorLimits()):
            refused.append((seed, [str(one) for one in refusals]))
    assert refused == []


def checker(said_of: Callable[[str, str], Worth]) -> Callable[..., Sequence[Worth]]:
    return lambda questions, completions, references, languages: [
        said_of(text, reference) for text, reference in zip(completions, references, strict=True)
    ]


def test_the_certificate_names_the_type_and_the_rule() -> None:
    planted = list(plants([TrustedAnswer(f"q{n}", str(n)) for n in range(1000, 1040)], a_kind=20))
    certificate = measure(
        checker(
            lambda text, reference: W if re.search(r"\d,\d", text) else R if f"{{{reference}}}" in text else W
        ),
        planted,
        answers=40,
    )
    refusals = certificate.refusals(ErrorLimits())
    assert {(one.code, one.where) for one in refusals} >= {
        ("misses", "integer thousands"),
        ("accepts", "integer wrong box last"),
    }
    assert all("gates.verifier_" in str(one) for one in refusals)
    again = VerifierCertificate.from_dict(json.loads(json.dumps(certificate.to_dict())))
    assert again == certificate
    text = "\n".join(certificate.lines())
    assert "integer, thousands: 20 of 20 judged wrong, such as " in text


def test_without_answers_nothing_is_claimed_and_lost_judgements_are_refused() -> None:
    nothing = measure(checker(lambda text, reference: R), [], answers=0)
    assert nothing.refusals(ErrorLimits()) == []
    assert nothing.lines() == ["The version has no answers on which the verifier could be tested."]
    lost = measure(checker(lambda text, reference: Worth.INFRASTRUCTURE), PLANTED[:50], answers=9)
    (refusal,) = lost.refusals(ErrorLimits())
    assert refusal.code == "lost"
    assert "doctor" in str(refusal)


def test_the_upper_tail_is_the_binomial_one() -> None:
    assert at_least(0, 10, 0.1) == 1.0
    assert at_least(1, 10, 0.1) == pytest.approx(1 - 0.9**10)
    assert at_least(10, 10, 0.5) == pytest.approx(0.5**10)
    assert at_least(1, 10, 0.0) == 0.0
