"""Every artifact and the texts in it: values from outside stay text, and no artifact is made that is not looked at here."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flows import maintain, train
from flows.runner import artifacts as reporting
from flows.runner.limits import HOW_TO_GO_ON, Stopped
from storage.datasets.compaction import SmallFiles
from storage.datasets.orphans import Orphan
from storage.datasets.retention import Fate
from tasks.evaluation import verdict
from tasks.evaluation.report import to_markdown as evaluation
from tasks.training.run import Trained

ROOT = Path(__file__).resolve().parents[2]
# each place that makes an artifact, and the test that gives it hostile values; "figures" has no text from outside
SHOWN_BY = {
    "flows/runner/evaluation.py": "tests/flows/test_artifacts.py::test_an_evaluation",
    "flows/runner/service_table.py": "figures",
    "flows/maintain.py": "tests/flows/test_artifacts.py::test_maintenance",
    "flows/runner/progress.py": "figures",
    "flows/proof.py": "figures",
    "flows/runner/artifacts.py": "tests/tasks/reports/test_report.py::test_hostile_rows_are_text",
    "flows/train.py": "tests/flows/test_artifacts.py::test_training",
    "flows/runner/verdict_trials.py": "tests/flows/test_artifacts.py::test_a_verdict",
}
HOSTILE = [
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "https://evil.example www.evil.example",
    "a | b\n|---|\n# heading\n\n- item",
    "`code` ``` fence \\",
    "\u202eturned\u2066 hidden\u200b \x1b[31m",
    "</td></table><iframe src=javascript:alert(1)>",
]
LIVE = {"image", "link_open", "html_inline", "html_block"}
HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\x00-\x08\x0b-\x1f\x7f]")
ADDRESS = re.compile(r"(?i)(https?://|www\.|javascript:)\S")
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def kinds(tokens: list[Token]) -> list[str]:
    return [kind for token in tokens for kind in (token.type, *kinds(token.children or []))]


def assert_like(hostile: str, plain: str) -> None:
    """A page with hostile values has the elements of the same page with plain ones, and nothing that is live."""
    tokens = PARSER.parse(hostile)
    for kind in LIVE:
        assert kinds(tokens).count(kind) == kinds(PARSER.parse(plain)).count(kind), hostile
    blocks = [token.type for token in tokens]
    assert blocks == [token.type for token in PARSER.parse(plain)], hostile
    assert not HIDDEN.search(hostile), hostile
    # renderers find bare addresses in the source; in a code span and in a picture of the project's own there is no harm
    assert not ADDRESS.search(re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", hostile)), hostile


def callers() -> set[str]:
    """The files that make an artifact of any kind."""
    found = set()
    for path in sorted((ROOT / "flows").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            )
            if re.fullmatch(r"a?create_\w+_artifact", name):
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_every_place_that_makes_an_artifact_is_looked_at() -> None:
    assert callers() == set(SHOWN_BY)
    for where in SHOWN_BY.values():
        if where != "figures":
            file, _, name = where.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_maintenance(text: str) -> None:
    def page(value: str) -> str:
        moment = datetime.timedelta(hours=1)
        return maintain.MaintenancePlan(
            fates=[Fate(value, keep, value) for keep in (True, False)],  # type: ignore[arg-type]
            files={value: [value]},
            orphans=[Orphan(value, value, 1, moment)],
            small=[SmallFiles(value, (value,), 1)],
            done=[value],
        ).text(applied=False)

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_training(text: str) -> None:
    def page(value: str) -> str:
        lineage: dict[str, Any] = {
            "stages": [{"data": [{"version": value, "weight": 1.0}], "metrics": {"loss": 1.0}}],
            "environment": {"device": value, "packages": {"torch": value}},
            "code": {"commit": value},
            "config": {"seed": 1},
        }
        fields = {field.name: None for field in dataclasses.fields(Trained)}
        return train.as_markdown(Trained(**fields | {"checkpoint": value, "lineage": lineage}))  # type: ignore[arg-type]

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_verdict(text: str) -> None:
    def page(value: str) -> str:
        line = {"items": 1, "effect": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "shown": "better"}
        whole = {"effect": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "seeds": 1, "items": 1, "weight": 1.0}
        names = dict.fromkeys(("version", "verdict", "validated", "base", "benchmark"), value)
        tables = {"subdomains": {value: line}, "sources": {value: line}}
        by_seed = [{"baseline": 0.1, "candidate": 0.2}]
        return verdict.to_markdown(whole | names | tables | {"tokens": 1, "by_seed": by_seed})

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_an_evaluation(text: str) -> None:
    def page(value: str) -> str:
        score = {
            "name": value,
            "items": 1,
            "score": 0.5,
            "low": 0.1,
            "high": 0.9,
            "samples": 2,
            "majority": 0.5,
        }
        counts = {"failed": 0, "unanswered": 0, "unknown": 0}
        delta = {
            "name": value,
            "candidate": 0.1,
            "baseline": 0.2,
            "delta": -0.1,
            "low": -0.2,
            "high": 0.0,
            "p": 0.1,
        }
        more = {"test": "paired", "items": 1, "needed": 5, "corrected": 0.1, "shown": "worse"}
        groups = ("all", "capability", "domain", "benchmark", "subdomain")
        return evaluation(
            {
                "name": value,
                "model": value,
                "baseline": value,
                "scores": {value: [score | counts | {"group": group} for group in groups for _ in "ab"]},
                "deltas": [delta | more | {"group": group} for group in groups],
                "config": {"samples": 1},
                "created": "2026-11-20",
                "identity": {value: value},
                "asked": {value: {value: value}},
                "unusable": 1,
            }
        )

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_run_that_a_limit_ended(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    monkeypatch.setattr(
        reporting, "create_markdown_artifact", lambda **given: pages.append(given["markdown"])
    )
    spent: Any = type("Spent", (), {"usd": 1.0, "tokens": 1, "estimated": 1, "accepted": 1, "target": 1})()
    for value in (text, "plain"):
        reporting.report_stopped("math-sft", Stopped(next(iter(HOW_TO_GO_ON)), value, spent))
    assert_like(*pages)
