"""`mathmill test` on a small project: what it runs, in which order, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import checks


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.mypy]\nfiles = ["code.py"]\n[tool.pytest.ini_options]\nmarkers = ["soak"]\n'
    )
    (tmp_path / "test_code.py").write_text('def test_runs() -> None:\n    print("ran")\n')
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_wrong_type_fails_after_tests_that_pass(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "code.py").write_text('number: int = "one"\n')
    assert checks.run_checks([]) == 1
    out = capfd.readouterr().out
    assert 0 < out.index("1 passed") < out.index("Incompatible types in assignment")


def test_a_file_without_format_ends_the_checks(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "code.py").write_text("number: int=1\n")
    assert checks.run_checks([]) == 1
    out = capfd.readouterr().out
    assert "would be reformatted" in out
    assert "passed" not in out


@pytest.mark.slow
def test_arguments_are_those_of_pytest_alone(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "code.py").write_text('number: int="one"\n')
    assert checks.run_checks(["-n", "0", "-k", "runs"]) == 0
    assert "1 passed" in capfd.readouterr().out
    assert checks.run_checks(["-n", "0", "-k", "nothing"]) == 5
