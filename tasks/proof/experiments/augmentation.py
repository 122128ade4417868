"""Which existing rows to add: those near the student's failures, those near any probe, or random ones.

All three retrieve from a pool; nothing is generated. In the literature, adding the unchanged neighbours of failures costs
points (-1.70 on MATH, "More Data or Better Data?", 2025), while augmenting them helps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage.indexes.vectors import Vectors
from tasks.proof.lab import Lab
from tasks.proof.rows import EVEN, words
from tasks.retrieval.neighbours import nearest
from tasks.seeding import rng_of

_NEIGHBOURS = 20


def run(lab: Lab, models: dict[str, Path], encode: Callable[[Sequence[str]], Vectors]) -> None:
    """Continue the training of the SFT model without new rows, and with equally many rows chosen in each of three ways."""
    rows = lab.publish("rows", words(lab.draw("rows", lab.sizes.rows)))
    pool = words(lab.draw("pool", lab.sizes.pool))
    probes = words(lab.draw("probes", lab.sizes.probes, EVEN))
    # null: an answer that cannot be compared is not known to be a failure
    right = [one for (one,) in lab.answer(models["SFT"], probes).column("right").to_pylist()]
    vectors = encode([row.question for row in pool])
    queries = encode([row.question for row in probes])
    _, neighbour_ids = nearest(vectors, queries, min(_NEIGHBOURS, len(pool)))
    failed = [i for i, result in enumerate(right) if result is False]
    rng = rng_of("proof", lab.seed, "bought")
    chosen = {
        "retrieval near failures": _spread(neighbour_ids[failed], lab.sizes.added),
        "retrieval near any probe": _spread(neighbour_ids, lab.sizes.added),
        "random rows": rng.sample(range(len(pool)), lab.sizes.added),
    }
    lab.facts["probes failed"] = len(failed) / len(probes)
    arms = {"no new rows": [rows]} | {
        name: [rows, lab.publish(name, [pool[i] for i in numbers])] for name, numbers in chosen.items()
    }
    for name, data in arms.items():
        lab.score(name, lab.train(name, "augmentation", data, start=models["SFT"]))


def _spread(neighbour_ids: npt.NDArray[np.int64], count: int) -> list[int]:
    """Return `count` different rows of the pool, the nearest neighbour of every query first."""
    ids: dict[int, None] = dict.fromkeys(int(row) for row in neighbour_ids.T.reshape(-1))
    return list(ids)[:count]
