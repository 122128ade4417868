"""The method `nearly_right`: flaws of real wrong solutions and flaws that are put in, on the rows of a night, and what leaves of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.datasets.export import export
from storage.datasets.shapes import WORSE
from storage.datasets.steps import FLAW, FLAWED_REASON, lines_of
from storage.datasets.store import Store
from storage.reasons import Code
from storage.rows import WRONG_STEP, Row, column, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_table, columns_of, nearly_right
from tasks.methods.nearly_right import INSERTED, NearlyRightSettings, begins_elsewhere
from tasks.sandbox import Sandbox
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tasks.stages.verify import VerifySettings, verify
from tasks.training import judgements
from tasks.training.models import tokenizer_of
from tasks.training.tokens import COLUMNS, TokenEncoder
from tasks.voting import prior
from tests import nights
from tests.tasks.training.conftest import student  # noqa: F401 - the fixture of an untrained student

RIGHT = "First, 10 / 2 = 5.\nThen 5 + 1 = 6.\nSo it is 6.\n\\boxed{6}"
WRONG = "First, 10 / 2 = 4.\nThen 4 + 1 = 5.\nSo it is 5.\n\\boxed{5}"
TOPIC = {"subdomain": "multi-step arithmetic", "solution_format": "cot"}


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def pool_of(rows: list[Row], rejected: list[Row]) -> pa.Table:
    columns = columns_of(["nearly_right"])
    dropped = to_table(rejected)
    marked = dropped.set_column(
        dropped.schema.get_field_index("rejected"),
        "rejected",
        pa.array(["wrong"] * len(rejected), pa.string()),
    )
    return pa.concat_tables([to_table(rows).select(columns), marked.select(columns)])


def planned(pool: pa.Table, count: int, **own: Any) -> list[Ask]:
    quota = {("en", "multi-step arithmetic"): count}
    settings = NearlyRightSettings(**own)
    return nearly_right.plan(pool, quota, per_call=5, examples=0, seed=1, settings=settings)


def solved(number: int, text: str, **columns: Any) -> Row:
    answer = text.rsplit("{", 1)[1].rstrip("}")
    return Row(f"Question {number}?", "en", solution=text, answer=answer, **TOPIC, **columns)


def test_wrong_solutions_come_first_and_right_ones_fill_the_rest() -> None:
    right = [solved(number, RIGHT) for number in range(6)]
    wrong = [solved(number, WRONG, verdicts={WRONG_STEP: "1"}) for number in range(4)]
    asks = planned(pool_of(right, wrong), 6, inserted=0.5)
    assert Counter(ask.prompt for ask in asks) == {"nearly_right": 4, INSERTED: 2}
    for ask in asks:
        lines = ask.variables["lines"]
        assert ask.variables["reference"] == "6"
        if ask.prompt == INSERTED:
            assert 2 <= ask.variables["line"] < len(lines)
        else:
            assert (ask.variables["suspect"], ask.variables["wrong"]) == (1, "5")
    assert len({ask.inherited["question"] for ask in asks}) == 6
    assert Counter(ask.prompt for ask in planned(pool_of(right, []), 6, inserted=0.0)) == {INSERTED: 6}
    assert Counter(ask.prompt for ask in planned(pool_of(right, wrong), 4, inserted=0.0)) == {
        "nearly_right": 4
    }


def test_a_wrong_solution_without_a_right_answer_to_go_by_is_not_taken() -> None:
    assert planned(pool_of([], [solved(1, WRONG)]), 3) == []
    (ask,) = planned(pool_of([], [solved(1, WRONG, reference_answer="6")]), 3)
    assert ask.variables["reference"] == "6"
    assert planned(pool_of([], [solved(1, WRONG, reference_answer="5")]), 3) == []
    short = "So it is 6.\n\\boxed{6}"
    assert planned(pool_of([solved(1, short)], []), 3) == []


def test_a_dropped_solution_with_the_right_answer_costs_no_call(
    engine: Callable[..., Engine], judge: Judge
) -> None:
    same = solved(1, WRONG.replace("{5}", "{12/2}"), reference_answer="6")
    asks = planned(pool_of([], [same]), 1)
    outcome = generate(
        asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=no_tick, judge=judge
    )
    (why,) = reasons_of(outcome.rows)
    assert why is not None
    assert (why.code, outcome.facts["bills"][0]["completions"]) == (Code.NOT_FLAWED, 0)


@pytest.mark.parametrize(
    ("lines", "rest", "numbered"),
    [
        (
            ["Step 1: a", "Step 2: b", "Step 3: c"],
            ["d", "e", "\\boxed{6}"],
            ["Step 2: d", "Step 3: e", "\\boxed{6}"],
        ),
        (["1. a", "2. b"], ["d", "So we get:", "\\boxed{6}"], ["2. d", "So we get:", "\\boxed{6}"]),
        (["第 1 步：a", "第 2 步：b"], ["d", "所以：", "e"], ["第 2 步：d", "所以：", "第 3 步：e"]),
        (["**Step 1:** a", "**Step 2:** b"], ["d"], ["**Step 2:** d"]),
        (["Step 1: a", "Step 2: b"], ["Step 2: d", "e"], ["Step 2: d", "e"]),  # as the writer numbers them
        (["10 / 2 = 4", "4 + 1 = 5"], ["5 + 1 = 6"], ["5 + 1 = 6"]),
        (["a", "3.5 + 1 = 4.5"], ["5 + 1 = 6"], ["5 + 1 = 6"]),
    ],
)
def test_corrected_lines_are_numbered_on(lines: list[str], rest: list[str], numbered: list[str]) -> None:
    assert nearly_right.numbered(rest, lines, 2) == numbered
    written = ["Step 1: 10 / 2 = 5.", "Step 2: 5 + 1 = 7.", "\\boxed{7}"]
    ask = planned(pool_of([], [solved(1, "\n".join(written), reference_answer="6")]), 1)[0]
    reply = {
        "explanation": "It is 6.",
        "flaw_kind": "arithmetic",
        "first_wrong_line": 2,
        "corrected": "5 + 1 = 6.\n\\boxed{6}",
    }
    item = nearly_right.read(orjson.dumps(reply).decode(), ask)
    assert item.solution == "Step 1: 10 / 2 = 5.\nStep 2: 5 + 1 = 6.\n\\boxed{6}"


SUMMED = ["The boxes hold 3 * 4 = 12 pens.", "Together with 5 more that is 12 + 5 = 17 pens.", "So 17 - 2 = 15 pens stay.", "\\boxed{15}"]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "place", "elsewhere"),
    [
        ("Together with 5 more that is 12 + 5 = 18 pens.", 2, False),
        ("So 17 - 2 = 14 pens stay.", 2, True),  # the step of line 2 would be left out
        ("The boxes hold 3 * 4 = 11 pens.", 2, True),  # the step of line 1 would stand there twice
        ("Adding the 5 others gives 18.", 2, False),
        ("2. So 17 - 2 = 14 pens stay.", 2, True),
    ],
)
def test_a_side_begins_at_the_line_that_it_names(line: str, place: int, elsewhere: bool) -> None:
    assert begins_elsewhere(line, SUMMED, place) is elsewhere
    assert not begins_elsewhere(
        "3 + 4 = 7", ["3 * 4 = 12", "12 + 1 = 13"], 1
    )  # without words nothing is known


def test_a_reply_that_names_another_line_than_it_corrects_is_refused() -> None:
    variables = {"question": "How many?", "lines": SUMMED, "reference": "15"}
    ask = Ask(
        "nearly_right", INSERTED, "en", None, 1, variables, ["p"], 1, inherited={"question": "How many?"}
    )
    record = {
        "flawed": "So 17 - 2 = 14 pens stay.\n\\boxed{14}",
        "explanation": "It is 15.",
        "flaw_kind": "arithmetic",
        "corrected": "So 17 - 2 = 15 pens stay.\n\\boxed{15}",
    }
    right, early = (
        nearly_right.read(orjson.dumps({"first_wrong_line": n, **record}).decode(), ask) for n in (3, 2)
    )
    assert right.solution == "\n".join(SUMMED)
    assert early.code == Code.MALFORMED_ITEM
    assert early.fault is not None


@pytest.mark.slow
def test_the_rows_of_a_night_become_pairs_and_labelled_steps_and_no_wrong_step_is_learned(
    engine: Callable[..., Engine],
    sandbox: Sandbox,
    judge: Judge,
    tmp_path: Path,
    student: Path,  # noqa: F811
) -> None:
    night = nights.night(tmp_path / "home", engine=engine, sandbox=sandbox, judge=judge, seed=1)
    columns = columns_of(["nearly_right"])
    worse = pa.array([why is not None and why.code in WORSE for why in reasons_of(night.dropped)], pa.bool_())
    wrong = night.dropped.filter(pa.compute.and_(worse, pa.compute.is_valid(night.dropped["solution"])))
    pool = pa.concat_tables([night.published.select(columns), wrong.select(columns)])
    quota = Counter(zip(column(pool, "language"), column(pool, "subdomain"), strict=True))
    asks = nearly_right.plan(pool, quota, per_call=5, examples=0, seed=1)
    assert {ask.prompt for ask in asks} == {"nearly_right", INSERTED}
    outcome = generate(
        asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=no_tick, judge=judge
    )
    balance("generate", outcome)
    rows = kept(
        verify(
            kept(outcome.rows),
            sandbox=sandbox,
            judge=judge,
            calibration=prior(),
            settings=VerifySettings(),
            tick=no_tick,
        )
    )
    assert rows.num_rows >= 8
    store: Store = night.store
    version = store.publish("math", [rows], lineage={})
    flaws = {row["id"]: orjson.loads(row["params"])[FLAW] for row in rows.to_pylist()}
    assert {flaw["origin"] for flaw in flaws.values()} == {"inserted", "taken"}
    published = store.read(version).to_pylist()
    by_id = {row["id"]: row for row in published}
    for row_id, flaw in flaws.items():
        right, mistaken = lines_of(by_id[row_id]["solution"]), lines_of(flaw["solution"])
        place = flaw["line"] - 1
        assert right[:place] == mistaken[:place]
        assert right[place] != mistaken[place]
        assert judge.equal([(flaw["answer"], by_id[row_id]["answer"])]) == ["different"]
        assert flaw["explanation"]

    def records(shape: str) -> list[dict[str, Any]]:
        export(store, version, tmp_path / shape, shape, compare=judge.equal)
        (path,) = (tmp_path / shape / "data").iterdir()
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    wrong_lines = {lines_of(flaw["solution"])[flaw["line"] - 1] for flaw in flaws.values()}
    for shape in ("messages", "prompt-completion"):
        texts = "\n".join(orjson.dumps(one).decode() for one in records(shape))
        assert not [line for line in wrong_lines if orjson.dumps(line).decode()[1:-1] in texts]
    pairs = {pair["id"]: pair for pair in records("preference")}
    for row_id, flaw in flaws.items():
        assert (pairs[row_id]["rejected"], pairs[row_id]["rejected_reason"]) == (
            flaw["solution"],
            FLAWED_REASON,
        )
    steps = {pair["id"]: pair for pair in records("step-preference")}
    assert set(steps) == set(flaws)
    for row_id, flaw in flaws.items():
        pair = steps[row_id]
        assert pair["rejected"] == lines_of(flaw["solution"])[flaw["line"] - 1]
        assert pair["chosen"] == lines_of(by_id[row_id]["solution"])[flaw["line"] - 1]
        assert pair["prompt"].startswith(by_id[row_id]["question"])
        assert (pair["step"], pair["kind"]) == (flaw["line"], flaw["kind"])
    labelled = {one["id"]: one for one in records("stepwise-supervision")}
    for row_id, flaw in flaws.items():
        assert all(labelled[row_id]["labels"])
        labels = labelled[flaw["id"]]["labels"]
        assert labels == [place < flaw["line"] - 1 for place in range(len(labels))]
        assert len(labels) == len(labelled[flaw["id"]]["completions"])
    negatives = [one for one in records("unpaired-preference") if not one["label"]]
    assert {flaw["solution"] for flaw in flaws.values()} <= {one["completion"] for one in negatives}

    # what a supervised training reads
    tokenizer = tokenizer_of(str(student))
    encoder = TokenEncoder(tokenizer, 4096)
    learned = ""
    for batch in store.batches(version, list(COLUMNS), pa.compute.field("solution").is_valid()):
        tokens = encoder.rows(batch)
        learned += tokenizer.decode(tokens.ids.tolist())
    assert not [line for line in wrong_lines if line in learned]
    # what a critic learns from
    judgements.write(store, [version], tmp_path / "judged.parquet")
    judged = pa.parquet.read_table(tmp_path / "judged.parquet").to_pylist()
    named = [orjson.loads(row["solution"]) for row in judged]
    steps_named = [one.get("first_wrong_step", one.get("错误行")) for one in named]
    assert Counter(step for step in steps_named if step)[min(f["line"] for f in flaws.values())] >= 1


def test_the_embedded_teacher_numbers_a_corrected_line_once(
    engine: Callable[..., Engine], judge: Judge
) -> None:
    written = (
        "1. The total is 4 * 6 = 24.\n2. What is left is 24 - 5 = 19.\n3. Each gets 19 + 1 = 20.\n\\boxed{20}"
    )
    asks = planned(pool_of([solved(number, written) for number in range(12)], []), 12, inserted=1.0)
    outcome = generate(
        asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=no_tick, judge=judge
    )
    rows = kept(outcome.rows)
    assert rows.num_rows > 3
    for solution in column(rows, "solution"):
        *steps, closing, box = solution.splitlines()
        assert "\n".join([*steps, box]) == written
        assert closing.endswith(":")
    for params in column(rows, "params"):
        assert orjson.loads(params)["flaw"]["solution"].splitlines()[-2].endswith(":")
