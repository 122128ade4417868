"""Gates by configuration: those of a file, those that a tag requires, and the message for an invalid file."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from flows.config.loading import ConfigError
from flows.config.sections import GateSettings
from flows.runner.gates import gates_of, promote, promotion_gates
from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import GateFailed
from storage.rows import Row, to_table
from tasks.review.session import Review

DAY = datetime.date(2026, 11, 20)


@pytest.fixture
def version(tmp_path: Path) -> Version:
    rows = [Row(f"q{n}", "en", solution="s", license="MIT", correctness=0.9) for n in range(4)]
    return Store(tmp_path).publish("d", [to_table(rows)], lineage={}, date=DAY)


def test_only_configured_gates_are_checked() -> None:
    assert [gate.name for gate in gates_of(GateSettings())] == ["gates.min_rows"]
    everything = GateSettings(
        correctness=0.5, critic=0.5, duplicates=0, licenses=["MIT"], clean=True, verdict=True
    )
    assert [gate.name for gate in gates_of(everything)] == [
        "gates.min_rows", "gates.correctness", "gates.critic", "gates.duplicates", "gates.licenses", "gates.clean",
    ]  # fmt: skip


def test_a_tag_requires_the_gates_of_the_file(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path)
    (tmp_path / "gates.yaml").write_text(
        "production: {min_rows: 5, correctness: 0.95}\nstaging: {licenses: [MIT]}\n"
    )
    with pytest.raises(
        GateFailed, match=r"was not promoted.*gates\.min_rows: 4 new rows.*gates\.correctness"
    ) as failed:
        promote(store, version, "production", tmp_path)
    assert len(failed.value.failures) == 2
    assert store.tags("d") == {}
    promote(store, version, "staging", tmp_path)
    promote(store, version, "candidate", tmp_path)
    assert store.tags("d") == {"candidate": version.name, "staging": version.name}
    with pytest.raises(ConfigError, match="'other' is no tag"):
        promote(store, version, "other", tmp_path)


def test_production_requires_an_effective_verdict(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path)
    with pytest.raises(GateFailed, match="no verdict was reached"):
        promote(store, version, "production", tmp_path)
    store.mark(version, "verdict", {"verdict": "not shown", "better": False})
    with pytest.raises(GateFailed, match="is: not shown"):
        promote(store, version, "production", tmp_path)
    store.mark(version, "verdict", {"verdict": "effective", "better": True})
    promote(store, version, "production", tmp_path)
    assert store.resolve("d@production") == version


def test_a_review_is_required_whole_and_with_few_wrong_rows(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path)
    (tmp_path / "gates.yaml").write_text("checked: {review: 0.3}\n")

    def why() -> str:
        with pytest.raises(GateFailed) as failed:
            promote(store, version, "checked", tmp_path)
        ((gate, reason),) = failed.value.failures
        assert gate == "gates.review"
        return reason

    assert "nobody has judged its rows" in why()
    review = Review.open(store, version, second=0)
    first, *others = review.drawn.ids
    review.record(RowJudgement(first, "ada", RowOpinion.WRONG))
    assert "1 of 4 rows judged" in why()
    review.record(*(RowJudgement(row, "ada", RowOpinion.WRONG) for row in others[:1]))
    review.record(*(RowJudgement(row, "ada", RowOpinion.RIGHT) for row in others[1:]))
    assert "wrong rows 50.0 %" in why()
    review.record(RowJudgement(first, "ada", RowOpinion.RIGHT))
    promote(store, version, "checked", tmp_path)
    assert store.tags("d") == {"checked": version.name}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("production: 5", "production"),
        ("- a", "must map tags to gates"),
        ("production: {min_rows: -1}", "min_rows"),
        ("production: {colour: red}", "the gates are min_rows"),
        ("a: [", "must map tags to gates"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "gates.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint) as refused:
        promotion_gates(tmp_path)
    assert "\n" not in str(refused.value)
