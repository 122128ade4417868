"""Measure what the weakness loop finds before it writes anything: clusters of planted skills, neighbours by skill, recall of the index.

    python -m benchmarks.weakness_search [--draws 20] [--failures 200] [--pool 3000]

Planted skills: five families of different subdomains, drawn at random, with twelve failures each, whose subdomains are hidden from the profile or
stated. Their clusters are compared with the families by the adjusted Rand index, beside k-means over the same sentence vectors, which is given
the number five. The target is an index of at least 0.8 where subdomains are hidden.

Neighbours: failures are problems of MATH (test), the pool is of MATH (train), and the type of a problem (algebra, geometry and so on) is hidden from
the search. Precision is the share of neighbours that have the failure's type, by type, of the nearest 20, of those above the cosine floor, and of
those that the guessed profile leaves as well; the share of the type in the pool is what neighbours at random would have. Intervals of 95 % are
bootstrapped over failures. The recall of the approximate indexes is measured against exact search on the same failures. The texts are those of
`../shared/data` (see benchmarks/recordings.py).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pyarrow.parquet as pq

from benchmarks.recordings import DATA, records
from storage.indexes.index import IndexSettings, VectorIndex
from storage.indexes.vectors import Vectors
from tasks.arrays import Floats
from tasks.problems.machinery.family import families, make
from tasks.problems.machinery.notation import Unworkable
from tasks.retrieval.encoder import Encoder
from tasks.seeding import rng_of, seed_of
from tasks.weakness.clusters import adjusted_rand, clusters_of
from tasks.weakness.neighbours import Neighbour, near_failures, of_skill, recall_of
from tasks.weakness.profile import Labeller, Profile, profile_of

SKILLS, EACH = 5, 12  # planted skills of a draw, and failures of each
NEIGHBOURS, FLOOR = 20, 0.5  # the defaults of the flow
TARGET = 0.8  # adjusted Rand index
Kind = Literal["ivf", "hnsw"]


def mean_interval(values: Sequence[float]) -> list[float]:
    """Return mean, low and high of the 95 % interval of Student's t."""
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(values, 0.0).confidence_interval(0.95)
    return [float(np.mean(values)), float(low), float(high)]


def planted(draws: int, encode: Callable[[list[str]], Vectors]) -> dict[str, list[float]]:
    """Return the adjusted Rand index of clusters and planted skills: its mean, low and high over draws, by what is known."""
    from sklearn.cluster import KMeans

    labeller = Labeller(encode)
    indexes: dict[str, list[float]] = {"hidden": [], "stated": [], "k-means": []}
    for draw in range(draws):
        problems = _problems(draw)
        questions = [one.question for one in problems]
        true = [one.family for one in problems]
        vectors = encode(questions)
        guesses = labeller.guesses(vectors)
        for known in ("hidden", "stated"):
            profiles = [
                profile_of(
                    one.question,
                    one.subdomain if known == "stated" else None,
                    one.worked.answer,
                    guess=guess,
                )
                for one, guess in zip(problems, guesses, strict=True)
            ]
            indexes[known].append(
                adjusted_rand(true, _labels(clusters_of(profiles, vectors, questions), len(true)))
            )
        k_means = KMeans(SKILLS, n_init=10, random_state=draw).fit_predict(vectors)
        indexes["k-means"].append(adjusted_rand(true, k_means.tolist()))
    return {name: mean_interval(values) for name, values in indexes.items()}


def _problems(draw: int) -> list[Any]:
    """Return EACH problems of each of SKILLS families of different subdomains."""
    rng = rng_of("planted skills", draw)
    names = sorted(name for name, family in families().items() if "en" in family.phrasings)
    rng.shuffle(names)
    problems: list[Any] = []
    taken: set[str] = set()
    for name in names:
        family = families()[name]
        if family.subdomain in taken or len(taken) == SKILLS:
            continue
        try:
            problems += [make(family, rng, 1, "en") for _ in range(EACH)]
        except Unworkable:
            continue
        taken.add(family.subdomain)
    return problems


def _labels(clusters: Sequence[Any], count: int) -> list[int]:
    labels = [-1] * count
    for number, cluster in enumerate(clusters):
        for place in cluster.members:
            labels[place] = number
    return labels


