"""The system calls that a program may make, as seccomp filters (classic BPF) that are assembled here.

The filters are allow lists: other calls are refused with EPERM, so a call that a future kernel adds is refused too. The
filter `outer` covers the whole isolation from the start of its interpreter; `inner` is added by each forked child before
it runs a program and allows no new process, no execve, no signal and no socket. The forty lines of BPF are assembled here
to avoid a dependency on a shared library (libseccomp) that a slim container image may lack; tests compare the numbers
with it.

Source: linux/include/uapi/linux/{seccomp,filter,audit}.h; seccomp(2).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence

# name, number on x86_64, number on aarch64 ("-": that architecture has no such call)
_TABLE = """
    read 0 63; write 1 64; close 3 57; fstat 5 80; lseek 8 62; mmap 9 222; mprotect 10 226;
    munmap 11 215; brk 12 214; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139;
    pread64 17 67; pwrite64 18 68; readv 19 65; writev 20 66; sched_yield 24 124; mremap 25 216;
    msync 26 227; mincore 27 232; madvise 28 233; dup 32 23; nanosleep 35 101; getitimer 36 102;
    setitimer 38 103; getpid 39 172; sendfile 40 71; exit 60 93; uname 63 160; flock 73 32; fsync 74 82;
    fdatasync 75 83; truncate 76 45; ftruncate 77 46; getcwd 79 17; chdir 80 49; fchdir 81 50;
    fchmod 91 52; umask 95 166; gettimeofday 96 169; getrusage 98 165; sysinfo 99 179; times 100 153;
    getuid 102 174; getgid 104 176; geteuid 107 175; getegid 108 177; getppid 110 173; getgroups 115 158;
    getresuid 118 148; getresgid 120 150; getpgid 121 155; getsid 124 156; rt_sigpending 127 136;
    rt_sigtimedwait 128 137; rt_sigsuspend 130 133; sigaltstack 131 132; statfs 137 43; fstatfs 138 44;
    sched_getparam 143 121; sched_getscheduler 145 120; sched_get_priority_max 146 125;
    sched_get_priority_min 147 126; sched_getaffinity 204 123; gettid 186 178; futex 202 98;
    getdents64 217 61; set_tid_address 218 96; fadvise64 221 223; timer_create 222 107;
    timer_settime 223 110; timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111;
    clock_gettime 228 113; clock_getres 229 114; clock_nanosleep 230 115; exit_group 231 94;
    epoll_create1 291 20; epoll_ctl 233 21; epoll_pwait 281 22; openat 257 56; mkdirat 258 34;
    newfstatat 262 79; unlinkat 263 35; renameat 264 38; renameat2 316 276; linkat 265 37;
    symlinkat 266 36; readlinkat 267 78; fchmodat 268 53; faccessat 269 48; faccessat2 439 439;
    pselect6 270 72; ppoll 271 73; set_robust_list 273 99; utimensat 280 88; eventfd2 290 19;
    dup3 292 24; pipe2 293 59; preadv 295 69; pwritev 296 70; preadv2 327 286; pwritev2 328 287;
    getcpu 309 168; getrandom 318 278; copy_file_range 326 285; statx 332 291; rseq 334 293;
    membarrier 324 283; close_range 436 436; fallocate 285 47; wait4 61 260; waitid 247 95;
    restart_syscall 219 128; getrlimit 97 163; setrlimit 160 164; open 2 -; stat 4 -; lstat 6 -;
    poll 7 -; access 21 -; pipe 22 -; select 23 -; dup2 33 -; pause 34 -; alarm 37 -; getdents 78 -;
    rename 82 -; mkdir 83 -; rmdir 84 -; creat 85 -; link 86 -; unlink 87 -; symlink 88 -; readlink 89 -;
    chmod 90 -; getpgrp 111 -; arch_prctl 158 -; time 201 -; epoll_create 213 -; epoll_wait 232 -;
    utime 132 -; utimes 235 -; futimesat 261 -; eventfd 284 -; ioctl 16 29; fcntl 72 25; prctl 157 167;
    prlimit64 302 261; clone 56 220; clone3 435 435; execve 59 221; kill 62 129; pidfd_open 434 434;
    seccomp 317 277; fork 57 -; vfork 58 -; getpriority 140 141;
