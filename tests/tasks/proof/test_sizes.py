"""The sizes fit each other, those for a GPU too, whose student has about 100 million parameters in bf16."""

from __future__ import annotations

import pytest

from tasks.proof.rows import draw
from tasks.proof.sizes import GPU, LONGEST, SIZES, SUBDOMAINS, Sizes
from tasks.training.config import Train
from tasks.training.student import model_of, tokenizer_of


@pytest.mark.parametrize("sizes", SIZES.values(), ids=list(SIZES))
def test_a_training_can_be_configured_and_an_answer_fits_the_context(sizes: Sizes) -> None:
    config = Train.model_validate({**sizes.training, "steps": sizes.steps, "lr": sizes.rate})
    assert config.length <= sizes.shape.context
    assert sizes.shape.hidden % sizes.shape.heads == 0
    problems = draw("lengths", 40, SUBDOMAINS, part="any")
    texts = [text for one in problems for text in (one.question, "\n".join(one.worked.steps))]
    tokenizer = tokenizer_of(texts, sizes.shape)
    longest = max(len(tokenizer.encode(one.question)) for one in problems)
    assert longest + LONGEST <= sizes.shape.context
    assert 0 <= sizes.explored <= len(sizes.seeds)


@pytest.mark.slow
def test_the_student_for_a_gpu_has_about_100_million_parameters_and_answers_in_bf16() -> None:
    import torch

    tokenizer = tokenizer_of(["one text"], GPU.shape)
    with torch.device("meta"):  # shapes alone
        model = model_of(tokenizer, seed=0, shape=GPU.shape).to(torch.bfloat16)
        logits = model(torch.zeros((2, GPU.shape.context), dtype=torch.long)).logits
    assert 90e6 < sum(one.numel() for one in model.parameters()) < 110e6
    assert logits.shape == (2, GPU.shape.context, len(tokenizer))
    assert Train.model_validate({**GPU.training, "steps": 1}).precision == "bf16"
