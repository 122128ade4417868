"""Measure written arms of the weakness loop with a student that knows the wording of their writer: do they still do harm?

    python -m benchmarks.weakness_wording [--seeds 5] [--folder FOLDER]

In benchmarks/weakness_student.py each written arm makes the student worse than no new rows, and the embedded teacher writes at other levels and
in other layouts than the student's rows have. Here every row has the teacher's levels, families and layouts (`--wording teacher` there). A
student as small as that answers next to none of such problems, so what is measured is the loss: nats per token of the right solution of
each measuring item, of which no row of an arm is a copy. The base is trained once, the flow weakness writes the arms once, and each arm trains
on them, for equally many steps and half of the tokens from it, from as many random seeds. Differences from a training on nothing new are paired
over items and seeds. Everything is kept in the folder, and a run that was killed is continued by the same command.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.weakness_student import LONGEST, RATE, SMALL, TRAINING, WEAK, Lab, published
from storage.atomic import write_bytes
from storage.rows import Row, column
from tasks.evaluation.statistics import holm, paired
from tasks.problems.machinery.family import families
from tasks.seeding import seed_of

WRITTEN = ("weakness-augmented", "random-augmented")
SIZES = replace(SMALL, corpus=8000, base=1000, probe=200, pool=1500, added=60, continued=25)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="random seeds of the continued trainings")
    parser.add_argument("--folder", type=Path, help="where everything is kept; default: a new one")
    given = parser.parse_args()
    folder: Path = (given.folder or Path(tempfile.mkdtemp(prefix="weakness-wording-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MATHMILL_HOME"] = str(folder / "home")
    from flows.cli.prefect_run import orchestrated
    from flows.runner.environment import arrange

    arrange(folder / "home", quiet=True)
    with orchestrated("benchmark") as run:
        lab = Lab(SIZES, folder, run, "teacher")
        base = lab.base()
        rows = published(lab.store, "rows0", lab.rows("rows 0", SIZES.rows))
        pool = published(lab.store, "pool0", lab.rows("pool 0", SIZES.pool))
        versions = arms(lab, base, pool)
    items = [row for row in lab.probe if row.question in lab.measuring]
    before = losses(base, items)
    print(f"before: {100 * float(np.mean(before)):.2f} hundredths of a nat per token, {len(items)} items")
    measured: dict[str, list[list[float]]] = {}
    for seed in range(given.seeds):
        for arm in ("nothing", *versions):
            out = folder / "models" / f"{arm}-{seed}"
            file = folder / f"{arm}-{seed}.json"
            if not file.exists():
                checkpoint = continued(lab, out, base, rows, versions.get(arm), seed)
                write_bytes(file, orjson.dumps(losses(checkpoint, items)))
            measured.setdefault(arm, []).append(orjson.loads(file.read_bytes()))
            print(f"seed {seed}, {arm}: {100 * float(np.mean(measured[arm][-1])):.2f}", flush=True)
    print(*compared(measured, items), sep="\n")
    return 0


def arms(lab: Lab, base: Path, pool: str) -> dict[str, str]:
    """Run the flow weakness for the base, and return arm -> its version."""
    from flows.config.weakness import Weakness
    from flows.weakness import weakness

    config = Weakness.model_validate(
        {
            "model": f"hf:{base}",
            "probe": [str(lab.folder / "probe.jsonl")],
            "pool": [pool],
            "rows": lab.sizes.added,
            "arms": list(WRITTEN),
            "max_tokens": LONGEST[lab.wording],
            "solve": {"pot_share": 0.0, "samples": 2},
            "similarity": {"semantic": "ignore"},
            "decontaminate": {"rules": ["exact"], "ask": False, "planted": 0},
            "gates": {"min_recall": {}},
        }
    )
    record: Mapping[str, Any] = lab.run(weakness, config)
    weak = {families()[name].subdomain for name in WEAK}
    versions = {}
    for arm, one in record["arms"].items():
        table = lab.store.read(one["version"], ["question", "subdomain"])
        if overlap := lab.measuring & set(column(table, "question")):
            raise RuntimeError(f"{one['version']} has {len(overlap)} of the measuring items")
        share = sum(name in weak for name in column(table, "subdomain")) / table.num_rows
        print(
            f"{arm}: {table.num_rows} rows, {100 * share:.0f} % of weak skills, {one['calls']} calls, {one['tokens']} tokens",
            flush=True,
        )
        versions[arm] = str(one["version"])
    return versions


def continued(lab: Lab, out: Path, base: Path, rows: str, version: str | None, seed: int) -> Path:
    """Train the base on its own rows and, if there is a version, half on that; return the checkpoint."""
    from tasks.training.config import Train
    from tasks.training.run import train

    data: list[dict[str, Any]] = [{"dataset": rows}]
    if version is not None:
        data = [{"dataset": rows, "weight": 0.5}, {"dataset": version, "weight": 0.5}]
    config = Train.model_validate(
        TRAINING
        | {"base": str(base), "data": data, "steps": lab.sizes.continued, "lr": RATE}
        | {"seed": seed_of("weakness wording", seed) % 2**31}
    )
    return train(config, lab.store, out).checkpoint


def losses(checkpoint: Path, items: Sequence[Row]) -> list[float]:
    """Return the mean loss of the tokens of each item's solution, in nats per token."""
    import torch
    from transformers import AutoModelForCausalLM

    from tasks.training.models import tokenizer_of
    from tasks.training.tokens import TokenEncoder

    tokenizer = tokenizer_of(str(checkpoint))
    encoder = TokenEncoder(tokenizer, 512)
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    model.eval()
    values = []
    for item in items:
        tokens = encoder.texts([item.question], [item.solution or ""], np.ones(1, np.float32))
        ids = torch.tensor(tokens.ids.astype(np.int64))[None]
        with torch.no_grad():
            scores = torch.log_softmax(model(ids).logits[0, :-1], dim=-1)
        own = scores.gather(1, ids[0, 1:, None])[:, 0]
        values.append(float(-own[int(tokens.prompts[0]) - 1 :].mean()))
    return values


def compared(measured: Mapping[str, Sequence[Sequence[float]]], items: Sequence[Row]) -> list[str]:
    """Return a line per arm and group of items: the difference of its loss from that of nothing new, paired over seeds and items."""
    weak = {families()[name].subdomain for name in WEAK}
    groups = {
        "all items": list(range(len(items))),
        "weak skills": [place for place, row in enumerate(items) if row.subdomain in weak],
        "common skills": [place for place, row in enumerate(items) if row.subdomain not in weak],
    }
    pairs = {
        f"{arm} against {other}, {name}": paired(
            np.array(measured[arm])[:, places], np.array(measured[other])[:, places]
        )
        for arm, other in (
            *((arm, "nothing") for arm in measured if arm != "nothing"),
            WRITTEN,
        )
        for name, places in groups.items()
        if arm in measured and other in measured
    }
    corrected = holm({name: pair.p for name, pair in pairs.items()})
    return [
        f"{name}: {pair.candidate:.3f} and {pair.baseline:.3f} nats, {pair.delta:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}], "
        f"p (Holm) {corrected[name]:.2g}, {pair.seeds} seeds, {pair.items} items"
        for name, pair in pairs.items()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
