"""The process of a Prefect server: it serves on a socket that its parent listens on, and keeps its log to a size.

Start it as `python -m flows.server.serve DESCRIPTOR LOG LEVEL`, with standard output and standard error in the file LOG.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from flows.runner.locks import PRIVATE_FILE, lock
from flows.server.app import create_app
from flows.server.process import STOPPED_WITHIN_S
from storage.atomic import rename

LOG_BYTES = 10 * 2**20  # at which the log is rotated
LOGS_KEPT = 3  # rotated logs: LOG.1, the newest, to LOG.3
CHECKED_EVERY_S = 1.0


def main(descriptor: int, log: Path, level: str) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code."""
    threading.Thread(target=_bound, args=(log, threading.Event()), name="log-rotation", daemon=True).start()
    config = uvicorn.Config(
        create_app,
        factory=True,
        lifespan="on",
        log_level=level,
        timeout_graceful_shutdown=STOPPED_WITHIN_S,
    )
    server = uvicorn.Server(config)
    # the family comes from the descriptor; `uvicorn --fd` takes it for a Unix socket, without TCP_NODELAY
    server.run(sockets=[socket.socket(fileno=descriptor)])
    return 0 if server.started else 3


def rotate(log: Path, largest: int = LOG_BYTES) -> None:
    """Let this process write to a new file at `log` if the present one has `largest` bytes or more.

    The servers of several runs may share the log. What they write is never lost: until a server has seen that another one
    rotated the log, it writes to the file that was renamed.
    """
    with lock(log.with_name(f"{log.name}.lock"), within_s=CHECKED_EVERY_S) as acquired:
        if not acquired:  # another server rotates it
            return
        if log.exists() and log.stat().st_size >= largest:
            for number in range(LOGS_KEPT, 0, -1):
                older, newer = (
                    log.with_name(f"{log.name}.{number}"),
                    log.with_name(f"{log.name}.{number - 1}"),
                )
                newer = log if number == 1 else newer
                if newer.exists():
                    rename(newer, older)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            if not os.path.sameopenfile(descriptor, sys.stderr.fileno()):
                for standard in (sys.stdout, sys.stderr):
                    standard.flush()
                    os.dup2(descriptor, standard.fileno())
        finally:
            os.close(descriptor)


def _bound(log: Path, closing: threading.Event) -> None:
    while not closing.wait(CHECKED_EVERY_S):
        try:
            rotate(log)
        except OSError as error:  # a full disk: the server continues, and the next check may succeed
            print(f"{log} was not rotated: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
