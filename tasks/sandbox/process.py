"""One isolation, controlled from outside: start it, have it run programs, kill all of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.sandbox import cgroup, frames, isolate, syscalls
from tasks.sandbox.frames import FRAME_MAX, HeaderError
from tasks.sandbox.isolate import Isolation, SandboxUnavailable
from tasks.sandbox.verdict import Ended, Limits

START_S = 120.0  # to import and warm sympy on a busy machine
GRACE_S = 5.0  # beyond the longest time of a program, before the whole isolation is killed
TRIAL_S = 60.0  # the same as in inside/server.py
WORKING = "RD"  # states of a thread (proc(5)) that runs, waits for a processor, or is in the kernel


class Broken(RuntimeError):
    """The isolation died, did not answer in time, or sent an invalid frame: a failure of the sandbox, not of the program."""


def start(
    limits: Limits,
    command: Sequence[str],
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    hash_seed: int = 0,
    shown: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    first: bool = True,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command in an isolation of its own, with these descriptors; see isolate.arguments for the rest.

    Returns the outermost process, and the descriptor from which the pid that bubblewrap reports is read. Raises
    SandboxUnavailable if bubblewrap cannot be started.
    """
    filter_fd = os.memfd_create("sandbox-filter")
    os.write(filter_fd, syscalls.outer())
    os.lseek(filter_fd, 0, os.SEEK_SET)
    info_in, info_fd = os.pipe()
    line = isolate.arguments(
        limits,
        command,
        hash_seed=hash_seed,
        filter_fd=filter_fd,
        info_fd=info_fd,
        shown=shown,
        environment=environment,
        first=first,
    )
    try:
        process = subprocess.Popen(
            line,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=0,
            pass_fds=(filter_fd, info_fd),
            start_new_session=True,
        )
    except OSError as error:
        os.close(info_in)
        reason = f"bubblewrap could not be started: {error.strerror}"
        raise SandboxUnavailable(Isolation(False, reason, "apt-get install bubblewrap")) from error
    finally:
        os.close(filter_fd)
        os.close(info_fd)
    return process, info_in