"""

_ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

# Not allowed by number alone: `inner` and `outer` decide on these by an argument.
_JUDGED = {"ioctl", "fcntl", "prctl", "prlimit64", "clone", "clone3"}
# The interpreter's start, and the server that forks and reaps children, need these; programs do not.
_SERVER_ONLY = {"execve", "fork", "vfork", "kill", "pidfd_open", "seccomp"}

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)  # no F_SETOWN, F_SETSIG, leases, notify
_PRCTLS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (glibc names its arenas)

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _ABSENT = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


def numbers(machine: str) -> dict[str, int]:
    """Return the numbers of the system calls by name for "x86_64" or "aarch64". Raises KeyError for another machine."""
    column = _ARCHITECTURES[machine][1]
    fields = (entry.split() for entry in _TABLE.replace("\n", " ").split(";") if entry.strip())
    return {name: int(row[column - 1]) for name, *row in fields if row[column - 1] != "-"}


def supported(machine: str = "") -> bool:
    """Whether there are filters for a machine (default: this one)."""
    return (machine or platform.machine()) in _ARCHITECTURES


def inner(machine: str = "") -> bytes:
    """Return the filter of a program: it may compute, read, write in its own temporary folder, and start threads."""
    machine = machine or platform.machine()
    rules = [
        _judge("ioctl", 1, _IOCTLS),
        _judge("fcntl", 1, _FCNTLS),
        _judge("prctl", 0, _PRCTLS),
        # only its own limits: the server has the same uid, and a limit can kill
        _judge("prlimit64", 0, (0,)),
        ("clone", [_op(_LOAD, _ARGUMENTS), _op(_ANY_BIT, _CLONE_THREAD, 0, 1), _op(_RETURN, _ALLOW)]),
    ]
    return _assemble(machine, rules, without=_SERVER_ONLY | _JUDGED)


def outer(machine: str = "") -> bytes:
    """Return the filter of the whole isolation: as `inner`, and fork, execve and signals, but no namespaces."""
    machine = machine or platform.machine()
    rules = [
        _judge("ioctl", 1, _IOCTLS),
        ("fcntl", [_op(_RETURN, _ALLOW)]),
        ("prctl", [_op(_RETURN, _ALLOW)]),
        ("prlimit64", [_op(_RETURN, _ALLOW)]),
        ("clone", [_op(_LOAD, _ARGUMENTS), _op(_ANY_BIT, _CLONE_NEW, 1, 0), _op(_RETURN, _ALLOW)]),
    ]
    return _assemble(machine, rules, without=_JUDGED)


_Rule = tuple[str, list[bytes]]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _judge(name: str, argument: int, allowed: Sequence[int]) -> _Rule:
    """Return the rule that allows a call only if the low 32 bits of an argument are one of `allowed` (little-endian)."""
    block = [_op(_LOAD, _ARGUMENTS + 8 * argument)]
    for value in allowed:
        block += [_op(_EQUAL, value, 0, 1), _op(_RETURN, _ALLOW)]
    return name, block


def _assemble(machine: str, rules: Sequence[_Rule], without: set[str]) -> bytes:
    number = numbers(machine)
    head = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_EQUAL, _ARCHITECTURES[machine][0], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
        # clone3 passes its flags by pointer, which no filter can read; ENOSYS makes libc use clone
        _op(_EQUAL, number["clone3"], 0, 1),
        _op(_RETURN, _ABSENT),
    ]
    for name, block in rules:
        body = [*block, _op(_RETURN, _REFUSE)]
        head += [_op(_EQUAL, number[name], 0, len(body)), *body]
    plain = [value for name, value in number.items() if name not in without]
    # one instruction per call, which jumps to the ALLOW at the very end: each child loads this filter
    chain = [_op(_EQUAL, value, len(plain) - at, 0) for at, value in enumerate(plain)]
    return b"".join([*head, *chain, _op(_RETURN, _REFUSE), _op(_RETURN, _ALLOW)])
