"""Canaries in the batches of the critic: hidden, counted apart, and decisive only for a critic that misjudges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from scipy.stats import binom

from storage.ledger import Ledger
from storage.reasons import Code
from storage.rows import Row, column, reasons_of, to_table
from tasks.canaries.batch import CHANCE, GOOD_ERROR, fails, totals
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.mix import MixedEngine
from tasks.llm.request import request_of
from tasks.llm.transport import AsgiTransport
from tasks.scorers import critique
from tasks.stages.outcome import Outcome, balance
from tasks.stages.score import score
from tasks.teacher.app import make_app
from tasks.teacher.character import STRONG, Character, Rates
from tests.tasks.canaries.test_solutions import judged_rows


@pytest.fixture
def critic(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Makes critics that misjudge at a rate, each on a ledger of its own."""
    opened: list[Engine] = []

    def make(misjudge: float = 0.0, name: str = "ledger") -> Engine:
        ledger = Ledger.open(str(tmp_path / f"{name}.sqlite"))
        character = Character(STRONG.name, Rates(misjudge=misjudge, malformed=0.0))
        transport = AsgiTransport(make_app(models=[character]))
        opened.append(Engine(Endpoint("critic", STRONG.name), ledger, EngineLimits(), transports=[transport]))
        return opened[-1]

    yield make
    for engine in opened:
        engine.close()
        engine.ledger.close()


def batch(count: int = 40) -> pa.Table:
    """Rows of which the critic is asked about every second one."""
    rows = judged_rows(count, sure=True)
    for row in rows[::2]:
        row.correctness, row.verdicts = 0.6, {"settled": "no"}
    return to_table(rows)


def run(rows: pa.Table, engine: Engine, canaries: int) -> Outcome:
    return score(
        rows, name="critique", thresholds={}, canaries=canaries, tick=lambda rows: None, critic=engine
    )


def requested(engine: Engine) -> dict[str, bytes]:
    """The canonical requests in the ledger by key."""
    return {stored.call.key: stored.call.request for stored in engine.ledger.every()}


@pytest.mark.parametrize("judged", range(1, 60))
def test_a_good_critic_fails_a_batch_with_the_stated_chance(judged: int) -> None:
    assert GOOD_ERROR == 0.1
    least = next((wrong for wrong in range(1, judged + 1) if fails(wrong, judged)), None)
    assert not fails(0, judged)
    if judged == 1:
        assert least is None
        return
    assert least is not None
    assert binom.sf(least - 1, judged, GOOD_ERROR) <= CHANCE + 1e-12
    assert binom.sf(least - 2, judged, GOOD_ERROR) > CHANCE
    assert all(fails(wrong, judged) for wrong in range(least, judged + 1))
    if judged < 10:
        assert least == {2: 2, 3: 3, 4: 3, 5: 3}.get(judged, 4)


def test_the_other_rows_are_judged_as_without_canaries(critic: Callable[..., Engine]) -> None:
    """The same rows with the same scores, and the same requests for them; the canaries' requests come besides."""
    rows = batch()
    plain, ridden = critic(0.1, "plain"), critic(0.1, "ridden")
    without, with_ = run(rows, plain, 0), run(rows, ridden, 4)
    assert with_.rows.equals(without.rows)
    assert balance("critique", with_) == balance("critique", without)
    keys, more = requested(plain), requested(ridden)
    assert keys.keys() < more.keys()
    (record,) = with_.facts["canaries"]
    extra = 4 + record["asked"].get("injected", 0)  # one that addresses the critic is asked about twice
    assert len(more) == len(keys) + extra
    assert sum(record["asked"].values()) == 4
    assert (record["role"], record["model"], record["calls"], record["again"]) == ("critic", "embedded", 4, 0)
    assert "canaries" not in without.facts
    assert with_.facts["bills"][0]["completions"] == without.facts["bills"][0]["completions"] + extra


def test_a_request_for_a_canary_has_the_form_of_the_others(critic: Callable[..., Engine]) -> None:
    rows = batch()
    plain, ridden = critic(0.0, "plain"), critic(0.0, "ridden")
    run(rows, plain, 0)
    (record,) = run(rows, ridden, 6).facts["canaries"]
    known = requested(plain)
    added = [request_of(body) for key, body in requested(ridden).items() if key not in known]
    ordinary = [request_of(body) for body in known.values()]
    assert len(added) == 6 + record["asked"].get("injected", 0)

    def form(request: object) -> set[str]:
        fields = (
            "model",
            "temperature",
            "top_p",
            "max_tokens",
            "sample_index",
            "stop",
            "response_schema",
            "extra",
        )
        return {f"{name}={getattr(request, name)}" for name in fields}

    assert {frozenset(form(one)) for one in added} == {frozenset(form(one)) for one in ordinary}
    for request in added:
        text = " ".join(message["content"] for message in request.messages)
        assert "canary" not in text.lower()
        assert request.seed is not None
        assert request.seed > 2**32


