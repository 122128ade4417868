"""Options by likelihood: sums equal those of the tokens one by one, and a model that was trained on one text prefers it."""

from __future__ import annotations

import pytest

from tasks.evaluation.likelihood import _texts, log_likelihoods, option_scores
from tasks.training.completion import Completer
from tasks.training.student import Shape, fresh

SHAPE = Shape(hidden=32, feedforward=64, layers=2, heads=2, context=64, vocabulary=300)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Completer:
    return Completer.load(
        fresh(["the cat sat on a mat"] * 20, tmp_path_factory.mktemp("model"), seed=3, shape=SHAPE)
    )


@pytest.mark.slow
def test_the_sum_is_that_of_the_tokens_one_by_one(model: Completer) -> None:
    import torch

    pairs = [("the cat", " sat on a mat"), ("the", " cat"), ("a", " mat sat on the cat sat")]
    together = log_likelihoods(model, pairs)
    for (context, text), batched in zip(pairs, together, strict=True):
        tokens, before = model.encode(context + text), len(model.encode(context))
        alone = 0.0
        for place in range(before, len(tokens)):
            with torch.no_grad():
                logits = model.model(input_ids=torch.tensor([tokens[:place]])).logits[0, -1]
            alone += float(torch.log_softmax(logits.float(), -1)[tokens[place]])
        assert batched == pytest.approx(alone, abs=1e-3)
        assert log_likelihoods(model, [(context, text)])[0] == pytest.approx(batched, abs=1e-3)


@pytest.mark.slow
def test_what_is_too_long_loses_its_beginning(model: Completer) -> None:
    (score,) = log_likelihoods(model, [("cat " * 500, " mat")])
    assert -100 < score < 0


def test_a_blank_is_completed_and_what_follows_is_scored() -> None:
    assert _texts("The cup broke as _ was thin.", ["the cup", "the table"]) == [
        ("The cup broke as the cup", " was thin."), ("The cup broke as the table", " was thin."),
    ]  # fmt: skip
    assert _texts("2 + 3 = _", ["4", "5"]) == [("2 + 3 = _", " 4"), ("2 + 3 = _", " 5")]


@pytest.mark.slow
def test_scores_are_per_byte(model: Completer) -> None:
    item = {"question": "the cat", "options": ["sat on a mat", "sat"]}
    scores = option_scores(model, item)
    sums = log_likelihoods(model, [("the cat", " sat on a mat"), ("the cat", " sat")])
    assert scores == pytest.approx([sums[0] / 13, sums[1] / 4], abs=1e-4)
