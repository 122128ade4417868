"""Attacks on privileges, other processes, the network and the kernel."""

from __future__ import annotations

import platform

_CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    print("STOLEN", result)
"""
# by name: numbers on x86_64 and aarch64
_NUMBERS = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone": (56, 220),
    "mount": (165, 40),
    "pivot_root": (155, 41),
    "fsopen": (430, 430),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "prlimit64": (302, 261),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "reboot": (169, 142),
    "settimeofday": (170, 165),
    "swapon": (167, 224),
    "init_module": (175, 105),
}
_HERE = ("x86_64", "aarch64").index(platform.machine()) if platform.machine() != "arm64" else 1


def _call(name: str, *arguments: object) -> str:
    return _CALL + f"call({_NUMBERS[name][_HERE]}, {', '.join(map(str, arguments))})"


ATTACKS: dict[str, tuple[str, set[str]]] = {
    "setuid drop": ("import os\nos.setuid(0)\nprint('STOLEN')", {"denied"}),
    "setresuid": ("import os\nos.setresuid(1, 1, 1)\nprint('STOLEN')", {"denied"}),
    "setgroups": ("import os\nos.setgroups([0])\nprint('STOLEN')", {"denied"}),
    "kill parent": ("import os\nos.kill(os.getppid(), 9)\nprint('STOLEN')", {"denied"}),
    "kill -1": ("import os\nos.kill(-1, 9)\nprint('STOLEN')", {"denied"}),
    "kill the group": ("import os\nos.killpg(0, 9)\nprint('STOLEN')", {"denied"}),
    "kill by pidfd": (_call("pidfd_send_signal", 3, 9, 0, 0), {"denied"}),
    "kill by queue": (_call("rt_sigqueueinfo", 1, 9, 0), {"denied"}),
    "kill by owner of a descriptor": (
        "import fcntl, os, signal\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, 1)\nprint('STOLEN')",
        {"denied"},
    ),
    "kill by limit": (_call("prlimit64", 1, 0, "(ctypes.c_ulong * 2)(0, 0)", 0), {"denied"}),
    "ptrace the parent": (_call("ptrace", 16, 1, 0, 0), {"denied"}),
    "reading the parent's memory": (_call("process_vm_readv", 1, 0, 0, 0, 0, 0), {"denied"}),
    "user namespace": (_call("unshare", 0x10000000), {"denied"}),
    "mount namespace": (_call("unshare", 0x00020000), {"denied"}),
    "namespace by clone": (_call("clone", 0x10000000 | 17, 0, 0, 0, 0), {"denied"}),
    "setns": (_call("setns", 0, 0), {"denied"}),
    "mount": (_call("mount", "b'none'", "b'/tmp'", "b'tmpfs'", 0, 0), {"denied"}),
    "new mount calls": (_call("fsopen", "b'tmpfs'", 0), {"denied"}),
    "pivot_root": (_call("pivot_root", "b'/tmp'", "b'/tmp'"), {"denied"}),
    "keyctl": (_call("keyctl", 0, -3, 1), {"denied"}),
    "add_key": (_call("add_key", "b'user'", "b'a'", "b'b'", 1, -3), {"denied"}),
    "io_uring": (_call("io_uring_setup", 8, "ctypes.create_string_buffer(120)"), {"denied"}),
    "bpf": (_call("bpf", 0, 0, 0), {"denied"}),
    "perf": (_call("perf_event_open", 0, 0, -1, -1, 0), {"denied"}),
    "userfaultfd": (_call("userfaultfd", 1), {"denied"}),
    "memfd": (_call("memfd_create", "b'x'", 0), {"denied"}),
    "System V shared memory": (_call("shmget", 1234, 4096, 0o1777), {"denied"}),
    "System V messages": (_call("msgget", 1234, 0o1777), {"denied"}),
    "POSIX messages": (_call("mq_open", "b'x'", 66, 0o777, 0), {"denied"}),
    "open by handle": (_call("open_by_handle_at", 3, 0, 0), {"denied"}),
    "reboot": (_call("reboot", 0xFEE1DEAD, 672274793, 0x1234567), {"denied"}),
    "kernel module": (_call("init_module", 0, 0, 0), {"denied"}),
    "32-bit system calls": (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
        "a = ctypes.addressof(ctypes.c_char.from_buffer(m))\nprint('STOLEN', ctypes.CFUNCTYPE(ctypes.c_int)(a)())",
        {"denied", "signal"},
    ),
    "raising limits": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))\nprint('STOLEN')",
        {"error", "denied"},
    ),
    "TCP": ("import socket\nsocket.create_connection(('1.1.1.1', 80), 1)\nprint('STOLEN')", {"denied"}),
    "localhost": (
        "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)\nprint('STOLEN')",
        {"denied"},
    ),
    "UDP": (
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53))\nprint('STOLEN')",
        {"denied"},
    ),
    "DNS": ("import socket\nprint('STOLEN', socket.gethostbyname('example.com'))", {"error", "denied"}),
    "abstract socket": (
        "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0x')\nprint('STOLEN')",
        {"denied"},
    ),
    "listening": ("import socket\nsocket.create_server(('', 8080))\nprint('STOLEN')", {"denied"}),
    "netlink": (
        "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\nprint('STOLEN')",
        {"denied"},
    ),
    "socketpair": ("import socket\nsocket.socketpair()\nprint('STOLEN')", {"denied"}),
    "TIOCSTI": (
        "import fcntl\nfor d in (0, 1, 2): fcntl.ioctl(d, 0x5412, b'x')\nprint('STOLEN')",
        {"denied"},
    ),
    "terminal": ("open('/dev/tty', 'w').write('STOLEN')", {"error", "denied"}),
    "clock": ("import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\nprint('STOLEN')", {"denied"}),
    "hostname": ("import socket\nsocket.sethostname('STOLEN')\nprint('STOLEN')", {"denied"}),
    "the host's name": ("import os\nprint(os.uname().nodename)", {"ok:sandbox"}),
    "nice": ("import os\nos.nice(-20)\nprint('STOLEN')", {"denied"}),
    "affinity": ("import os\nos.sched_setaffinity(0, {0})\nprint('STOLEN')", {"denied"}),
}
