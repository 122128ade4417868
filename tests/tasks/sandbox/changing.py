"""Programs whose answer changes from run to run, and programs that do not."""

from __future__ import annotations

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
