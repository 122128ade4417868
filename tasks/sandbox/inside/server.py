"""Process 1 inside the isolation: forks one child per program, enforces its limits and reports how it ended.

This folder is all of the project that a program can see; it imports nothing of the project. The server never parses what
a program writes: a child reads its own program from the request pipe, and its output and its report are passed on as
bytes and erased. So the memory of a child, which is a copy of the server's, holds nothing of other programs.

Frames in both directions are a 4-byte big-endian length and JSON; the frame of a program is preceded by one byte: 1 for
the self-test, which has TRIAL_S instead of the time of programs. "idle?" is answered by a byte. A reply is followed by two
blobs whose lengths it states: the tail of stdout, and the report that the child left in a shared page. The first request
is the configuration (see tasks/sandbox/isolate.py); the first reply says that the server is ready.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import json
import mmap
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

# The functions below keep these builtins whatever a program does to the module `builtins`.
globals()["__builtins__"] = dict(vars(builtins))

REPORT_MAX = CHUNK = 1 << 16
EMPTY_PAGE = bytes(CHUNK)
DESCRIPTORS = 64
FOLDERS = ("/tmp", "/dev/shm")  # where programs may write
FILES_MAX = 5_000
TRIAL_S = 60.0
IDLE_SHARE = 0.02  # of a core: a program that takes less for `idle_s` is waiting
SLACK = 16 << 20  # address space withheld from a program, so that running out of it can still be reported
REQUEST, REPLY = 40, 41  # descriptors to which the two pipes are moved, away from 0 to 2
HUGE, MADV_COLLAPSE = 21, 25
PR_SET_DUMPABLE, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 4, 22, 2


def read_exactly(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, size)
        if not part:
            os._exit(0)  # the parent has ended; the end of process 1 ends everything in the isolation
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(header: dict[str, Any], *blobs: memoryview | bytes) -> None:
    data = json.dumps(header).encode()
    parts: list[memoryview | bytes] = [struct.pack(">I", len(data)), data, *blobs]
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(REPLY, view) :]


class FilterProgram(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class Server:
    """The loop of one isolation. `run` is the function that program.prepare returns, `config` that of isolate.configuration."""

    def __init__(self, config: dict[str, Any], run: Callable[[str], bytes]) -> None:
        self.config = config
        self.trial = config | {"wall_s": TRIAL_S, "wall_cap_s": TRIAL_S, "cpu_s": TRIAL_S}
        self.run = run
        self.page = mmap.mmap(-1, REPORT_MAX)
        self.output = bytearray(config["output_bytes"] + CHUNK)
        self.noise = bytearray(CHUNK)  # what goes to stderr is counted, not kept
        self.sealed = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.libc = ctypes.CDLL(None, use_errno=True)
        # os.fork would also reset what matters only to threads, of which there are none here: 200 page faults per
        # child, a third of the cost of a short program
        self.fork: Callable[[], int] = ctypes.PyDLL(None).fork
        code = bytes.fromhex(config["filter"])
        self.code = ctypes.create_string_buffer(code, len(code))
        self.filter = FilterProgram(len(code) // 8, ctypes.addressof(self.code))
        file = config["tmp_mb"] << 20
        for name, limit in (
            (resource.RLIMIT_FSIZE, file),
            (resource.RLIMIT_NOFILE, DESCRIPTORS),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
        ):
            resource.setrlimit(name, (limit, limit))
        space = address_space() + (config["memory_mb"] << 20)
        cpu = int(config["cpu_s"]) + 9  # whole seconds: only a backstop behind `overdue`
        self.limits = (  # of children only
            (resource.RLIMIT_AS, (space, space + SLACK)),
            (resource.RLIMIT_CPU, (cpu, cpu + 1)),
            # before Linux 5.14 this counts all of the uid's threads on the machine
            (resource.RLIMIT_NPROC, (config["threads"], config["threads"])),
        )
        self.untouched = self.folders()
        for path in FOLDERS:
            os.utime(path, (0, 0))

    def serve(self) -> NoReturn:
        while True:
            trial, size = struct.unpack(">?I", read_exactly(REQUEST, 5))
            out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
            pid = self.fork()
            if pid < 0:
                os._exit(1)
            if pid == 0:
                try:
                    os.dup2(out[1], 1)
                    os.dup2(err[1], 2)
                    self.child(size)
                finally:
                    os._exit(1)
            for theirs, ours in ((out[1], out[0]), (err[1], err[0])):
                os.close(theirs)
                os.set_blocking(ours, False)
            self.watch(pid, out[0], err[0], self.trial if trial else self.config)
            os.close(out[0])
            os.close(err[0])

    def child(self, size: int) -> NoReturn:
        """In the fork: read the program, close all descriptors but 0 to 2, run the program and exit."""
        text = json.loads(read_exactly(REQUEST, size))["program"]
        page, pack = self.page, struct.pack_into
        for name, limit in self.limits:
            resource.setrlimit(name, limit)
        if self.libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self.filter), 0, 0):
            os._exit(1)
        os.eventfd_write(
            self.sealed, 1
        )  # from here on, its end is caused by the program and not by the sandbox
        os.closerange(3, DESCRIPTORS)
        report = self.run(text)
        if len(report) <= REPORT_MAX - 4:
            page[4 : 4 + len(report)] = report
            pack(">I", page, 0, len(report))
        os._exit(0)

    def watch(self, pid: int, out: int, err: int, config: dict[str, Any]) -> None:
        """Enforce the limits of a program until it ends, end all that it started, and reply."""
        start = time.monotonic()
        tick = min(0.25, max(0.02, config["wall_s"] / 20))
        samples = [(start, 0.0)]  # of the last idle_s: when, and CPU seconds used by then
        pidfd = os.pidfd_open(pid)
        poller = select.poll()
        for descriptor in (out, err, pidfd):
            poller.register(descriptor, select.POLLIN)
        poller.register(REQUEST, 0)
        kept = total = 0
        end = ""
        while not end:
            ready = [descriptor for descriptor, _ in poller.poll(tick * 1000)]
            if REQUEST in ready:
                os._exit(0)  # the pipe was closed: the parent has ended
            for descriptor in ready:
                if descriptor != pidfd:
                    kept, total, closed = self.drain(descriptor, descriptor == out, kept, total)
                    if closed:
                        poller.unregister(descriptor)
            now = time.monotonic()
            if total > config["output_bytes"]:
                end = "output"
            elif pidfd in ready:
                end = "exit"
            elif now - samples[-1][0] >= tick:
                cpu = time.clock_gettime((~pid << 3) | 2)  # the CPU clock of another process
                while len(samples) > 1 and now - samples[1][0] >= config["idle_s"]:
                    samples.pop(0)
                end = overdue(config, start, now, cpu, samples[0])
                if end == "idle" and not self.is_waiting():
                    end, samples = "", []
                if self.new_files() > FILES_MAX:
                    end = "output"
                samples.append((now, cpu))
        if end != "exit":
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        os.close(pidfd)
        strays = end_strays()
        changed = self.folders() != self.untouched
        for path in FOLDERS:
            os.utime(path, (0, 0))  # a time set by a program would be a message to the next one
        for descriptor in (out, err):
            kept, total, _ = self.drain(descriptor, descriptor == out, kept, total)
        if total > config["output_bytes"]:
            end = "output"
        os.eventfd_read(self.sealed)  # raises, and so ends the isolation, if the program never started
        self.reply(end, status, usage, kept, strays or changed)

    def is_waiting(self) -> bool:
        """Whether the program is idle, and not only waiting for a processor; only the parent can tell."""
        if not select.select([self.sealed], [], [], 0)[0]:
            return False  # the child still reads its program, from the pipe on which the parent would answer
        send({"end": "idle?"})
        return read_exactly(REQUEST, 1) == b"\1"

    def drain(self, descriptor: int, keep: bool, kept: int, total: int) -> tuple[int, int, bool]:
        """Read the available output up to the limit; return (bytes of stdout kept, bytes read in all, closed)."""
        limit = self.config["output_bytes"]
        view = memoryview(self.output)
        while total <= limit:
            try:
                count = os.readv(descriptor, [view[kept : kept + CHUNK] if keep else self.noise])
            except BlockingIOError:
                return kept, total, False
            if not count:
                return kept, total, True
            total += count
            kept += count if keep else 0
        return kept, total, False

    def reply(self, end: str, status: int, usage: resource.struct_rusage, kept: int, suspect: bool) -> None:
        (size,) = struct.unpack_from(">I", self.page, 0)
        size = min(size, REPORT_MAX - 4)
        kept = min(kept, len(self.output))
        first = max(0, kept - self.config["tail_bytes"])
        header = {
            "end": end,
            "status": status,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_kb": usage.ru_maxrss,
            "stdout": kept - first,
            "report": size,
            "suspect": suspect,
        }
        with memoryview(self.output) as output, memoryview(self.page) as page:
            send(header, output[first:kept], page[4 : 4 + size])
        self.output[:kept] = bytes(kept)
        self.noise[:] = EMPTY_PAGE
        self.page[:] = EMPTY_PAGE

    def new_files(self) -> int:
        """Return how many inodes are in use in addition: a tmpfs limits its blocks, but not the kernel memory of inodes."""
        return sum(then[1] - now[1] for then, now in zip(self.untouched, self.folders(), strict=True))

    def folders(self) -> list[tuple[int, ...]]:
        """Return the state by which leftovers of a program are detected: blocks, inodes, mode and entries of each folder."""
        states: list[tuple[int, ...]] = []
        for path in FOLDERS:
            use, info = os.statvfs(path), os.stat(path)
            states.append((use.f_bfree, use.f_ffree, info.st_mode, info.st_nlink))
        return states


def overdue(config: dict[str, Any], start: float, now: float, cpu: float, sample: tuple[float, float]) -> str:
    """Return which time limit a program has passed: "cpu", "idle" or "wall"; empty if none.

    CPU time is the main limit. The wall limit applies to programs that wait ("idle", if the parent finds them asleep); one
    that computes but gets little of a busy machine may run until `wall_cap_s`, so that load fails no good program.
    """
    if cpu >= config["cpu_s"]:
        return "cpu"
    if now - start >= config["wall_cap_s"]:
        return "wall"
    since, before = sample
    idle = now - since >= config["idle_s"] and cpu - before < IDLE_SHARE * (now - since)
    return "idle" if idle and now - start >= config["wall_s"] else ""


def end_strays() -> bool:
    """Kill and reap all processes but this one, and return whether there were any."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return False
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return True


