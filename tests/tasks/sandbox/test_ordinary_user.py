"""Under root: the attacks once more with the whole of mathmill run by an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.sandbox import isolate, isolation

REPOSITORY = Path(__file__).resolve().parents[3]
USER = "12345"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the tests are run by an ordinary user already"),
    pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}"),
]


DROP = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs"]
DROP += ["--bounding-set", "-all", "--inh-caps", "-all"]


def within_reach(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where every user can reach the interpreter and the checkout, wherever they are."""
    base = Path(isolate.interpreter()).parent.parent
    around = ["bwrap", "--dev-bind", "/", "/"]
    covered: list[Path] = []
    for path in (base, Path(sys.prefix), REPOSITORY):
        private = next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)
        if private is None:
            continue
        if private not in covered:
            covered.append(private)
            around += ["--perms", "0755", "--tmpfs", str(private)]
        for parent in reversed(path.relative_to(private).parents):
            if parent != Path("."):
                around += ["--perms", "0755", "--dir", str(private / parent)]
        around += ["--ro-bind", str(path), str(path)]
    environment = {**os.environ, "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*around, "--", *command],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment,
        timeout=3600,
    )


def run_attacks(selection: str) -> None:
    file = str(Path(__file__).with_name("test_attacks.py"))
    options = ["-p", "no:cacheprovider", "-m", selection]
    done = within_reach(*DROP, sys.executable, "-m", "pytest", *options, file, "-k", "every_attack")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "1 passed" in done.stdout.split("\n")[-2]


def test_an_ordinary_user_has_the_same_isolation():
    code = "import os; from tasks.sandbox import *; print(os.geteuid(), isolation().ok, isolation().detail)"
    done = within_reach(*DROP, sys.executable, "-c", code)
    assert done.stdout.startswith(f"{USER} True"), done.stdout + done.stderr
    assert f"uid {USER}," in done.stdout


@pytest.mark.slow
def test_root_of_a_container_without_sys_admin_has_the_same_isolation():
    code = (
        "import os; from tasks.sandbox import *\n"
        "with Sandbox(workers=1) as box: print(os.geteuid(), box.run(['print(6 * 7)'])[0].answer)"
    )
    drop = ["setpriv", "--bounding-set", "-sys_admin,-dac_override,-dac_read_search"]
    done = within_reach(*drop, sys.executable, "-c", code)
    assert done.stdout == "0 42\n", done.stdout + done.stderr


@pytest.mark.soak
def test_every_attack_as_an_ordinary_user():
    run_attacks("not soak")


@pytest.mark.soak
def test_every_attack_twenty_times_as_an_ordinary_user():
    run_attacks("soak")
