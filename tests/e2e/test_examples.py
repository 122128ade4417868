"""The scripts of examples/ run as they are, by the README of that folder, on one home."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, WITHIN_S, Home, clean_environment, free_port

EXAMPLES = ROOT / "examples"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def used(home: Callable[..., Home]) -> Home:
    """A home with one version of math-sft."""
    one = home()
    one.path.parent.mkdir(parents=True, exist_ok=True)
    one.run("nightly", "--target", "10", "--set", "weakness.share=0")
    return one


def run(name: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name],
        env=environment,
        cwd=ROOT.parent,  # from any folder
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{name}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.soak  # a night more; test_real_input.py and test_bad_input.py have seeds of one's own
def test_own_seeds(used: Home) -> None:
    out = run("own_seeds.py", used.environment)
    assert re.search(r"own-seeds@\S+ was made from \['mine\.jsonl'\]", out)
    assert len(re.findall(r"^- .+ -> .+$", out, re.MULTILINE)) == 3


@pytest.mark.soak  # a night more; test_every_method.py has all methods in one
def test_add_a_method(used: Home) -> None:
    assert "Published  harder@" in run("add_a_method.py", used.environment)
    methods = used.sql('SELECT DISTINCT method FROM "harder"')
    assert methods == [{"method": "add_a_method"}]


def test_the_method_has_thirty_lines() -> None:
    source = (EXAMPLES / "add_a_method.py").read_text(encoding="utf-8")
    plan = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "plan"
    )
    assert plan.end_lineno is not None
    assert plan.end_lineno <= 30


@pytest.mark.soak  # a night more; test_kill.py has one at an endpoint
def test_any_endpoint(used: Home) -> None:
    out = run("any_endpoint.py", used.environment)
    assert "Published  endpoint@" in out
    assert "teacher" in out.split("calls for")[1]


@pytest.mark.soak  # a night more; test_readme.py runs the same query
def test_query_with_duckdb(used: Home) -> None:
    out = run("query_with_duckdb.py", used.environment)
    assert "math-sft@" in out
    assert "student_right" in out or "over_question" in out


@pytest.mark.soak  # a night more; tests/tasks/training has the trainings
def test_train_on_a_version(used: Home) -> None:
    out = run("train_on_a_version.py", used.environment)
    assert "trained on math-sft@" in out
    assert "model.safetensors" in out


# tests/e2e/test_server.py has a schedule and test_automations.py the automations; this starts a server more
@pytest.mark.soak
def test_schedule_with_an_alert(
    tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]
) -> None:
    home = tmp_path_factory.mktemp("scheduled") / "mathmill"  # `up` starts a server of its own
    migrated(home)
    out = run("schedule_with_an_alert.py", clean_environment(MATHMILL_HOME=str(home), PORT=str(free_port())))
    assert "alert received: mathmill: gate failed: example: an example of a failed gate" in out
    assert "Serving nightly, 0 2 * * * Europe/Berlin" in out


def test_every_script_has_a_test_and_a_line() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert len(scripts) == 6
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert scripts == set(re.findall(r"\]\((\w+\.py)\)", page))
    tests = {f"{name.removeprefix('test_')}.py" for name in globals() if name.startswith("test_")}
    assert scripts <= tests
