"""What the rounds of sampling gave, put together: the right and the wrong solutions of each question, with its pass rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import column, kept, reasons_of, replace, unrejected
from tasks.rft.allocation import Tally
from tasks.selection import PASS_RATE
from tasks.stages.pair import WORTH
from tasks.worth import Worth, worth_of

SETTLED = "settled"  # verdict of `verify`: no critic is asked about the row


def worths(rows: pa.Table) -> list[Worth]:
    """Return the worth of each sample after the stage `verify`, or after `sample` of those that it dropped."""
    equivalent = [dict(pairs or ()).get("equivalent") for pairs in column(rows, "verdicts")]
    return [worth_of(why, verdict) for why, verdict in zip(reasons_of(rows), equivalent, strict=True)]


def count(tallies: dict[str, Tally], sampled: pa.Table, verified: pa.Table) -> None:
    """Add a round to the tallies by problem id: the samples, of which `verified` has those that `sample` kept."""
    dropped = sampled.filter(pc.is_valid(sampled.column("rejected")))
    for table in (dropped, verified):
        for problem, worth in zip(column(table, "problem_id"), worths(table), strict=True):
            tallies.setdefault(problem, Tally()).add(worth)


def right_and_wrong(verified: Iterable[pa.Table], tallies: Mapping[str, Tally]) -> tuple[pa.Table, pa.Table]:
    """Return the right and the wrong ones of the samples that `verify` judged, by question, each with the verdict WORTH and with the pass
    rate and the fail rate of its question over all rounds.

    None has the verdict SETTLED any more: a critic that is asked about them at all is asked about each. A sample whose worth is not known is in neither.
    """
    rows = pa.concat_tables(list(verified))
    known = worths(rows)
    texts = pa.array([str(worth) for worth in known], pa.string())
    verdicts = [
        {name: value for name, value in dict(pairs or ()).items() if name != SETTLED} | {WORTH: str(worth)}
        for pairs, worth in zip(column(rows, "verdicts"), known, strict=True)
    ]
    rates = [tallies[problem].fail_rate for problem in column(rows, "problem_id")]
    scores = [
        dict(pairs or ()) | ({} if rate is None else {PASS_RATE: 1 - rate})
        for pairs, rate in zip(column(rows, "scores"), rates, strict=True)
    ]
    rows = replace(
        rows, verdicts=verdicts, scores=scores, difficulty=pa.array(rates, pa.float32())
    ).append_column("worth", texts)
    rows = rows.sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
    right, wrong = (
        unrejected(rows.filter(pc.equal(rows.column("worth"), str(worth))).drop_columns(["worth"]))
        for worth in (Worth.RIGHT, Worth.WRONG)
    )
    return right, wrong


def with_pass_rates(questions: pa.Table, tallies: Mapping[str, Tally]) -> pa.Table:
    """Return the kept questions with the pass rate and the fail rate of each, null where no sample could be judged."""
    questions = kept(questions)
    rates = [tallies.get(problem, Tally()).fail_rate for problem in column(questions, "problem_id")]
    scores = [
        dict(pairs or ()) | ({} if rate is None else {PASS_RATE: 1 - rate})
        for pairs, rate in zip(column(questions, "scores"), rates, strict=True)
    ]
    return replace(questions, scores=scores, difficulty=pa.array(rates, pa.float32()))
