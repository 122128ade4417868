"""Ends of benchmark items: cut and compared as they should be, completed by models that learned them and by no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from storage.ledger import Ledger
from storage.rows import Row
from tasks.evaluation.held_out import NAME, held_out
from tasks.evaluation.items import SCHEMA as ITEMS
from tasks.evaluation.tails import (
    SCHEMA,
    auroc,
    complete_tails,
    halves,
    in_a_line,
    seen,
    tails_of,
    to_markdown,
    tokens,
)
from tasks.evaluation.verdict import conclude
from tasks.evaluation.verdict import in_a_line as verdict_line
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.llm.transport import Response

TEXT = "A farmer has 12 hens and buys 7 more hens from a neighbour who lives 3 miles away. How many hens does the farmer have?"


def item(number: int, question: str, benchmark: str = "bench", language: str = "en") -> dict[str, Any]:
    return {"id": f"{benchmark}#{number}", "benchmark": benchmark, "form": "open", "language": language, "question": question, "reference": "1"}  # fmt: skip


def table(*items: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(items), ITEMS)


def test_a_text_is_cut_between_two_words_and_is_whole_together() -> None:
    parts = halves(TEXT)
    assert parts is not None
    head, tail = parts
    assert head + tail == TEXT
    assert tail.startswith(" ")
    assert 0.5 < len(head.split()) / len(TEXT.split()) < 0.7
    zh = halves("小明有十二支铅笔，送给小红五支，又买来三支，现在还剩多少支铅笔？")
    assert zh is not None
    assert "".join(zh) == "小明有十二支铅笔，送给小红五支，又买来三支，现在还剩多少支铅笔？"
    assert halves("What is 2 + 2?") is None
    assert tokens("He pays $3.50，共5支") == ["he", "pays", "$", "3", ".", "50", "，", "共", "5", "支"]


def test_an_end_that_several_items_share_is_not_asked_for() -> None:
    shared = "who is a knight and who is a knave in this old town?"
    items = [item(n, f"Ann number {n} meets Bo and Cy who say that they are not knaves at all, {shared}") for n in range(3)]  # fmt: skip
    ends = tails_of(table(*items, item(9, TEXT)), 100, 0)
    assert ends.column("id").to_pylist() == ["bench#9"]
    assert ends.schema == SCHEMA


def test_at_most_so_many_of_each_benchmark_always_the_same() -> None:
    items = table(*(item(n, f"{TEXT} It is year {n}, and day {n + 3}.", name) for name in ("a", "b") for n in range(9)))  # fmt: skip
    once, again = tails_of(items, 4, 1), tails_of(items.take(pa.array(range(17, -1, -1))), 4, 1)
    assert once.num_rows == 8
    assert sorted(once.column("id").to_pylist()) == sorted(again.column("id").to_pylist())


class Reciting:
    """A chat server that knows some texts by heart, thinks before it writes, and refuses one text."""

    def __init__(self, texts: list[str]) -> None:
        self.texts, self.asked = texts, 0

    async def post(self, path: str, headers: Any, body: bytes, seconds: float) -> Response:
        self.asked += 1
        content = orjson.loads(body)["messages"][-1]["content"]
        if "unlucky" in content:
            return Response(400, {}, b'{"error": {"message": "refused"}}')
        ends = {head: tail for text in self.texts for head, tail in [halves(text) or ("?", "")]}
        rest = next((tail for head, tail in ends.items() if head in content), " of them are left in the end.")
        message = {"role": "assistant", "content": f"<think>I know it.</think>\n{rest.strip()}"}
        reply = {
            "id": "1", "model": "scripted", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        return Response(200, {}, orjson.dumps(reply))

    async def get(self, path: str, headers: Any, seconds: float) -> Response:
        return Response(200, {}, b'{"data": [{"id": "scripted"}]}')

    async def close(self) -> None: ...


def test_an_endpoint_is_asked_once_through_the_ledger(tmp_path: Path) -> None:
    known, unknown = texts_of(1, 6), texts_of(2, 5)
    unlucky = f"The unlucky {unknown.pop()}"
    texts = [*known, *unknown, unlucky]
    ends = tails_of(table(*(item(n, text) for n, text in enumerate(texts))), 50, 0)
    model = Reciting(known)
    with Ledger.open(str(tmp_path / "ledger.sqlite")) as ledger:
        counts = []
        for _ in range(2):
            with Engine(Endpoint(role="student", model="scripted"), ledger, transports=[model]) as engine:
                done = complete_tails(ends, engine=engine, seed=0, tick=lambda _: None)
            counts.append(model.asked)
    assert counts[1] - counts[0] <= 4  # only what failed is asked again
    whole = {row["head"] + row["tail"]: row for row in done.rows.to_pylist()}
    assert {text for text, row in whole.items() if row["exact"]} == set(known)
    assert whole[unlucky]["exact"] is None
    assert whole[unlucky]["reason"]["failed"]
    assert whole[unknown[0]]["overlap"] < 0.5
    figures = seen(done.rows, completed((0, 9), NAME))["benchmarks"]["bench"]
    assert (figures["items"], figures["exact"]) == (10, 6)  # what failed counts nowhere


def completed(shares: tuple[int, int], benchmark: str) -> pa.Table:
    exact, items = shares
    rows = [
        {"id": f"{benchmark}{n}", "benchmark": benchmark, "language": "en", "head": "a", "tail": "b", "completion": "b", "exact": n < exact, "overlap": float(n < exact)}
        for n in range(items)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SCHEMA)


@pytest.mark.parametrize(
    ("benchmark", "new", "contaminated"),
    [((10, 100), (0, 200), True), ((0, 100), (0, 200), False), ((10, 100), (20, 200), False), ((4, 100), (0, 300), False), ((100, 100), (100, 100), False), ((0, 0), (0, 0), False)],
)  # fmt: skip
def test_more_ends_than_of_new_problems(
    benchmark: tuple[int, int], new: tuple[int, int], contaminated: bool
) -> None:
    shown = seen(completed(benchmark, "gsm8k"), completed(new, NAME))
    assert shown["contaminated"] == (["gsm8k"] if contaminated else [])
    assert in_a_line(shown).startswith("base contaminated" if contaminated else "base not shown")
    assert json.loads(json.dumps(shown)) == shown
    assert "new problems" in to_markdown(shown)[-1]


def test_the_area_counts_ties_half() -> None:
    assert auroc(np.array([1.0, 1.0]), np.array([0.0, 1.0])) == 0.75
    assert auroc(np.array([]), np.array([1.0])) is None


def test_a_verdict_rests_on_new_problems_if_the_base_has_seen_the_benchmark() -> None:
    draws = np.random.default_rng(0)
    items = table(*(item(n, TEXT, "gsm8k" if n < 200 else NAME) for n in range(400)))
    new = np.arange(400) >= 200
    baseline = (draws.random((4, 400)) < 0.4).astype(float)
    candidate = np.where(
        new, baseline, (draws.random((4, 400)) < 0.8).astype(float)
    )  # better on the benchmark alone
    about = {"validated": "d@1"}
    for exact, word, other in ((60, "not shown", "the benchmarks"), (0, "effective", "newly drawn problems")):
        base = seen(completed((exact, 100), "GSM8K"), completed((0, 200), NAME))
        value = conclude(items, candidate, baseline, base=base, new=new)
        assert value["verdict"] == word
        assert value["better"] == (word == "effective")
        assert value["items"] == 200
        assert value["beside"]["on"] == other
        line = verdict_line(value | about)
        assert ("Base contaminated" in line) == bool(exact)
        assert "ends of GSM8K" in line
    assert "base_seen" not in conclude(items, candidate, baseline)


def texts_of(seed: int, count: int) -> list[str]:
    """Texts of one benchmark, in the words of which a hidden number cannot be guessed."""
    draws = np.random.default_rng(seed)
    who, what, where = (
        ("Ann", "Bo", "Cy", "Dee", "Eve"),
        ("pens", "hens", "cups", "nuts"),
        ("Rome", "Oslo", "Bonn", "Kiev"),
    )
    texts = []
    for _ in range(count):
        a, b, c, d = draws.integers(10, 99, 4).tolist()
        one, other = (str(draws.choice(who)) for _ in range(2))
        texts.append(
            f"{one} from {draws.choice(where)} has {a} {draws.choice(what)} and meets {other}, "
            f"who gives {b} of {c} {draws.choice(what)} away in {draws.choice(where)}, pays {d} euros for it and asks how many are left."
        )
    return texts


@pytest.mark.slow
def test_tiny_models_complete_what_they_learned_and_nothing_else(tmp_path: Path) -> None:
    known, unknown = texts_of(1, 12), texts_of(2, 12)
    new = held_out([("en", "linear equations"), ("en", "money"), ("en", "ratios")], 40, 0, set())
    items = pa.concat_tables([
        table(*(item(n, text, "known") for n, text in enumerate(known)), *(item(n, text, "unknown") for n, text in enumerate(unknown))),
        new,
    ])  # fmt: skip
    model = learned(known, [*known, *unknown, *new.column("question").to_pylist()], tmp_path, seed=0)
    ends = tails_of(items, 50, 0)
    with Ledger.open(str(tmp_path / "ledger.sqlite")) as ledger:
        engine = Engine(Endpoint(role="student", model=f"{CHECKPOINT}{model}"), ledger)
        done = complete_tails(ends, engine=engine, seed=0, tick=lambda n: None)
    rows = done.rows.to_pylist()
    assert done.asked == len(rows)
    by = {name: [row for row in rows if row["benchmark"] == name] for name in ("known", "unknown", NAME)}
    assert np.mean([row["exact"] for row in by["known"]]) > 0.8, [row["completion"] for row in by["known"]][
        :3
    ]
    assert not any(row["exact"] for row in by["unknown"])
    is_new = np.array([row["benchmark"] == NAME for row in rows])
    shown = seen(done.rows.filter(pa.array(~is_new)), done.rows.filter(pa.array(is_new)))
    assert shown["contaminated"] == ["known"]


def learned(known: list[str], vocabulary: list[str], folder: Path, *, seed: int, steps: int = 150) -> Path:
    """Train a tiny student on whole texts for some seconds, and return its checkpoint."""
    from storage.datasets.store import Store
    from storage.rows import to_table
    from tasks.training import student
    from tasks.training.config import Train
    from tasks.training.run import train

    shape = student.Shape(hidden=64, feedforward=128, layers=2, heads=2, context=192, vocabulary=600)
    base = student.fresh(vocabulary, folder / "base", seed=seed, shape=shape)
    store = Store(folder / "store")
    version = store.publish("texts", [to_table([Row(text, "en", kind="text") for text in known])], lineage={})
    plan = Train(method="cpt", base=str(base), data=({"dataset": str(version)},), steps=steps, batch=8, length=128, lr=4e-3, seed=seed)  # type: ignore[arg-type]  # fmt: skip
    return train(plan, store, folder / "run").checkpoint
