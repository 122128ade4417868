"""The kinds that read text with an encoder: what they learn, that they are stored, and that fast scores are those of `CrossEncoder.predict`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.critics.evaluation import Truth, measure
from tasks.critics.kinds import CriticError, process
from tasks.critics.kinds.cross_encoder import PairScorer, opened, pair_of
from tasks.critics.kinds.process import ProcessReader, parts_of
from tasks.critics.labelled import LabelledSolution, grouped, split
from tasks.critics.trained import CriticTraining, TrainedCritic, load, train
from tests.tasks.critics.test_trained import TOOLS

WORDS = [
    "add",
    "the",
    "next",
    "one",
    "result",
    "is",
    "then",
    "take",
    "all",
    "sum",
    "of",
    "hence",
    "surely",
    "what",
    "number",
    "problem",
    "answer",
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two layers with a vocabulary of words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: at for at, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=128,
    )  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bert")
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return str(folder)


def marked(count: int = 240) -> list[LabelledSolution]:
    """Return solutions whose wrong step has the word "surely"; half of the places are not known."""
    rng = random.Random(3)
    solutions = []
    for number in range(count):
        place = rng.randrange(4) if rng.random() < 0.5 else None
        steps = [" ".join(rng.choices(WORDS[:11], k=rng.randrange(3, 9))) for _ in range(4)]
        if place is not None:
            steps[place] += " surely"
        known = place if rng.random() < 0.5 else None
        solutions.append(
            LabelledSolution(
                f"What number is the answer of problem {number * 7919} in {number}?",
                tuple(steps),
                place is None,
                known,
            )
        )
    return grouped(solutions)


OWN = {
    "cross_encoder": {"epochs": 8, "learning_rate": 3e-3, "tokens": 96, "batch_tokens": 600},
    "process": {
        "epochs": 14,
        "learning_rate": 3e-3,
        "tokens": 64,
        "batch_tokens": 600,
        "trained_layers": 100,
    },
}


@pytest.fixture(scope="module", params=list(OWN))
def critic(request: pytest.FixtureRequest, base: str) -> TrainedCritic:
    fitted, _ = split(marked(), 0.3, 0, "report")
    own = OWN[request.param] | {"base": base}
    return train(fitted, CriticTraining(kind=request.param, own=own), "minilm", TOOLS)


@pytest.mark.slow
def test_it_learns_what_makes_a_solution_wrong(critic: TrainedCritic) -> None:
    _, held = split(marked(), 0.3, 0, "report")
    measured = measure(Truth.of(held), critic.opinion(held), resamples=100)
    assert measured.estimates["balanced_accuracy"].value > 0.8
    if critic.record["kind"] == "process":
        assert measured.estimates["first_error_found"].value > 0.6
        opinion = critic.judge([next(one for one in held if one.first_error is not None)])[0]
        assert len(opinion.step_scores) == 4
        assert int(np.argmin(opinion.step_scores)) == opinion.first_wrong


@pytest.mark.slow
def test_a_stored_critic_says_the_same(critic: TrainedCritic, tmp_path: Path) -> None:
    critic.save(tmp_path / "c")
    again = load(tmp_path / "c", TOOLS)
    assert again.identity == critic.identity
    one, other = critic.opinion(marked(20)), again.opinion(marked(20))
    assert np.allclose(one.right, other.right, atol=1e-9)
    assert (one.first_wrong == other.first_wrong).all()


@pytest.mark.slow
def test_fast_scores_are_those_of_the_library(base: str) -> None:
    import torch

    torch.manual_seed(1)
    model = opened(base, 96)
    pairs = [pair_of(one) for one in marked(60)] + [("What?", " ".join(WORDS * 20)), ("", "")]
    theirs = model.predict(pairs)
    ours = 1 / (1 + np.exp(-PairScorer(model, bf16=False, batch_tokens=300).log_odds(pairs)))
    assert np.allclose(ours, theirs, atol=1e-6)
    coarse = 1 / (1 + np.exp(-PairScorer(model, bf16=True).log_odds(pairs)))
    assert np.allclose(coarse, theirs, atol=0.01)
    assert PairScorer(model).log_odds([]).shape == (0,)


@pytest.mark.slow
def test_a_budget_of_batches_and_solutions_ends_a_training(base: str) -> None:
    fitted, held = split(marked(), 0.3, 0, "report")
    for kind in OWN:
        lines: list[str] = []
        own = OWN[kind] | {"base": base, "batches": 7, "solutions": 90}
        critics = [
            train(fitted, CriticTraining(kind=kind, own=own), "minilm", TOOLS, log=lines.append)
            for _ in range(2)
        ]
        assert critics[0].identity == critics[1].identity
        progress = [line for line in lines[: len(lines) // 2] if " mean loss " in line]
        of = {line.partition(" of ")[2].partition(",")[0] for line in progress}
        assert sum(map(int, of)) == 7
        assert all("left" in line for line in progress)
        assert len(critics[0].opinion(held).right) == len(held)


@pytest.mark.slow
def test_a_head_is_trained_on_an_encoder_that_is_read_once(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder stays as it is, and reads each solution once however many epochs there are."""
    import torch
    from transformers import AutoModel

    read: list[int] = []
    whole = ProcessReader.vectors

    def counting(reader: ProcessReader, parts: Any, rows: Any) -> Any:
        read.append(len(rows))
        return whole(reader, parts, rows)

    monkeypatch.setattr(ProcessReader, "vectors", counting)
    fitted = marked(160)
    own = {"base": base, "trained_layers": 0, "epochs": 30, "learning_rate": 1e-2, "tokens": 64}
    reader = process.fit(
        fitted, process.ProcessSettings.model_validate(own), "minilm", TOOLS, seed=0, log=lambda line: None
    )
    assert sum(read) == len(fitted)
    before = AutoModel.from_pretrained(base).state_dict()
    after = reader.module["encoder"].state_dict()
    assert all(torch.equal(before[name].float(), after[name]) for name in before)
    right = [one for one in fitted if one.first_error is not None]
    named = reader.read(right).places == np.array([one.first_error for one in right])
    assert named.mean() > 0.4  # by chance a quarter


@pytest.mark.slow
def test_a_long_solution_is_read_in_parts_that_have_every_step_once(base: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    one = LabelledSolution("What is the sum?", tuple(" ".join(WORDS[:10]) for _ in range(30)), True)
    parts = parts_of(tokenizer, one, 5, 64)
    assert len(parts) > 4
    assert all(len(part.ids) <= 64 for part in parts)
    assert [step for part in parts for step in part.steps] == list(range(5, 35))
    assert all(part.ids[end] == tokenizer.sep_token_id for part in parts for end in part.ends)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(OWN))
def test_an_encoder_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    training = CriticTraining(kind=kind, own={"base": str(tmp_path)})
    with pytest.raises(CriticError, match=r"encoder .* cannot be read .* Fix: "):
        train(marked(40), training, "minilm", TOOLS)
