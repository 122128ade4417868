"""Labelled solutions of a dataset's own versions, so that a critic is trained on what the factory knows already.

A version keeps the solutions that were right, and the candidates of its runs those that were dropped. What is known of a solution, the
surest first:

- people judged it (`mathmill review`): what more than half of those who decided say;
- it has a flaw that was asked for, of known place (the method nearly_right): wrong;
- its answer was compared with a trusted one: equal or different. A solution of a seed file that states its answer is right;
- its answer is different from every accepted one and a pair of a version keeps it as the worse side: wrong;
- the votes are sure (`correctness`): right from `sure` on, wrong up to 1 - `sure` where it states an answer.

Any other solution is `unsure`: a strong model may label it (tasks/critics/strong.py). Questions that probe the student are left out. Labels by votes depend on the agreement of samples, so a
report names them apart: on them answer agreement is no fair baseline. Programs have no steps and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from storage.datasets.shapes import ComparePairs, with_wrong
from storage.datasets.steps import FLAWED_REASON
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import WRONG_STEP
from storage.sql import texts_in_sql
from tasks.critics import Shown
from tasks.critics.kinds.prompted import step_of_line
from tasks.critics.labelled import ANSWER, HUMAN, PLANTED, VOTES, LabelledSolution
from tasks.critics.steps import split_steps
from tasks.review.decisions import Decision, decisions

SURE: Final = 0.95  # correctness from which on the votes label a solution
PROBE: Final = "probe.jsonl"  # the file of a night that names none
CRITIC: Final = "answer"  # the score that the critic model gave to a solution

_COLUMNS = """id, question, solution, language, subdomain, answer, reference_answer, correctness, scores['{critic}'] AS strong,
    verdicts['equivalent'] AS equivalent, verdicts['{wrong_step}'] AS line"""
_IN_WORDS = "solution IS NOT NULL AND coalesce(solution_format, 'cot') = 'cot' AND kind IS NULL"
_SOLUTIONS = """
    SELECT {columns}, 'kept' AS origin FROM "{version}" WHERE {words}
    UNION ALL BY NAME
    SELECT {columns}, CASE WHEN code = '{flawed}' THEN 'flawed' WHEN right_id IS NOT NULL THEN 'worse' ELSE 'wrong' END AS origin
    FROM wrong WHERE {words}
    UNION ALL BY NAME
    SELECT {columns}, CASE WHEN stage = 'ingest' THEN 'seed' ELSE 'candidate' END AS origin
    FROM rows WHERE {words} AND list_contains({runs}, run) AND NOT coalesce(reason.failed, false)
      AND NOT (stage IN ('ingest', 'probe') AND list_contains({probes}, source))
    ORDER BY id, origin
