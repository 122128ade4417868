"""Measure the arms of the weakness loop with the small student: are planted weak skills the clusters, and does an arm beat rows at random?

    python -m benchmarks.weakness_student [--quick] [--seeds 5] [--folder FOLDER]

The student is that of the proof: a base and rows in which four of eight skills are rare, the planted weak ones. It answers the driving half of a
probe in which all skills are as frequent; the labels of its items are hidden, so that skills are guessed from the questions. Its
failures are clustered, and the clusters are compared with the planted skills by the adjusted Rand index. Each arm then continues the
training of the same student with equally many rows and equally many steps. The arms of the pool cost nothing: neighbours with a floor and the
failures' skill (`math-retrieval`), as many at random (`random`). The written ones are made by the embedded teacher, with as many calls each, answered
twice and kept where both agree: for mistakes (`weakness-augmented`), for diagnosed skills (`skills`), for questions of the pool at random (`random-augmented`).
Scores are those of the measuring half, whose items no arm has. Every finished seed is kept in the folder, and a run that was killed goes on there.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from storage.atomic import write_bytes
from storage.ledger import Ledger
from storage.rows import Row, column, kept, replace, to_table
from tasks.answers import Judge
from tasks.evaluation.statistics import holm, paired
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.methods import asks_table, missing_skills, similar, weakness
from tasks.proof.base import make_base
from tasks.proof.lab import Lab
from tasks.proof.rows import COMMON, EVEN, SKEWED, draw, words
from tasks.proof.sizes import QUICK, WHOLE, Sizes
from tasks.retrieval.encoder import Encoder
from tasks.sandbox import Limits, Sandbox
from tasks.seeding import rng_of
from tasks.stages.diagnose import diagnose
from tasks.stages.generate import generate
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.training.student import Shape
from tasks.voting import prior
from tasks.weakness.clusters import adjusted_rand, clusters_of
from tasks.weakness.failures import failures_of
from tasks.weakness.neighbours import Neighbour, of_skill, precision
from tasks.weakness.profile import Labeller, profile_of
from tasks.weakness.split import measures

FLOOR, NEAREST = 0.5, 20
# between the two sizes of the proof: for a machine that others use as well
SMALL = dataclasses.replace(
    WHOLE,
    shape=Shape(hidden=64, feedforward=172, layers=2, heads=2, context=256, vocabulary=512),
    corpus=1200,
    base=dict(WHOLE.base) | {"steps": 700},
    tuning=dict(WHOLE.tuning) | {"steps": 80},
    rows=600,
    probes=320,
    pool=1000,
)
PAIRS = {
    "math-retrieval": "random",
    "weakness-augmented": "random-augmented",
    "skills": "random-augmented",
}  # arm -> the arm of equal size and cost that it is compared with
WEAK = [name for name, share in SKEWED.items() if share < COMMON]


def seed_record(sizes: Sizes, seed: int, base: Path, folder: Path, added: int, calls: int) -> dict[str, Any]:
    """Run one seed, and return scores per arm and item, with the figures of its clusters and neighbours."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = draw(rng_of("weakness student", "probe"), sizes.probes, EVEN)
    measuring = [one for one in probe if measures(one.question, 0.5)]
    driving = [one for one in probe if not measures(one.question, 0.5)]
    ledger = Ledger.open(str(folder / "ledger.sqlite"))
    with Judge(workers=1) as judge, Sandbox(Limits(wall_s=5.0), workers=1) as sandbox:
        lab = Lab(sizes, seed, base, folder, ledger, judge, sandbox, measuring)
        rows = lab.publish("rows", words(lab.draw("rows", sizes.rows)))
        student = lab.train("SFT", "sft", [rows])
        lab.score("SFT", student)
        answered = lab.answer(student, words(driving))
        failures = failures_of(answered, judge=judge, check=None)
        skill_of = {one.question: one.subdomain for one in driving}
        encode = Encoder()
        labeller = Labeller(encode)
        vectors = encode([one.question for one in failures])
        profiles = [
            profile_of(one.question, None, one.reference, guess=guess)
            for one, guess in zip(failures, labeller.guesses(vectors), strict=True)
        ]
        clusters = clusters_of(profiles, vectors, [one.question for one in failures])
        cluster_of = {place: one.name for one in clusters for place in one.members}
        true = [skill_of[one.question] for one in failures]
        pool = [
            row
            for row in words(lab.draw("pool", sizes.pool))
            if row.question not in {one.question for one in probe}
        ]
        pool_vectors = encode([row.question for row in pool])
        near, figures = neighbours(failures, true, profiles, vectors, pool, pool_vectors, labeller)
        failed = [
            Row(
                one.question,
                one.language,
                solution=one.text or None,
                answer=one.wrong,
                reference_answer=one.reference,
                subdomain=profile.subdomain or "multi-step arithmetic",
            )
            for one, profile in zip(failures, profiles, strict=True)
        ]
        rng = rng_of("weakness student", seed, "random")
        at_random = rng.sample(pool, min(len(failed), len(pool)))
        teacher = Engine(Endpoint("teacher", model="embedded"), ledger, EngineLimits())

        def written(method: Any, shown: pa.Table) -> tuple[list[Row], int]:
            return write(
                method, shown, teacher, judge, sandbox, calls, {one.question for one in measuring}, seed
            )

        table = to_table(failed)
        mistakes = table.append_column(
            "wrong_answers",
            pa.array([[row.answer] if row.answer else [] for row in failed], pa.list_(pa.string())),
        )
        diagnosed = kept(diagnose(table, engine=teacher, seed=seed, tick=lambda _: None).rows)
        arms: dict[str, list[Row]] = {
            "math-retrieval": [pool[i] for i in spread(near, len(failures), added)],
            "random": rng.sample(pool, min(added, len(pool))),
        }
        asked = {}
        for name, method, shown in (
            ("weakness-augmented", weakness, mistakes),
            ("skills", missing_skills, diagnosed),
            ("random-augmented", similar, to_table([plain(row) for row in at_random])),
        ):
            arms[name], asked[name] = written(method, shown)
        least = min(len(own) for own in arms.values())
        lab.score("nothing", lab.train("nothing", "weakness", [rows], start=student))
        for name, own in arms.items():
            if own[:least]:
                version = lab.publish(name, own[:least])
                data = [{"dataset": rows, "weight": 0.5}, {"dataset": version, "weight": 0.5}]
                lab.score(name, lab.train(name, "weakness", data, start=student))
    return {
        "scores": lab.scores,
        "rows": least,
        "made": {name: len(own) for name, own in arms.items()},
        "calls": asked,
        "failed": len(failures),
        "driving": len(driving),
        "kinds": dict(Counter(str(one.kind) for one in failures)),
        "rand": adjusted_rand(true, [cluster_of[i] for i in range(len(failures))]),
        "weak": sum(skill in WEAK for skill in true) / max(len(true), 1),
        "clusters": {one.name: dict(Counter(true[i] for i in one.members)) for one in clusters},
        "weak_rows": {
            name: sum(row.subdomain in WEAK for row in own) / max(len(own), 1) for name, own in arms.items()
        },
    } | figures


