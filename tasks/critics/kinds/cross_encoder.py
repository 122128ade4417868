"""A cross-encoder: question and solution as one pair of texts, read by an encoder with one output (sentence-transformers `CrossEncoder`).

The features by program (tasks/critics/step_checker.py) stand beside its log odds in the calibrated head. It judges the whole solution and
names no step. Pairs are sorted by length and batched by tokens, and computed in bfloat16 where the processor has units for it: the scores are
those of `CrossEncoder.predict`, within the precision of bfloat16 (exactly its own in float32).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.arrays import Floats
from tasks.critics import WorkedSolution, step_checker
from tasks.critics.evaluation import NOT_NAMED
from tasks.critics.kinds import CriticError, CriticLog, CriticTools, Signals
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import check
from tasks.llm.model_files import no_progress_bar
from tasks.retrieval.encoder import BATCH_TOKENS, has_bf16_units, location, token_batches
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section

SLAB = 4096  # pairs whose tokens are in memory at once


class CrossEncoderSettings(Section, title="Cross-encoder"):
    base: str = Field(
        "",
        description="encoder or cross-encoder that is trained further: minilm, a name or a folder; empty: the run's encoder",
    )
    epochs: float = Field(1.0, gt=0, le=20, description="passes over the training solutions")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="greatest learning rate")
    tokens: int = Field(256, ge=32, le=8192, description="tokens of a pair that are read")
    batch_tokens: int = Field(6000, ge=256, description="tokens of a training batch")
    batches: int = Field(0, ge=0, description="training batches at most; 0: as many as the epochs have")
    solutions: int = Field(0, ge=0, description="training solutions at most, the same in every run; 0: all")


own_settings = CrossEncoderSettings


class PairScorer:
    """Scores pairs of texts by a `CrossEncoder` with one output. `bf16`: None means where the hardware has it."""

    def __init__(self, model: Any, *, bf16: bool | None = None, batch_tokens: int = BATCH_TOKENS) -> None:
        import copy

        import torch

        self.model, self.batch_tokens = model, batch_tokens
        on_gpu = str(model.device).startswith("cuda")
        if bf16 is None:
            bf16 = torch.cuda.is_bf16_supported() if on_gpu else has_bf16_units()
        module = model.model
        self._module = (copy.deepcopy(module).bfloat16() if bf16 else module).eval()

    def log_odds(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Return the log odds of each pair, float64 (n,): `predict` gives their sigmoid."""
        import torch

        out = np.zeros(len(pairs))
        for start in range(0, len(pairs), SLAB):
            slab = pairs[start : start + SLAB]
            tokens = tokenized_pairs(self.model, slab)
            lengths = np.array([len(ids) for ids in tokens["input_ids"]])
            with torch.inference_mode():
                for rows in token_batches(lengths, self.batch_tokens):
                    logits = self._module(**padded(self.model, tokens, rows)).logits
                    out[start + rows] = logits[:, 0].float().cpu().numpy()
        return out


def tokenized_pairs(model: Any, pairs: Sequence[tuple[str, str]]) -> Any:
    """Return the tokens of pairs, the longer text of a pair cut where the pair has more than the model reads."""
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    return model.tokenizer(first, second, truncation="longest_first", max_length=model.max_seq_length)


def padded(model: Any, tokens: Any, rows: Any) -> dict[str, Any]:
    batch = {name: [values[row] for row in rows] for name, values in tokens.items()}
    tensors = model.tokenizer.pad(batch, return_tensors="pt")
    return {name: values.to(model.device) for name, values in tensors.items()}


class CrossEncoderReader:
    """Reads the log odds of a pair, with the step checker's features beside."""

    asks = False

    def __init__(self, model: Any) -> None:
        self._model = model
        self._scorer = PairScorer(model)

    @property
    def digest(self) -> str:
        return digest_of_weights(self._model.model, str(self._model.max_seq_length))

    def read(self, solutions: Sequence[WorkedSolution]) -> Signals:
        odds = self._scorer.log_odds([pair_of(one) for one in solutions])
        features = [
            step_checker.features(check(one.steps, question=one.question, answer=one.answer))
            for one in solutions
        ]
        inputs = np.column_stack([odds, np.array(features).reshape(len(solutions), -1)])
        return Signals(inputs.astype(np.float64), np.full(len(solutions), NOT_NAMED, np.int64))

    def save(self, folder: Path) -> None:
        with no_progress_bar():
            self._model.save_pretrained(str(folder / "model"), create_model_card=False)


def load(folder: Path, record: Mapping[str, Any], tools: CriticTools) -> CrossEncoderReader:
    tokens = record["settings"]["own"]["tokens"]
    return CrossEncoderReader(opened(str(folder / "model"), int(tokens)))


