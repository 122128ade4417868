"""Which items an evaluation asks, and in which forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.config.evaluate import Evaluate
from flows.config.loading import ConfigError
from flows.runner.evaluation import check


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two benchmarks, of two numeric answers and of one in words."""
    for name, answers in (("numbers", ["4", "5"]), ("names", ["Paris"])):
        lines = [json.dumps({"question": f"{name} {i}?", "answer": one}) for i, one in enumerate(answers)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return [str(tmp_path / "numbers.jsonl"), str(tmp_path / "names.jsonl")]


def forms(files: list[str], **settings: object) -> dict[str, list[str]]:
    config = Evaluate.model_validate({"benchmarks": files, **settings})
    asked: dict[str, list[str]] = {}
    for row in check(config).to_pylist():
        asked.setdefault(row["benchmark"], []).append(row["form"])
    return asked


def test_a_benchmark_is_asked_in_another_form_instead_of_its_own(files: list[str]) -> None:
    assert forms(files, instead={"numbers": "words_or_program"}) == {
        "numbers:words_or_program": ["words_or_program"] * 2,
        "names": ["open"],
    }
    assert forms(files, instead={"numbers": "program"}, also={"numbers": ["choice"]}) == {
        "numbers:program": ["program"] * 2,
        "numbers:choice": ["choice"] * 2,
        "names": ["open"],
    }


def test_a_form_that_no_item_fits_is_refused(files: list[str]) -> None:
    with pytest.raises(ConfigError, match="no item of names can be asked as choice"):
        forms(files, instead={"names": "choice"})
    with pytest.raises(ConfigError, match="setting instead: no benchmark 'nosuch'"):
        forms(files, instead={"nosuch": "choice"})
    with pytest.raises(ConfigError, match="setting instead: numbers by likelihood, but student"):
        forms(files, instead={"numbers": "likelihood"})
