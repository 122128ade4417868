"""The lab of the proof trains and answers by the product's parts, keeps what an earlier start made, and counts answers that
cannot be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from storage.ledger import Ledger
from storage.rows import Row, column, to_table
from tasks.answers import Judge
from tasks.proof import lab as module
from tasks.proof.lab import Lab, with_weights
from tasks.proof.rows import EVEN, draw, programs, words
from tasks.proof.sizes import QUICK
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.training.decoding import Decoder, Generation
from tasks.training.student import Shape, fresh

PROBLEMS = draw(rng_of("lab"), 12, EVEN)


@pytest.fixture
def lab(tmp_path: Path, judge: Judge, sandbox: Sandbox) -> Iterator[Lab]:
    """Return a lab whose base is an untrained student of two layers."""
    rows = [*words(PROBLEMS), *programs(PROBLEMS)]
    texts = [text for row in rows for text in (row.question, row.solution or "")]
    base = fresh(texts, tmp_path / "base", seed=1, shape=Shape(16, 32, 1, 2, 256, 400))
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    yield Lab(QUICK, 0, base, tmp_path / "seed", ledger, judge, sandbox, PROBLEMS)
    ledger.close()


def weights(checkpoint: Path) -> list[float]:
    tensors = load_file(checkpoint / "model.safetensors")
    return [float(tensor.double().sum()) for tensor in tensors.values()]


@pytest.mark.slow
def test_an_arm_is_a_version_that_trains_to_the_same_weights(lab: Lab, tmp_path: Path) -> None:
    rows = words(PROBLEMS)
    version = lab.publish("Rows, all", rows)
    assert version.startswith("proof-rows-all@")
    assert lab.publish("Rows, all", rows[:3]) == version  # an earlier start published it
    first = lab.train("CoT", "formats", [version], settings={"steps": 2})
    assert lab.versions == {"CoT": {version: lab.store.resolve(version).digest}}
    trained_at = (first / "model.safetensors").stat().st_mtime_ns
    assert lab.train("CoT", "formats", [version], settings={"steps": 2}) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == trained_at
    assert weights(first) != weights(lab.base)
    # arms of one experiment have one seed, so that only their data differ
    assert weights(lab.train("again", "formats", [version], settings={"steps": 2})) == weights(first)
    assert weights(lab.train("other", "order", [version], settings={"steps": 2})) != weights(first)


def test_answers_are_judged_and_what_cannot_be_compared_is_counted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {one.question: row.solution for one, row in zip(PROBLEMS, words(PROBLEMS), strict=True)}
    texts |= {
        PROBLEMS[0].question: r"\boxed{-77}",
        PROBLEMS[1].question: r"\boxed{@#%}",
        PROBLEMS[2].question: "",
    }
    texts |= {row.question: f"```python\n{row.solution}\n```" for row in programs(PROBLEMS)}
    texts[programs(PROBLEMS)[0].question] = "```python\n1 / 0\n```"
    monkeypatch.setattr(Decoder, "step", reciting({q: text or "" for q, text in texts.items()}))
    lab.score("words", lab.base)
    assert lab.scores["words"] == [0, 0, 0, *[1] * 9]
    assert lab.facts["not comparable"] == 1
    assert column(lab.answer(lab.base, words(PROBLEMS)), "right")[:3] == [[False], [None], [False]]
    answered = lab.score("programs", lab.base, program=True)
    assert lab.scores["programs"] == [0, *[1] * 11]
    assert column(answered, "answers")[0] == [None]


def test_samples_are_verified_and_weigh_hard_questions(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = words(PROBLEMS)[:4]
    right, wrong, unknown = (row.solution or "" for row in rows[:1]), r"So \boxed{-77}", r"\boxed{@#%}"
    texts = {
        rows[0].question: next(right),
        rows[1].question: wrong,
        rows[2].question: unknown,
        rows[3].question: "",
    }
    monkeypatch.setattr(Decoder, "step", reciting(texts))
    sampled = lab.sampled(lab.base, rows)
    assert QUICK.samples == 2
    assert column(sampled, "problem_id") == [row.problem_id for row in rows[:3] for _ in range(2)]
    reasons = [why and why["code"] for why in column(sampled, "reason")]
    assert reasons == [None, None, "different", "different", "incomparable", "incomparable"]
    assert lab.sampled(lab.base, rows) is sampled
    weighted = column(with_weights(rows, sampled, QUICK.samples), "loss_weight")
    assert weighted == [1.0, 2.0, 1.5, 2.0]


def test_a_question_that_is_right_at_times_weighs_between() -> None:
    row = Row("1 + 1?", "en", reference_answer="2")
    verdicts = ["equal", "different", "unknown"]
    sampled = to_table(
        dataclasses.replace(row, id=str(i), verdicts={"equivalent": one}) for i, one in enumerate(verdicts)
    )
    assert column(with_weights([row], sampled, 4), "loss_weight") == [pytest.approx(2 - 1 / 3)]


def reciting(texts: dict[str, str]) -> object:
    """Return a stand-in for a step of a model that writes whole answers, which it would need minutes to learn."""

    def step(self: Decoder) -> list[Generation]:
        ended = [row for row in self._rows if not row.over]
        for row in ended:
            prompt = self._tokenizer.decode(row.prompt)
            (text,) = (text for question, text in texts.items() if f"<|user|>{question}<|end|>" in prompt)
            row.tokens, row.over = [*self._tokenizer.encode(text), self._tokenizer.eos_token_id], True
        return ended

    return step


def test_the_module_has_no_loop_of_its_own() -> None:
    """The proof trains through tasks.training.run and answers through tasks.evaluation, and builds no optimizer."""
    folder = Path(module.__file__).parent
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    for word in ("optim", "backward(", "log_softmax", "cross_entropy", "logsigmoid"):
        assert not [name for name, text in sources.items() if word in text], word