class Process:
    """A warm server in its own isolation. Used only by the thread that created it: the isolation dies with that thread."""

    def __init__(self, limits: Limits, *, seed: int = 0, clock_shift_s: int = 0) -> None:
        """Start and warm the isolation. Raises SandboxUnavailable if it does not start."""
        self.limits = limits
        self.served = 0
        self.first_pid: int | None = None  # of process 1, in the pid namespace of this machine
        self.first: int | None = None  # a pidfd of process 1, because a pid may be reused
        self.group: cgroup.Cgroup | None = None
        self._memory_kills = 0  # counted by the group so far
        self.log: int | None = os.memfd_create("sandbox-stderr")
        try:
            self._process, info_in = self._start(seed, self.log)
        except SandboxUnavailable:
            os.close(self.log)
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        try:
            with os.fdopen(info_in, "rb") as stream:
                info = stream.read()
            if not info:
                raise Broken("bubblewrap did not start")
            self.first_pid = json.loads(info)["child-pid"]
            with contextlib.suppress(ProcessLookupError):  # it has died already: the next frame shows it
                self.first = os.pidfd_open(self.first_pid)
            self._send(isolate.configuration(limits, seed=seed, clock_shift_s=clock_shift_s))
            self._frame(time.monotonic() + START_S)
            self.group = cgroup.enclose(self.first_pid, limits)
        except Broken as error:
            why = isolate.failed(self._stderr_tail() or str(error))
            self.kill()
            raise SandboxUnavailable(why) from None
        except BaseException:
            self.kill()
            raise

    def _start(self, seed: int, log: int) -> tuple[subprocess.Popen[bytes], int]:
        """Return the outermost process, and the descriptor from which the pid that bubblewrap reports is read."""
        command = [isolate.interpreter(), "-s", "-S", "-P", "-B", "/inside/server.py"]
        pipe = subprocess.PIPE
        return start(self.limits, command, stdin=pipe, stdout=pipe, stderr=log, hash_seed=seed)

    def run(self, program: str, *, trial: bool = False) -> Ended:
        """Run one program to its end. Raises Broken if the isolation fails, after which it cannot be used any more.

        A trial (the self-test) has TRIAL_S seconds, whatever the limits are.
        """
        self.served += 1
        self._send({"program": program}, b"\1" if trial else b"\0")
        deadline = time.monotonic() + (TRIAL_S if trial else self.limits.wall_cap_s) + GRACE_S
        reply = self._frame(deadline)
        while reply.get("end") == "idle?":
            self._write(b"\1" if self._asleep() else b"\0")
            reply = self._frame(deadline)
        try:
            header = frames.header(reply)
        except HeaderError as error:
            raise Broken(str(error)) from error
        stdout = self._read(header.stdout, deadline)
        report = self._read(header.report, deadline)
        return Ended(header, stdout, report, self._out_of_memory(header.status))

    def interrupt(self) -> None:
        """Kill process 1, with which the kernel kills its whole pid namespace. May be called from any thread."""
        if self.first is not None:
            with contextlib.suppress(OSError):  # it has ended, or its thread has just closed the descriptor
                signal.pidfd_send_signal(self.first, signal.SIGKILL)

    def kill(self) -> None:
        """End everything in the isolation at once and release its resources. Safe to call twice."""
        self.interrupt()
        with contextlib.suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self.group is not None:
            self.group.remove()
            self.group = None
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        for descriptor in (self.log, self.first):
            if descriptor is not None:
                os.close(descriptor)
        self.log = self.first = None

    def _send(self, message: dict[str, Any], before: bytes = b"") -> None:
        data = json.dumps(message).encode()
        self._write(before + struct.pack(">I", len(data)) + data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._in, view) :]
        except BrokenPipeError:
            raise Broken("the isolation has ended") from None

    def _frame(self, deadline: float) -> dict[str, Any]:
        (size,) = struct.unpack(">I", self._read(4, deadline))
        if size > FRAME_MAX:
            raise Broken(f"a frame of {size} bytes")
        try:
            return frames.frame(self._read(size, deadline))
        except HeaderError as error:
            raise Broken(str(error)) from error

    def _read(self, size: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        poller = select.poll()  # select() cannot wait for a descriptor above 1023
        poller.register(self._out, select.POLLIN)
        while size:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise Broken("the isolation did not answer in time")
            part = os.read(self._out, size)
            if not part:
                raise Broken("the isolation ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _out_of_memory(self, status: int) -> bool:
        """Return whether a program that SIGKILL ended was killed for its memory, which the control group counts.

        Without a group it was not: only address space is limited then, and a program that reaches that limit gets an
        error and no signal.
        """
        if self.group is None or not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return False
        before, self._memory_kills = self._memory_kills, self.group.memory_kills()
        return self._memory_kills > before

    def _asleep(self) -> bool:
        """Return whether no thread of the program computes in five samples.

        A thread that waits for a processor on a busy machine counts as running; one that is stopped or has ended (such as
        a main thread that others outlive) does not. True if /proc cannot be read.
        """
        try:
            for _ in range(5):
                if any(state in WORKING for state in thread_states(self.first_pid)):
                    return False
                time.sleep(0.01)
        except OSError:
            return True  # it ended in between, or /proc is hidden: the wall limit decides
        return True

    def _stderr_tail(self) -> str:
        """Return the last 4 KiB that the isolation wrote to stderr."""
        if self.log is None:
            return ""
        size = os.lseek(self.log, 0, os.SEEK_END)
        return os.pread(self.log, 4096, max(0, size - 4096)).decode("utf-8", "replace")


def thread_states(parent: int | None) -> Iterator[str]:
    """Yield the state letters (proc(5): R running, S sleeping, D in the kernel ...) of the threads of a process's children."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        for task in Path(f"/proc/{child}/task").iterdir():
            yield (task / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]


def outside_view(process: Process) -> Isolation:
    """Check process 1 from outside, as the kernel reports it: its real uid, capabilities and system call filters."""
    if process.first_pid is None:
        return Isolation(False, "bubblewrap did not name its first process", "apt-get install bubblewrap")
    with open(f"/proc/{process.first_pid}/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    uids = {int(uid) for uid in fields["Uid"].split()}
    if 0 in uids:
        return Isolation(False, "programs would run as root", "run as an ordinary user")
    held = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(fields[name], 16)]
    if held:
        return Isolation(False, f"programs would hold capabilities ({', '.join(held)})")
    if fields["Seccomp"] != "2" or fields["NoNewPrivs"] != "1":
        return Isolation(False, "no seccomp filter is in force", "use a kernel with CONFIG_SECCOMP_FILTER")
    return Isolation(True, f"uid {min(uids)}, no capabilities, seccomp")
