"""What a rebuild takes from the order of stages: what each repeats from memory, and what each has to judge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from flows import nightly
from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from flows.rebuild import AFTERWARDS, choose, drop_as_before, order, select_again, steps_of, to_judge
from flows.runner.rebuild_base import refuse_other_scorers
from flows.runner.rebuild_state import RebuildState
from flows.runner.stages import Stage, Step
from storage.reasons import Code, Reason, reason
from storage.rows import Row, to_table
from tasks.stages.rejudge import columns, gather
from tasks.stages.select import SELECTOR
from tasks.voting import prior

STAGES = ["verify", "heuristics", "critique", "weigh", "dedup", "decontaminate"]


def dropped_by(stage: str) -> Reason:
    if stage == "verify":
        return reason(stage, Code.DIFFERENT, answer="1", reference="2")
    return reason(stage, Code.BELOW_THRESHOLD, name="heuristics", score="0.10", threshold="0.50")


def state(steps: list[str], stages: list[str], config: Rebuild | None = None) -> Any:
    """Return the state of a rebuild with one candidate per stage, which that stage dropped; the last was published."""
    rows = [
        Row(f"q {stage}", "en", solution="s", reason=None if stage == "published" else dropped_by(stage))
        for stage in stages
    ]
    table = to_table(rows).append_column("stage", pa.array(stages))
    table = table.append_column("run", pa.array(["one"] * len(stages)))
    occurrences = pads.dataset(table).to_table(columns=columns())
    pool = gather(occurrences, ["one"], steps, AFTERWARDS)
    return SimpleNamespace(pool=pool, config=config or Rebuild(), rules=Nightly(), refitted=False)


def judging() -> nightly.Judging:
    return nightly.Judging(Nightly(), prior(), lambda: pytest.fail("no benchmark is needed"))


def those_of(state: Any, mask: Any) -> list[str]:
    questions = state.pool.rows.column("stage").to_pylist()
    return [stage for stage, marked in zip(questions, mask, strict=True) if marked]


def test_a_rebuild_takes_its_order_from_the_night_and_reads_no_benchmark_for_it() -> None:
    assert order(judging()) == [*STAGES, "select", "mix", "published"]
    assert [step.stage for step in steps_of(judging()) if step.stage.whole] == [nightly.DEDUP]


@pytest.mark.parametrize("stage", ["verify", "weigh", "decontaminate"])
def test_what_a_stage_dropped_is_dropped_again(stage: str) -> None:
    rebuilt = state(order(judging()), [*STAGES, "published"])
    drop_as_before(rebuilt, Stage(stage, stage.title()))
    assert those_of(rebuilt, ~rebuilt.pool.alive) == [stage]
    line = rebuilt.pool.lines[-1]  # after those of the thresholds, which weigh compares first
    assert (line["stage"], line["title"], line["rejected"]) == (stage, f"{stage.title()}, as before", 1)


def unselected(by: str) -> Reason:
    return Reason("select", Code.COVERED, values={"other": "x", "score": "0.90", SELECTOR: by})


def selected(
    stages: dict[str, Reason | None], by: dict[str, dict[str, Any]]
) -> tuple[Any, list[tuple[str, list[str]]]]:
    """Return the state after its selection, and which rows each selector was shown, by the names of their questions."""
    rows = [Row(name, "en", solution="s", reason=why) for name, why in stages.items()]
    table = to_table(rows).append_column("stage", pa.array([name.split()[0] for name in stages]))
    table = table.append_column("run", pa.array(["one"] * len(rows)))
    pool = gather(pads.dataset(table).to_table(columns=columns()), ["one"], order(judging()), AFTERWARDS)
    rebuilt: Any = SimpleNamespace(
        pool=pool, config=Rebuild(), rules=Nightly.model_validate({"select": {"by": by}})
    )
    shown = []
    rebuilt.through = lambda step, mask, *, of, reads: shown.append(
        (f"{step.stage.title}, {of}", sorted(table.column("question").filter(pa.array(mask)).to_pylist()))
    )
    select_again(rebuilt)
    rebuilt.left = sorted(table.column("question").filter(pa.array(pool.alive)).to_pylist())
    return rebuilt, shown


SELECTORS: dict[str, dict[str, Any]] = {"quality": {}, "consistency": {}}


def test_what_selectors_dropped_is_dropped_again_under_their_own_title() -> None:
    """Where no row comes back, no selector chooses again."""
    stages = {"published": None, "select one": unselected("consistency"), "select two": unselected("quality")}
    rebuilt, shown = selected(stages, SELECTORS)
    assert shown == []
    assert rebuilt.left == ["published"]
    (line,) = rebuilt.pool.lines
    assert (line["stage"], line["title"], line["rejected"]) == ("select", "Select, as before", 2)


def test_rows_that_come_back_are_shown_to_the_selectors() -> None:
    """One that compares rows with each other chooses also among those that it did not take before."""
    stages = {
        "published": None,
        "select one": unselected("consistency"),
        "select two": unselected("quality"),
        "select old": dropped_by("select"),  # stored before reasons named the selector
        "weigh": dropped_by("weigh"),
    }
    rebuilt, shown = selected(stages, SELECTORS)
    assert shown == [
        ("Select by consistency, what is new", ["weigh"]),
        ("Select by quality, all rows", ["published", "select two", "weigh"]),
    ]
    assert rebuilt.left == ["published", "select two", "weigh"]


def test_a_rebuild_of_a_version_without_selectors_selects_nothing() -> None:
    rebuilt, shown = selected({"published": None, "weigh": dropped_by("weigh")}, {})
    assert (shown, rebuilt.left, rebuilt.pool.lines) == ([], ["published", "weigh"], [])


@pytest.mark.parametrize(
    ("stage", "rows"),
    [
        ("verify", []),
        # what a scorer dropped has its score: only rows that came less far have none
        ("heuristics", ["verify"]),
        ("critique", ["verify", "heuristics"]),
        # rows that are alive although the stage dropped them are decided on again
        ("weigh", ["verify", "heuristics", "critique", "weigh"]),
        ("dedup", ["verify", "heuristics", "critique", "weigh", "dedup"]),
        ("decontaminate", STAGES),
    ],
)
def test_a_stage_judges_the_rows_that_never_came_to_it(stage: str, rows: list[str]) -> None:
    rebuilt = state(order(judging()), [*STAGES, "published"])
    assert those_of(rebuilt, to_judge(rebuilt, stage)) == rows


@pytest.mark.parametrize(
    ("stage", "config"),
    [
        ("critique", Rebuild(rescore=["critique"])),
        ("dedup", Rebuild.model_validate({"similarity": {"jaccard": 0.5}})),
        ("decontaminate", Rebuild(rules=["exact"])),
        ("decontaminate", Rebuild(benchmarks=[])),
    ],
)
def test_a_stage_judges_all_rows_if_the_configuration_says_so(stage: str, config: Rebuild) -> None:
    rebuilt = state(order(judging()), [*STAGES, "published"], config)
    drop_as_before(rebuilt, Stage(stage, stage))
    assert rebuilt.pool.alive.all()
    assert to_judge(rebuilt, stage).all()


def test_a_scorer_that_the_rebuild_does_not_have_cannot_judge_again() -> None:
    refuse_other_scorers(Rebuild(rescore=["critique"]), Nightly())
    with pytest.raises(
        ConfigError, match=r"rescore names steps, .* Fix: --set scorers='\[.*critique, steps\]'"
    ):
        refuse_other_scorers(Rebuild(rescore=["steps"]), Nightly())


def test_a_stage_that_is_added_to_the_night_is_a_stage_of_every_rebuild(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added = Step(Stage("proofread", "Proofread"), lambda: pytest.fail("nothing is run"))
    votes = nightly.Judging.votes
    monkeypatch.setattr(nightly.Judging, "votes", lambda self: [*votes(self), added])
    steps = order(judging())
    assert steps == [*STAGES[:3], "proofread", *STAGES[3:], "select", "mix", "published"]
    rebuilt = state(steps, ["critique", "proofread", "weigh", "published"])
    drop_as_before(rebuilt, added.stage)
    assert those_of(rebuilt, ~rebuilt.pool.alive) == ["proofread"]
    assert those_of(rebuilt, to_judge(rebuilt, "proofread")) == ["critique"]


@pytest.mark.parametrize(("share", "rows"), [({"with": 0.0}, 6), ({"without": 0.25}, 8)])
def test_a_rebuild_mixes_by_what_is_stored_of_the_reasoning(share: dict[str, float], rows: int) -> None:
    """The texts of candidates are not in the pool: six of twelve have reasoning."""
    stored = [
        Row(f"q {i}", "en", solution="s", solution_format="cot", reasoning="t" if i % 2 else None)
        for i in range(12)
    ]
    table = to_table(stored)
    whole = table.append_column("stage", pa.array(["published"] * 12)).append_column(
        "run", pa.array(["one"] * 12)
    )
    candidates = pads.dataset(whole)
    steps = order(judging())
    pool = gather(candidates.to_table(columns=columns()), ["one"], steps, AFTERWARDS)
    rules = Nightly.model_validate({"mix": {"shares": {"reasoning": share}}})
    store = SimpleNamespace(scan=lambda base: pads.dataset(table))
    line: Any = SimpleNamespace(tools=SimpleNamespace(store=store))
    base: Any = None
    rebuilt = RebuildState(
        Rebuild(), line, base, None, rules, [], lambda: pytest.fail("unread"), candidates, pool, {}
    )
    choose(rebuilt)
    assert int(pool.alive.sum()) == rows
    kept = table.filter(
        pa.array(
            np.isin(
                table.column("id").to_pylist(),
                pool.rows.filter(pa.array(pool.alive)).column("id").to_pylist(),
            )
        )
    )
    thinking = kept.num_rows - kept.column("reasoning").null_count
    assert thinking == (0 if "with" in share else 6)