def address_space() -> int:
    """Return the bytes of address space in use, found by trying limits, because there is no /proc inside."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    low, high = 0, 1 << 46
    while high - low > 1 << 16:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle, hard))
        try:
            mmap.mmap(-1, mmap.PAGESIZE).close()
            high = middle
        except (OSError, MemoryError):
            low = middle
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return high


def use_huge_pages() -> None:
    """Put the warm heap on huge pages if the kernel supports it (Linux 6.1): a fork then copies dozens of page-table
    entries instead of thousands, which halves its cost."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for region in {id(thing) >> HUGE for thing in gc.get_objects() + list(sys.modules)}:
        madvise(region << HUGE, 1 << HUGE, MADV_COLLAPSE)


def main() -> NoReturn:
    os.dup2(0, REQUEST, inheritable=False)
    os.dup2(1, REPLY, inheritable=False)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, REQUEST)
    (size,) = struct.unpack(">I", read_exactly(REQUEST, 4))
    config = json.loads(read_exactly(REQUEST, size))
    # Process 1 ignores signals from inside for which it has no handler, SIGKILL included
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.environ.clear()
    sys.path[:] = [os.path.dirname(__file__), *sys.path, *config["sites"]]
    import program  # type: ignore[import-not-found]  # found only in here

    run = program.prepare(config)
    sys.path.pop(0)
    sys.argv[:] = [""]
    server = Server(config, run)
    gc.collect()
    use_huge_pages()
    gc.freeze()
    send({"ready": sys.version.split()[0]})
    server.serve()


main()
