"""Hostile programs, and the verdicts that are right for them. Nothing here is run outside a sandbox.

Each entry: the program, and the verdicts it may get, "ok:X" meaning ok with the answer X. Where a
program prints what it stole or did, it prints STOLEN, which no result may contain.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MARK = "sandbox-attack-mark"  # in the name of every file an attack tries to leave
BENIGN = "import os\nprint(sum(range(7)) * 2, os.listdir('/tmp'), os.listdir('/dev/shm'))"
BENIGN_ANSWER = "42 [] []"

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
    "growing list": ("x = [0]\nwhile True: x = x + x", {"memory"}),
    "growing string": ("x = 'a'\nwhile True: x += x", {"memory"}),
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
    # files
    "reading /etc/passwd": ("print('STOLEN', open('/etc/passwd').read())", {"error", "denied"}),
    "reading /etc/shadow": ("print('STOLEN', open('/etc/shadow').read())", {"error", "denied"}),
    "reading home": (
        f"import os\nprint('STOLEN', os.listdir({str(Path.home() / '.ssh')!r}))",
        {"error", "denied"},
    ),
    "reading /home": ("import os\nprint('STOLEN', os.listdir('/home'))", {"error", "denied"}),
    "reading the repository": (
        f"print('STOLEN', open({str(REPOSITORY / 'pyproject.toml')!r}).read())",
        {"error", "denied"},
    ),
    "importing the project": ("import tasks.sandbox\nprint('STOLEN')", {"error"}),
    "importing the project by path": (
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\nimport storage\nprint('STOLEN')",
        {"error"},
    ),
    "reading gold answers": (
        "import os\nfor top, _, names in os.walk('/'):\n    if top.startswith(('/usr', '/lib')): continue\n"
        "    for n in names:\n        if 'gsm8k' in n or n.endswith('.jsonl'): print('STOLEN', top, n)",
        {"no_answer", "time"},
    ),
    "environment": ("import os\nprint(dict(os.environ))", {"ok:{}"}),
    "environment of processes": (
        "import glob\nfor p in glob.glob('/proc/*/environ'): print('STOLEN', open(p, 'rb').read())",
        {"no_answer"},
    ),
    "memory of the parent": ("open('/proc/1/mem', 'rb').read(1)\nprint('STOLEN')", {"error", "denied"}),
    "writing outside": (f"open('/{MARK}', 'w')", {"denied"}),
    "writing by ..": (f"open('../../{MARK}', 'w')", {"denied"}),
    "writing into the library": ("import os\nopen(os.__file__, 'a').write('STOLEN')", {"denied"}),
    "writing into site-packages": (
        "import sympy, os\nopen(os.path.join(os.path.dirname(os.path.dirname(sympy.__file__)), 'sitecustomize.py'), 'w')",
        {"denied"},
    ),
    "sitecustomize": (
        "for n in ('sitecustomize', 'usercustomize', 'sympy', 'json'):\n    open(f'/tmp/{n}.py', 'w').write('print(\"STOLEN\")')\n"
        "import importlib, json\nprint(42)",
        {"ok:42"},
    ),
    "huge file": (f"f = open('/tmp/{MARK}', 'wb')\nwhile True: f.write(bytes(1 << 20))", {"output"}),
    "sparse file": (f"f = open('/tmp/{MARK}', 'wb')\nf.truncate(1 << 50)", {"output"}),
    "many files": (
        f"n = 0\nwhile True:\n    open(f'/tmp/{MARK}{{n}}', 'w').close(); n += 1",
        {"time", "output", "memory"},
    ),
    "shared memory left behind": (
        f"from multiprocessing import shared_memory as s\nb = s.SharedMemory('{MARK}', True, 4096)\nprint(b.size)",
        {"ok:4096", "denied", "error"},
    ),
    "result path as symlink": (
        "import os\nfor n in ('result', 'result.json', 'out', 'report'): os.symlink('/etc/passwd', '/tmp/' + n)\nans = 1",
        {"ok:1"},
    ),
    "result path as hard link": (
        "import os\nos.link(os.__file__, '/tmp/result')\nprint('STOLEN')",
        {"denied", "error"},
    ),
    "result path as FIFO": ("import os\nos.mkfifo('/tmp/result')\nprint('STOLEN')", {"denied"}),
    "result path as device": (
        "import os, stat\nos.mknod('/tmp/result', stat.S_IFBLK | 0o666, 2049)\nprint('STOLEN')",
        {"denied"},
    ),
    "deleting its own directory": ("import shutil\nshutil.rmtree('/tmp')", {"error", "denied"}),
    "deleting everything": (
        "import shutil\nshutil.rmtree('/', ignore_errors=True)\nprint(42)",
        {"ok:42", "time"},
    ),
    "chmod 0": ("import os\nos.chmod('/tmp', 0)\nprint(42)", {"ok:42"}),
    "chmod 0 of a tree": (
        "import os\nos.makedirs('/tmp/a/b/c')\nfor p in ('/tmp/a/b/c', '/tmp/a/b', '/tmp/a', '/tmp'): os.chmod(p, 0)\nprint(42)",
        {"ok:42"},
    ),
    "10,000-deep tree": (
        "import os\nfor _ in range(10000):\n    os.mkdir('d'); os.chdir('d')\nprint(42)",
        {"ok:42", "output", "time"},
    ),
    "a set-uid file": (
        "import os\nopen('/tmp/s', 'w').close(); os.chmod('/tmp/s', 0o4755)\nprint(42)",
        {"ok:42", "denied"},
    ),
    # privileges and the kernel
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
    # the protocol
    "os._exit before answering": ("import os\nos._exit(0)\nans = 5", {"no_answer"}),
    "sys.exit before answering": ("import sys\nsys.exit()\nans = 5", {"no_answer"}),
    "exit in solution()": ("import os\ndef solution(): os._exit(0)", {"no_answer"}),
    "forged frame on every descriptor": (
        'import os, struct\nb = b\'{"end": "exit", "status": 0, "value": "STOLEN"}\'\nfor d in range(3, 1024):\n'
        "    try: os.write(d, struct.pack('>I', len(b)) + b)\n    except OSError: pass\nans = 5",
        {"ok:5"},
    ),
    "inherited descriptors": (
        "import os\nn = 0\nfor d in range(3, 4096):\n    try: os.fstat(d); n += 1\n    except OSError: pass\nprint(n)",
        {"ok:0"},
    ),
    "descriptor exhaustion": ("x = []\nwhile True: x.append(open('/dev/null'))", {"error"}),
    "closing its descriptors": ("import os\nos.closerange(0, 3)\nans = 5", {"ok:5", "error", "no_answer"}),
    "closing its descriptors and staying": ("import os\nos.closerange(0, 3)\nwhile True: pass", {"time"}),
    "garbage in the report": (
        "import os, sys\nf = sys._getframe()\nwhile f:\n    s = f.f_locals.get('self')\n"
        "    if hasattr(s, 'page'): s.page[:] = b'\\xff' * len(s.page); os._exit(0)\n    f = f.f_back",
        {"no_answer"},
    ),
    "deep garbage in the report": (
        "import os, sys, struct\nf = sys._getframe()\nwhile f:\n    s = f.f_locals.get('self')\n"
        "    if hasattr(s, 'page'): s.page[:4] = struct.pack('>I', 60000); s.page[4:60004] = b'[' * 60000; os._exit(0)\n    f = f.f_back",
        {"no_answer"},
    ),
    "__reduce__ payload": (
        "class X:\n    def __reduce__(self): return (print, ('STOLEN',))\nans = X()",
        {"no_answer"},
    ),
    "lying dunders": (
        "class X(int):\n    def __str__(self): return 'STOLEN'\n    __repr__ = __format__ = __str__\n    def __eq__(self, o): return True\n"
        "    def __hash__(self): return 0\nans = X(5)",
        {"no_answer"},
    ),
    "lying string": ("class X(str):\n    def __str__(self): return 'STOLEN'\nans = X('5')", {"no_answer"}),
    "lying sympy class": (
        "import sympy\nclass X(sympy.Symbol):\n    def _sympystr(self, p): return 'STOLEN'\nans = 1 + X('x')",
        {"no_answer"},
    ),
    "lying exception": (
        "class X(Exception):\n    def __str__(self): return 'STOLEN'\n    __repr__ = __str__\nraise X('plain')",
        {"error"},
    ),
    "lying metaclass": (
        "class M(type):\n    def __getattribute__(c, n): raise SystemExit('STOLEN')\nclass X(Exception, metaclass=M): pass\nraise X",
        {"error"},
    ),
    "recursion limit": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()",
        {"signal", "memory", "error", "time"},
    ),
    "recursion": ("def f(): return f()\nf()", {"error"}),
    "C stack overflow": (
        "x = ()\nfor _ in range(10**6): x = (x,)\nprint(hash(x))",
        {"signal", "error", "time"},
    ),
    "ctypes NULL": ("import ctypes\nctypes.string_at(0)", {"signal"}),
    "abort": ("import os\nos.abort()", {"signal"}),
    "patched builtins": (
        "import builtins, json, json.encoder, sys\nfor n in list(vars(builtins)):\n"
        "    if n not in ('__build_class__', '__import__', 'list', 'setattr'): setattr(builtins, n, None)\nans = 5",
        {"ok:5"},
    ),
    "patched json": (
        "import json, json.encoder\njson.dumps = json.loads = json.encoder.encode_basestring_ascii = lambda *a, **k: 'STOLEN'\nans = 5",
        {"ok:5"},
    ),
    "patched sys.stdout": (
        "import sys\nclass X:\n    def __getattr__(s, n): raise SystemExit('STOLEN')\nsys.stdout = sys.stderr = sys.__stdout__ = X()\nans = 5",
        {"ok:5"},
    ),
    "deleted modules": (
        "import sys\nfor n in list(sys.modules): del sys.modules[n]\nans = 5",
        {"ok:5", "error"},
    ),
    "tracing the harness": (
        "import sys\nsys.setprofile(lambda *a: None)\nsys.settrace(lambda *a: None)\nans = 5",
        {"ok:5"},
    ),
    "a thread that stays": (
        "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()\nans = 5",
        {"ok:5"},
    ),
    "atexit": ("import atexit\natexit.register(lambda: print('STOLEN'))\nans = 5", {"ok:5"}),
    # parsing
    "10^5 parentheses": ("(" * 10**5 + ")" * 10**5, {"error"}),
    "10^5 minus signs": ("ans = " + "-" * 10**5 + "1", {"error", "signal"}),
    "10^5 attributes": ("ans = x" + ".a" * 10**5, {"error", "signal"}),
    "deep nesting by eval": ("ans = eval('[' * 199 + ']' * 199)", {"no_answer", "error"}),
    "NUL in the source": ("ans = 5\x00", {"error"}),
    "surrogate in the source": ("ans = '\ud800'", {"error"}),
    "coding cookie": ("# coding: rot13\nprint(42)", {"ok:42"}),
    "not a program": ("The answer is 42.", {"error"}),
    "nothing": ("", {"no_answer"}),
}

NONDETERMINISTIC = {
    "random": "import random\nprint(random.random())",
    "numpy random": "import numpy\nprint(numpy.random.default_rng().integers(10**12))",
    "operating system's random": "import os\nprint(os.urandom(8).hex())",
    "date": "import datetime\nprint(datetime.date.today().year)",
    "clock": "import time\nprint(time.time())",
    "hash": "ans = hash('a')",
    "order of a set": "print({'a', 'b', 'c', 'd', 'e', 'f', 'g'})",
    "address": "ans = id(object())",
}
DETERMINISTIC = {
    "arithmetic": ("print(6 * 7)", "42"),
    "seeded random": ("import random\nrandom.seed(7)\nprint(random.randrange(100))", "41"),
    "sympy": (
        "from sympy import *\nx, y = symbols('x y')\nprint(solve([x * y - 1, x - y], [x, y]))",
        "[(-1, -1), (1, 1)]",
    ),
}


def secrets_of(environment: dict[str, str]) -> list[str]:
    """What no result may contain: what an attack prints on success, and this process's secrets."""
    return ["STOLEN", json.dumps(environment["SANDBOX_TEST_SECRET"]).strip('"')]
