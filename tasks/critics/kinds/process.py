"""A process critic: an encoder reads question and steps as one text, and a head on each step gives the step's hazard.

The head reads the vector at the end of the step and the mean of the step's own vectors.

So a step is read in its context, which the vectors of single steps (kind `trees`) do not have. The features of the step by program
(tasks/critics/step_features.py, the step checker) stand beside the encoder's vector in the head. The encoder is trained with the head; the setting
`trained_layers` leaves its lower layers as they are, and 0 the whole encoder: then each solution is read once, and the epochs cost next to nothing. A solution that is longer than the encoder reads is read in parts,
each with the question before it.

Wrong solutions of which only the answer is known to be wrong train every step alike as the first wrong one, weighted by its share; after the first
epoch by the hazards that the model itself gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tasks.arrays import Floats
from tasks.critics import WorkedSolution, step_features
from tasks.critics.hazards import (
    CHECKED,
    checked_features,
    likeliest,
    likelihood,
    per_solution,
    probability,
    solution_features,
    step_labels,
)
from tasks.critics.kinds import CriticError, CriticLog, CriticTools, Signals
from tasks.critics.kinds.cross_encoder import at_most, digest_of_weights, learn
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import Checked, check
from tasks.llm.model_files import no_progress_bar
from tasks.retrieval.encoder import has_bf16_units, location, token_batches
from tasks.seeding import seed_of
from tasks.settings import Section

HEAD, SCALE = "head.safetensors", "scale.npz"
HIDDEN = 64  # units of the head
READ_TOKENS = 4000  # tokens of a batch that is only read


class ProcessSettings(Section, title="Process critic"):
    base: str = Field(
        "",
        description="encoder that is trained further: minilm, a name or a folder; empty: the run's encoder",
    )
    epochs: int = Field(2, ge=1, le=50, description="passes over the training solutions")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="greatest learning rate")
    trained_layers: int = Field(
        2,
        ge=0,
        description="layers of the encoder, from the top, that are trained; 0: the head alone, for which each solution is read once",
    )
    tokens: int = Field(512, ge=64, le=8192, description="tokens that are read at once")
    batch_tokens: int = Field(6000, ge=256, description="tokens of a training batch")
    batches: int = Field(0, ge=0, description="training batches at most; 0: as many as the epochs have")
    solutions: int = Field(0, ge=0, description="training solutions at most, the same in every run; 0: all")


own_settings = ProcessSettings


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a solution: its tokens, the place at which its first step begins, and for each of its steps the number of the step among all
    steps, and the place of its last token."""

    ids: list[int]
    begin: int
    steps: list[int]
    ends: list[int]


def parts_of(tokenizer: Any, solution: WorkedSolution, first: int, tokens: int) -> list[_Part]:
    """Return the parts of a solution: the question, then steps, each ended by the separator. `first`: the number of its first step."""
    encoded = tokenizer(
        [solution.question, *solution.steps],
        add_special_tokens=False,
        truncation=True,
        max_length=tokens // 3,
    )["input_ids"]
    head = [tokenizer.cls_token_id, *encoded[0], tokenizer.sep_token_id]
    parts: list[_Part] = []
    ids = list(head)
    steps: list[int] = []
    ends: list[int] = []
    for number, step in enumerate(encoded[1:]):
        if len(ids) + len(step) + 1 > tokens and steps:
            parts.append(_Part(ids, len(head), steps, ends))
            ids, steps, ends = list(head), [], []
        ids += [*step, tokenizer.sep_token_id]
        steps.append(first + number)
        ends.append(len(ids) - 1)
    return [*parts, _Part(ids, len(head), steps, ends)]


def table_of(solutions: Sequence[WorkedSolution]) -> tuple[Floats, list[Checked]]:
    """Return the features of all steps by program, one below the other, and what the step checker says of each solution."""
    checked = [check(one.steps, question=one.question, answer=one.answer) for one in solutions]
    rows = [
        np.hstack([step_features.step_features(one.question, one.steps), checked_features(finding)])
        for one, finding in zip(solutions, checked, strict=True)
    ]
    width = len(step_features.FEATURES) + len(CHECKED)
    return np.concatenate(rows) if rows else np.zeros((0, width)), checked