def opened(base: str, tokens: int) -> Any:
    """Return a cross-encoder with one output on an encoder by its name or folder. Raises CriticError if it cannot be loaded."""
    import torch
    from sentence_transformers import CrossEncoder

    try:
        with no_progress_bar():
            model = CrossEncoder(
                location(base),
                num_labels=1,
                device="cuda" if torch.cuda.is_available() else "cpu",
                model_kwargs={"weights_only": True},
                trust_remote_code=False,
                local_files_only=True,
            )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CriticError(
            f"encoder {base!r} cannot be read ({reason}). Fix: minilm, or the folder of a downloaded model"
        ) from error
    model.max_seq_length = min(tokens, model.max_seq_length or tokens)
    return model


def pair_of(solution: WorkedSolution) -> tuple[str, str]:
    return solution.question, "\n".join(solution.steps)


def fit(
    solutions: Sequence[LabelledSolution],
    settings: CrossEncoderSettings,
    encoder: str,
    tools: CriticTools,
    *,
    seed: int,
    log: CriticLog,
) -> CrossEncoderReader:
    """Train all weights on the binary labels, in batches of pairs of similar length, which are drawn anew in every epoch."""
    import torch

    torch.manual_seed(seed_of(seed, "cross-encoder") % 2**31)  # of the new output and of dropout
    solutions = at_most(solutions, settings.solutions, seed)
    model = opened(settings.base or encoder, settings.tokens)
    tokens = tokenized_pairs(model, [pair_of(one) for one in solutions])
    lengths = np.array([len(ids) for ids in tokens["input_ids"]])
    labels = np.array([one.correct for one in solutions], np.float32)
    share = float(labels.mean())
    # both labels count alike, so that the output does not only learn the share of right solutions
    weights = np.where(labels > 0, 0.5 / max(share, 1e-3), 0.5 / max(1 - share, 1e-3)).astype(np.float32)

    def loss_of(rows: Any) -> Any:
        logits = model.model(**padded(model, tokens, rows)).logits[:, 0].float()
        target = torch.from_numpy(labels[rows]).to(logits.device)
        weight = torch.from_numpy(weights[rows]).to(logits.device)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, target, weight)

    learn(
        model.model,
        loss_of,
        lengths,
        settings.batch_tokens,
        settings.epochs,
        settings.learning_rate,
        seed,
        log,
        most=settings.batches,
    )
    return CrossEncoderReader(model)


def at_most(solutions: Sequence[LabelledSolution], most: int, seed: int) -> Sequence[LabelledSolution]:
    """Return the solutions, or so many of them that are drawn by a hash; all for 0."""
    if not most or most >= len(solutions):
        return solutions
    drawn = sorted(range(len(solutions)), key=lambda row: seed_of(seed, "at most", solutions[row].id))
    return [solutions[row] for row in sorted(drawn[:most])]


def learn(
    module: Any,
    loss_of: Any,
    lengths: Any,
    batch_tokens: int,
    epochs: float,
    learning_rate: float,
    seed: int,
    log: CriticLog,
    *,
    most: int = 0,
) -> int:
    """Train a module by AdamW with a warm-up and a linear fall of the learning rate, and return the number of batches. `loss_of` returns the
    loss of the rows of a batch; batches have rows of similar `lengths` and at most `batch_tokens` tokens. `most`: batches at most, 0 for as many
    as the epochs have; the learning rate falls to 0 within them."""
    import torch

    batches = list(token_batches(lengths, batch_tokens))
    steps = max(1, round(epochs * len(batches)))
    steps = min(steps, most) if most else steps
    order: list[int] = []
    for epoch in range(int(np.ceil(epochs))):
        numbers = list(range(len(batches)))
        rng_of(seed, "batches", epoch).shuffle(numbers)
        order += numbers
    trained = [one for one in module.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.01)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))
    )
    device = next(module.parameters()).device.type
    bf16 = torch.cuda.is_bf16_supported() if device == "cuda" else has_bf16_units()
    module.train()
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0  # drawing its random numbers takes more than half of the time on a CPU
        if hasattr(part, "dropout_prob"):
            part.dropout_prob = 0.0
    total, started = 0.0, time.monotonic()
    for step, number in enumerate(order[:steps], start=1):
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = loss_of(batches[number])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        total += float(loss.detach())
        if step % max(1, steps // 10) == 0:
            taken = time.monotonic() - started
            left = taken / step * (steps - step)
            log(
                f"batch {step:,} of {steps:,}, mean loss {total / step:.3f}, {taken:.0f} s, about {left:.0f} s left"
            )
    module.eval()
    return steps


def digest_of_weights(module: Any, *parts: str) -> str:
    """Return the SHA-256 of the weights of a module, and of `parts`."""
    import torch

    hashed = hashlib.sha256(" ".join(parts).encode())
    for name, values in sorted(module.state_dict().items()):
        hashed.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        hashed.update(
            values.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            if values.dim()
            else str(values.item()).encode()
        )
    return hashed.hexdigest()
