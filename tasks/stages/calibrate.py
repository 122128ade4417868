"""What votes are worth, from questions whose answers are known: refitted every night.

Half of them come out of the seeds, half are drawn from the procedural families (tasks/problems) of the subdomains
that are written for. They are solved, verified blind and judged like all others; then their answers say who was
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.reasons import Code, reason
from storage.rows import Row, column, reject, to_table
from tasks.problems.machinery.family import LEVELS, make, of_subdomain
from tasks.seeding import rng_of, seed_of
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import domain_of
from tasks.voting import Calibration, fit_and_check, from_rows, majority, reliability

STAGE = "calibrate"
FOLDS = 5
SURE = 0.95


def known_questions(seeds: pa.Table, quota: Mapping[tuple[str, str], int], seed: int) -> pa.Table:
    """Questions with their answers, as many as the quota (language, subdomain) -> number asks for: half of them
    `seeds` with a trusted answer where there are so many, the others drawn. Other ones for another `seed`."""
    trusted = seeds.filter(pc.is_valid(seeds.column("reference_answer")))
    ids: list[str] = column(trusted, "id")
    wanted = sum(quota.values())
    first = sorted(range(len(ids)), key=lambda i: seed_of(seed, STAGE, ids[i]))[: wanted // 2]
    places = [(*topic, turn) for topic, count in quota.items() for turn in range(count)]
    places = sorted(places, key=lambda place: seed_of(seed, STAGE, *place))[: wanted - len(first)]
    drawn = to_table(row for place in sorted(places) if (row := _drawn(*place, seed)))
    return pa.concat_tables([trusted.take(pa.array(sorted(first), pa.int64())), drawn])


def _drawn(language: str, subdomain: str, turn: int, seed: int) -> Row | None:
    """A question of one of the subdomain's families; None where it has none."""
    families = of_subdomain(subdomain)
    if not families:
        return None
    rng = rng_of(seed, STAGE, language, subdomain, turn)
    problem = make(rng.choice(families), rng, rng.choice(LEVELS), language)
    return Row(
        problem.question,
        language,
        reference_answer=problem.worked.answer,
        domain=domain_of(subdomain),
        subdomain=subdomain,
        source="rules",
        method=problem.family,
    )


def calibrate(rows: pa.Table, *, base: Calibration, tick: Tick) -> Outcome:
    """Fit the calibration of the votes to rows whose trusted answers were compared blind.

    `facts["calibration"]` is the fit (tasks.voting.Calibration), starting from `base`, with the number of `labelled`
    rows. Where there are any it says besides how well probabilities held on questions that were left out of a fit, in
    FOLDS folds: `accuracy` and `ece` with their `bins`, the accuracy of a `majority` vote on the same rows, and the
    share of rows of a probability of at least SURE that were right (`sure_right`) of how many (`sure_rows`). The rows
    have served their purpose: all are rejected, and stay with their labels.
    """
    equivalent = pc.map_lookup(rows.column("verdicts"), "equivalent", "first").fill_null("unknown")
    known = np.asarray(pc.is_in(equivalent, pa.array(["equal", "different"])).to_numpy(), dtype=bool)
    truth = np.asarray(pc.equal(equivalent, "equal").to_numpy(), dtype=bool)[known]
    votes = from_rows(rows).take(known)
    fold = np.array([seed_of(STAGE, problem) % FOLDS for problem in column(rows, "problem_id")], int)[known]
    fitted, probability = fit_and_check(votes, truth, fold, base)
    record = fitted.to_dict() | {"labelled": int(known.sum())}
    if len(truth):
        sure = probability >= SURE
        record |= asdict(reliability(probability, truth))
        record |= {
            "majority": float((majority(votes) == truth).mean()),
            "sure_rows": int(sure.sum()),
            "sure_right": float(truth[sure].mean()) if sure.any() else None,
        }
    tick(rows.num_rows)
    used = reason(STAGE, Code.CALIBRATED)
    return Outcome(reject(rows, [used] * rows.num_rows), rows.num_rows, {"calibration": record})