class ProcessReader:
    """Reads the hazard of every step. `scale`: mean and spread of the features by program, float64 (2, features)."""

    asks = False

    def __init__(self, encoder: Any, head: Any, tokenizer: Any, scale: Floats, tokens: int) -> None:
        import torch

        self.module = torch.nn.ModuleDict({"encoder": encoder, "head": head})
        self.tokenizer, self.scale, self.tokens = tokenizer, scale, tokens

    @property
    def digest(self) -> str:
        return digest_of_weights(self.module, str(self.tokens), repr(self.scale.tolist()))

    def odds(self, parts: Sequence[_Part], rows: Any, table: Any) -> tuple[Any, npt.NDArray[np.int64]]:
        """Return the log odds of the hazards of the steps of some parts, with the numbers of the steps. `table`: the scaled features."""
        vectors, numbers = self.vectors(parts, rows)
        return self.odds_of_vectors(vectors, table[numbers]), numbers

    def odds_of_vectors(self, vectors: Any, features: Any) -> Any:
        """Return the log odds of the hazards of steps by what the encoder reads in them and their scaled features."""
        import torch

        beside = torch.from_numpy(features).to(vectors.device)
        return self.module["head"](torch.hstack([vectors, beside]))[:, 0]

    def vectors(self, parts: Sequence[_Part], rows: Any) -> tuple[Any, npt.NDArray[np.int64]]:
        """Return what the encoder reads in the steps of some parts, (steps, 2 * width), with the numbers of the steps."""
        import torch

        chosen = [parts[row] for row in rows]
        width = max(len(part.ids) for part in chosen)
        ids = torch.full((len(chosen), width), int(self.tokenizer.pad_token_id))
        mask = torch.zeros((len(chosen), width), dtype=torch.long)
        for row, part in enumerate(chosen):
            ids[row, : len(part.ids)] = torch.tensor(part.ids)
            mask[row, : len(part.ids)] = 1
        device = next(self.module.parameters()).device
        hidden = self.module["encoder"](
            input_ids=ids.to(device), attention_mask=mask.to(device)
        ).last_hidden_state
        spans = [
            (row, begin, end)
            for row, part in enumerate(chosen)
            for begin, end in zip([part.begin, *(end + 1 for end in part.ends[:-1])], part.ends, strict=True)
        ]
        row_of, begin_of, end_of = torch.tensor(spans).to(device).T
        sums = torch.nn.functional.pad(hidden.float().cumsum(1), (0, 0, 1, 0))
        means = (sums[row_of, end_of + 1] - sums[row_of, begin_of]) / (end_of + 1 - begin_of)[:, None]
        numbers = np.array([step for part in chosen for step in part.steps], np.int64)
        return torch.hstack([hidden[row_of, end_of].float(), means]), numbers

    def vectors_once(self, parts: Sequence[_Part], steps: int, log: CriticLog) -> Any:
        """Return what the encoder reads in all steps, float32 (steps, 2 * width), for a head that is trained on an encoder as it is."""
        import torch

        encoder = self.module["encoder"].eval()
        device = next(encoder.parameters()).device
        out = torch.zeros((steps, 2 * int(encoder.config.hidden_size)), device=device)
        bf16 = torch.cuda.is_bf16_supported() if device.type == "cuda" else has_bf16_units()
        batches = list(token_batches(np.array([len(part.ids) for part in parts]), READ_TOKENS))
        # no inference mode: its tensors could not be read by a head that is trained
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for count, rows in enumerate(batches, start=1):
                vectors, numbers = self.vectors(parts, rows)
                out[torch.from_numpy(numbers).to(device)] = vectors.float()
                if count % max(1, len(batches) // 10) == 0:
                    log(f"batch {count:,} of {len(batches):,} is read")
        return out

    def scaled(self, table: Floats) -> npt.NDArray[np.float32]:
        return np.asarray(np.clip((table - self.scale[0]) / self.scale[1], -5, 5), np.float32)

    def hazards(self, solutions: Sequence[WorkedSolution], table: Floats) -> list[Floats]:
        """Return the hazards of the steps of each solution."""
        import torch

        counts = [len(one.steps) for one in solutions]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)[: len(counts)]
        parts = [
            part
            for one, start in zip(solutions, starts, strict=True)
            for part in parts_of(self.tokenizer, one, int(start), self.tokens)
        ]
        out, scaled = np.zeros(sum(counts)), self.scaled(table)
        device = next(self.module.parameters()).device.type
        bf16 = torch.cuda.is_bf16_supported() if device == "cuda" else has_bf16_units()
        lengths = np.array([len(part.ids) for part in parts])
        training = self.module.training
        self.module.eval()
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
            for rows in token_batches(lengths, READ_TOKENS):
                odds, numbers = self.odds(parts, rows, scaled)
                out[numbers] = odds.float().cpu().numpy()
        self.module.train(training)
        return per_solution(probability(out), counts)

    def read(self, solutions: Sequence[WorkedSolution]) -> Signals:
        table, checked = table_of(solutions)
        hazards = self.hazards(solutions, table)
        inputs = solution_features(hazards, checked)
        return Signals(inputs, likeliest(hazards), [1 - one for one in hazards], located=likelihood(hazards))

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        with no_progress_bar():
            self.module["encoder"].save_pretrained(folder / "encoder")
            self.tokenizer.save_pretrained(folder / "encoder")
        save_file(self.module["head"].state_dict(), folder / HEAD)
        np.savez(folder / SCALE, allow_pickle=False, scale=self.scale)


def load(folder: Path, record: Mapping[str, Any], tools: CriticTools) -> ProcessReader:
    from safetensors.torch import load_file

    with np.load(folder / SCALE, allow_pickle=False) as stored:
        scale = stored["scale"]
    encoder, tokenizer = _opened(str(folder / "encoder"))
    if scale.shape != (2, len(step_features.FEATURES) + len(CHECKED)):
        raise ValueError("it was trained by another version of the features")
    head = _head_of(encoder.config.hidden_size, scale.shape[1])
    head.load_state_dict(load_file(folder / HEAD))
    reader = ProcessReader(encoder, head, tokenizer, scale, int(record["settings"]["own"]["tokens"]))
    reader.module.to(_device()).eval()
    return reader


