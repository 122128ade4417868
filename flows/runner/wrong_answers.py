"""Answers of rejected solutions, by problem: real mistakes, which become the wrong options of multiple-choice questions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flows.runner.stages import Line
from storage.datasets.versions import Version
from storage.rows import SCHEMA, column, dropped, failed

STAGES = ("verify", "weigh")  # which reject solutions by their answers
COLUMNS = ["problem_id", "answer", "rejected", "reason"]


def with_wrong_answers(rows: pa.Table, line: Line, versions: Sequence[Version]) -> pa.Table:
    """Return the rows with a column `wrong_answers` (list of strings): the answers of solutions of the same problem that were rejected, the
    most frequent first; by this run so far, and by the runs of the datasets of the versions."""
    problems = column(rows, "problem_id")
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for table in (_of_this_run(line), _stored(line, versions, problems)):
        wrong = table.filter(pc.and_(pc.invert(failed(table)), pc.is_valid(table.column("answer"))))
        for problem, answer in zip(column(wrong, "problem_id"), column(wrong, "answer"), strict=True):
            counts[problem][answer] += 1
    ranked = {
        problem: [text for text, _ in sorted(own.items(), key=lambda entry: (-entry[1], entry[0]))]
        for problem, own in counts.items()
    }
    answers = pa.array([ranked.get(problem, []) for problem in problems], pa.list_(pa.string()))
    return rows.append_column("wrong_answers", answers)


def _of_this_run(line: Line) -> pa.Table:
    refs = [ref for entry in line.funnel if entry.stage in STAGES for ref in entry.refs if ref.rejected]
    tables = [dropped(line.tools.shards.read(ref, COLUMNS)) for ref in refs]
    return pa.concat_tables([_empty(), *tables])


def _stored(line: Line, versions: Sequence[Version], problems: Sequence[str]) -> pa.Table:
    store = line.tools.store
    candidates = store.candidates()
    if candidates is None or not versions:
        return _empty()
    datasets = sorted({one.dataset for one in versions})
    runs = sorted({str(one.lineage.get("run")) for name in datasets for one in store.versions(name)})
    stored: pa.Table = candidates.to_table(
        columns=COLUMNS,
        filter=pc.field("problem_id").isin(pa.array(problems, pa.string()))
        & pc.field("run").isin(pa.array(runs, pa.string()))
        & pc.field("stage").isin(pa.array(STAGES, pa.string()))
        & pc.field("rejected").is_valid(),
    )
    return stored


def _empty() -> pa.Table:
    return SCHEMA.empty_table().select(COLUMNS)
