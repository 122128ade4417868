"""Preference data: over random nights no rejected side agrees with the accepted answer by the judge."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.datasets import Store
from storage.reasons import Code, Reason, reason
from storage.rows import Row, column, dropped, kept, reject, replace, to_table
from storage.shapes import preference, unpaired_preference, with_wrong
from tasks.answers import Judge
from tasks.verify import VerifySettings, verify
from tasks.votes import prior
from tasks.weigh import WeighSettings, weigh

# spellings of few values, so that many samples agree without looking alike; some that no judge can read
ANSWERS = [
    "1/2",
    "0.5",
    r"\frac{1}{2}",
    "50%",
    "2",
    "2.0",
    "x+1",
    "1+x",
    "(1, 2)",
    "?",
    "no idea at all",
    None,
]
OUR_FAULT: list[Reason | None] = [
    reason("solve", Code.CALL_FAILED, error="http 500"),
    reason("solve", Code.TRUNCATED),
    reason("dedup", Code.EXACT, other="x"),
    reason("mix", Code.OVER_TARGET, target=1),
    reason("critique", Code.BELOW_THRESHOLD, name="answer", score="0.10", threshold="0.50"),
    None,
]
SAMPLES = st.lists(
    st.tuples(st.sampled_from(ANSWERS), st.sampled_from(["cot", "cot", "note"]), st.floats(0, 1),
              st.sampled_from([None] * 4 + OUR_FAULT)),
    min_size=1, max_size=8,
)  # fmt: skip
NIGHTS = st.lists(
    st.tuples(st.sampled_from([None, None, "0.5", "2", "1+x", "??"]), SAMPLES), min_size=1, max_size=4
)


def night(store: Store, questions: list[Any], judge: Judge) -> pa.Table:
    """A night's rows through the real stages verify and weigh, into a version and its candidates."""
    rows, given_reasons = [], []
    for number, (trusted, samples) in enumerate(questions):
        for index, (answer, kind, score, why) in enumerate(samples):
            rows.append(
                Row(
                    f"question {number}",
                    "en",
                    solution=f"solution {index} of {number}",
                    solution_format=kind,
                    answer=answer,
                    reference_answer=trusted,
                    scores={"answer": score},
                )
            )
            given_reasons.append(why)
    table = reject(to_table(rows), given_reasons)
    verified = verify(
        table, sandbox=None, judge=judge, calibration=prior(), settings=VerifySettings(), tick=lambda n: None
    )
    weighed = weigh(verified, calibration=prior(), settings=WeighSettings(), tick=lambda n: None)
    store.append_candidates(dropped(weighed), run="night")
    return weighed


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(NIGHTS)
def test_no_pair_agrees_by_the_judge(judge: Judge, questions: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "home")
        rows = night(store, questions, judge)
        if not kept(rows).num_rows:
            return
        version = store.publish("math", [kept(rows)], lineage={})
        by_solution = {row["solution"]: row for row in rows.to_pylist()}
        accepted: dict[str, set[str]] = {}
        for row in kept(rows).to_pylist():
            accepted.setdefault(row["problem_id"], set()).add(row["answer"] or row["reference_answer"])
        pairs = [pair for batch in preference(store, version, judge.equal) for pair in batch.to_pylist()]
        labelled = [
            one for batch in unpaired_preference(store, version, judge.equal) for one in batch.to_pylist()
        ]
        bad = {pair["rejected"] for pair in pairs} | {
            one["completion"] for one in labelled if not one["label"]
        }
        with with_wrong(store, version, judge.equal) as connection:
            assert bad == {row[0] for row in connection.sql("SELECT solution FROM wrong").fetchall()} | {
                pair["rejected"] for pair in pairs
            }
        for solution in bad:
            row = by_solution[solution]
            assert dict(row["reason"]).get("failed") is False
            assert row["reason"]["code"] in {"different", "unlikely", "alone", "below_threshold"}
            verdicts = judge.equal([(row["answer"], other) for other in accepted[row["problem_id"]]])
            assert set(verdicts) == {"different"}
        for pair in pairs:
            chosen, worse = by_solution[pair["chosen"]], by_solution[pair["rejected"]]
            assert chosen["rejected"] is None
            assert pair["chosen_correctness"] == chosen["correctness"]
            assert pair["rejected_correctness"] == worse["correctness"]


def test_the_votes_drop_wrong_answers_that_pair_with_the_accepted_one(judge: Judge, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    samples = [(answer, "cot", 0.9, None) for answer in ("1/2", "0.5", "50%", "2")]
    rows = night(store, [(None, samples)], judge)
    assert [why is None for why in column(rows, "rejected")] == [True, True, True, False]
    version = store.publish("math", [kept(rows)], lineage={})
    pairs = [pair for batch in preference(store, version, judge.equal) for pair in batch.to_pylist()]
    assert len(pairs) == 3
    assert {(pair["rejected"], pair["rejected_reason"]) for pair in pairs} == {
        ("solution 3 of 0", "unlikely")
    }
    assert all(pair["margin"] > 0 for pair in pairs)


def test_a_right_answer_that_the_votes_dropped_is_no_rejected_side(judge: Judge, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    right = Row("q", "en", solution="good", answer="0.5", solution_format="cot")
    twin = Row("q", "en", solution="also good", answer=r"\frac{1}{2}", solution_format="cot",
               reason=reason("weigh", Code.UNLIKELY, correctness=0.6, threshold=0.7, same=1, samples=4))  # fmt: skip
    old = Row(
        "q", "en", solution="who knows", answer="7", solution_format="cot", rejected="verify: answer 7 is not"
    )
    version = store.publish("math", [to_table([right])], lineage={})
    store.append_candidates(to_table([twin, old]), run="r", stage="weigh")
    assert [b for b in preference(store, version, judge.equal) if b.num_rows] == []
    changed = replace(to_table([twin]), answer=["7"], id=["other"])
    store.append_candidates(changed, run="r", stage="weigh", part="2")
    (batch,) = preference(store, version, judge.equal)
    assert batch.column("rejected").to_pylist() == ["also good"]