def math_problems(failures: int, pool: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (question, type) of problems of MATH (test) and of MATH (train), spread evenly over the files."""
    test = [(one["problem"], one["type"]) for one in records("math/test.a.jsonl.gz")]
    table = pq.read_table(DATA / "math" / "train_problems_answers.parquet", columns=["prompt", "type"])
    train = [
        (chat[0]["content"].split("\n\n", 1)[-1], kind)
        for chat, kind in zip(
            table.column("prompt").to_pylist(), table.column("type").to_pylist(), strict=True
        )
    ]
    return _spread(test, failures), _spread(train, pool)


def _spread(rows: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    return [rows[place] for place in places.tolist()]


def by_type(failures: int, pool: int, encode: Callable[[list[str]], Vectors]) -> dict[str, Any]:
    """Return the precision of neighbours by type, how many questions they are, and the recall of the indexes."""
    asked, others = math_problems(failures, pool)
    types = [kind for _, kind in asked]
    vectors, pool_vectors = encode([text for text, _ in asked]), encode([text for text, _ in others])
    labeller = Labeller(encode)
    profiles = _profiles(asked, labeller.guesses(vectors))
    others_profiles = {
        str(place): one for place, one in enumerate(_profiles(others, labeller.guesses(pool_vectors)))
    }
    names = [str(place) for place in range(len(others))]
    exact = VectorIndex(pool_vectors.shape[1])
    exact.add(names, pool_vectors)
    every = near_failures({"pool": exact}, vectors, most=NEIGHBOURS, floor=-1.0, without=())
    above = [one for one in every if one.cosine >= FLOOR]
    searched = {
        "nearest": _first(every),
        "floor": _first(above),
        "floor and profile": of_skill(above, profiles, others_profiles, NEIGHBOURS),
    }
    kinds = [kind for _, kind in others]
    shares = {kind: count / len(kinds) for kind, count in Counter(kinds).items()}
    groups = {"all": list(range(len(asked)))} | {
        kind: [place for place, own in enumerate(types) if own == kind] for kind in sorted(set(types))
    }
    recalls = {}
    for kind in get_args(Kind):
        index = VectorIndex(pool_vectors.shape[1], IndexSettings(0, kind, 0.95, NEIGHBOURS))
        index.add(names, pool_vectors)
        recalls[kind] = recall_of(index, vectors, NEIGHBOURS)
    return {
        "failures": len(asked),
        "pool": len(others),
        "types": {
            name: {
                "failures": len(places),
                "at random": float(np.mean([shares.get(types[place], 0.0) for place in places])),
            }
            | {step: _precision(near, places, types, kinds, name) for step, near in searched.items()}
            for name, places in groups.items()
        },
        "touched": {step: len({one.problem_id for one in near}) for step, near in searched.items()},
        "without": {step: len(asked) - len({one.failure for one in near}) for step, near in searched.items()},
        "recall": recalls,
    }


def _profiles(rows: Sequence[tuple[str, str]], guesses: Sequence[str | None]) -> list[Profile]:
    return [profile_of(text, None, None, guess=guess) for (text, _), guess in zip(rows, guesses, strict=True)]


def _first(near: Sequence[Neighbour]) -> list[Neighbour]:
    """Return at most NEIGHBOURS of each failure, in their order."""
    counts: Counter[int] = Counter()
    kept = []
    for one in near:
        counts[one.failure] += 1
        if counts[one.failure] <= NEIGHBOURS:
            kept.append(one)
    return kept


def _precision(
    near: Sequence[Neighbour], places: Sequence[int], types: Sequence[str], kinds: Sequence[str], name: str
) -> list[float]:
    """Return the share of the neighbours of these failures that have their type, with low and high over resampled failures."""
    hits, counts = np.zeros(len(types)), np.zeros(len(types))
    for one in near:
        hits[one.failure] += kinds[int(one.problem_id)] == types[one.failure]
        counts[one.failure] += 1
    own, of = hits[list(places)], counts[list(places)]
    if not of.sum():
        return [float("nan")] * 3
    rng = np.random.default_rng(seed_of("precision", name))
    drawn = rng.integers(len(places), size=(2000, len(places)))
    totals = of[drawn].sum(axis=1)
    shares: Floats = own[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return [float(own.sum() / of.sum()), float(low), float(high)]


def shown(value: Sequence[float]) -> str:
    """Return mean and interval of an index or share as text."""
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def print_planted(indexes: Mapping[str, Sequence[float]]) -> None:
    for name, value in indexes.items():
        print(f"adjusted Rand index, {name}: {shown(value)}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=20, help="draws of planted skills")
    parser.add_argument("--failures", type=int, default=200, help="failures of MATH")
    parser.add_argument("--pool", type=int, default=3000, help="questions of the pool of MATH")
    given = parser.parse_args()
    encode = Encoder()
    indexes = planted(given.draws, encode)
    print_planted(indexes)
    if (DATA / "math").is_dir():
        figures = by_type(given.failures, given.pool, encode)
        for name, one in figures["types"].items():
            steps = ", ".join(
                f"{step} {shown(one[step])}" for step in ("nearest", "floor", "floor and profile")
            )
            print(f"{name}, {one['failures']} failures: precision {steps}, at random {one['at random']:.3f}")
        print(f"questions touched {figures['touched']}, failures without a neighbour {figures['without']}")
        print(f"recall of the nearest {NEIGHBOURS}: {figures['recall']}")
    else:
        print(f"no neighbours were measured: there is no {DATA / 'math'}")
    rand, peer = indexes["hidden"][0], indexes["k-means"][0]
    print(
        f"\nadjusted Rand index of clusters: {rand:.3f} index, k-means {peer:.3f} index, ratio {rand / peer:.2f}, target {TARGET}, "
        f"{'ok' if rand >= TARGET else 'short'}"
    )
    return int(rand < TARGET)


if __name__ == "__main__":
    sys.exit(main())
