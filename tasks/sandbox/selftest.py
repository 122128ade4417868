"""The self-test: known escapes are tried in every isolation before its first program; none may work."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tasks.sandbox.isolate import PROJECT, Isolation, SandboxUnavailable
from tasks.sandbox.process import Broken, Process, outside_view
from tasks.sandbox.verdict import read

# Every attempt must raise or be false; the answer names those that succeed.
_PROBES = """
import ctypes, os, resource, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return True
attempts = {
    "environment": lambda: bool(os.environ),
    "root": lambda: 0 in os.getresuid() + os.getresgid(),
    "groups": lambda: 0 in os.getgroups(),
    "fork": os.fork,
    "execve": lambda: subprocess.run([sys.executable, "-c", ""]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "kill all": lambda: os.kill(-1, 0),
    "socket": lambda: socket.socket(socket.AF_INET),
    "unix socket": lambda: socket.socketpair(),
    "user namespace": lambda: libc.unshare(0x10000000) == 0,
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0,
    "ptrace": lambda: libc.ptrace(16, os.getppid(), 0, 0) == 0,
    "become root": lambda: os.setuid(0) or True,
    "raise limits": lambda: resource.setrlimit(resource.RLIMIT_CPU, (-1, -1)) or True,
    "memory file": lambda: os.memfd_create("x"),
    "write to the library": lambda: open(os.__file__, "a"),
    "write to /": lambda: open("/x", "w"),
    "write to /dev": lambda: open("/dev/x", "w"),
    "accounts": lambda: open("/etc/passwd"),
    "processes": lambda: os.listdir("/proc"),
    "descriptors": lambda: any(readable(number) for number in range(3, 1024)),
}
def readable(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
for path in @PATHS@:
    attempts["reading " + path] = lambda path=path: os.lstat(path)
escaped = []
for name, attempt in attempts.items():
    try:
        result = attempt()
        if result == 0 and name == "fork":
            os._exit(0)
        if result is None or result is not False:
            escaped.append(name)
    except Exception:
        pass
ans = "; ".join(escaped) or "contained"
"""


def probes() -> str:
    """Return the escapes as one program, whose answer is "contained" or the names of those that worked."""
    paths = [
        PROJECT / "tasks" / "__init__.py",
        PROJECT / "pyproject.toml",
        Path.home() / ".bashrc",
        Path("/home"),
    ]
    hidden = [
        str(path) for path in (*paths, Path("/etc/shadow"), Path("/sys"), Path("/var"), Path("/usr/bin/env"))
    ]
    return _PROBES.replace("@PATHS@", json.dumps([path for path in hidden if path != os.path.sep]))


def prove(process: Process) -> None:
    """Try the escapes in a fresh isolation. Raises SandboxUnavailable if one works or cannot be tried."""
    view = outside_view(process)
    if not view.ok:
        raise SandboxUnavailable(view)
    try:
        result = read(process.run(probes(), trial=True), process.limits)
    except Broken as error:
        raise SandboxUnavailable(Isolation(False, f"the self-test could not be run: {error}")) from error
    if result.answer != "contained":
        reason = (
            f"a program could escape: {result.answer}"
            if result.answer
            else f"the self-test failed: {result.error}"
        )
        raise SandboxUnavailable(Isolation(False, reason))
