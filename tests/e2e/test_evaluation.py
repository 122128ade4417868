"""Evaluation and verdict by their commands: answers are paid once, the verdict is in the version's record."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tests.e2e.processes import Home, Teacher, end, wait_for

pytestmark = pytest.mark.e2e

QUICK = (
    "--seeds", "2", "--set", "items=12", "--set", "max_tokens=48", "--set", "training.steps=4", "--set", "training.batch=2",
    "--set", "training.length=128",
)  # fmt: skip


def published(home: Path, dataset: str, tag: str) -> Version:
    """A version of worked problems out of three families, with the lineage that a report reads."""
    rows: dict[str, Row] = {}
    for name in ("linear_equation", "gcd_lcm", "determinant"):
        for number in range(40):
            problem = make(families()[name], rng_of(tag, name, number), 1, "en")
            row = Row(
                problem.question, "en", solution="\n".join(problem.worked.steps), solution_format="cot", domain="algebra",
                answer=problem.worked.answer, subdomain=problem.subdomain, source=tag, license="Apache-2.0",
            )  # fmt: skip
            rows[row.id] = row
    lineage: dict[str, Any] = {"run": tag, "funnel": [], "costs": []}
    return Store(home).publish(dataset, [to_table(rows.values())], lineage=lineage)


def test_a_model_beside_a_baseline(home: Callable[..., Home], teacher: Callable[[], Teacher]) -> None:
    served = teacher()
    one = home(MATHMILL_TEACHER__BASE_URL=served.url, MATHMILL_TEACHER__MODEL="embedded")
    asked = ("evaluate", "student", "--baseline", "teacher", "--limit", "30", "--samples", "2")
    small = {"MATHMILL_STUDENT__BASE_URL": served.url, "MATHMILL_STUDENT__MODEL": "embedded-small"}
    scores = one.json(*asked, **small)
    calls = served.stats()["calls"]
    assert calls >= 120
    whole = next(delta for delta in scores["deltas"] if delta["group"] == "all")
    assert whole["items"] == 30
    assert whole["baseline"] > whole["candidate"] > 0  # the small one errs more
    folder = one.path / "evaluations" / scores["name"]
    names = {
        "record.json",
        "report.md",
        "differences.svg",
        "radar.svg",
        "candidate.parquet",
        "baseline.parquet",
    }
    assert {path.name for path in folder.iterdir()} == names
    assert not list((one.path / "runs").glob("*.json"))  # it is over: nothing shows it as in progress
    assert "pass@1" in one.run(*asked, **small).stdout
    assert served.stats()["calls"] == calls


@pytest.mark.soak
def test_killed_and_run_again(home: Callable[..., Home], teacher: Callable[[], Teacher]) -> None:
    """As if nobody had killed it, and nothing that was stored is asked for again."""
    asked = ("evaluate", "teacher", "--limit", "30", "--samples", "4", "--set", "shard_rows=8")
    whole = home().json(*asked)
    served = teacher()
    one = home(
        MATHMILL_TEACHER__BASE_URL=served.url, MATHMILL_TEACHER__MODEL="embedded", MATHMILL_IN_FLIGHT="8"
    )
    process = one.start(*asked)
    wait_for(lambda: served.stats()["calls"] >= 50, 240, "50 calls", process)
    end(process, signal.SIGKILL)
    scores = one.json(*asked)
    assert scores["scores"] == whole["scores"]
    counted = served.stats()
    assert counted["distinct_requests"] == 120
    assert counted["repeated_requests"] <= 8


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("evaluate", "hf:nowhere"), "there is no folder nowhere"),
        (("verdict", "nothing"), "there is no dataset 'nothing'"),
        pytest.param(("evaluate", "nobody"), "neither a role", marks=pytest.mark.soak),
        pytest.param(
            ("evaluate", "--benchmark", "nowhere.jsonl"), "cannot read nowhere.jsonl", marks=pytest.mark.soak
        ),
        pytest.param(("evaluate", "--set", "samples=0"), "samples", marks=pytest.mark.soak),
    ],
)
def test_bad_input_ends_in_one_line(
    home: Callable[..., Home], words: tuple[str, ...], complaint: str
) -> None:
    error_line = home().run(*words, code=2).stderr
    assert complaint in error_line
    assert "Traceback" not in error_line


@pytest.mark.soak
def test_a_verdict_in_the_record(home: Callable[..., Home]) -> None:
    one = home()
    base, version = published(one.path, "sums", "base"), published(one.path, "more", "books")
    assert "is the first of its dataset" in one.run("verdict", "more", *QUICK, code=2).stderr
    verdict = one.json("verdict", "more", "--validated", "sums", *QUICK)
    assert (verdict["version"], verdict["validated"], verdict["seeds"]) == (str(version), str(base), 2)
    assert verdict["verdict"] == "not shown"  # four steps teach nothing
    assert one.json("show", "more")["verdict"] == verdict
    assert "not shown: " in one.run("show", "more").stdout
    assert "Verdict" in (one.path / "reports" / f"{version}.html").read_text()
    assert "is: not shown" in one.run("promote", "more", "production", code=2).stderr
    # again: nothing is trained or asked anew, the same figures
    assert one.json("verdict", "more", "--validated", "sums", *QUICK)["by_seed"] == verdict["by_seed"]


@pytest.mark.soak
def test_a_killed_verdict_goes_on(home: Callable[..., Home]) -> None:
    """Killed after its first training; again, it says what one says that nobody killed."""
    asked = ("verdict", "more", "--validated", "sums", *QUICK)
    whole, one = home(), home()
    for each in (whole, one):
        published(each.path, "sums", "base")
        published(each.path, "more", "books")
    expected = whole.json(*asked)
    process = one.start(*asked)

    def trained() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (one.path / "verdicts").rglob("run.json")}

    wait_for(trained, 240, "a training", process)
    end(process, signal.SIGKILL)
    before = trained()
    scores = one.json(*asked)
    assert scores["by_seed"] == expected["by_seed"]
    assert before.items() <= trained().items()
