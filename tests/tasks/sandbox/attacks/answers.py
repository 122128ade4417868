"""Attacks on the path of an answer: the protocol, the harness around the program, the parser."""

from __future__ import annotations

# The page in which a child leaves its report, found through the frames below the program
_PAGE = """
import os, struct, sys
frame = sys._getframe()
while not hasattr(frame.f_locals.get("self"), "page"):
    frame = frame.f_back
page = frame.f_locals["self"].page
def leave(data, size=None):
    page[4 : 4 + len(data)] = data
    page[:4] = struct.pack(">I", len(data) if size is None else size)
    os._exit(0)
"""


def _report(text: str) -> str:
    """A program that writes a report of its own and leaves."""
    return f"{_PAGE}leave({text.encode()!r})"


def _raised(**fields: str) -> str:
    """The report of an exception, as JSON, with these fields' JSON in place of the usual."""
    usual = {"error": '"X"', "words": '"w"', "line": "1", "errno": "1", "base": '"OSError"'} | fields
    return _report("{" + ", ".join(f'"{name}": {value}' for name, value in usual.items()) + "}")


ATTACKS: dict[str, tuple[str, set[str]]] = {
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
    # a report that no child writes is no report, and no program's report ends anything but itself
    "forged report: errno as a list": (_raised(errno="[1]"), {"no_answer"}),
    "forged report: errno as an object": (_raised(errno='{"a": 1}'), {"no_answer"}),
    "forged report: errno as a float": (_raised(errno="1.5"), {"no_answer"}),
    "forged report: errno as true": (_raised(errno="true"), {"no_answer"}),
    "forged report: a base that is a list": (_raised(base='["OSError"]'), {"no_answer"}),
    "forged report: words as an object": (_raised(words='{"a": []}'), {"no_answer"}),
    "forged report: a name that is null": (_raised(error="null"), {"no_answer"}),
    "forged report: a line of 4,000 digits": (_raised(line="9" * 4000), {"denied"}),
    "forged report: a number too long to read": (_raised(line="9" * 5000), {"no_answer"}),
    "forged report: numbers that JSON does not have": (_raised(line="NaN", errno="Infinity"), {"no_answer"}),
    "forged report: names with escapes": (_raised(error='"\\u001b[2J\\ud800"'), {"denied"}),
    "forged report: a value that is a list": (_report('{"value": ["5"], "named_last": true}'), {"no_answer"}),
    "forged report: a flag that is a number": (_report('{"value": "5", "named_last": 1}'), {"no_answer"}),
    "forged report: a list": (_report("[1]"), {"no_answer"}),
    "forged report: not UTF-8": (f"{_PAGE}leave(bytes(range(256)) * 200)", {"no_answer"}),
    "forged report: UTF-32": (f"{_PAGE}leave('{{}}'.encode('utf-32'))", {"no_answer"}),
    "forged report: a length beyond the page": (f"{_PAGE}leave(b'{{}}', 0xffffffff)", {"no_answer"}),
    "forged report, after an answer was printed": (
        "print(5, flush=True)" + _raised(errno="[1]"),
        {"ok:5"},
    ),
    "a thread that changes the report while it is read": (
        _PAGE + "import threading\ndef f():\n    while True: page[:8] = os.urandom(8)\n"
        "threading.Thread(target=f, daemon=True).start()\nans = 5",
        {"ok:5", "no_answer"},
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
    "a metaclass posing as a sympy class": (
        "import sympy\nclass M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return hash(sympy.Integer)\n"
        "class X(metaclass=M):\n    args = ()\n    def _sympystr(self, p): return 'STOLEN'\nans = X()",
        {"no_answer"},
    ),
    "a metaclass posing as a list": (
        "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return hash(list)\n"
        "class X(metaclass=M):\n    def __len__(self): return 1\n    def __iter__(self): yield 'STOLEN'\nans = X()",
        {"no_answer"},
    ),
    "a metaclass posing as a number": (
        "import numpy\nclass M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return hash(numpy.float64)\n"
        "class X(metaclass=M):\n    def item(self): return 'STOLEN'\nans = [X()]",
        {"no_answer"},
    ),
    "a metaclass posing as an operating system's error": (
        "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return hash(OSError)\n"
        "class X(Exception, metaclass=M): errno = 1\nraise X('plain')",
        {"error"},
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
