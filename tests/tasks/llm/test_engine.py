"""The engine over an ASGI application of this process: order, ledger, coalescing, budget, checks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest
import sqlalchemy

from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Call, Ledger, LedgerError
from tasks.llm.budget import Budget, BudgetExceeded
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Completion, Request
from tasks.llm.transport import AsgiTransport


class Model:
    """A chat-completions application; later questions are answered sooner, so order is never luck."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.schemas = 0
        self.refuses_follow_ups = False
        self.in_flight = self.peak = 0
        self.lock = threading.Lock()

    async def __call__(self, scope, receive, send) -> None:
        request = orjson.loads((await receive())["body"] or b"{}")
        if scope["path"].endswith("/models"):
            answer: dict = {"data": [{"id": "m"}]}
        else:
            with self.lock:
                question = "|".join(message["content"] for message in request["messages"])
                self.asked[question] += 1
                self.schemas += "response_format" in request
                self.in_flight += 1
                self.peak = max(self.peak, self.in_flight)
            await asyncio.sleep(0.002 * (1 + len(self.asked) % 3))
            with self.lock:
                self.in_flight -= 1
            text = "yes" if len(request["messages"]) > 1 else "re: " + question
            answer = {
                "id": "x",
                "model": "m",
                "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 20},
            }
        await send(
            {
                "type": "http.response.start",
                "status": 503 if self.refuses_follow_ups and len(request.get("messages", ())) > 1 else 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})


def ask(name: object, **more: object) -> Request:
    return Request([{"role": "user", "content": str(name)}], "m", max_tokens=30, **more)  # type: ignore[arg-type]


