"""Run all experiments of one seed in a process of its own with one thread. The record is written last; a seed that has one is
not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import orjson

from storage.atomic import write_bytes
from tasks.problems.machinery.family import Problem
from tasks.proof.base import BaseFacts, make_base
from tasks.proof.rows import EVEN, FAMILIES, draw
from tasks.proof.sizes import Sizes
from tasks.seeding import rng_of


@dataclass(frozen=True, slots=True)
class SeedResults:
    """The results of one seed: per arm 1 or 0 per held-out item, counts for the page, the seconds of each experiment, and per
    training the versions of its data with their digests."""

    seed: int
    scores: dict[str, list[int]]
    facts: dict[str, float]
    seconds: dict[str, float]
    versions: dict[str, dict[str, str]]


def held_out(sizes: Sizes) -> list[Problem]:
    """Return the items on which every model is scored. They are the same for all seeds, equally many per subdomain."""
    rng = rng_of("proof", "held out")
    return [problem for name in FAMILIES for problem in draw(rng, sizes.items, {name: EVEN[name]})]


def prove(
    folder: Path, sizes: Sizes, *, processes: int, tick: Callable[[str], None] = lambda _: None
) -> tuple[BaseFacts, list[SeedResults]]:
    """Train the base, then run every seed, `processes` at a time. Results of an earlier start in `folder` are kept.

    `tick` is called with the name of each finished part.
    """
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        base, facts = executor.submit(_base, folder, sizes).result()
    tick("base")
    with ProcessPoolExecutor(min(processes, sizes.seeds), mp_context=spawn) as pool:
        seeds_by_future = {pool.submit(_seed, folder, sizes, base, seed): seed for seed in range(sizes.seeds)}
        records = []
        for finished in as_completed(seeds_by_future):
            records.append(finished.result())
            tick(f"seed {seeds_by_future[finished]}")
    return facts, sorted(records, key=lambda record: record.seed)


def _base(folder: Path, sizes: Sizes) -> tuple[Path, BaseFacts]:
    _one_thread()
    return make_base(folder / "base", sizes, {problem.question for problem in held_out(sizes)})


def _seed(folder: Path, sizes: Sizes, base: Path, seed: int) -> SeedResults:
    file = folder / f"seed-{seed}.json"
    if file.exists():
        return SeedResults(**orjson.loads(file.read_bytes()))
    _one_thread()
    record = _experiments(folder / f"seed-{seed}", sizes, base, seed)
    write_bytes(file, orjson.dumps(asdict(record)))
    return record


def _experiments(folder: Path, sizes: Sizes, base: Path, seed: int) -> SeedResults:
    from storage.ledger import Ledger
    from tasks.answers import Judge
    from tasks.llm.endpoint import Endpoint, EngineLimits
    from tasks.llm.engine import Engine
    from tasks.proof.experiments import augmentation, curation, formats, preferences, stages
    from tasks.proof.lab import Lab
    from tasks.retrieval.encoder import Encoder
    from tasks.sandbox import Limits, Sandbox

    models: dict[str, Path] = {}
    seconds: dict[str, float] = {}
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(str(folder / "ledger.sqlite"))
    with Judge(workers=1) as judge, Sandbox(Limits(wall_s=5.0), workers=1) as sandbox:
        critic = Engine(Endpoint(role="critic", model="embedded"), ledger, EngineLimits())
        lab = Lab(sizes, seed, base, folder, ledger, judge, sandbox, held_out(sizes))
        lab.score("base", base)
        encode = Encoder()
        steps: Iterable[tuple[str, Callable[[], None]]] = (
            ("formats", lambda: formats.run(lab, models)),
            ("preferences", lambda: preferences.run(lab, models)),
            ("augmentation", lambda: augmentation.run(lab, models, encode)),
            ("curation", lambda: curation.run(lab, models, critic)),
            ("stages", lambda: stages.run(lab, models)),
        )
        try:
            for name, run in steps:
                started = time.monotonic()
                run()
                seconds[name] = time.monotonic() - started
        finally:
            critic.close()
            ledger.close()
    return SeedResults(seed, lab.scores, lab.facts, seconds, lab.versions)


def _one_thread() -> None:
    """Use one thread. At this size two processes of one thread are faster than one of two, and equal threads give equal sums."""
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()
