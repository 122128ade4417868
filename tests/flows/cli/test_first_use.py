"""The script `mathmill` installs the packages of a command only once the command's words and settings are right."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.options import ONLY_CHECK, RIGHT

ROOT = Path(__file__).parents[3]
FURTHER = ("accelerate", "datasets", "lm_eval", "peft", "trl")  # the packages of the extra `train`


def environment(home: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MATHMILL_", "PREFECT_"))
    }
    return kept | {"MATHMILL_HOME": str(home), "MATHMILL_ENV_FILE": ""}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment has the packages that every command needs, and not those of `train`."""
    root = tmp_path / "checkout"
    stamps = root / ".venv" / ".stamps"
    stamps.mkdir(parents=True)
    for name in ("mathmill", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    program = root / ".venv" / "bin" / "mathmill"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom flows.cli.app import main\nmain()\n")
    program.chmod(0o755)
    pins = subprocess.run(
        ["cksum"],
        input=b"".join((root / name).read_bytes() for name in ("constraints.txt", "pyproject.toml")),
        capture_output=True,
        check=True,
    ).stdout
    (stamps / "pins").write_bytes(pins.rstrip(b"\n"))
    (stamps / "with-core").touch()
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["evaluate", "--hepl"],
            2,
            "No such option: --hepl (Possible options: --help). Fix: see ./mathmill evaluate --help",
        ),
        (["train", "--set", "stesp=3"], 2, "setting stesp: there is no such setting. Fix: use steps"),
        (["verdict", "--help"], 0, "Usage:"),
        (["proof", "--nosuch"], 2, "No such option: --nosuch"),
    ],
)
def test_nothing_is_installed_for_words_that_are_refused_nor_for_help(
    checkout: Path, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    before = sorted(checkout.rglob("*"))
    done = subprocess.run(
        [checkout / "mathmill", *words], cwd=tmp_path, env=environment(tmp_path / "home") | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert message in done.stdout + done.stderr
    assert "adding the packages" not in done.stderr
    assert [path for path in sorted(checkout.rglob("*")) if path.name != ".setup.lock"] == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["evaluate", "student"], ["train", "d"], ["train", "d", "--method", "grpo"], ["verdict"], ["proof", "--quick"]]
)  # fmt: skip
def test_right_words_are_known_without_the_packages_of_the_command(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({FURTHER!r}))\n"  # as if they were not installed
        "from flows.cli.app import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, timeout=120, capture_output=True, text=True,
        env=environment(tmp_path / "home") | {"PYTHONPATH": str(ROOT), ONLY_CHECK: "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (RIGHT, "", "")