"""
# a row that is in several views is read where most is known of it
_ORIGINS = ("flawed", "worse", "wrong", "kept", "seed", "candidate")


@dataclass(frozen=True, slots=True)
class OwnSolutions:
    """What the versions hold: the solutions with a label, and those of which it is not known whether they are right, whose `correct` means
    nothing and whose `by` is empty."""

    labelled: list[LabelledSolution]
    unsure: list[LabelledSolution]

    @property
    def judged(self) -> list[LabelledSolution]:
        """The solutions that people judged."""
        return [one for one in self.labelled if one.judged]


def of_version(store: Store, version: Version, compare: ComparePairs, sure: float = SURE) -> OwnSolutions:
    """Return the solutions in words that a version and its dataset's runs left behind, each once, whatever later runs leave. `compare` judges
    pairs of answers."""
    people = decisions(store.judgements(version.dataset))
    earlier = [one for one in store.versions(version.dataset) if one.table_version <= version.table_version]
    runs = {str(one.lineage["run"]) for one in earlier if one.lineage.get("run")}
    text = _SOLUTIONS.format(
        columns=_COLUMNS.format(critic=CRITIC, wrong_step=WRONG_STEP),
        version=version,
        words=_IN_WORDS,
        flawed=FLAWED_REASON,
        runs=texts_in_sql(runs),
        probes=texts_in_sql({_probe_of(one) for one in earlier}),
    )
    rows: dict[str, dict[str, Any]] = {}
    with with_wrong(store, version, compare, runs) as connection:
        for batch in connection.sql(text).to_arrow_reader(4_096):
            for row in batch.to_pylist():
                known = rows.get(row["id"])
                if known is None or _ORIGINS.index(row["origin"]) < _ORIGINS.index(known["origin"]):
                    rows[row["id"]] = row
    labelled: dict[str, LabelledSolution] = {}
    unsure: dict[str, LabelledSolution] = {}
    for row_id, row in sorted(rows.items()):
        solution = _solution(row, version.dataset)
        if solution is None:
            continue
        known_label = _label(row, people.get(row_id), sure)
        if known_label is None:
            unsure.setdefault(solution.id, replace(solution, by=""))
            continue
        right, by = known_label
        place = _place(row, solution) if by == PLANTED else None
        labelled.setdefault(
            solution.id, replace(solution, correct=right, by=by, first_error=place, judged=by == HUMAN)
        )
    return OwnSolutions(
        list(labelled.values()), [one for name, one in unsure.items() if name not in labelled]
    )


def of_versions(
    store: Store, versions: Sequence[Version], compare: ComparePairs, sure: float = SURE
) -> OwnSolutions:
    """Return the solutions of several versions; one that several have counts once, as the first labels it."""
    labelled: dict[str, LabelledSolution] = {}
    unsure: dict[str, LabelledSolution] = {}
    for version in versions:
        own = of_version(store, version, compare, sure)
        for solutions, into in ((own.labelled, labelled), (own.unsure, unsure)):
            for one in solutions:
                into.setdefault(one.id, one)
    return OwnSolutions(
        list(labelled.values()), [one for name, one in unsure.items() if name not in labelled]
    )


def _probe_of(version: Version) -> str:
    """Return the name of the file whose questions probed the student: what measures it trains nothing."""
    weakness = (version.lineage.get("parameters") or {}).get("weakness") or {}
    return Path(weakness.get("probe") or PROBE).name


def _solution(row: Mapping[str, Any], source: str) -> LabelledSolution | None:
    steps = split_steps(row["solution"], row["language"] or "en")
    if not steps or not (row["question"] or "").strip():
        return None
    return LabelledSolution(
        row["question"],
        steps,
        False,
        reference=row["reference_answer"],
        subdomain=row["subdomain"],
        source=source,
        language=row["language"] or "en",
        strong=row["strong"],
        row=row["id"],
    )


def _label(row: Mapping[str, Any], people: Decision | None, sure: float) -> tuple[bool, str] | None:
    """Return whether a solution is right and who says so; None where nobody is sure."""
    if people is not None and people.decided and not people.disputed:
        return not people.goes, HUMAN
    origin, equivalent, correctness = row["origin"], row["equivalent"], row["correctness"]
    if origin == "flawed":
        return False, PLANTED
    if equivalent in ("equal", "different"):
        return equivalent == "equal", ANSWER
    if origin == "seed":
        return (True, ANSWER) if row["reference_answer"] else None
    if origin == "worse":
        return False, ANSWER
    if correctness is not None and correctness >= sure and origin in ("kept", "candidate"):
        return True, VOTES
    if (
        correctness is not None
        and correctness <= 1 - sure
        and row["answer"]
        and origin in ("wrong", "candidate")
    ):
        return False, VOTES
    return None


def _place(row: Mapping[str, Any], solution: LabelledSolution) -> int | None:
    """Return the step, from 0, that begins with the line of the flaw."""
    if row["line"] is None:
        return None
    shown = Shown(row["question"], row["solution"], solution.steps)
    return step_of_line(shown, int(row["line"]))