@pytest.mark.slow
def test_no_place_in_a_batch_is_likelier_for_a_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places among the rows that the critic is asked about, over many batches of four such rows and one canary."""
    from tasks.canaries import batch as batches
    from tasks.scorers import Scored

    places: Counter[int] = Counter()

    def remembering(rows: pa.Table, **tools: object) -> Scored:
        asked = critique.rows_to_ask(rows)
        ids = column(rows, "id")
        places.update(place for place, i in enumerate(asked) if ids[i] not in known)
        blank: list[float | None] = [None] * rows.num_rows
        return Scored({"answer": blank, "instruction": list(blank)}, None, {"answer": [None] * rows.num_rows})

    engine = Engine.__new__(Engine)
    engine.endpoint = Endpoint("critic", "embedded")
    drawn = judged_rows(8, sure=True)
    for turn in range(400):
        rows = [replace(row) for row in drawn]
        for i, row in enumerate(rows):
            row.id = f"{turn} {i}"
            sure = i < 4
            row.correctness, row.verdicts = 0.99 if sure else 0.6, {"settled": "yes" if sure else "no"}
            row.problem_id = "one" if sure else row.problem_id
        table = to_table([*rows, Row("q", "en", id=f"{turn}", problem_id="one", verdicts={"settled": "no"})])
        known = set(column(table, "id"))
        asked = critique.rows_to_ask(table)
        assert asked == [4, 5, 6, 7, 8]
        batches.scored(
            table, remembering, name="critique", verdict="answer", asked=asked, count=1,
            tick=lambda rows: None, critic=engine,
        )  # fmt: skip
    assert sum(places.values()) == 400
    assert sorted(places) == list(range(6))
    assert max(places.values()) < 400 / 6 * 1.5
    assert min(places.values()) > 400 / 6 * 0.5


def test_a_critic_that_misjudges_is_asked_again_and_its_judgements_are_dropped(
    critic: Callable[..., Engine],
) -> None:
    rows = batch()
    engine = critic(1.0)
    ticks: list[int] = []
    outcome = score(
        rows, name="critique", thresholds={"answer": 0.6}, canaries=4, tick=ticks.append, critic=engine
    )
    asked = critique.rows_to_ask(rows)
    counts = balance("critique", outcome)
    assert (counts.asked, counts.rejected) == (rows.num_rows, 0)
    reasons = reasons_of(outcome.rows)
    failed = [i for i, why in enumerate(reasons) if why is not None]
    assert set(asked) <= set(failed)
    assert counts.failed == len(failed)
    assert {why.code for why in reasons if why} == {Code.CANARIES_MISJUDGED}
    assert all(why.failed and "misjudged" in why.text for why in reasons if why)
    assert not any(dict(pairs or ()) for pairs in column(outcome.rows, "scores"))
    assert not any(column(outcome.rows, "critique"))
    (record,) = outcome.facts["canaries"]
    assert (record["again"], record["dropped"], record["calls"]) == (1, 1, 8)
    # the canaries of both requests, and the judgements of the rows in both, are evidence
    assert sum(record["asked"].values()) == 8
    assert sum(record["right"].values()) < 4
    assert [len(one["score"]) for one in outcome.facts["discarded"]] == [len(asked)] * 2
    problems = column(rows, "problem_id")
    assert outcome.facts["discarded"][0]["problem_id"] == [problems[i] for i in asked]
    assert all(characters > 0 for one in outcome.facts["discarded"] for characters in one["characters"])
    twice = record["asked"].get("injected", 0)
    assert sum(bill["completions"] for bill in outcome.facts["bills"]) == 2 * (len(asked) + 4) + twice
    assert sum(ticks) == rows.num_rows


@pytest.mark.slow
def test_a_batch_that_is_asked_again_takes_the_second_judgements(critic: Callable[..., Engine]) -> None:
    """A critic of coin flips fails some batches at first only; then the rows have the scores of the second request."""
    seen = Counter[tuple[int, int]]()
    engine, drawn = critic(0.5), judged_rows(8, sure=True)
    for turn in range(30):
        rows = to_table([*drawn, Row(f"What is {turn} + 1?", "en", solution=rf"\boxed{{{turn + 1}}}")])
        outcome = run(rows, engine, 2)
        (record,) = outcome.facts["canaries"]
        seen[record["again"], record["dropped"]] += 1
        if record["again"] and not record["dropped"]:
            assert balance("critique", outcome).failed == 0
            assert sum(record["asked"].values()) == record["calls"] == 4
            assert len(outcome.facts["discarded"]) == 1
            assert any(dict(pairs or ()) for pairs in column(outcome.rows, "scores"))
    assert seen[0, 0]
    assert seen[1, 0]


@pytest.mark.slow
def test_each_model_of_a_mixed_critic_has_its_own_record(tmp_path: Path) -> None:
    ledger = Ledger.open(str(tmp_path / "mixed.sqlite"))
    engines = []
    for misjudge, model in ((0.0, "good"), (1.0, "bad")):
        character = Character(model, Rates(misjudge=misjudge, malformed=0.0))
        transport = AsgiTransport(make_app(models=[character]))
        engines.append(Engine(Endpoint("critic", model), ledger, EngineLimits(), transports=[transport]))
    mixed = MixedEngine([(engine, 1.0) for engine in engines])
    outcome = run(batch(80), mixed, 32)
    records = {record["model"]: record for record in outcome.facts["canaries"]}
    assert sorted(records) == ["bad", "good"]
    assert all(sum(record["asked"].values()) >= 3 for record in records.values())
    assert sum(records["bad"]["right"].values()) < sum(records["bad"]["asked"].values()) / 2
    assert records["good"]["right"] == records["good"]["asked"]
    calls = sum(record["calls"] for record in records.values())
    assert calls == 64  # asked again, as too many are misjudged
    assert [line["model"] for line in totals([outcome.facts])] == ["bad", "good"]
    for engine in engines:
        engine.close()
    ledger.close()


def test_calls_that_failed_do_not_count_as_misjudged(tmp_path: Path) -> None:
    ledger = Ledger.open(str(tmp_path / "empty.sqlite"))
    with Engine(Endpoint("critic", STRONG.name), ledger, EngineLimits(offline=True)) as offline:
        outcome = run(batch(), offline, 4)
    (record,) = outcome.facts["canaries"]
    assert (record["failed"], record["asked"], record["again"]) == (4, {}, 0)
    assert {why.code for why in reasons_of(outcome.rows) if why} == {Code.CALL_FAILED}
    ledger.close()
