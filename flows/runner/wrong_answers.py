"""Rejected solutions and their answers, by problem: real mistakes, which become the wrong options of multiple-choice questions and the
flaws of nearly right solutions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.stages import Line
from storage.datasets.versions import Version
from storage.rows import SCHEMA, column, dropped, failed

STAGES = ("verify", "weigh")  # which reject solutions by their answers
CRITIC = "critique"  # rejects solutions by a wrong step
COLUMNS = ["problem_id", "answer", "rejected", "reason"]


def with_wrong_answers(rows: pa.Table, line: Line, versions: Sequence[Version]) -> pa.Table:
    """Return the rows with a column `wrong_answers` (list of strings): the answers of solutions of the same problem that were rejected, the
    most frequent first; by this run so far, and by the runs of the datasets of the versions."""
    problems = column(rows, "problem_id")
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for table in (_of_this_run(line, COLUMNS, STAGES), _stored(line, versions, problems, COLUMNS, STAGES)):
        wrong = table.filter(pc.and_(pc.invert(failed(table)), pc.is_valid(table.column("answer"))))
        for problem, answer in zip(column(wrong, "problem_id"), column(wrong, "answer"), strict=True):
            counts[problem][answer] += 1
    ranked = {
        problem: [text for text, _ in sorted(own.items(), key=lambda entry: (-entry[1], entry[0]))]
        for problem, own in counts.items()
    }
    answers = pa.array([ranked.get(problem, []) for problem in problems], pa.list_(pa.string()))
    return rows.append_column("wrong_answers", answers)


def with_wrong_solutions(rows: pa.Table, line: Line, versions: Sequence[Version]) -> pa.Table:
    """Return the rows, and behind them, with the same columns, solutions that were rejected by their answers or by a critic: those of this
    run so far, and those of the same problems in the runs of the datasets of the versions. Rows that failed are not among them."""
    columns, stages = list(dict.fromkeys([*rows.column_names, "rejected", "reason"])), (*STAGES, CRITIC)
    problems = sorted(set(column(rows, "problem_id")))
    every = [_of_this_run(line, columns, stages), _stored(line, versions, problems, columns, stages)]
    wrong = [
        table.filter(pc.and_(pc.invert(failed(table)), pc.is_valid(table.column("solution"))))
        for table in every
    ]
    return pa.concat_tables([rows, *(table.select(rows.column_names) for table in wrong)])


def _of_this_run(line: Line, columns: list[str], stages: Sequence[str]) -> pa.Table:
    refs = [ref for entry in line.funnel if entry.stage in stages for ref in entry.refs if ref.rejected]
    tables = [dropped(line.tools.shards.read(ref, columns)) for ref in refs]
    return pa.concat_tables([_empty(columns), *tables])


def _stored(
    line: Line,
    versions: Sequence[Version],
    problems: Sequence[str],
    columns: list[str],
    stages: Sequence[str],
) -> pa.Table:
    store = line.tools.store
    candidates = store.candidates()
    if candidates is None or not versions:
        return _empty(columns)
    datasets = sorted({one.dataset for one in versions})
    runs = sorted({str(one.lineage.get("run")) for name in datasets for one in store.versions(name)})
    stored: pa.Table = candidates.to_table(
        columns=columns,
        filter=pc.field("problem_id").isin(pa.array(problems, pa.string()))
        & pc.field("run").isin(pa.array(runs, pa.string()))
        & pc.field("stage").isin(pa.array(stages, pa.string()))
        & pc.field("rejected").is_valid(),
    )
    return stored


def _empty(columns: list[str]) -> pa.Table:
    return SCHEMA.empty_table().select(columns)
