"""Measure the arms of the weakness loop with a student that learns: are planted weak skills the clusters, and does an arm beat rows at random?

    python -m benchmarks.weakness_student [--small | --quick] [--wording families] [--seeds 5] [--first 0] [--folder FOLDER]

Everything goes through the flows that users run, below the folder as their home: `train` makes the student from one base and rows
in which two of five skills are common and three are rare, the planted weak ones; `weakness` asks it one half of a probe in which all
skills are as frequent, clusters its failures, and publishes the arms; `train` continues the student's training on each arm's version,
for equally many steps and half of the tokens from it; `evaluate` asks each checkpoint the measuring half, whose items no arm has. The
labels of the probe are hidden from the flow, so that skills are guessed from the questions. The written arms are written and answered by the
embedded teacher, which knows no measuring item.

Arms are compared with the one at random of as many rows (`random` for `math-retrieval`; `random-augmented`, which asks the teacher
too, for the written ones), the written ones also with that of as many tokens (`random-cost`), and with the student trained for as many steps on nothing new, paired over seeds and items. Finished trainings, answers
and seeds are kept in the folder, and a run that was killed is continued by the same command. With `--first` two processes share the seeds of one folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq

from storage.atomic import write_bytes
from storage.datasets.store import Store
from storage.rows import Row, column, to_table
from tasks.evaluation.statistics import Paired, holm, paired
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of, seed_of
from tasks.taxonomy import domain_of
from tasks.teacher.solving import laid_out_words
from tasks.teacher.topics import choose_families
from tasks.training.student import Shape, fresh
from tasks.weakness.clusters import adjusted_rand
from tasks.weakness.split import measures

COMMON = ("shopping_change", "linear_equation")
WEAK = ("committee_count", "repeated_trials", "logarithm_value")
RARE = 0.02  # share of each weak skill in rows that nothing has chosen
EVEN = dict.fromkeys((*COMMON, *WEAK), 1.0)
SKEWED = dict.fromkeys(COMMON, (1 - RARE * len(WEAK)) / len(COMMON)) | dict.fromkeys(WEAK, RARE)
LONGEST = {"families": 96, "teacher": 192}  # tokens of an answer, by wording
# arm -> the arms at random that it is compared with: of as many rows, and of as many tokens
WRITTEN_AT_RANDOM = ("random-augmented", "random-cost")
PEERS = {
    "math-retrieval": ("random",),
    "retrieval-augmented": WRITTEN_AT_RANDOM,
    "weakness-augmented": WRITTEN_AT_RANDOM,
    "skills": WRITTEN_AT_RANDOM,
}
ARMS = (*PEERS, "random", *WRITTEN_AT_RANDOM)
TARGET = 0.8  # adjusted Rand index


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows, items and steps; a step has 12 blocks of 256 tokens. added: rows of each arm."""

    shape: Shape
    corpus: int
    base: int
    rows: int
    tuning: int
    probe: int
    pool: int
    added: int
    continued: int


WHOLE = Sizes(Shape(64, 172, 3, 2, 256, 512), 8000, 2400, 1500, 80, 600, 6000, 400, 160)
SMALL = Sizes(Shape(64, 172, 3, 2, 256, 512), 5000, 1600, 1200, 40, 420, 4000, 150, 60)
QUICK = Sizes(Shape(32, 86, 2, 2, 256, 512), 200, 20, 100, 3, 56, 150, 6, 3)
TRAINING: dict[str, Any] = {"batch": 12, "length": 256, "warmup": 0.05, "log_every": 100}
BASE_RATE, RATE = 5e-3, 1e-3


def drawn(
    name: str, count: int, shares: Mapping[str, float], without: set[str], wording: str = "families"
) -> list[Row]:
    """Draw solved problems with different questions, none of them in `without`; `shares` are those of the families. wording: `families`
    draws level 1 and writes the steps of the family; `teacher` draws as the embedded teacher writes, which is at all its levels, from each
    family of the subdomain, and in each of its layouts."""
    rng = rng_of("weakness student", name)
    rows: dict[str, Row] = {}
    names, weights = list(shares), list(shares.values())
    for _ in range(60 * count):
        if len(rows) == count:
            break
        family, level = families()[rng.choices(names, weights)[0]], 1
        if wording == "teacher":
            family, level = rng.choice(choose_families(family.subdomain)), rng.randint(1, 3)
        one = make(family, rng, level, "en")
        if one.question not in without:
            plain = "\n".join([*one.worked.steps, rf"\boxed{{{one.worked.answer}}}"])
            row = Row(
                one.question,
                "en",
                solution=laid_out_words(one.worked, "en", rng) if wording == "teacher" else plain,
                solution_format="cot",
                answer=one.worked.answer,
                reference_answer=one.worked.answer,
                domain=domain_of(one.subdomain),
                subdomain=one.subdomain,
                source="families",
                license="CC0-1.0",
            )
            rows.setdefault(one.question, row)
    return list(rows.values())


