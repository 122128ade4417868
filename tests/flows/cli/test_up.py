"""`up` and the runs that have joined its server."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.cli import up
from flows.cli.up import wait_for_joined
from flows.runner.environment import joined_runs
from flows.server.process import PrefectServer

JOIN = """
import sys
from pathlib import Path
from flows.runner.environment import joining
with joining(Path(sys.argv[1]), "nightly math-sft"):
    print("joined", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has joined the server of this home, until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", JOIN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
        yield process
        process.kill()


@pytest.fixture
def server(tmp_path: Path) -> PrefectServer:
    return PrefectServer(tmp_path, 0, "user:password", ui=True)  # never started, and so never ended


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


@pytest.fixture
def at_look(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Run an action while `wait_for_joined` waits: just before it looks for joined runs for the n-th time."""

    def plan(number: int, action: Callable[[], None]) -> None:
        looks = itertools.count(1)

        def look(home: Path) -> list[str]:
            if next(looks) == number:
                action()
            return joined_runs(home)

        monkeypatch.setattr(up, "joined_runs", look)

    return plan


def test_a_joined_run_is_known_by_name_until_it_ends(tmp_path: Path, joined: subprocess.Popen[str]) -> None:
    assert joined_runs(tmp_path) == [f"nightly math-sft (process {joined.pid})"]
    leave(joined)
    assert joined_runs(tmp_path) == []


def test_a_killed_run_is_not_waited_for(
    tmp_path: Path, joined: subprocess.Popen[str], server: PrefectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    joined.kill()
    joined.wait()
    assert joined_runs(tmp_path) == []
    wait_for_joined(tmp_path, server)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_it_waits_for_the_joined_run_and_says_so_once(
    tmp_path: Path,
    joined: subprocess.Popen[str],
    server: PrefectServer,
    at_look: Callable[[int, Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_look(3, lambda: leave(joined))
    wait_for_joined(tmp_path, server)
    assert joined.poll() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mathmill: waiting for nightly math-sft (process {joined.pid}) to end")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where a shell started the tests in the background and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_waits_no_longer(
    tmp_path: Path,
    joined: subprocess.Popen[str],
    server: PrefectServer,
    at_look: Callable[[int, Callable[[], None]], None],
    how: signal.Signals,
) -> None:
    before = signal.getsignal(how)
    at_look(2, lambda: signal.raise_signal(how))
    wait_for_joined(tmp_path, server)
    assert joined.poll() is None
    assert signal.getsignal(how) is before
