"""Multiple choice by the likelihood of its options: the model is asked nothing, and its answer is the option that it finds most likely behind the
question. Only a checkpoint can be scored so, since chat endpoints return no likelihoods of given texts.

The log-likelihood of an option is divided by its length in bytes, as `acc_norm` of lm-evaluation-harness does, so that long options do not lose
by their length. A question with a blank `_` (WinoGrande) is completed with each option, and what follows the blank is scored (Trinh and Le 2018,
arXiv:1806.02847): it is the same text for all options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.evaluation.answering import ANSWERED, LIKELIHOOD
from tasks.evaluation.harness import HarnessError
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.stages.outcome import Outcome, Tick

if TYPE_CHECKING:
    from tasks.training.completion import Completer

BATCH = 16  # texts that are scored at a time
_BLANK = re.compile(r"(?<!\S)_+(?=\W|$)")


def score_options(items: pa.Table, *, engine: Engine, tick: Tick) -> Outcome:
    """Return multiple-choice items (tasks.evaluation.items.SCHEMA) with the likeliest option of each as its answer (ANSWERED).

    Raises HarnessError if the model is no checkpoint.
    """
    from tasks.training.completion import Completer

    checkpoint = engine.endpoint.checkpoint
    if checkpoint is None:
        raise HarnessError(
            f"{engine.endpoint.role} is a chat endpoint, which returns no likelihoods. Fix: a checkpoint (hf:FOLDER)"
        )
    model = Completer.load(checkpoint)
    rows = []
    for record in items.to_pylist():
        scores = option_scores(model, record)
        answer = chr(65 + max(range(len(scores)), key=lambda place: (scores[place], -place)))
        right = answer == record["reference"]
        rows.append(
            record
            | {
                "answers": [answer],
                "texts": [", ".join(f"{chr(65 + place)} {one:.4f}" for place, one in enumerate(scores))],
                "right": [right],
                "unknown": 0,
                "unanswered": 0,
                "cut": 0,
                "score": float(right),
                "majority": right,
                "form": LIKELIHOOD,
            }
        )
        tick(1)
    return Outcome(
        pa.Table.from_pylist(rows, ANSWERED), asked=len(rows), facts=RoleCosts.of(engine.endpoint).facts()
    )


def option_scores(model: Completer, item: Mapping[str, Any]) -> list[float]:
    """Return the log-likelihood (nats) per byte of each option of an item behind its question."""
    pairs = _texts(str(item["question"]), item["options"])
    likelihoods = log_likelihoods(model, pairs)
    return [one / max(1, len(text.encode())) for one, (_, text) in zip(likelihoods, pairs, strict=True)]


def log_likelihoods(model: Completer, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Return, for each (context, continuation), the sum of the log-probabilities (nats) of the continuation's tokens.

    The two are encoded together, so that the border has the tokens that the model knows from texts. What is too long for the
    model loses the beginning of its context.
    """
    import torch

    limit = int(getattr(model.model.config, "max_position_embeddings", None) or 1 << 20)
    encoded = []
    for context, text in pairs:
        whole = model.encode(context + text)
        start = min(_shared(model.encode(context), whole), len(whole) - 1)
        cut = max(0, len(whole) - limit)
        encoded.append((whole[cut:], max(1, start - cut)))
    sums: list[float] = []
    for first in range(0, len(encoded), BATCH):
        part = encoded[first : first + BATCH]
        longest = max(len(tokens) for tokens, _ in part)
        ids = torch.zeros((len(part), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, (tokens, _) in enumerate(part):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        device = model.model.device
        with torch.no_grad():
            logits = model.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        each = logs.gather(2, ids[:, 1:, None].to(device))[:, :, 0].cpu()
        sums += [
            float(each[row, start - 1 : len(tokens) - 1].sum()) for row, (tokens, start) in enumerate(part)
        ]
    return sums


def _shared(context: Sequence[int], whole: Sequence[int]) -> int:
    """Return how many tokens at the beginning of the whole are those of the context."""
    count = 0
    while count < min(len(context), len(whole)) and context[count] == whole[count]:
        count += 1
    return count


def _texts(question: str, options: Sequence[str]) -> list[tuple[str, str]]:
    """Return (context, continuation) of each option."""
    blanks = list(_BLANK.finditer(question))
    if len(blanks) == 1 and question[blanks[0].end() :].strip():
        before, after = question[: blanks[0].start()], question[blanks[0].end() :]
        return [(before + option, after) for option in options]
    return [(question, f" {option}") for option in options]