def neighbours(
    failures: Sequence[Any],
    true: Sequence[str],
    profiles: Sequence[Any],
    vectors: Any,
    pool: Sequence[Row],
    pool_vectors: Any,
    labeller: Labeller,
) -> tuple[list[Neighbour], dict[str, Any]]:
    """Return the neighbours by floor and skill, whose problem ids are places of the pool, and the precision before and after."""
    cosines = vectors @ pool_vectors.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : 5 * NEAREST]
    every = [
        Neighbour(i, "pool", str(j), float(cosines[i, j]))
        for i in range(len(failures))
        for j in order[i].tolist()
    ]
    guesses = labeller.guesses(pool_vectors)
    own = {
        str(j): profile_of(row.question, None, row.answer, guess=guess)
        for j, (row, guess) in enumerate(zip(pool, guesses, strict=True))
    }
    labels = {str(j): row.subdomain for j, row in enumerate(pool)}
    first = [one for i in range(len(failures)) for one in every[i * 5 * NEAREST : i * 5 * NEAREST + NEAREST]]
    near = of_skill([one for one in every if one.cosine >= FLOOR], profiles, own, NEAREST)
    return near, {
        "precision": {
            "before": precision(first, list(true), labels),
            "after": precision(near, list(true), labels),
        },
        "touched": {
            "before": len({one.problem_id for one in first}),
            "after": len({one.problem_id for one in near}),
        },
    }


def spread(near: Sequence[Neighbour], failures: int, count: int) -> list[int]:
    """Return `count` different places of the pool, the nearest neighbour of every failure first."""
    own: list[list[int]] = [[] for _ in range(failures)]
    for one in near:
        own[one.failure].append(int(one.problem_id))
    chosen: dict[int, None] = {}
    for rank in range(NEAREST):
        chosen |= dict.fromkeys(places[rank] for places in own if len(places) > rank)
    return list(chosen)[:count]