def probe_items(count: int, wording: str = "families") -> list[Row]:
    """Return the probe, as many items of each skill."""
    return [
        row
        for name in EVEN
        for row in drawn(f"probe {name}", count // len(EVEN), {name: 1.0}, set(), wording)
    ]


def published(store: Store, name: str, rows: Sequence[Row]) -> str:
    """Publish the rows as the only version of a dataset, unless an earlier start did; return the name of the version."""
    if store.head(name) is None:
        store.publish(name, [to_table(rows)], lineage={"flow": "benchmark"})
    return str(store.resolve(name))


class Lab:
    """Runs the flows below one home. run: calls a flow with its configuration, under Prefect."""

    def __init__(
        self, sizes: Sizes, folder: Path, run: Callable[[Callable[[Any], Any], Any], Any], wording: str
    ) -> None:
        self.sizes, self.folder, self.run, self.wording = sizes, folder, run, wording
        self.store = Store(folder / "home")
        self.probe = probe_items(sizes.probe, wording)
        self.skill_of = {row.question: row.subdomain for row in self.probe}
        self.measuring = {row.question for row in self.probe if measures(row.question, 0.5)}
        self._write("probe.jsonl", self.probe)
        self._write("measuring.jsonl", [row for row in self.probe if row.question in self.measuring])

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        lines = [{"question": row.question, "answer": row.answer, "domain": "algebra"} for row in rows]
        write_bytes(self.folder / name, b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def train(self, out: str, base: Path, data: Sequence[Mapping[str, Any]], steps: int, rate: float) -> Path:
        """Train in the folder `out`, unless an earlier start did, and return the checkpoint. Trainings of one seed take their rows in
        an order of the same seed."""
        from flows.train import train
        from tasks.training.config import Train

        config = Train.model_validate(
            TRAINING
            | {"base": str(base), "data": list(data), "steps": steps, "lr": rate}
            | {"seed": seed_of("weakness student", out.partition("/")[0]) % 2**31}
        )
        folder = self.folder / "models" / out
        if not (folder / "run.json").exists():
            self.run(lambda config: train(config, str(folder)), config)
        return folder / "checkpoint"

    def scores(self, checkpoint: Path) -> dict[str, int]:
        """Return measuring item -> 1 if the checkpoint answers it rightly, else 0, by the flow evaluate."""
        from flows.config.evaluate import Evaluate
        from flows.evaluate import evaluate

        config = Evaluate(
            model=f"hf:{checkpoint}",
            benchmarks=[str(self.folder / "measuring.jsonl")],
            max_tokens=LONGEST[self.wording],
        )
        name = self.run(evaluate, config)
        table = pq.read_table(self.folder / "home" / "evaluations" / name / "candidate.parquet")
        return dict(zip(column(table, "question"), map(int, column(table, "score")), strict=True))

    def base(self) -> Path:
        """Return the base checkpoint, trained on rows with the skewed shares."""
        version = published(self.store, "corpus", self.rows("corpus", self.sizes.corpus))
        untrained = self.folder / "models" / "untrained"
        if not (untrained / "config.json").exists():
            table = self.store.read(version, ["question", "solution"])
            texts = [text for name in ("question", "solution") for text in column(table, name)]
            fresh(texts, untrained, seed=0, shape=self.sizes.shape)
        return self.train("base", untrained, [{"dataset": version}], self.sizes.base, BASE_RATE)

    def rows(self, name: str, count: int) -> list[Row]:
        return drawn(name, count, SKEWED, {row.question for row in self.probe}, self.wording)

    def arms(self, seed: int, checkpoint: Path, pool: str) -> dict[str, Any]:
        """Run the flow weakness for the checkpoint, and return its record."""
        from flows.config.weakness import Weakness
        from flows.weakness import weakness

        config = Weakness.model_validate(
            {
                "model": f"hf:{checkpoint}",
                "probe": [str(self.folder / "probe.jsonl")],
                "dataset": f"weak{seed}",
                "pool": [pool],
                "rows": self.sizes.added,
                "max_tokens": LONGEST[self.wording],
                "solve": {"pot_share": 0.0, "samples": 2},
                "similarity": {"semantic": "ignore"},
                # questions of one family share long passages: only a repeated question is an item of the measuring half
                "decontaminate": {"rules": ["exact"], "ask": False, "planted": 0},
                "gates": {"min_recall": {}},
                "seed": seed,
            }
        )
        record: dict[str, Any] = self.run(weakness, config)
        return record

    def retrieved_by_skill(
        self, record: Mapping[str, Any], failures: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[int]]:
        """Return skill -> of the rows that `math-retrieval` has for failures of this skill, how many need it, and how many there are. The
        flow knew the skill of neither."""
        version = record["arms"].get("math-retrieval", {}).get("version")
        if not version:
            return {}
        skill_of = {
            Row(one["question"], one["language"], solution=one["text"] or None).id: str(
                self.skill_of[one["question"]]
            )
            for one in failures
        }
        counts: dict[str, list[int]] = {}
        for row in self.store.read(version, ["parent_ids", "subdomain"]).to_pylist():
            for skill in sorted(
                {skill_of[parent] for parent in row["parent_ids"] or () if parent in skill_of}
            ):
                own = counts.setdefault(skill, [0, 0])
                own[0] += row["subdomain"] == skill
                own[1] += 1
        return counts

    def seed_record(self, seed: int) -> dict[str, Any]:
        """Run one seed: scores per arm and item, with the figures of its clusters, neighbours and arms."""
        sizes, started = self.sizes, time.process_time()
        rows = published(self.store, f"rows{seed}", self.rows(f"rows {seed}", sizes.rows))
        pool = published(self.store, f"pool{seed}", self.rows(f"pool {seed}", sizes.pool))
        student = self.train(f"{seed}/student", self.base(), [{"dataset": rows}], sizes.tuning, RATE)
        scores = {"before": self.scores(student)}
        record = self.arms(seed, student, pool)
        failures = [
            orjson.loads(line)
            for line in (self.folder / "home" / "weakness" / record["run"] / "failures.jsonl")
            .read_bytes()
            .splitlines()
        ]
        scores["nothing"] = self.scores(
            self.train(f"{seed}/nothing", student, [{"dataset": rows}], sizes.continued, RATE)
        )
        weak = {families()[name].subdomain for name in WEAK}
        shares = {}
        for arm in ARMS:
            version = record["arms"].get(arm, {}).get("version")
            if not version:
                continue
            table = self.store.read(version, ["question", "subdomain"])
            if overlap := self.measuring & set(column(table, "question")):
                raise RuntimeError(f"{version} has {len(overlap)} of the measuring items")
            shares[arm] = sum(one in weak for one in column(table, "subdomain")) / table.num_rows
            data = [{"dataset": rows, "weight": 0.5}, {"dataset": version, "weight": 0.5}]
            scores[arm] = self.scores(self.train(f"{seed}/{arm}", student, data, sizes.continued, RATE))
        true = [str(self.skill_of[one["question"]]) for one in failures]
        return {
            "scores": scores,
            "failed": record["failed"],
            "judged": record["judged"],
            "kinds": record["kinds"],
            "rand": adjusted_rand(true, [one["cluster"] for one in failures]) if failures else None,
            "clusters": {
                name: dict(
                    Counter(
                        skill for skill, one in zip(true, failures, strict=True) if one["cluster"] == name
                    )
                )
                for name in sorted({one["cluster"] for one in failures})
            },
            "weak": sum(skill in weak for skill in true) / max(len(true), 1),
            "precision": record["precision"],
            "touched": record["touched"],
            "arms": {
                arm: {key: one.get(key) for key in ("version", "rows", "calls", "tokens", "usd")}
                for arm, one in record["arms"].items()
            },
            "weak_rows": shares,
            "index": record["index"],
            "by_skill": self.retrieved_by_skill(record, failures),
            "cpu_s": round(time.process_time() - started, 1),
        }


def compared(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[Paired, float]]:
    """Return (arm, what it is compared with) -> the comparison, paired over seeds and items, and its p by Holm's correction."""
    pairs: dict[tuple[str, str], Paired] = {}
    peers = [(arm, other) for arm, others in PEERS.items() for other in others]
    for arm, other in [*peers, *((arm, "nothing") for arm in ARMS)]:
        both = [one["scores"] for one in records if {arm, other} <= one["scores"].keys()]
        if both:
            items = sorted(both[0][arm])
            pairs[arm, other] = paired(
                np.array([[one[arm][item] for item in items] for one in both]),
                np.array([[one[other][item] for item in items] for one in both]),
            )
    corrected = holm({" ".join(names): pair.p for names, pair in pairs.items()})
    return {names: (pair, corrected[" ".join(names)]) for names, pair in pairs.items()}


def compare(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line per comparison."""
    return [
        f"{arm} against {other}: {100 * pair.candidate:.1f} % and {100 * pair.baseline:.1f} %, {100 * pair.delta:+.1f} points "
        f"[{100 * pair.low:+.1f}, {100 * pair.high:+.1f}], p (Holm) {p:.2g}, {pair.seeds} seeds, {pair.items} items"
        for (arm, other), (pair, p) in compared(records).items()
    ]


def skill_shares(
    records: Sequence[Mapping[str, Any]], skill_of: Mapping[str, str | None]
) -> dict[str, dict[str, float]]:
    """Return arm -> skill -> the share of right answers over all seeds; an arm without scores is left out."""
    shares = {}
    for arm in ("before", "nothing", *ARMS):
        right: dict[str, list[int]] = {}
        for record in records:
            for item, score in record["scores"].get(arm, {}).items():
                right.setdefault(str(skill_of[item]), []).append(score)
        if right:
            shares[arm] = {name: float(np.mean(own)) for name, own in sorted(right.items())}
    return shares


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tiny student; only shows that every part runs"
    )
    parser.add_argument("--small", action="store_true", help="less than half of the rows and steps")
    parser.add_argument(
        "--wording",
        choices=sorted(LONGEST),
        default="families",
        help="how all rows and the probe are written: as families have them, at level 1, or as the embedded teacher writes",
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many random seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--folder", type=Path, help="where everything is kept; default: a new one")
    given = parser.parse_args()
    folder: Path = (given.folder or Path(tempfile.mkdtemp(prefix="weakness-student-"))).absolute()
    sizes = QUICK if given.quick else SMALL if given.small else WHOLE
    seeds = range(given.first, given.first + (1 if given.quick else given.seeds))
    records, skill_of = records_of(folder, sizes, seeds, given.wording)
    for arm, own in skill_shares(records, skill_of).items():
        print(f"{arm}: {', '.join(f'{name} {100 * share:.0f} %' for name, share in own.items())}")
    print("", *compare(records), "", sep="\n")
    rand = float(np.mean([one["rand"] for one in records if one["rand"] is not None] or [0.0]))
    print(
        f"adjusted Rand index of clusters: {rand:.3f} index, one cluster for all 0.000 index, ratio -, target {TARGET}, "
        f"{'ok' if rand >= TARGET else 'short'}"
    )
    return int(rand < TARGET)


def records_of(
    folder: Path, sizes: Sizes, seeds: Sequence[int], wording: str = "families"
) -> tuple[list[dict[str, Any]], dict[str, str | None]]:
    """Run these seeds in the folder, as far as an earlier start did not, and return their records and the skill of each probe item."""
    files = {seed: folder / f"seed-{seed}.json" for seed in seeds}
    if all(file.exists() for file in files.values()):  # nothing is left to run
        skill_of = {row.question: row.subdomain for row in probe_items(sizes.probe, wording)}
        return [orjson.loads(file.read_bytes()) for file in files.values()], skill_of
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MATHMILL_HOME"] = str(folder / "home")
    from flows.cli.prefect_run import orchestrated
    from flows.runner.environment import arrange

    arrange(folder / "home", quiet=True)
    records = []
    with orchestrated("benchmark") as run:
        lab = Lab(sizes, folder, run, wording)
        for seed, file in files.items():
            if not file.exists():
                write_bytes(file, orjson.dumps(lab.seed_record(seed)))
            records.append(one := orjson.loads(file.read_bytes()))
            means = {
                name: f"{100 * float(np.mean(list(own.values()))):.1f}" for name, own in one["scores"].items()
            }
            print(
                f"seed {seed}: {one['failed']} of {one['judged']} failed ({100 * one['weak']:.0f} % of them of the weak skills), "
                f"adjusted Rand index {one['rand']}, {len(one['clusters'])} clusters, touched {one['touched']}, "
                f"scores {means}, {one['cpu_s']} CPU s",
                f"  rows, calls: { {arm: (entry['rows'], entry['calls']) for arm, entry in one['arms'].items()} }",
                f"  share of weak skills in the rows: { {arm: round(share, 2) for arm, share in one['weak_rows'].items()} }",
                f"  retrieved rows of the failure's skill: {one['by_skill']}",
                sep="\n",
                flush=True,
            )
    return records, lab.skill_of


if __name__ == "__main__":
    sys.exit(main())
