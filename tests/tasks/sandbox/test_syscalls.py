"""The seccomp filters, read as the kernel reads them, for both architectures."""

from __future__ import annotations

import errno
import struct

import pytest

from tasks.sandbox import syscalls

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def decide(program: bytes, machine: str, number: int, *arguments: int) -> int:
    """What a filter returns for a call: classic BPF, the four instructions in use here."""
    padded = [argument & (1 << 64) - 1 for argument in (*arguments, *([0] * (6 - len(arguments))))]
    data = struct.pack("<IIQ6Q", number, AUDIT[machine], 0, *padded)
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x15:
            at += if_true if accumulator == value else if_false
        elif code == 0x45:
            at += if_true if accumulator & value else if_false
        else:
            raise AssertionError(f"instruction {code:#x}")


@MACHINES
def test_only_what_is_named_is_allowed(machine):
    number = syscalls.numbers(machine)
    judged = {"ioctl", "fcntl", "prctl", "prlimit64", "clone", "clone3"}
    server = {"execve", "fork", "vfork", "kill", "pidfd_open", "seccomp"}
    allowed = {value for name, value in number.items() if name not in judged | server}
    inner, outer = syscalls.inner(machine), syscalls.outer(machine)
    skipped = {number[name] for name in judged}
    for call in set(range(600)) - skipped:
        assert decide(inner, machine, call) == (ALLOW if call in allowed else EPERM), call
    for name in server & number.keys():
        assert decide(outer, machine, number[name]) == ALLOW


@MACHINES
def test_another_architecture_is_killed_and_x32_is_refused(machine):
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[machine]
    read = syscalls.numbers(machine)["read"]
    for program in (syscalls.inner(machine), syscalls.outer(machine)):
        assert decide(program, other, read) == KILL
        assert decide(program, machine, read) == ALLOW
        assert decide(program, machine, 0x40000000 | read) == EPERM


@MACHINES
@pytest.mark.parametrize(
    ("name", "arguments", "inner", "outer"),
    [
        ("clone", (17,), EPERM, ALLOW),  # a process
        ("clone", (0x3D0F00,), ALLOW, ALLOW),  # a thread, as glibc starts one
        ("clone", (0x10000000 | 17,), EPERM, EPERM),  # a user namespace
        ("clone", (0x00020000 | 17,), EPERM, EPERM),  # a mount namespace
        ("clone3", (0, 88), ENOSYS, ENOSYS),
        ("fcntl", (3, 8, 1), EPERM, ALLOW),  # F_SETOWN
        ("fcntl", (3, 1030, 0), ALLOW, ALLOW),  # F_DUPFD_CLOEXEC
        ("ioctl", (0, 0x5412), EPERM, EPERM),  # TIOCSTI
        ("ioctl", (0, 0x5401), ALLOW, ALLOW),  # TCGETS
        ("ioctl", (0, 0x100000000 | 0x5412), EPERM, EPERM),
        ("prctl", (4, 1), EPERM, ALLOW),  # PR_SET_DUMPABLE
        ("prlimit64", (1, 0), EPERM, ALLOW),  # of process 1
        ("prlimit64", (0, 0), ALLOW, ALLOW),
    ],
)
def test_calls_are_judged_by_their_arguments(machine, name, arguments, inner, outer):
    number = syscalls.numbers(machine)[name]
    assert decide(syscalls.inner(machine), machine, number, *arguments) == inner
    assert decide(syscalls.outer(machine), machine, number, *arguments) == outer


@MACHINES
def test_numbers_are_those_of_libseccomp(machine):
    try:
        seccomp = pytest.importorskip("pyseccomp")
    except (OSError, RuntimeError) as error:
        pytest.skip(f"libseccomp is not installed: {error}")
    architecture = {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[machine]
    resolved = {name: seccomp.resolve_syscall(architecture, name) for name in syscalls.numbers(machine)}
    assert resolved == syscalls.numbers(machine)


def test_other_machines_are_not_supported():
    assert syscalls.supported("x86_64")
    assert syscalls.supported("aarch64")
    assert not syscalls.supported("riscv64")
