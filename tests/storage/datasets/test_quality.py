"""Gates on the content of rows: each lets good rows pass and names what is wrong with others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.datasets import quality
from storage.datasets.gates import Gate
from storage.datasets.store import Store
from storage.errors import GateFailed
from storage.rows import Row, to_table

ROWS = [
    Row(
        f"What is {n} + 1?",
        "en",
        solution=f"It is {n + 1}.",
        license="MIT" if n else "CC-BY-NC-4.0",
        correctness=0.9 if n else 0.5,
        scores={"answer": 0.8, "instruction": 0.1} if n else {},
        verdicts={"decontaminated": "clean"},
    )
    for n in range(5)
]
TWICE = replace(ROWS[1], id="", question="What  is 1 + 1?", problem_id="")
UNJUDGED = replace(ROWS[1], id="", question="New?", problem_id="", correctness=None, verdicts={})


@pytest.mark.parametrize(
    ("gate", "rows", "message"),
    [
        (quality.new_rows(5), ROWS, None),
        (quality.new_rows(6), ROWS, "5 new rows, gates.min_rows asks for 6"),
        (quality.mean_correctness(0.8), ROWS, None),
        (quality.mean_correctness(0.83), ROWS, r"mean correctness is 0\.820, at least 0\.83"),
        (quality.mean_correctness(0.1), [*ROWS, UNJUDGED], "1 row without a correctness"),
        (quality.mean_score("answer", 0.8), ROWS, None),
        (quality.mean_score("instruction", 0.5), ROWS, r"mean score instruction is 0\.100"),
        (quality.mean_score("other", 0.5), ROWS, "mean score other is unknown"),
        (quality.repeated(0.0), ROWS, None),
        (quality.repeated(0.2), [*ROWS, TWICE], None),
        (quality.repeated(0.1), [*ROWS, TWICE], r"16\.67% of the rows repeat"),
        (quality.licenses(["MIT", "CC-BY-NC-4.0"]), ROWS, None),
        (quality.licenses(["MIT"]), ROWS, r"CC-BY-NC-4\.0 \(1 row\)"),
        (quality.clean(), ROWS, None),
        (quality.clean(), [*ROWS, UNJUDGED], "1 row was not looked at"),
    ],
)
def test_each_gate(store: Store, day, gate: Gate, rows: list[Row], message: str | None) -> None:
    def publish() -> object:
        return store.publish("d", [to_table(rows)], lineage={}, gates=[gate], date=day)

    if message is None:
        publish()
        # a promotion asks the same of the whole version
        assert gate.check(quality.of_version(store.where, store.resolve("d"))) is None
    else:
        with pytest.raises(GateFailed, match=message) as failed:
            publish()
        assert [name for name, _ in failed.value.failures] == [gate.name]
        assert store.versions("d") == []