def _opened(base: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    try:
        with no_progress_bar():
            place = location(base)
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=True)
            encoder = AutoModel.from_pretrained(
                place, trust_remote_code=False, local_files_only=True, use_safetensors=True
            ).float()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CriticError(
            f"encoder {base!r} cannot be read ({reason}). Fix: minilm, or the folder of a model"
        ) from error
    for name in ("cls_token_id", "sep_token_id", "pad_token_id"):
        if getattr(tokenizer, name) is None:
            raise CriticError(
                f"encoder {base!r} has no {name}, so it is no encoder. Fix: name an encoder such as minilm"
            )
    return encoder, tokenizer


def _head_of(width: int, features: int) -> Any:
    import torch

    return torch.nn.Sequential(
        torch.nn.Linear(2 * width + features, HIDDEN),
        torch.nn.GELU(),
        torch.nn.Linear(HIDDEN, 1),
    )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def fit(
    solutions: Sequence[LabelledSolution],
    settings: ProcessSettings,
    encoder: str,
    tools: CriticTools,
    *,
    seed: int,
    log: CriticLog,
) -> ProcessReader:
    """Train encoder and head on the steps up to the first wrong one."""
    import torch

    torch.manual_seed(seed_of(seed, "process") % 2**31)
    solutions = at_most(solutions, settings.solutions, seed)
    model, tokenizer = _opened(settings.base or encoder)
    table, _ = table_of(solutions)
    scale = np.array([table.mean(0), np.maximum(table.std(0), 1e-3)])
    tokens = min(settings.tokens, int(getattr(model.config, "max_position_embeddings", settings.tokens)))
    reader = ProcessReader(
        model, _head_of(model.config.hidden_size, table.shape[1]), tokenizer, scale, tokens
    )
    _freeze(model, settings.trained_layers)
    reader.module.to(_device())
    scaled = reader.scaled(table)
    counts = [len(one.steps) for one in solutions]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
    parts = [
        part
        for one, start in zip(solutions, starts, strict=True)
        for part in parts_of(tokenizer, one, int(start), tokens)
    ]
    unplaced = [row for row, one in enumerate(solutions) if not one.correct and one.first_error is None]
    read = None if settings.trained_layers else reader.vectors_once(parts, len(table), log)
    batches_so_far = 0
    for epoch, epochs in ((0, 1), (1, settings.epochs - 1)):
        if not epochs or (batches_so_far and batches_so_far == settings.batches):
            break
        hazards: dict[int, Floats] = {}
        if epoch and unplaced and read is None:
            some = [solutions[row] for row in unplaced]
            hazards = dict(zip(unplaced, reader.hazards(some, table_of(some)[0]), strict=True))
        elif epoch and unplaced:
            with torch.no_grad():
                odds_of_all = reader.odds_of_vectors(read, scaled).float().cpu().numpy()
            hazards = dict(enumerate(per_solution(probability(odds_of_all), counts)))
        targets = np.zeros(
            (2, len(table)), np.float32
        )  # per step the weights of being wrong and of being right
        for row, (one, start) in enumerate(zip(solutions, starts, strict=True)):
            numbers, labels, weights = step_labels(one, hazards.get(row))
            np.add.at(targets[0], start + numbers, labels * weights)
            np.add.at(targets[1], start + numbers, (1 - labels) * weights)
        used = [part for part in parts if targets[:, part.steps].sum() > 0]

        def loss_of(rows: Any, used: list[_Part] = used, targets: Any = targets) -> Any:
            if read is None:
                odds, numbers = reader.odds(used, rows, scaled)
            else:
                numbers = np.array([step for row in rows for step in used[row].steps], np.int64)
                odds = reader.odds_of_vectors(
                    read[torch.from_numpy(numbers).to(read.device)], scaled[numbers]
                )
            wrong, right = (torch.from_numpy(one[numbers]).to(odds.device) for one in targets)
            odds = odds.float()
            losses = -(
                wrong * torch.nn.functional.logsigmoid(odds) + right * torch.nn.functional.logsigmoid(-odds)
            )
            return losses.sum() / max(1.0, float((wrong + right).sum()))

        lengths = np.array([len(part.ids) for part in used])
        rate = settings.learning_rate
        left = settings.batches - batches_so_far if settings.batches else 0
        batches_so_far += learn(
            reader.module, loss_of, lengths, settings.batch_tokens, epochs, rate, seed + epoch, log, most=left
        )
    return reader


def _freeze(model: Any, trained_layers: int) -> None:
    """Leave all weights as they are but those of the uppermost layers."""
    layers = getattr(getattr(model, "encoder", model), "layer", None) or getattr(model, "layers", [])
    if trained_layers >= len(layers) and trained_layers > 0:
        return
    for weights in model.parameters():
        weights.requires_grad_(False)
    for layer in list(layers)[len(layers) - trained_layers :] if trained_layers else []:
        for weights in layer.parameters():
            weights.requires_grad_(True)
