"""Real processes that the tests start: the console script, servers; and what they count."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow.parquet as pq
import yaml
from typer.testing import CliRunner

from flows.cli.app import app
from tests.e2e.forked import can_be_forked, run_forked

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
SCRIPT = Path(sys.executable).parent / "mathmill"
SERVER_WITHIN_S = 600  # on a machine that others use too; no assertion of speed
CHROMIUM = shutil.which("chromium")
WITHIN_S = 420  # a command
READ_ONLY = ("datasets", "sql", "why")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours or Prefect's; few workers, since test files share the cores."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATHMILL_", "PREFECT_", "PYTEST_"))}
    few = {"MATHMILL_SANDBOX_WORKERS": "1", "MATHMILL_ANSWER_WORKERS": "1"}
    # the tree of these tests, as forked commands have it: in another tree than that of the installation, a command that is forked
    # and one that is started would be of different code
    tree = {"PYTHONPATH": str(ROOT)}
    return kept | few | tree | {"COLUMNS": "200", "MATHMILL_ENV_FILE": ""} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=dict(headers or {})), timeout=2
        ) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def fetch(url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())


def password_of(home: Path) -> dict[str, str]:
    """The header that the Prefect server of `mathmill up` on this home asks for; none before it is up."""
    file = home / "server.password"
    if not file.exists():
        return {}
    return {"Authorization": "Basic " + base64.b64encode(file.read_bytes()).decode()}


def signed_in(home: Path, url: str) -> dict[str, str]:
    """The headers of a change: the password and a CSRF token."""
    headers = password_of(home)
    token = fetch(f"{url}/api/csrf-token?client=tests", headers=headers)["token"]
    return {**headers, "Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "tests"}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(
    condition: Callable[[], Any],
    seconds: float,
    what: str,
    process: subprocess.Popen[str] | None = None,
    every: float = 0.3,
) -> Any:
    """Return the value of the condition as soon as it is true. It is checked each `every` seconds, and fails where the
    process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        outcome = condition()
        if outcome:
            return outcome
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with {process.returncode}")
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def _as_in_a_terminal() -> None:
    # whoever runs the tests in the background of a script has Ctrl-C ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(process: subprocess.Popen[str], how: int = signal.SIGTERM) -> None:
    """End a process group that a test started, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@dataclass
class Home:
    """One MATHMILL_HOME and the commands that a person runs on it."""

    path: Path
    environment: dict[str, str]

    def start(self, *words: str, to: IO[str] | int = subprocess.PIPE, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(SCRIPT), *words],
            env=self.environment | more,
            cwd=self.path.parent,
            stdout=to,
            stderr=to,
            text=True,
            start_new_session=True,
            preexec_fn=_as_in_a_terminal,
        )

    def run(
        self, *words: str, code: int = 0, within_s: float = WITHIN_S, **more: str
    ) -> subprocess.CompletedProcess[str]:
        done = self._run(words, self.environment | more, within_s)
        assert done.returncode == code, (
            f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done

    def script(
        self, *words: str, within_s: float = WITHIN_S, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """The console script itself, to its end."""
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(timeout=within_s)
        except BaseException:
            end(process, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def _run(
        self, words: tuple[str, ...], environment: dict[str, str], within_s: float
    ) -> subprocess.CompletedProcess[str]:
        if can_be_forked(environment):
            return run_forked(words, environment, self.path.parent, within_s)
        return self.script(*words, within_s=within_s, **environment)

    def json(self, *words: str, **more: str) -> Any:
        if words[0] in READ_ONLY:
            return json.loads(self._here(*words, "--json", **more))
        return json.loads(self.run(*words, "--json", **more).stdout)

    def _here(self, *words: str, **more: str) -> str:
        """A command in this process: a new one each for hundreds of queries would be most of the suite's time."""
        settings = {name: value for name, value in self.environment.items() if name.startswith("MATHMILL_")}
        done = CliRunner().invoke(app, words, env=settings | {"MATHMILL_HOME": str(self.path)} | more)
        assert done.exit_code == 0, f"{words}: {done.exception!r}\n{done.output[-3000:]}"
        return done.stdout

    def sql(self, query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("sql", query)
        return rows


@dataclass
class Teacher:
    """`mathmill teacher serve`, and what it counted."""

    process: subprocess.Popen[str]
    url: str
    headers: Mapping[str, str]  # its key, where it asks for one

    def stats(self) -> dict[str, Any]:
        statistics: dict[str, Any] = fetch(f"{self.url.removesuffix('/v1')}/stats", headers=self.headers)
        return statistics


def balanced(lineage: dict[str, Any]) -> None:
    """In = kept + rejected + failed at every stage, and what one stage keeps is what the next one gets."""
    for line in lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"], line
        assert min(line[name] for name in ("asked", "kept", "rejected", "failed")) >= 0, line


def ask(up: tuple[Home, str], path: str, body: Any = None) -> Any:
    """What the API answers to one who knows the password."""
    home, url = up
    headers = password_of(home.path) if body is None else signed_in(home.path, url)
    return fetch(f"{url}/api/{path}", body, headers)


def sign_in_link(home: Home) -> str:
    """The link that `up` printed."""
    link = re.search(r"http://\S+/sign-in#\S+", (home.path.parent / "up.log").read_text())
    assert link
    return link[0]


def declared() -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))[
        "deployments"
    ]
    return deployments


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder, as its bytes and, where it is compressed or paged, as what is in it."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        yield name, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield name, orjson.dumps(pq.read_table(path).to_pylist(), default=str).decode()
        elif path.suffix in (".db", ".sqlite"):
            with contextlib.closing(sqlite3.connect(path)) as database:
                yield name, "\n".join(database.iterdump())
