"""Preference data: over random nights no rejected side agrees with the accepted answer by the judge."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prompts.schemas.critique import Assessment
from storage.datasets.export import export
from storage.datasets.shapes import preference, unpaired_preference, with_wrong
from storage.datasets.store import Store
from storage.reasons import Code, Reason, reason
from storage.rows import WRONG_STEP, Row, column, dropped, kept, reject, replace, to_table
from tasks.answers import Judge
from tasks.ingestion.columns import habits
from tasks.ingestion.record import Record
from tasks.llm.engine import Engine
from tasks.replies.items import critique
from tasks.sandbox import Sandbox
from tasks.stages.import_dataset import RecordReading, table_of
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.training import judgements
from tasks.training.config import TrainError
from tasks.training.mapped import preferences
from tasks.training.reward import Verifier
from tasks.voting import prior
from tests import nights

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
    reason("critique", Code.WRONG_STEP, name="answer", score="0.10", threshold="0.50", step=2),
    None,
]
SAMPLES = st.lists(
    st.tuples(st.sampled_from(ANSWERS), st.sampled_from(["cot", "cot", "note"]), st.floats(0, 1),
              st.sampled_from([None] * 4 + OUR_FAULT), st.sampled_from([None, None, None, "2"])),
    min_size=1, max_size=8,
)  # fmt: skip
NIGHTS = st.lists(
    st.tuples(st.sampled_from([None, None, "0.5", "2", "1+x", "??"]), SAMPLES), min_size=1, max_size=4
)


def night(store: Store, questions: list[Any], judge: Judge) -> pa.Table:
    """A night's rows through the real stages verify and weigh, into a version and its candidates."""
    rows, given_reasons = [], []
    for number, (trusted, samples) in enumerate(questions):
        for index, (answer, kind, score, why, step) in enumerate(samples):
            rows.append(
                Row(
                    f"question {number}",
                    "en",
                    solution=f"solution {index} of {number}",
                    solution_format=kind,
                    answer=answer,
                    reference_answer=trusted,
                    scores={"answer": score},
                    verdicts={WRONG_STEP: step} if step else {},
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


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
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
            assert row["reason"]["code"] in {
                "different", "incomparable", "unlikely", "alone", "below_threshold", "wrong_step",
            }  # fmt: skip
            others = [(row["answer"] or "", other) for other in accepted[row["problem_id"]]]
            verdicts = judge.equal(others) if row["answer"] else ["unknown"]
            if WRONG_STEP in dict(row["verdicts"]):
                assert "equal" not in verdicts
            else:
                assert set(verdicts) == {"different"}
        for pair in pairs:
            chosen, worse = by_solution[pair["chosen"]], by_solution[pair["rejected"]]
            assert chosen["rejected"] is None
            assert pair["chosen_correctness"] == chosen["correctness"]
            assert pair["rejected_correctness"] == worse["correctness"]


def test_the_votes_drop_wrong_answers_that_pair_with_the_accepted_one(judge: Judge, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    samples = [(answer, "cot", 0.9, None, None) for answer in ("1/2", "0.5", "50%", "2")]
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


def exported(store: Store, version: Any, judge: Judge, folder: Path) -> dict[str, list[tuple[str, str, str]]]:
    """(question, chosen, rejected) of every export that has a rejected side, by the export's name."""
    pairs: dict[str, list[tuple[str, str, str]]] = {}
    for shape in ("preference", "unpaired-preference"):
        export(store, version, folder / shape, shape, compare=judge.equal)
        files = sorted((folder / shape / "data").glob("*.jsonl"))
        records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        if shape == "preference":
            pairs[shape] = [(one["prompt"], one["chosen"], one["rejected"]) for one in records]
            assert all(one["rejected_reason"] and one["margin"] >= 0 for one in records)
        else:
            pairs[shape] = labelled([(one["prompt"], one["completion"], one["label"]) for one in records])
    turns = [row for batch in preferences(store, version, reasoning="inline") for row in batch.to_pylist()]
    # what the methods dpo and reward are given
    pairs["dpo and reward"] = [
        (row["prompt"][0]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in turns
    ]
    judgements.write(store, [version], folder / "judgements.parquet")
    judged = pq.read_table(folder / "judgements.parquet").to_pylist()
    pairs["critic"] = by_judgement(store, version, judged)
    return pairs


def labelled(records: list[tuple[str, str, bool]]) -> list[tuple[str, str, str]]:
    """Every right completion of a question beside every wrong one."""
    return [
        (prompt, right, wrong)
        for prompt, right, good in records
        if good
        for other, wrong, label in records
        if other == prompt and not label
    ]


def by_judgement(store: Store, version: Any, judged: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The solutions that a critic would learn to praise beside those that it would learn to fault. A judgement's
    question shows question and solution, each line behind a mark."""
    rows = [
        row
        for table in (store.read(version), store.candidates().to_table())  # type: ignore[union-attr]
        for row in table.select(["question", "solution", "solution_format"]).to_pylist()
        if row["solution"]
    ]
    shown = {(squeezed(row["question"]), squeezed(row["solution"])): row for row in rows}
    records = []
    for one in judged:
        lines = one["question"].splitlines()
        question = [line.removeprefix("| ") for line in lines if line.startswith("|")]
        solution = [line.partition("] ")[2] for line in lines if line.startswith("[")]
        row = shown[squeezed("\n".join(question)), squeezed("\n".join(solution))]
        text = f"```python\n{row['solution']}```" if row["solution_format"] == "pot" else row["solution"]
        reply = critique(one["solution"])
        assert isinstance(reply, Assessment)
        records.append((row["question"], text, reply.answer_score >= 7))
    return labelled(records)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_exported_pairs_of_real_nights_never_agree(
    seed: int, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge, tmp_path: Path
) -> None:
    """Ten nights of different seeds. The sides are judged again by their content: a program by what it prints,
    words by the answer that they end with; nothing that a stage noted is believed."""
    night = nights.night(tmp_path / "home", engine=engine, sandbox=sandbox, judge=judge, seed=seed)
    if not any(batch.num_rows for batch in preference(night.store, night.version, judge.equal)):
        pytest.skip("no published question of this night has a wrong solution too")
    pairs = exported(night.store, night.version, judge, tmp_path)
    texts = sorted({text for some in pairs.values() for _, *sides in some for text in sides})
    with Verifier(judge=judge, sandbox=sandbox) as verifier:
        answers = dict(zip(texts, verifier.answers(texts, ["en"] * len(texts)), strict=True))
    for name, some in pairs.items():
        assert some, name
        verdicts = judge.equal([(answers[chosen] or "", answers[wrong] or "") for _, chosen, wrong in some])
        print(f"seed {seed}: {name}: {len(some)} pairs, {dict(Counter(verdicts))}")
        agreeing = [pair for pair, verdict in zip(some, verdicts, strict=True) if verdict == "equal"]
        assert agreeing == [], name


@pytest.mark.parametrize(
    ("answer", "step", "taught"),
    [
        ("7", None, True),  # different
        ("7", "2", True),
        ("0.5", "2", False),  # agrees, whatever a critic thought of its steps
        ("@#%", "2", True),  # it cannot be compared, and one of its steps is wrong
        ("@#%", None, False),
        (None, "2", True),  # it states no answer, and a step of it is wrong
        (None, None, False),
    ],
)
def test_a_wrong_step_is_evidence_where_the_answers_do_not_agree(
    judge: Judge, tmp_path: Path, answer: str | None, step: str | None, taught: bool
) -> None:
    store = Store(tmp_path / "home")
    good = Row("q", "en", solution="good", answer="1/2", solution_format="cot")
    below = {"name": "answer", "score": "0.20", "threshold": "0.60"}
    why = (
        reason("critique", Code.WRONG_STEP, **below, step=step)
        if step
        else reason("critique", Code.BELOW_THRESHOLD, **below)
    )
    other = Row("q", "en", solution="other", answer=answer, solution_format="cot", reason=why,
                verdicts={WRONG_STEP: step} if step else {})  # fmt: skip
    version = store.publish("math", [to_table([good])], lineage={})
    store.append_candidates(to_table([other]), run="r", stage="critique")
    pairs = [pair for batch in preference(store, version, judge.equal) for pair in batch.to_pylist()]
    assert [(pair["rejected"], pair["rejected_reason"]) for pair in pairs] == (
        [("other", str(why.code))] if taught else []
    )
    labels = [
        one["completion"]
        for batch in unpaired_preference(store, version, judge.equal)
        for one in batch.to_pylist()
        if not one["label"]
    ]
    assert labels == (["other"] if taught else [])


SHARED = [
    {"role": "user", "content": "Name a prime."},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "And a larger one?"},
]


def assistant(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def imported(store: Store, *records: dict[str, Any]) -> Any:
    """Publish what an import keeps of records with a chosen and a rejected side, and store what it drops."""
    table = table_of(
        [Record(f"line {number}", record) for number, record in enumerate(records, 1)],
        RecordReading(license="MIT"),
        "pairs.jsonl",
        habits(records),
    )
    store.append_candidates(dropped(table), run="import")
    return store.publish("math", [kept(table)], lineage={})


def exported_records(
    store: Store, version: Any, folder: Path, shape: str, judge: Judge
) -> list[dict[str, Any]]:
    export(store, version, folder, shape, compare=judge.equal)
    return [json.loads(line) for path in (folder / "data").iterdir() for line in path.open()]


@pytest.mark.slow
def test_preferred_chats_of_several_turns_leave_as_conversations(judge: Judge, tmp_path: Path) -> None:
    """What both sides begin with is the prompt, in TRL's form; pairs of solutions have the same types beside them."""
    from trl.data_utils import is_conversational

    store = Store(tmp_path / "home")
    longer = [assistant("Which size?"), {"role": "user", "content": "Two digits."}, assistant("97")]
    version = imported(
        store,
        {"chosen": [*SHARED, assistant("97", reasoning_content="97 has no divisor.")], "rejected": [*SHARED, assistant("91")]},
        {"prompt": [{"role": "system", "content": "Be short."}, *SHARED], "chosen": [assistant("7")], "rejected": longer},
        {"prompt": "What is 3 + 4?", "chosen": "It is \\boxed{7}.", "rejected": "It is \\boxed{8}."},
        # the sides part at a question, so that they answer different ones
        {"chosen": [*SHARED, assistant("5")], "rejected": [*SHARED[:2], {"role": "user", "content": "Why?"}, assistant("So.")]},
    )  # fmt: skip
    pairs = exported_records(store, version, tmp_path / "p", "preference", judge)
    by_prompt = {(pair["prompt"][0]["content"], pair["chosen"][0]["content"]): pair for pair in pairs}
    assert by_prompt.keys() == {
        ("Name a prime.", "97"), ("Be short.", "7"), ("What is 3 + 4?", "It is \\boxed{7}."),
    }  # fmt: skip
    first = by_prompt["Name a prime.", "97"]
    assert first["prompt"] == SHARED
    assert first["chosen"] == [assistant("97", reasoning_content="97 has no divisor.")]
    assert first["rejected"] == [assistant("91")]
    assert first["rejected_reason"] == "not_preferred"
    assert by_prompt["Be short.", "7"]["rejected"] == longer
    assert by_prompt["What is 3 + 4?", "It is \\boxed{7}."]["rejected"] == [assistant("It is \\boxed{8}.")]
    assert all(is_conversational(pair) for pair in pairs)
    labelled = exported_records(store, version, tmp_path / "u", "unpaired-preference", judge)
    chats = {(one["completion"][0]["content"], one["label"]) for one in labelled if len(one["prompt"]) > 1}
    assert chats == {("97", True), ("91", False), ("7", True), ("Which size?", False)}
    assert all(is_conversational(one) for one in labelled)
    # what the methods dpo and reward are given
    given = [row for batch in preferences(store, version, reasoning="inline") for row in batch.to_pylist()]
    assert sorted(len(row["prompt"]) for row in given) == [1, 3, 4]
    assert "<think>\n97 has no divisor.\n</think>\n\n97" in [row["chosen"][-1]["content"] for row in given]


def test_pairs_of_chats_that_call_tools_are_exported_and_not_trained_on(judge: Judge, tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    store = Store(tmp_path / "home")
    calling = [
        *SHARED,
        assistant("", tool_calls=[call]),
        {"role": "tool", "content": "97", "tool_call_id": "1"},
        assistant("97"),
    ]
    version = imported(store, {"chosen": calling, "rejected": [*SHARED, assistant("91")]})
    (pair,) = exported_records(store, version, tmp_path / "p", "preference", judge)
    assert pair["chosen"][0]["tool_calls"] == [call]
    assert pair["rejected"] == [assistant("91")]
    with pytest.raises(TrainError, match="call tools.*Fix: "):
        list(preferences(store, version, reasoning="inline"))


def test_a_chat_is_paired_with_that_of_its_own_record(judge: Judge, tmp_path: Path) -> None:
    """Records may begin alike; nothing says that one of the other record is worse."""
    store = Store(tmp_path / "home")
    records = [
        {"chosen": [*SHARED, assistant(good)], "rejected": [*SHARED, assistant(bad)]}
        for good, bad in (("97", "91"), ("11", "21"), ("13", "33"))
    ]
    version = imported(store, *records)
    pairs = exported_records(store, version, tmp_path / "p", "preference", judge)
    sides = {(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in pairs}
    assert sides == {("97", "91"), ("11", "21"), ("13", "33")}