def write(
    method: Any,
    shown: pa.Table,
    teacher: Engine,
    judge: Judge,
    sandbox: Sandbox,
    calls: int,
    measuring: set[str],
    seed: int,
) -> tuple[list[Row], int]:
    """Return the rows that one method writes with `calls` calls for the failures or questions shown, answered twice and kept where both
    answers agree, one per question; and how many calls were planned."""
    counts = Counter(zip(column(shown, "language"), column(shown, "subdomain"), strict=True))
    total = sum(counts.values())
    quota = {topic: max(1, round(calls * 5 * count / total)) for topic, count in sorted(counts.items())}
    asks = method.plan(shown, quota, per_call=5, examples=0, seed=seed)[:calls]

    def tick(rows: int) -> None:
        return None

    out = kept(
        generate(asks_table(asks), engine=teacher, source="weakness", license="CC0-1.0", tick=tick).rows
    )
    first: dict[str, int] = {}
    for place, question in enumerate(column(out, "question")):
        if question not in measuring:
            first.setdefault(question, place)
    questions = out.take(pa.array(list(first.values()), pa.int64()))
    settings = SolveSettings(samples=2, pot_share=0.0, canaries=0)
    solved = kept(solve(questions, engine=teacher, judge=judge, settings=settings, seed=seed, tick=tick).rows)
    checked = kept(
        verify(
            solved, sandbox=sandbox, judge=judge, calibration=prior(), settings=VerifySettings(), tick=tick
        )
    )
    agreed = kept(
        weigh(
            checked,
            calibration=prior(),
            settings=WeighSettings(min_correctness=0.0, min_agreement=2),
            tick=tick,
        )
    )
    one: dict[str, dict[str, Any]] = {}
    for record in replace(agreed, parent_ids=[[] for _ in range(agreed.num_rows)]).to_pylist():
        one.setdefault(record["problem_id"], record)
    rows = [
        Row(
            record["question"],
            record["language"],
            solution=record["solution"],
            solution_format="cot",
            answer=record["answer"],
            reference_answer=record["answer"],
            subdomain=record["subdomain"],
            source="weakness",
            license="CC0-1.0",
        )
        for record in one.values()
    ]
    return rows, len(asks)


def plain(row: Row) -> Row:
    return Row(row.question, row.language, subdomain=row.subdomain, reference_answer=row.reference_answer)


def compare(records: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return a line per comparison: paired over seeds and items, Holm-corrected."""
    pairs = {}
    for arm, other in [*PAIRS.items(), *((arm, "nothing") for arm in (*PAIRS, "random", "random-augmented"))]:
        both = [one["scores"] for one in records.values() if {arm, other} <= one["scores"].keys()]
        if both:
            pairs[f"{arm} against {other}"] = paired(
                np.array([one[arm] for one in both]), np.array([one[other] for one in both])
            )
    corrected = holm({name: pair.p for name, pair in pairs.items()})
    return [
        f"{name}: {100 * pair.candidate:.1f} % and {100 * pair.baseline:.1f} %, {100 * pair.delta:+.1f} points "
        f"[{100 * pair.low:+.1f}, {100 * pair.high:+.1f}], p (Holm) {corrected[name]:.2g}, {pair.seeds} seeds, {pair.items} items"
        for name, pair in pairs.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tiny student; only shows that every part runs"
    )
    parser.add_argument(
        "--small", action="store_true", help="a smaller student than the proof's; a tenth of the time"
    )
    parser.add_argument("--seeds", type=int, default=5, help="random seeds")
    parser.add_argument("--folder", type=Path, help="where finished seeds are kept; default: a new one")
    given = parser.parse_args()
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="weakness-student-"))
    sizes, added, calls = (
        (QUICK, 12, 4) if given.quick else (SMALL, 150, 45) if given.small else (WHOLE, 300, 80)
    )
    seeds = 1 if given.quick else given.seeds
    base, facts = make_base(folder / "base", sizes, set())
    print(f"base: {facts.parameters:,} parameters, loss {facts.loss:.2f}, {facts.seconds:.0f} s", flush=True)
    records: dict[int, dict[str, Any]] = {}
    for seed in range(seeds):
        file = folder / f"seed-{seed}.json"
        if not file.exists():
            record = seed_record(sizes, seed, base, folder / f"seed-{seed}", added, calls)
            write_bytes(file, orjson.dumps(record))
        records[seed] = one = orjson.loads(file.read_bytes())
        means = {name: f"{100 * float(np.mean(own)):.1f}" for name, own in one["scores"].items()}
        print(
            f"seed {seed}: {one['failed']} of {one['driving']} failed ({100 * one['weak']:.0f} % of them of the planted weak skills), "
            f"adjusted Rand index {one['rand']:.3f}, precision of neighbours {one['precision']}, touched {one['touched']}, "
            f"{one['rows']} rows an arm, calls {one['calls']}, scores {means}",
            flush=True,
        )
    print(*compare(records), sep="\n")
    rand = float(np.mean([one["rand"] for one in records.values()]))
    before, after = (
        float(np.mean([one["precision"][key] for one in records.values()])) for key in ("before", "after")
    )
    lines = [
        f"adjusted Rand index of clusters: {rand:.3f} index, one cluster for all 0.000 index, ratio -, target 0.8, {'ok' if rand >= 0.8 else 'short'}",
        f"neighbours of the failure's skill: {100 * after:.1f} %, nearest alone {100 * before:.1f} %, ratio {after / before:.2f}, target 1, "
        f"{'ok' if after >= before else 'short'}",
    ]
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
