"""The Prefect server of a home: a process on loopback that requires a password.

This process listens, and its child accepts the connections. So nobody else can take the port while the child is started
again: connections wait until it serves.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.runner.environment import answers, reread
from flows.runner.locks import PRIVATE_FILE, lock
from flows.settings import SettingsError
from storage.errors import explained

HOST = "127.0.0.1"
READY_WITHIN_S = 180
STOPPED_WITHIN_S = 5
WAITING_CONNECTIONS = 2_048  # that may wait for the server; the kernel's own limit may be lower
LOG = "server.log"
ROOM = 16 * 2**20  # bytes that the database and the log need at a start
STARTING = "prefect.starting"  # lock that is held while a server of this home prepares its database


def check_room(home: Path) -> None:
    """Raise StorageError if the disk below `home` has no room for a start.

    The server itself would end without a message, since its log has no room either.
    """
    with explained(str(home)), tempfile.TemporaryFile(dir=home) as probe:
        os.posix_fallocate(probe.fileno(), 0, ROOM)


class ServerPortTaken(SettingsError):
    """The port of a new server is taken or cannot be used."""


class PrefectServer:
    """One server process. `up` starts one with the UI, a single run one without.

    `auth` is the USER:PASSWORD that every request must carry; see `auth_string`. `port` is held from now until `stop`; 0 takes
    any free port. Raises ServerPortTaken if it is taken.
    """

    def __init__(self, home: Path, port: int, auth: str, *, ui: bool) -> None:
        self._home, self._auth, self._ui = home, auth, ui
        self._listening = _listening(port)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/api"
        self.sign_in = secrets.token_urlsafe(32)  # token of the one-time link
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = contextlib.ExitStack()
        self._logged = 0  # bytes of the log before this start

    def start(self) -> None:
        """Start the process and set the environment by which this process and its children find it.

        Servers that start at the same time on one home wait for one another, since only one process at a time can prepare
        the SQLite database. Raises SettingsError if that takes more than READY_WITHIN_S.
        """
        check_room(self._home)
        acquired = self._starting.enter_context(lock(self._home / STARTING, within_s=READY_WITHIN_S))
        if not acquired:
            self._starting.close()
            raise SettingsError(
                f"another Prefect server has been starting on {self._home} for more than {READY_WITHIN_S} s. "
                f"Fix: look at {self._home / LOG}, and end that command"
            )
        log = self._home / LOG
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        self._logged = os.fstat(descriptor).st_size
        private_database()
        os.environ["PREFECT_API_URL"], os.environ["PREFECT_API_AUTH_STRING"] = self.url, self._auth
        reread()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "flows.server.serve"),
                    *(str(self._listening.fileno()), str(log), "warning" if self._ui else "error"),
                ],
                pass_fds=[self._listening.fileno()],
                env=os.environ | self._settings(),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                umask=0o077,
                # Ctrl-C reaches the whole process group: in its own session the server outlives the run's last request
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        finally:
            os.close(descriptor)

    def _settings(self) -> dict[str, str]:
        """Return the environment variables of the server process. Those in `defaults` yield to the user's own."""
        defaults = {
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": self.url.removesuffix("/api"),
            "PREFECT_SERVER_UI_API_URL": "/api",
        }
        variables = {name: os.environ.get(name, value) for name, value in defaults.items()}
        variables["PREFECT_SERVER_API_AUTH_STRING"] = self._auth
        variables["PREFECT__SERVER_FINAL"] = "1"
        if self._ui:
            return variables | {"MATHMILL_SERVER_SIGN_IN": self.sign_in}
        # as prefect.server.api.server.SubprocessASGIServer sets them; importing it would take seconds
        return variables | {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}

    def wait(self) -> None:
        """Wait until the server answers. Raises SettingsError with the last line of its log if it does not."""
        deadline = time.monotonic() + READY_WITHIN_S
        try:
            while time.monotonic() < deadline and self.ended() is None:
                if answers(self.url, self._auth):
                    return
                time.sleep(0.1)
        finally:
            self._starting.close()
        code = self.ended()
        why = f"not within {READY_WITHIN_S} s" if code is None else f"it ended with exit code {code}"
        self._end()
        raise SettingsError(
            f"Prefect did not start ({self._last_log_line() or why}). "
            f"Fix: see {self._home / LOG}; ./mathmill doctor; PREFECT_HOME may be moved away"
        )

    def ended(self) -> int | None:
        """Return the exit code of the process, or None while it runs."""
        return self._process.poll() if self._process is not None else None

    def terminate(self) -> None:
        """Ask the process to end, without waiting for it."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """End the process, wait until it has ended, and give the port back."""
        self._end()
        self._listening.close()

    def _end(self) -> None:
        self._starting.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_S + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_log_line(self) -> str:
        """Return the last line that this start wrote to the log, or an empty text."""
        log = self._home / LOG
        with log.open("rb") as file:
            file.seek(self._logged if log.stat().st_size >= self._logged else 0)  # it may have been rotated
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def auth_string() -> str:
    """Return USER:PASSWORD for a new server: the one that the user has set, else a new one of 256 random bits."""
    configured = os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or os.environ.get("PREFECT_API_AUTH_STRING")
    return configured or f"mathmill:{secrets.token_urlsafe(32)}"


def private_database() -> None:
    """Create Prefect's SQLite file before Prefect does, with a mode that keeps other users from reading it.

    SQLite gives its -wal and -shm files the same mode.
    """
    folder = Path(os.environ["PREFECT_HOME"])
    path = folder / "prefect.db"
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
    for file in folder.glob("prefect.db*"):
        with contextlib.suppress(PermissionError):  # a file of another user
            file.chmod(PRIVATE_FILE)


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on loopback.

    It listens at once: Linux lets two sockets with SO_REUSEADDR have one port as long as neither listens.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections of an earlier server may linger
        listening.bind((HOST, port))
        listening.listen(WAITING_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise ServerPortTaken(
            f"port {port} of {HOST} cannot be used: {error.strerror}. Fix: take another one, such as --port {port + 1}"
        ) from error
    return listening


def die_with_parent() -> None:
    """Let the kernel end this process when its parent's thread ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed run leaves no server behind
