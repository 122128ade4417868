"""Process 1 inside the isolation: forks one child a program, keeps its limits, says how it ended.

This folder is all of the project that a program can see; it imports nothing of the project.
The server never reads what a program says: a child reads its own program from the request pipe,
and its output and its report are passed on as bytes and wiped. So a child's memory, a copy of
the server's, holds nothing of its neighbours, past or present.

Frames both ways: 4-byte big-endian length, then JSON. A reply is followed by two blobs whose
lengths it states: the tail of stdout, and the report the child left in a shared page. The first
request is the configuration (see tasks/sandbox/isolate.py); the first reply says it is ready.
"""

import ctypes
import gc
import json
import mmap
import os
import random
import resource
import select
import signal
import struct
import sys
import time

REPORT_MAX = 1 << 16
CHUNK = 1 << 16
DESCRIPTORS = 64
SLACK = 16 << 20  # address space kept back from a program, so that running out can still be reported
REQUEST, REPLY = 40, 41  # where the two pipes are moved, out of the way of descriptors 0 to 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 4, 22, 2


def read_exactly(descriptor, size):
    parts = []
    while size:
        part = os.read(descriptor, size)
        if not part:
            os._exit(0)  # the parent is gone, and with process 1 everything in here goes
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(header, *blobs):
    data = json.dumps(header).encode()
    for blob in (struct.pack(">I", len(data)), data, *blobs):
        view = memoryview(blob)
        while view:
            view = view[os.write(REPLY, view) :]


class FilterProgram(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class Server:
    """One isolation's loop. `run` is program.run, `config` as isolate.configuration makes it."""

    def __init__(self, config, run):
        self.config = config
        self.run = run
        self.page = mmap.mmap(-1, REPORT_MAX)
        self.output = bytearray(config["output_bytes"] + CHUNK)
        self.sealed = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.libc = ctypes.CDLL(None, use_errno=True)
        code = bytes.fromhex(config["filter"])
        self.code = ctypes.create_string_buffer(code, len(code))
        self.filter = FilterProgram(len(code) // 8, ctypes.addressof(self.code))
        space = address_space() + (config["memory_mb"] << 20)
        cpu = int(config["cpu_s"]) + 2  # whole seconds: only a backstop behind `overdue`
        file = config["tmp_mb"] << 20
        self.limits = (
            (resource.RLIMIT_AS, space, space + SLACK),
            (resource.RLIMIT_CPU, cpu, cpu + 1),
            (resource.RLIMIT_NPROC, config["threads"], config["threads"]),
            (resource.RLIMIT_FSIZE, file, file),
            (resource.RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS),
            (resource.RLIMIT_MSGQUEUE, 0, 0),
            (resource.RLIMIT_MEMLOCK, 0, 0),
        )
        self.untouched = self.folders()

    def serve(self):
        while True:
            (size,) = struct.unpack(">I", read_exactly(REQUEST, 4))
            out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
            pid = os.fork()
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
            self.watch(pid, out[0], err[0])
            os.close(out[0])
            os.close(err[0])

    def child(self, size):
        """In the fork: read the program, give up everything but descriptors 0 to 2, run it, leave."""
        text = json.loads(read_exactly(REQUEST, size))["program"]
        page, pack = self.page, struct.pack_into
        for name, soft, hard in self.limits:
            resource.setrlimit(name, (soft, hard))
        if self.libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self.filter), 0, 0):
            os._exit(1)
        os.eventfd_write(self.sealed, 1)  # from here on its end is its own, not our failure
        os.closerange(3, DESCRIPTORS)
        random.seed(self.config["seed"])
        sys.modules["numpy"].random.seed(self.config["seed"])
        report = self.run(text)
        if len(report) <= REPORT_MAX - 4:
            page[4 : 4 + len(report)] = report
            pack(">I", page, 0, len(report))
        os._exit(0)

    def watch(self, pid, out, err):
        """Keep a program's limits until it ends, end whatever it started, and reply."""
        config = self.config
        start = time.monotonic()
        tick = min(0.25, max(0.02, config["wall_s"] / 20))
        samples = [(start, 0.0)]
        pidfd = os.pidfd_open(pid)
        poller = select.poll()
        for descriptor in (out, err, pidfd):
            poller.register(descriptor, select.POLLIN)
        kept = total = 0
        end = None
        while end is None:
            ready = [descriptor for descriptor, _ in poller.poll(tick * 1000)]
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
                if overdue(config, start, now, cpu, samples[0]):
                    end = "time"
                samples = [*samples[-4:], (now, cpu)]
        if end != "exit":
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        os.close(pidfd)
        strays = end_strays()
        for descriptor in (out, err):
            kept, total, _ = self.drain(descriptor, descriptor == out, kept, total)
        if total > config["output_bytes"]:
            end = "output"
        os.eventfd_read(self.sealed)  # raises, and so ends the isolation, if the program never began
        self.reply(end, status, usage, kept, strays or self.folders() != self.untouched)

    def drain(self, descriptor, keep, kept, total):
        """Read what is there, at most to the limit: (bytes of stdout kept, bytes seen, closed)."""
        limit = self.config["output_bytes"]
        view = memoryview(self.output)
        while total <= limit:
            at = kept if keep else limit
            try:
                count = os.readv(descriptor, [view[at : at + CHUNK]])
            except BlockingIOError:
                return kept, total, False
            if not count:
                return kept, total, True
            total += count
            kept += count if keep else 0
        return kept, total, False

    def reply(self, end, status, usage, kept, suspect):
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
        self.output[:] = bytes(len(self.output))
        self.page[:] = bytes(REPORT_MAX)

    def folders(self):
        """What shows that a program left something behind: blocks, inodes, mode and entries."""
        found = []
        for path in ("/tmp", "/dev/shm"):
            use, info = os.statvfs(path), os.stat(path)
            found.append((use.f_bfree, use.f_ffree, info.st_mode, info.st_nlink))
        return found


def overdue(config, start, now, cpu, sample):
    """Whether a program's time is up.

    CPU time is the limit that counts. The wall limit falls on programs that wait; one that works
    but gets little of a busy machine has until `wall_cap_s`, so load loses no good program.
    """
    if cpu >= config["cpu_s"] or now - start >= config["wall_cap_s"]:
        return True
    since, before = sample
    return now - start >= config["wall_s"] and cpu - before < 0.05 * (now - since)


def end_strays():
    """Kill and reap all processes but this one; whether there were any."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return False
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return True


def address_space():
    """Bytes of address space in use, by trying limits (there is no /proc to ask in here)."""
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


def main():
    os.dup2(0, REQUEST, inheritable=False)
    os.dup2(1, REPLY, inheritable=False)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, REQUEST)
    (size,) = struct.unpack(">I", read_exactly(REQUEST, 4))
    config = json.loads(read_exactly(REQUEST, size))
    # Process 1 takes no signal from inside that it has no handler for, SIGKILL included
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.clear()
    sys.path[:] = [os.path.dirname(__file__), *sys.path, *config["sites"]]
    import program

    run = program.prepare(config)
    sys.path.pop(0)
    sys.argv[:] = [""]
    gc.collect()
    gc.freeze()
    server = Server(config, run)
    send({"ready": sys.version.split()[0]})
    server.serve()


main()
