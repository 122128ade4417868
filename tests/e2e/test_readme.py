"""The README and the guide are executed: their commands in a fresh home, Python blocks on the data they left, settings."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from flows.settings import ROLES, Role, Settings
from tests.e2e.processes import ROOT, SCRIPT, Home, clean_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
# pages whose commands run after those of the README, in its folder
PAGES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("guide.md", "operations.md")]
# these do not end by themselves, or are this very run: their own tests start them
ELSEWHERE = {("test",), ("up",), ("teacher", "serve")}

pytestmark = pytest.mark.e2e


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def commands(*pages: str) -> list[list[str]]:
    """The commands of the README, or of the pages given, split into words."""
    lines = [
        line for page in pages or [README] for block in blocks("sh", page) for line in block.splitlines()
    ]
    lines = [line for line in lines if line.strip()]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def elsewhere(words: Sequence[str]) -> bool:
    return any(tuple(words[: len(start)]) == start for start in ELSEWHERE)


@dataclass
class Followed:
    """A folder in which every command of the README was run in its order, and what the first one printed."""

    folder: Path
    rows: int
    night: subprocess.CompletedProcess[str]


@pytest.fixture(
    scope="module", params=[24, pytest.param(500, marks=pytest.mark.soak)], ids=lambda rows: f"{rows} rows"
)
def followed(request: pytest.FixtureRequest, home: Callable[..., Home]) -> Followed:
    """The first night is of fewer rows than the README's 500: the rest of it is the same."""
    one = home()
    one.path.parent.mkdir(parents=True, exist_ok=True)
    one.environment.pop("MATHMILL_HOME")
    (one.path.parent / ".mathmill").mkdir()  # else it would be the home of this checkout
    # a command that several pages show is run where it is shown first
    shown = dict.fromkeys(tuple(words) for words in commands(README, *PAGES) if not elsewhere(words))
    first, *others = shown
    rows: int = request.param
    night = one.script(*first, *(() if rows == 500 else ("--target", str(rows))))
    assert night.returncode == 0, night.stderr[-3000:]
    for words in others:
        one.run(*words)
    return Followed(one.path.parent, rows, night)


def test_every_command_of_the_readme_runs(followed: Followed) -> None:
    ran = [words for words in commands() if not elsewhere(words)]
    assert len(ran) >= 7
    assert ran[0] == ["nightly"]
    assert (followed.folder / ".mathmill" / "tables").is_dir()
    assert (followed.folder / "training-data").is_dir()


def test_the_night_ends_with_what_to_do_next(followed: Followed) -> None:
    last = followed.night.stdout[-1500:]
    for words in (
        "Published  math-sft@",
        f"{followed.rows} rows",
        "Cost",
        "Benchmarks none is registered, so rows were not compared with any",
        "Report",
        "mathmill show",
        "mathmill sql",
        "mathmill export",
        "mathmill up",
    ):
        assert words in last
    assert "rows/s" in followed.night.stderr


def test_python_blocks_run_on_what_the_commands_left(followed: Followed) -> None:
    program = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=followed.folder,
        env=clean_environment(
            HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=str(followed.folder / "hf")
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "math-sft@" in done.stdout
    assert "cot" in done.stdout


def test_commands_that_go_on_are_understood() -> None:
    for words in commands():
        if elsewhere(words) and words != ["test"]:
            start = words[:2] if words[0] == "teacher" else words[:1]
            options = {word for word in words if word.startswith("--")}
            done = subprocess.run(
                [str(SCRIPT), *start, "--help"],
                env=clean_environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            assert all(option in done.stdout for option in options)


def test_settings_of_the_readme_and_the_example_are_settings() -> None:
    texts = [
        *(block for page in (README, *PAGES) for block in blocks("ini", page)),
        re.sub(r"^# (?=MATHMILL_)", "", (ROOT / ".env.example").read_text(), flags=re.MULTILINE),
    ]
    names = {name for text in texts for name in dotenv_values(stream=StringIO(text))}
    assert len(names) >= 5
    for name in names:
        first, _, field = name.removeprefix("MATHMILL_").lower().partition("__")
        assert first in Settings.model_fields
        assert not field or (first in ROLES and field in Role.model_fields)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_readme_is_an_introduction() -> None:
    assert len(README.splitlines()) <= 150
    listed = re.findall(r"\]\((docs/[\w/-]+\.md)\)", README)
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")} - {
        "docs/index.md"
    } <= set(listed)
