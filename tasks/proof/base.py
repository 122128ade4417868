"""The base checkpoint, from which all arms of all seeds start, in the role of a pretrained model.

Its corpus has calculations without a question, worked problems, programs and some small talk; the subdomains have the skewed
shares of SKEWED.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from storage.datasets.store import Store
from storage.rows import to_table
from tasks.proof.rows import SKEWED, calculations, chat, draw, programs, words
from tasks.proof.sizes import Sizes
from tasks.seeding import rng_of, seed_of
from tasks.training.config import Train
from tasks.training.run import RECORD, train
from tasks.training.student import fresh

CORPUS = "proof-base"


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """Facts about the training of the base."""

    parameters: int
    loss: float  # nats per token at the end
    seconds: float


def make_base(folder: Path, sizes: Sizes, held_out: Collection[str]) -> tuple[Path, BaseFacts]:
    """Train the base, unless an earlier start did; return its checkpoint and the facts about its training.

    held_out: the questions that the corpus must not have.
    """
    store = Store(folder / "home")
    if store.head(CORPUS) is None:
        rng = rng_of("proof", "base")
        worked = draw(rng, sizes.corpus, SKEWED, without=held_out)
        rows = [*words(worked), *programs(worked[: len(worked) // 3]), *chat(rng, len(worked) // 10)]
        rows += calculations(rng, 2 * len(rows))
        store.publish(CORPUS, [to_table(rows)], lineage={})
    version = store.resolve(CORPUS)
    seed = seed_of("proof", "base") % 2**31
    out, untrained = folder / "run", folder / "untrained"
    if not (out / RECORD).exists():  # equal texts and seeds give the same student again
        columns = store.read(version, ["question", "solution"])
        texts = (str(text) for name in ("question", "solution") for text in columns.column(name).to_pylist())
        fresh(texts, untrained, seed=seed, shape=sizes.shape)
    config = {"base": str(untrained), "data": [{"dataset": str(version)}], "seed": seed, **sizes.base}
    trained = train(Train.model_validate(config), store, out)
    metrics = trained.metrics
    return trained.checkpoint, BaseFacts(metrics["parameters"], metrics["loss"], metrics["seconds"])
