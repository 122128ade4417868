"""Stored candidates are decided on again by their columns: which are kept, which are dropped and why, and which must pass a stage again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from storage.datasets.candidates import SCHEMA
from storage.reasons import Code, Reason, reason
from storage.rows import SOLUTION_BY, Row, to_table
from tasks.stages.rejudge import (
    CandidateArrays,
    below,
    columns,
    decided,
    duplicates,
    gather,
    leave_out,
    scores,
    unverified,
)

STEPS = ["verify", "heuristics", "critique", "weigh", "dedup", "decontaminate", "mix", "published"]
SAME_AS = {"certify": "decontaminate"}


def occurrence(
    question: str,
    stage: str,
    run: str = "one",
    why: Reason | None = None,
    source: str = "a",
    **scored: float,
) -> dict[str, object]:
    return {
        "row": Row(
            question,
            "en",
            solution="s",
            source=source,
            scores=scored,
            reason=why,
            correctness=scored.get("correctness"),
        ),
        "stage": stage,
        "run": run,
    }


def under(stage: str, name: str, score: str) -> Reason:
    return reason(stage, Code.BELOW_THRESHOLD, name=name, score=score, threshold="0.60")


def texts(pool: CandidateArrays) -> list[str | None]:
    return [None if why is None else why.text for why in pool.why]


def pool_of(*candidates: dict[str, object], runs: tuple[str, ...] = ("one", "two")) -> CandidateArrays:
    table = to_table([item["row"] for item in candidates])  # type: ignore[misc]
    for name in ("run", "stage"):
        table = table.append_column(name, pa.array([item.get(name) for item in candidates], pa.string()))
    table = table.append_column("version", pa.nulls(len(candidates), pa.string()))
    return gather(pads.dataset(table.select(SCHEMA.names)).to_table(columns=columns()), runs, STEPS, SAME_AS)


def living(pool: CandidateArrays) -> list[str]:
    return [q for q, alive in zip(pool.rows.column("id").to_pylist(), pool.alive, strict=True) if alive]


def test_a_row_counts_once_with_its_newest_scores_and_furthest_stage() -> None:
    pool = pool_of(
        occurrence("q", "published", answer=0.9),
        occurrence("q", "critique", "two", under("critique", "answer", "0.40"), answer=0.4),
        occurrence("q", "ingest"),
        occurrence("q", "similarity"),
        occurrence("other run", "published", "three", answer=1.0),
        occurrence("never read", "solve", why=reason("solve", Code.CALL_FAILED, error="endpoint")),
    )
    assert len(pool.alive) == 1
    assert pool.steps[pool.reached[0]] == "published"
    assert pool.position.tolist() == [1]
    assert scores(pool, "answer").tolist() == [np.float32(0.4)]


def test_what_failed_at_a_stage_was_not_judged_there() -> None:
    pool = pool_of(
        occurrence("a", "critique", why=reason("critique", Code.CALL_FAILED, error="503")),
        occurrence("b", "verify", why=reason("verify", Code.PROGRAM_NOT_RUN, error="no sandbox")),
        occurrence("c", "verify", why=reason("verify", Code.DIFFERENT, answer="3", reference="4")),
        occurrence("d", "heuristics", why=under("heuristics", "heuristics", "0.33"), heuristics=0.33),
    )
    unverified(pool, "verify", "Verified before")
    assert texts(pool) == [
        None,
        "verify: failed: program not run: no sandbox",
        "verify: answer 3 is not 4",
        None,
    ]
    assert pool.lines[-1] == {
        "stage": "verify", "title": "Verified before", "asked": 4, "kept": 2, "rejected": 1, "not_taken": 0, "failed": 1,
    }  # fmt: skip
    # the first failed at the critic, the last was dropped before it: neither was ever judged by it
    assert (pool.reached < pool.step("critique")).tolist()[0::3] == [True, True]


def test_thresholds_compare_what_is_stored_and_leave_what_is_not() -> None:
    pool = pool_of(
        occurrence("a", "published", answer=0.6, correctness=0.9),
        occurrence("b", "critique", why=under("critique", "answer", "0.59"), answer=0.59),
        occurrence("c", "heuristics", why=under("heuristics", "heuristics", "0.00")),
    )
    below(pool, {"answer": 0.6})
    assert pool.alive.tolist() == [True, False, True]
    assert texts(pool)[1] == "rebuild: answer 0.59 is under 0.60"
    below(pool, {"correctness": 0.95})
    assert pool.alive.tolist() == [False, False, True]


def test_solutions_that_no_model_wrote_have_thresholds_of_their_own() -> None:
    printed, low, written = (
        occurrence(name, "critique", answer=score) for name, score in zip("abc", (0.4, 0.2, 0.4), strict=True)
    )
    for one in (printed, low):
        one["row"].verdicts[SOLUTION_BY] = "source"  # type: ignore[attr-defined]
    pool = pool_of(printed, low, written)
    below(pool, {"answer": 0.6}, {"answer": 0.3})
    assert pool.alive.tolist() == [True, False, False]
    assert texts(pool)[1:] == ["rebuild: answer 0.20 is under 0.30", "rebuild: answer 0.40 is under 0.60"]


def test_sources_are_left_out_or_chosen() -> None:
    pool = pool_of(
        occurrence("a", "published", source="web"),
        occurrence("b", "published"),
        occurrence("c", "mix", source="c"),
    )
    leave_out(pool, {"source": ["web"]}, {})
    assert pool.alive.tolist() == [False, True, True]
    leave_out(pool, {}, {"source": ["a"]})
    assert pool.alive.tolist() == [False, True, False]
    assert texts(pool) == ["rebuild: source is left out", None, "rebuild: source is not wanted"]
    assert [line["asked"] for line in pool.lines] == [3, 2]


def test_a_duplicate_comes_back_when_its_twin_is_out() -> None:
    twin = Row("the better one", "en", solution="s").id
    other = Row("still in", "en", solution="s").id
    pool = pool_of(
        occurrence("the better one", "published", source="web"),
        occurrence("still in", "published"),
        occurrence("a", "dedup", why=reason("dedup", Code.NEAR, measure="jaccard", score="0.83", other=twin)),
        occurrence("b", "dedup", why=reason("dedup", Code.EXACT, other=other)),
        occurrence("c", "dedup", why=reason("dedup", Code.TEMPLATE, most=50)),
        occurrence("d", "dedup", why=reason("dedup", Code.EXACT, other="0" * 24)),
    )
    leave_out(pool, {"source": ["web"]}, {})
    out, free = duplicates(pool, "dedup")
    assert out.tolist() == [False, False, False, True, True, True]
    assert free.tolist() == [False, False, True, False, False, False]


def test_an_empty_pool() -> None:
    pool = pool_of(occurrence("q", "ingest"))
    unverified(pool, "verify", "Verified before")
    below(pool, {"answer": 0.5})
    assert len(pool.alive) == 0


def test_rows_that_had_no_place_beside_others_are_not_taken() -> None:
    pool = pool_of(
        occurrence("a", "weigh", why=reason("weigh", Code.NOT_CHOSEN, name="paths", most=2), correctness=0.9),
        occurrence("b", "weigh", why=reason("weigh", Code.ALONE, same=1, samples=4), correctness=0.9),
        occurrence("c", "published", correctness=0.9),
    )
    decided(pool, "weigh", "Weighed before")
    line = pool.lines[-1]
    assert (line["kept"], line["rejected"], line["not_taken"], line["failed"]) == (1, 2, 1, 0)


def test_the_decision_of_a_stage_is_kept() -> None:
    pool = pool_of(
        occurrence("a", "weigh", why=reason("weigh", Code.ALONE, same=1, samples=4), correctness=0.9),
        occurrence("b", "published", correctness=0.9),
        occurrence("c", "critique", why=under("critique", "answer", "0.20")),
    )
    decided(pool, "weigh", "Weighed before")
    assert texts(pool) == ["weigh: 1/4 samples agree", None, None]
    assert pool.lines[-1]["rejected"] == 1


def test_a_row_stored_before_reasons_had_a_type_is_judged_again() -> None:
    pool = pool_of(
        {"row": Row("a", "en", solution="s", rejected="weigh: x"), "stage": "weigh", "run": "one"},
        {"row": Row("b", "en", solution="s", rejected="verify: x"), "stage": "verify", "run": "one"},
        occurrence("c", "weigh", why=reason("weigh", Code.ALONE, same=1, samples=4)),
    )
    unverified(pool, "verify", "Verified before")
    decided(pool, "weigh", "Weighed before")
    assert pool.alive.tolist() == [True, False, False]
    assert (pool.why[1].code, pool.why[1].stage, pool.why[1].failed) == (Code.UNKNOWN, "verify", False)
    assert pool.reached[0] == pool.step("weigh") - 1
