"""Attacks on the resources of a program: time, processes and threads, memory, output."""

from __future__ import annotations

from attacks.files import MARK

_TIMER = """
import ctypes, time
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("pad", ctypes.c_int * 12)]
class Times(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "s", "ns")]
libc, timer = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p()
if libc.timer_create(1, ctypes.byref(Event(None, @SIGNAL@, 0)), ctypes.byref(timer)): raise OSError(ctypes.get_errno(), "timer_create")
if libc.timer_settime(timer, 0, ctypes.byref(Times(0, 0, 0, 10**8)), None): raise OSError(ctypes.get_errno(), "timer_settime")
"""


def _timer(signal: int, then: str) -> str:
    """A POSIX timer that sends this process any signal, SIGKILL and SIGSTOP too."""
    return _TIMER.replace("@SIGNAL@", str(signal)) + then


_EXIT = (
    "import ctypes, platform\nctypes.CDLL(None).syscall(60 if platform.machine() == 'x86_64' else 93, 0)\n"
)

ATTACKS: dict[str, tuple[str, set[str]]] = {
    # time
    "infinite loop": ("while True: pass", {"time"}),
    "sleep": ("import time\ntime.sleep(1000)", {"time"}),
    "many short sleeps": ("import time\nwhile True: time.sleep(0.001)", {"time"}),
    "9**9**9": ("print(9**9**9)", {"time", "memory"}),
    "sympy hang": (
        "from sympy import *\nprint(factorint(nextprime(10**35) * nextprime(3 * 10**36)))",
        {"time"},
    ),
    "catastrophic regex": ("import re\nprint(re.match('(a+)+$', 'a' * 50 + 'b'))", {"time"}),
    "ignoring SIGTERM and SIGXCPU": (
        "import signal\nfor n in range(1, 32):\n    if n not in (9, 19): signal.signal(n, signal.SIG_IGN)\nwhile 1: pass",
        {"time"},
    ),
    "waiting on a lock": (
        "import threading\nlock = threading.Lock()\nlock.acquire(); lock.acquire()",
        {"time"},
    ),
    "a loop that catches everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        {"time"},
    ),
    "a main thread stopped by its own timer": (_timer(19, "time.sleep(1000)"), {"time"}),
    "stopped while it computes": (_timer(19, "while True: pass"), {"time"}),
    "a main thread that has ended, and one that waits": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n" + _EXIT,
        {"time"},
    ),
    "a main thread that has ended, and a lock nobody frees": (
        "import threading\nlock = threading.Lock()\nlock.acquire()\n"
        "threading.Thread(target=lock.acquire).start()\n" + _EXIT,
        {"time"},
    ),
    "killed by its own timer": (_timer(9, "time.sleep(1000)"), {"signal"}),
    "killed by its own timer while it computes": (_timer(9, "while True: pass"), {"signal"}),
    "killed by its own limit": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
        {"signal", "time"},
    ),
    # processes and threads
    "fork bomb": ("import os\nwhile True: os.fork()", {"denied"}),
    "fork bomb that perseveres": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        {"time"},
    ),
    "thread bomb": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(100,)).start()",
        {"error", "memory", "time"},
    ),
    "thread bomb that perseveres": (
        "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
        "    except Exception: pass",
        {"time", "memory"},
    ),
    "many children under the limit each": (
        "import multiprocessing as m\nps = [m.Process(target=bytearray, args=(1 << 27,)) for _ in range(50)]\n[p.start() for p in ps]",
        {"denied"},
    ),
    "double-fork daemon holding stdout": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)\n    os._exit(0)",
        {"denied"},
    ),
    "zombies": ("import os\nfor _ in range(1000):\n    if os.fork() == 0: os._exit(0)", {"denied"}),
    "subprocess": (
        "import subprocess\nprint('STOLEN', subprocess.check_output(['/bin/id']))",
        {"denied", "error"},
    ),
    "os.system": ("import os\nif os.system('echo STOLEN') == 0: print('STOLEN')", {"no_answer"}),
    "execve": ("import os, sys\nos.execv(sys.executable, ['python', '-c', 'print(\"STOLEN\")'])", {"denied"}),
    "posix_spawn": (
        "import os, sys\nos.posix_spawn(sys.executable, ['python'], {})\nprint('STOLEN')",
        {"denied"},
    ),
    # memory
    "2 GiB allocation": ("x = bytearray(2 << 30)\nprint(len(x))", {"memory"}),
    "growing list": ("x = [0]\nwhile True: x = x + x", {"memory", "time"}),
    "growing string": ("x = 'a'\nwhile True: x += x", {"memory", "time"}),
    "mapped memory": (
        "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 26))",
        {"memory"},
    ),
    "numpy allocation": ("import numpy\nprint(numpy.ones(1 << 30).sum())", {"memory"}),
    "memory, caught and tried again": (
        "x = []\nwhile True:\n    try: x.append(bytearray(1 << 20))\n    except MemoryError: x.append(1)",
        {"memory", "time"},
    ),
    "zip bomb": (
        "import zlib\nz = zlib.compressobj(9)\nb = z.compress(bytes(1 << 24)) + z.flush()\nd = zlib.decompressobj()\n"
        "print(len(b''.join(zlib.decompress(b) for _ in range(1000))))",
        {"memory", "time"},
    ),
    "memory kept in /dev/shm": (f"open('/dev/shm/{MARK}', 'wb').write(bytes(1 << 30))", {"output", "memory"}),
    # output
    "stdout flood": ("while True: print('x' * 1000)", {"output"}),
    "stderr flood": ("import sys\nwhile True: print('x' * 1000, file=sys.stderr)", {"output"}),
    "flood without a newline": ("import os\nwhile True: os.write(1, b'x' * 65536)", {"output"}),
    "flood by threads": (
        "import os, threading\ndef f():\n    while True: os.write(1, b'x' * 4096)\n[threading.Thread(target=f).start() for _ in range(4)]",
        {"output", "error"},
    ),
    "giant integer to string": ("print(7**100000)", {"error"}),
    "giant integer to string, limit lifted": (
        "import sys\nsys.set_int_max_str_digits(0)\nprint(7**200000)",
        {"output", "time"},
    ),
    "giant integer as ans": ("ans = 7**100000", {"output"}),
    "giant repr": ("print([list(range(1000)) for _ in range(1000)])", {"output", "time"}),
    "giant ans": ("ans = list(range(10**6))", {"output"}),
    "giant nested ans": ("ans = []\nfor _ in range(10**5): ans = [ans]", {"no_answer"}),
    "ans that contains itself": ("ans = []\nans.append(ans)", {"no_answer"}),
    "ans with shared parts": ("ans = [1]\nfor _ in range(60): ans = [ans, ans]", {"no_answer", "output"}),
    "giant sympy ans": (
        "import sympy\nx = sympy.Symbol('x')\nans = sympy.Add(*[x**n for n in range(5000)])",
        {"output", "time"},
    ),
    "giant error": ("raise ValueError('x' * 10**7)", {"error"}),
    "invalid UTF-8": ("import os\nos.write(1, b'\\xff\\xfe\\xc3\\n42')", {"ok:42"}),
    "NUL": ("print('4\\x002')", {"ok:4\ufffd2"}),
    "ANSI": ("print('\\x1b[2J\\x1b]0;title\\x07\\x1b[31m42\\x1b[0m')", {"ok:42"}),
    "bidi": ("print('\\u202e42\\u2066')", {"ok:\ufffd42\ufffd"}),
    "lone surrogate": ("ans = '\\ud800'", {"ok:\ufffd"}),
}
