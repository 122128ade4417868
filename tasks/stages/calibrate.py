"""The stage `calibrate`: fit the weights of the votes to questions whose answers are known.

It runs in each night. Half of the questions are seed problems, half are drawn from the procedural families
(tasks/problems) of the quota's subdomains. They are solved and judged like all others, without showing the trusted answer to the
votes; the trusted answers then show which rows were right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.counting import counted
from storage.reasons import Code, reason
from storage.rows import Row, column, reject, to_table
from tasks.problems.machinery.family import LEVELS, make, of_subdomain
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import domain_of
from tasks.voting import Calibration, fit_and_check, from_rows, majority, reliability
from tasks.voting.calibration import PRIOR_ROWS

STAGE = "calibrate"
FOLDS = 5
SURE = 0.95
LEAST_USED = 0.5  # share of the requested solutions; where fewer were used, `shortfall` says so


class CalibrateSettings(Section, title="Calibrate"):
    known: Share = Field(
        0.1,
        description="questions with a known answer that are solved to calibrate the votes, as a share of the target",
    )


def known_questions(seeds: pa.Table, quota: Mapping[tuple[str, str], int], seed: int) -> pa.Table:
    """Return as many questions with answers as `quota`, (language, subdomain) -> number, states.

    Up to half of them are `seeds` with a trusted answer, the others are drawn from problem families.
    Another `seed` gives other questions.
    """
    trusted = seeds.filter(pc.is_valid(seeds.column("reference_answer")))
    ids: list[str] = column(trusted, "id")
    number = sum(quota.values())
    chosen = sorted(range(len(ids)), key=lambda i: seed_of(seed, STAGE, ids[i]))[: number // 2]
    places = [(*topic, turn) for topic, count in quota.items() for turn in range(count)]
    places = sorted(places, key=lambda place: seed_of(seed, STAGE, *place))[: number - len(chosen)]
    drawn = to_table(row for place in sorted(places) if (row := _drawn(*place, seed)))
    return pa.concat_tables([trusted.take(pa.array(sorted(chosen), pa.int64())), drawn])


def _drawn(language: str, subdomain: str, turn: int, seed: int) -> Row | None:
    """Draw a question of one of the subdomain's families. Returns None if it has no family."""
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

    `facts["calibration"]` holds the fit (tasks.voting.Calibration), which starts from `base`, and the
    number of `labelled` rows. If there are any, it also holds how accurate the probabilities are on questions
    that were left out of a fit, in FOLDS folds: `accuracy` and `ece` with their `bins`, the accuracy of a
    `majority` vote on the same rows, and for the rows with a probability of at least SURE their number
    (`sure_rows`) and the share of them that was right (`sure_right`). All rows are rejected: they serve
    only to calibrate, and are stored with their labels.
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


def shortfall(record: Mapping[str, Any]) -> str:
    """Return in sentences that less than LEAST_USED of the solutions requested for the calibration were used, what became of the
    others, what the votes rest on, and the fix. Returns "" where enough were used.

    record: a calibration as a version's lineage stores it, with the numbers of solutions that were requested (`asked`), of which
    so many `failed` and so many were `dropped`. An older version's has none of these numbers, nor has that of a run that was
    not to calibrate.
    """
    if "asked" not in record:
        return ""
    asked, used, failed, dropped = (
        int(record.get(name, 0)) for name in ("asked", "labelled", "failed", "dropped")
    )
    if asked and used >= LEAST_USED * asked:
        return ""
    earlier = int(record["rows"]) - used
    basis = (
        f"the calibration of earlier nights, on {counted(earlier, 'solution')}"
        if earlier
        else "the weights that mathmill starts with"
    )
    if not asked:
        return (
            f"No question with a known answer was asked, so that the votes rest on {basis}. "
            "Fix: seeds with answers, subdomains that have a problem family, or a larger target"
        )
    if used:
        basis = f"{'this one' if used == 1 else f'these {used:,}'} and on {basis}" + (
            "" if earlier else f", which count as {PRIOR_ROWS}"
        )
    fates = (
        (failed, "failed"),
        (dropped, "gave no usable answer or program"),
        (asked - failed - dropped - used, "could not be compared with the known answer"),
    )
    lost = ", ".join(f"{count:,} {fate}" for count, fate in fates if count)
    fix = (
        "correct what made the calls, the sandbox or the judge fail, which the report lists by stage; the next night calibrates again"
        if failed >= asked - failed - used
        else "a reasoner whose solutions end with an answer, a larger max_tokens, or a larger verify.known"
    )
    return (
        f"The votes were calibrated on {used:,} of {counted(asked, 'solution')} that were requested for questions with known answers: "
        f"{lost}. They rest on {basis}. Fix: {fix}"
    )