ENDPOINT = Endpoint("teacher", "m", price_in=1.0, price_out=2.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def engine(ledger: Ledger, model: Model) -> Iterator[Engine]:
    limits = EngineLimits(max_in_flight=16, start_in_flight=16)
    with Engine(ENDPOINT, ledger, limits, transports=[AsgiTransport(model)]) as opened:
        yield opened


@pytest.mark.slow
def test_completions_come_in_the_order_of_requests(engine: Engine, model: Model) -> None:
    assert [c.text for c in engine.run(ask(i) for i in range(700))] == [f"re: {i}" for i in range(700)]
    assert model.peak <= 16
    stats = engine.stats()
    assert (stats.calls, stats.prompt_tokens, stats.completion_tokens) == (700, 7000, 14000)
    assert stats.cost_usd == pytest.approx(700 * 50 / 1e6)
    assert 0.001 < stats.latency_p50 <= stats.latency_p95 <= stats.latency_p99


def test_what_is_stored_is_not_asked_for(engine: Engine, ledger: Ledger, model: Model) -> None:
    first = list(engine.run(ask(i, tag="a") for i in range(50)))
    again = list(engine.run(ask(i, tag="b") for i in range(60)))
    assert [c.text for c in again[:50]] == [c.text for c in first]
    assert [c.cached for c in again] == [True] * 50 + [False] * 10
    assert max(model.asked.values()) == 1
    tags = engine.stats().by_tag
    assert (tags["a"].calls, tags["a"].cached, tags["b"].calls, tags["b"].cached) == (50, 0, 10, 50)
    # Another engine, another process's: the same.
    with Engine(ENDPOINT, ledger, EngineLimits(offline=True)) as offline:
        completions = list(offline.run([ask(3), ask("new")]))
    assert (completions[0].text, completions[0].error, completions[1].text, completions[1].error) == (
        "re: 3",
        None,
        None,
        "offline",
    )


def test_one_key_asked_for_twice_at_once_is_one_call(engine: Engine, model: Model) -> None:
    completions = list(engine.run(ask(i % 7) for i in range(300)))
    assert [c.text for c in completions] == [f"re: {i % 7}" for i in range(300)]
    assert set(model.asked.values()) == {1}
    assert sum(not c.cached for c in completions) == 7


def test_many_threads_share_one_engine(engine: Engine, model: Model) -> None:
    texts: dict[int, list[str | None]] = {}

    def work(number: int) -> None:
        texts[number] = [c.text for c in engine.run(ask(i) for i in range(number * 30, number * 30 + 120))]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(texts[n] == [f"re: {i}" for i in range(n * 30, n * 30 + 120)] for n in range(6))
    assert set(model.asked.values()) == {1}
    assert model.peak <= 16


def test_two_engines_asking_at_once_agree_on_the_first_durable_answer(ledger: Ledger, tmp_path: Path) -> None:
    """As two processes would: each has its own connection to the ledger, and its own model."""

    class Moody(Model):
        async def __call__(self, scope, receive, send) -> None:
            async def tagged(event: dict) -> None:
                if event["type"] == "http.response.body":
                    event = {**event, "body": event["body"].replace(b"re: ", f"{id(self)}: ".encode())}
                await send(event)

            await super().__call__(scope, receive, tagged)

    texts: list[list[str | None]] = [[], []]
    with Ledger.open(tmp_path / "ledger.sqlite") as other:
        engines = [Engine(ENDPOINT, book, transports=[AsgiTransport(Moody())]) for book in (ledger, other)]

        def work(n: int) -> None:
            texts[n] = [c.text for c in engines[n].run(ask(i) for i in range(200))]

        threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for engine in engines:
            engine.close()
    assert texts[0] == texts[1]
    outcomes = ledger.stats().outcomes
    assert outcomes["completion"] == 200
    assert set(outcomes) <= {"completion", "duplicate"}


def test_the_budget_ends_the_run_and_the_next_one_continues(ledger: Ledger, model: Model) -> None:
    budget = Budget(tokens=3000)  # a call takes 30, its worst case 5 + 30
    with Engine(
        ENDPOINT, ledger, EngineLimits(max_in_flight=8), budget=budget, transports=[AsgiTransport(model)]
    ) as engine:
        completions: list[Completion] = []
        with pytest.raises(BudgetExceeded, match="--budget-tokens") as over:
            completions.extend(engine.run(ask(i) for i in range(500)))
        assert 2900 <= over.value.state.tokens <= 3000
        assert over.value.state.held_tokens == 0
        assert ledger.stats().calls == sum(model.asked.values()) == over.value.state.tokens // 30
        # What is paid for can still be had.
        assert [c.text for c in engine.run(ask(i) for i in range(len(completions)))] == [
            c.text for c in completions
        ]
        with pytest.raises(BudgetExceeded):
            list(engine.run([ask("one more")]))
    with Engine(ENDPOINT, ledger, transports=[AsgiTransport(model)]) as engine:
        assert len(list(engine.run(ask(i) for i in range(500)))) == 500
    assert max(model.asked.values()) == 1


def test_a_follow_up_that_was_not_answered_is_sent_by_the_next_run(ledger: Ledger, model: Model) -> None:
    """The unusable answer before it is not taken for the last word: a run that is continued ends as one without a break."""
    check = check_by(lambda text: {} if text == "yes" else ReplyFault(FaultKind.OTHER, "no yes"))
    model.refuses_follow_ups = True
    limits = EngineLimits(backoff=0.01, deadline=0.1)
    with Engine(ENDPOINT, ledger, limits, transports=[AsgiTransport(model)]) as engine:
        (completion,) = engine.run([ask(1)], check)
    assert completion.deferred
    model.refuses_follow_ups = False
    with Engine(ENDPOINT, ledger, transports=[AsgiTransport(model)]) as engine:
        (completion,) = engine.run([ask(1)], check)
    assert (completion.text, completion.error) == ("yes", None)
    assert model.asked["1"] == 1


def test_a_budget_is_shared_by_engines(ledger: Ledger, model: Model) -> None:
    budget = Budget(usd=100 * 50 / 1e6)
    other = Endpoint("critic", "m", price_in=1.0, price_out=2.0, revision="2")
    engines = [
        Engine(end, ledger, budget=budget, transports=[AsgiTransport(model)]) for end in (ENDPOINT, other)
    ]
    over: list[BudgetExceeded] = []

    def work(engine: Engine) -> None:
        try:
            list(engine.run(ask(i) for i in range(300)))
        except BudgetExceeded as exceeded:
            over.append(exceeded)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    assert len(over) == 2
    assert 80 <= ledger.stats().calls <= 100
    assert budget.state().usd <= 100 * 50 / 1e6 + 1e-12


def test_a_failing_check_is_asked_again_once(engine: Engine, model: Model) -> None:
    def check(completion: Completion) -> ReplyFault | None:
        right = completion.text == "yes" or completion.text == "re: 3"
        return None if right else ReplyFault(FaultKind.OTHER, "only yes will do")

    completions = list(engine.run([ask(3), ask(4)], check))
    assert [(c.text, c.error) for c in completions] == [("re: 3", None), ("yes", None)]
    assert any("re: 4|That answer" in question and "only yes will do" in question for question in model.asked)
    before = sum(model.asked.values())
    assert [c.text for c in engine.run([ask(3), ask(4)], check)] == ["re: 3", "yes"]
    assert sum(model.asked.values()) == before
    never = list(engine.run([ask(4)], lambda completion: ReplyFault(FaultKind.OTHER, "no")))
    assert (never[0].text, never[0].error) == ("yes", "rejected: no")


def test_the_costs_of_an_answer_have_those_of_the_answers_that_it_replaces(
    engine: Engine, model: Model, ledger: Ledger
) -> None:
    costs = RoleCosts.of(ENDPOINT)
    fault = ReplyFault(FaultKind.OTHER, "only yes will do")
    for done in engine.run(
        [ask(3), ask(4)], lambda completion: None if completion.text == "re: 3" else fault
    ):
        costs.add(done)
    ledger.flush()
    (bill,) = costs.facts()["bills"]
    paid = ledger.stats()
    assert (bill["completions"], paid.calls) == (2, 3)
    assert (
        (bill["prompt_tokens"], bill["completion_tokens"])
        == (
            paid.prompt_tokens,
            paid.completion_tokens,
        )
        == (30, 60)
    )
    assert bill["usd"] == pytest.approx(paid.cost)


def test_a_check_that_raises_fails_its_caller(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        list(engine.run([ask(1)], lambda completion: str(1 / 0)))
    assert [c.text for c in engine.run([ask(1)])] == ["re: 1"]


def test_a_run_given_up_sends_no_more(engine: Engine, model: Model) -> None:
    run = engine.run(ask(i) for i in range(100_000))
    assert next(run).text == "re: 0"
    run.close()
    time.sleep(0.2)
    sent = sum(model.asked.values())
    time.sleep(0.2)
    assert sum(model.asked.values()) == sent < 1000
    # Another caller that requests a key that was given up gets its completion.
    assert [c.text for c in engine.run([ask(900)])] == ["re: 900"]


@pytest.mark.slow
def test_requests_are_drawn_as_they_are_needed(engine: Engine) -> None:
    drawn = 0

    def source() -> Iterator[Request]:
        nonlocal drawn
        for i in range(10_000):
            drawn += 1
            yield ask(i)

    run = engine.run(source())
    next(run)
    assert drawn <= engine.limits.spread + 1


def test_the_error_of_a_failing_source_is_raised(engine: Engine) -> None:
    def source() -> Iterator[Request]:
        yield ask(1)
        raise KeyError("row 2")

    with pytest.raises(KeyError, match="row 2"):
        list(engine.run(source()))


def test_a_stage_can_feed_a_stage(engine: Engine) -> None:
    first = engine.run(ask(i) for i in range(200))
    second = engine.run(ask(f"[{c.text}]") for c in first)
    assert [c.text for c in second] == [f"re: [re: {i}]" for i in range(200)]


def test_stored_but_unread_answers_of_a_killed_process_are_used_and_recorded(
    ledger: Ledger, model: Model
) -> None:
    request = ask("left over")
    raw = orjson.dumps({"model": "m", "choices": [{"message": {"content": "stored"}, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": 4, "completion_tokens": 6}})  # fmt: skip
    call = Call(
        request.key(), request.canonical(), raw, 200, "m", time.time() - 3600, price_in=1.0, price_out=1.0
    )
    ledger.put(call).result()
    with Engine(ENDPOINT, ledger, transports=[AsgiTransport(model)]) as engine:
        assert [c.text for c in engine.run([request, ask("fresh")])] == ["stored", "re: fresh"]
    stats = ledger.stats()
    assert (stats.unbilled, stats.outcomes, stats.prompt_tokens) == (0, {"completion": 2}, 14)
    assert stats.cost == pytest.approx(10 / 1e6 + 50 / 1e6)


def test_a_ledger_that_cannot_be_written_stops_the_run(engine: Engine, model: Model, tmp_path: Path) -> None:
    assert [c.text for c in engine.run([ask("before")])] == ["re: before"]
    engine.ledger.flush()
    with sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}").begin() as other:
        other.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(
        LedgerError, match=r"ledger\.sqlite could not be written \(disk full\)\. Fix: .*MATHMILL_LEDGER"
    ):
        list(engine.run(ask(i) for i in range(500)))
    assert sum(model.asked.values()) <= 1 + 16  # what was in flight, and nothing after it


def test_a_closed_engine_says_so(ledger: Ledger, model: Model) -> None:
    engine = Engine(ENDPOINT, ledger, transports=[AsgiTransport(model)])
    list(engine.run([ask(1)]))
    engine.close()
    engine.close()
    assert [c.text for c in engine.run([ask(1)])] == ["re: 1"]  # from the ledger
    with pytest.raises(RuntimeError, match="closed"):
        list(engine.run([ask(2)]))


def test_check_of_an_embedded_application(engine: Engine) -> None:
    assert engine.check() == ["m"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_requests(engine: Engine) -> None:
    def grown(count: int, offset: int) -> float:
        for _ in engine.run(ask(f"{offset + i} " + "x" * 500) for i in range(count)):
            pass
        return psutil.Process().memory_info().rss / 2**20

    warm = grown(1200, 0)
    assert (
        grown(1200, 10_000) - warm < 25
    )  # MiB; the text of 1,200 requests, kept, would be more in every layer
