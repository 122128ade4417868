"""How natural a student finds a solution: mean log-probability of its tokens, and the ratio of their ranks to their surprisal.

Of several solutions of one question, those that the student finds natural teach it more. With solutions of several writers the
log-probability of a whole text no longer tells which those are, because longer texts have more predictable tokens: `window`
measures each step after the few steps before it only (local naturalness, arXiv:2510.03988). The rank-surprisal ratio
(arXiv:2601.14249) is the sum of the ranks of the tokens divided by the sum of their negative log-probabilities; it is low where a
text is improbable, so that there is something to learn, and its tokens are still among the first that the student thinks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick
from tasks.training.tokens import completion_text, prompts_of

if TYPE_CHECKING:
    from tasks.training.completion import Completer

STAGE = "select"
MOST_RANK = 100  # a larger rank counts as this one, as in the paper: a single odd token would decide the mean
_BATCH_TOKENS = 4096
_LOGITS = 1 << 25  # logits that are compared at once, in single precision 128 MiB

whole = True
parents = False


class NaturalnessSettings(Section, title="Naturalness"):
    model: str = Field(
        pattern=rf"^{CHECKPOINT}.+",
        description="the checkpoint that judges: hf:FOLDER, or hf:NAME for one in the home's folder models",
    )
    by: Literal["log_probability", "rank_surprisal"] = Field(
        "log_probability", description="the measure by which rows are ranked"
    )
    window: int | None = Field(
        None, ge=1, description="steps before each step that the student sees; empty: all of the text"
    )
    keep: Share = Field(0.8, description="share of the rows that is kept, the most natural ones")
    per_question: int | None = Field(
        None, ge=1, description="most solutions of a question, the most natural ones; empty: any number"
    )


own_settings = NaturalnessSettings


@dataclass(frozen=True, slots=True)
class Naturalness:
    """How natural a model finds a text after its question.

    log_probability: the mean over its tokens of the natural logarithm of their probability, at most 0. rank_surprisal: the sum
    of their ranks (from 1, at most MOST_RANK) over the sum of their negative log-probabilities; lower is better. tokens: how
    many tokens were measured.
    """

    log_probability: float
    rank_surprisal: float
    tokens: int


def needs(settings: NaturalnessSettings) -> Mapping[str, str]:
    return {"student": settings.model}


def select(
    rows: pa.Table, *, settings: NaturalnessSettings, seed: int, tick: Tick, student: Engine
) -> Selection:
    """Keep the rows that the student finds most natural. The scores `naturalness` (the mean probability of a token, geometric)
    and `rank_surprisal` (mapped to 0..1, higher is better) are given to every row; one that does not fit the model's context
    has none and is kept."""
    from tasks.training.completion import Completer

    measured = naturalness(
        Completer.load(str(student.endpoint.checkpoint)),
        column(rows, "question"),
        column(rows, "solution"),
        reasonings=column(rows, "reasoning"),
        window=settings.window,
    )
    tick(rows.num_rows)
    scores = scores_of(measured)
    name = "naturalness" if settings.by == "log_probability" else "rank_surprisal"
    problems = column(rows, "problem_id")
    ids = column(rows, "id")
    values = scores[name]
    ranked = sorted(
        (i for i, value in enumerate(values) if value is not None),
        key=lambda i: (-(values[i] or 0.0), ids[i]),
    )
    taken: dict[str, int] = {}
    best = []
    for i in ranked:
        if settings.per_question is None or taken.get(problems[i], 0) < settings.per_question:
            taken[problems[i]] = taken.get(problems[i], 0) + 1
            best.append(i)
    kept = best[: round(settings.keep * len(ranked))]
    least = f"{values[kept[-1]]:.4f}" if kept else "1"
    reasons: list[Reason | None] = [None] * rows.num_rows
    for i in set(ranked) - set(kept):
        reasons[i] = reason(STAGE, Code.BELOW_THRESHOLD, name=name, score=f"{values[i]:.4f}", threshold=least)
    return Selection(reasons, scores)


def scores_of(measured: Sequence[Naturalness | None]) -> dict[str, list[float | None]]:
    """Return the scores from 0 to 1 by which rows record how natural they are, higher is better; None for a text without a measure."""
    return {
        "naturalness": [None if one is None else float(np.exp(one.log_probability)) for one in measured],
        "rank_surprisal": [None if one is None else 1 / (1 + one.rank_surprisal) for one in measured],
    }


def naturalness(
    model: Completer,
    questions: Sequence[str],
    solutions: Sequence[str],
    *,
    reasonings: Sequence[str | None] | None = None,
    window: int | None = None,
    batch_tokens: int = _BATCH_TOKENS,
) -> list[Naturalness | None]:
    """Return how natural the model finds each solution after its question, in order; None for an empty text and for one that
    does not fit the model's context.

    The prompt is the checkpoint's chat template around the question, as in training; `reasonings` are put before the solutions
    in their tags. window: how many lines before each line the model sees (the prompt, before the first one); None: all that is
    before it. batch_tokens: tokens of a batch, padding included.
    """
    prompt_of = prompts_of(model.tokenizer)
    context = getattr(model.model.config, "max_position_embeddings", None)
    sequences: list[tuple[int, list[int], int]] = []  # the text, its tokens, and how many are not measured
    unfit: set[int] = set()
    for number, (question, solution) in enumerate(zip(questions, solutions, strict=True)):
        prompt = prompt_of(question)
        text = completion_text(prompt, reasonings[number] if reasonings else None, solution)
        for before, step in _steps(prompt, text, window):
            first, second = model.tokenizer([before, step], add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
            if not second:
                continue
            if not first or (context is not None and len(first) + len(second) > context):
                unfit.add(number)
                continue
            sequences.append((number, [*first, *second], len(first)))
    sums = np.zeros((len(questions), 3))  # log-probabilities, ranks, tokens
    for batch in _batches(sequences, batch_tokens):
        for (number, _, _), measured in zip(batch, _measured(model, batch), strict=True):
            sums[number] += measured
    return [
        None
        if tokens == 0 or number in unfit
        else Naturalness(logs / tokens, ranks / max(-logs, 1e-9), int(tokens))
        for number, (logs, ranks, tokens) in enumerate(sums.tolist())
    ]


def _steps(prompt: str, text: str, window: int | None) -> Iterator[tuple[str, str]]:
    """Yield each step of a text with what the model sees before it."""
    if window is None:
        yield prompt, text
        return
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    for at, line in enumerate(lines):
        yield ("".join(lines[max(0, at - window) : at]) if at else prompt), line


def _batches(
    sequences: Sequence[tuple[int, list[int], int]], tokens: int
) -> Iterator[list[tuple[int, list[int], int]]]:
    """Yield the sequences in batches of at most `tokens` tokens with their padding, or of one, the longest first."""
    ordered = sorted(sequences, key=lambda one: -len(one[1]))
    while ordered:
        count = max(1, tokens // len(ordered[0][1]))
        yield ordered[:count]
        ordered = ordered[count:]


def _measured(
    model: Completer, batch: Sequence[tuple[int, list[int], int]]
) -> list[tuple[float, float, int]]:
    """Return the sums of log-probabilities and ranks of the measured tokens of each sequence, and their number."""
    import torch

    device = model.model.device
    longest = len(batch[0][1])
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (_, tokens, _) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    results: list[tuple[float, float, int]] = []
    with torch.inference_mode():
        logits: Any = model.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        step = max(1, _LOGITS // logits.shape[-1])
        for row, (_, tokens, start) in enumerate(batch):
            logs = ranks = 0.0
            for begin in range(start, len(tokens), step):
                end = min(begin + step, len(tokens))
                scored = logits[row, begin - 1 : end - 1].float()
                chosen = scored.gather(1, ids[row, begin:end, None].to(device))
                logs += float((chosen[:, 0] - scored.logsumexp(-1)).double().sum())
                ranks += float(((scored > chosen).sum(-1) + 1).clamp(max=MOST_RANK).double().sum())
            results.append((logs, ranks, len(tokens) - start))
    return results
