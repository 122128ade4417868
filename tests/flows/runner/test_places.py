"""The places of `.env` and the home: the checkout, or the current folder if it has its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows import settings as module
from flows.settings import SettingsError, env_file, load_settings, of_current_folder
from tests.e2e.processes import ROOT, SCRIPT


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout with no settings yet, beside an empty current folder, as cron has it."""
    for name in ("MATHMILL_HOME", "MATHMILL_ENV_FILE", "MATHMILL_STORE", "MATHMILL_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    folder, current = tmp_path / "checkout", tmp_path / "current"
    folder.mkdir()
    current.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.chdir(current)
    return folder


def test_from_another_folder_those_of_the_checkout_are_used(checkout: Path) -> None:
    assert load_settings().home == checkout / ".mathmill"
    (checkout / ".env").write_text("MATHMILL_TEACHER__PRICE_IN=0.15\n")
    assert load_settings().teacher.price_in == 0.15
    assert load_settings().home == checkout / ".mathmill"
    assert of_current_folder() == ""
    assert not Path(".mathmill").exists()


def test_relative_paths_of_the_file_are_beside_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".env").write_text(
        "MATHMILL_HOME=data\nMATHMILL_STORE=tables\nMATHMILL_LEDGER=calls.sqlite\n"
    )
    loaded = load_settings()
    assert loaded.home == checkout / "data"
    assert loaded.tables == str(checkout / "tables")
    assert loaded.ledger_url() == str(checkout / "calls.sqlite")
    monkeypatch.setenv("MATHMILL_HOME", "here")  # of a shell: in the current folder, as in every command
    assert load_settings().home == Path("here")
    (checkout / ".env").write_text("MATHMILL_STORE=s3://bucket/prefix\nMATHMILL_LEDGER=postgresql://u@h/d\n")
    loaded = load_settings()
    assert loaded.tables == "s3://bucket/prefix"
    assert loaded.ledger_url() == "postgresql://u@h/d"


def test_a_home_and_settings_that_a_folder_has_are_still_used_and_named(checkout: Path) -> None:
    Path(".mathmill").mkdir()
    assert load_settings().home == Path(".mathmill")
    assert of_current_folder() == f"using .mathmill of the current folder {Path.cwd()}, not of {checkout}"
    Path(".env").write_text("MATHMILL_TEACHER__PRICE_OUT=2\n")
    (checkout / ".env").write_text("MATHMILL_TEACHER__PRICE_IN=1\n")
    loaded = load_settings()
    assert (loaded.teacher.price_in, loaded.teacher.price_out) == (None, 2.0)
    assert ".env and .mathmill of the current folder" in of_current_folder()


def test_nothing_is_printed_in_the_checkout_itself(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert load_settings().home == Path(".mathmill")
    (checkout / ".env").touch()
    (checkout / ".mathmill").mkdir()
    assert load_settings().home == Path(".mathmill")
    assert of_current_folder() == ""


def test_a_settings_file_can_be_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".env").write_text("MATHMILL_TEACHER__PRICE_IN=1\n")
    (checkout / "cheap.env").write_text("MATHMILL_TEACHER__PRICE_IN=0.1\n")
    monkeypatch.setenv("MATHMILL_ENV_FILE", str(checkout / "cheap.env"))
    assert load_settings().teacher.price_in == 0.1
    monkeypatch.setenv("MATHMILL_ENV_FILE", "")
    assert env_file() is None
    assert load_settings().teacher.price_in is None
    monkeypatch.setenv("MATHMILL_ENV_FILE", "missing.env")
    with pytest.raises(SettingsError, match=r"MATHMILL_ENV_FILE: missing.env is no file. Fix: "):
        load_settings()


@pytest.mark.slow
def test_the_console_script_names_its_folder_on_stderr_only(tmp_path: Path) -> None:
    (tmp_path / ".mathmill").mkdir()
    done = subprocess.run(
        [str(SCRIPT), "datasets", "--json"],
        cwd=tmp_path,
        env={"PATH": str(Path(sys.executable).parent), "MATHMILL_ENV_FILE": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == f"mathmill: using .mathmill of the current folder {tmp_path}, not of {ROOT}\n"
