"""Attacks on files: reading files of the host, writing outside, leaving files behind."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[4]
MARK = "sandbox-attack-mark"  # in the name of every file an attack tries to leave

ATTACKS: dict[str, tuple[str, set[str]]] = {
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
    "times of the folders as a message": (
        "import os\nfor p in ('/tmp', '/dev/shm'): os.utime(p, (1234567, 7654321))\nprint(42)",
        {"ok:42"},
    ),
    "times of the folders, by making and removing a file": (
        "import os, time\nopen('/tmp/a', 'w').close(); os.unlink('/tmp/a'); os.listdir('/dev/shm')\nprint(42)",
        {"ok:42"},
    ),
    "a set-uid file": (
        "import os\nopen('/tmp/s', 'w').close(); os.chmod('/tmp/s', 0o4755)\nprint(42)",
        {"ok:42", "denied"},
    ),
}
