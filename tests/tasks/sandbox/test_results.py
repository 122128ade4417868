"""The results of ordinary programs: answers, statuses, lines of errors, order."""

import contextlib
import math
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.sandbox import Limits, Sandbox, isolation

pytestmark = pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")


@pytest.fixture(scope="module")
def box():
    with Sandbox(Limits(wall_s=1.0, memory_mb=256), workers=2) as sandbox:
        yield sandbox


ANSWERS = {
    "the last line printed": ("print('steps')\nprint(6 * 7)", "42"),
    "printed without a newline": ("import sys\nsys.stdout.write('6 \\n7')", "7"),
    "ans": ("ans = 6 * 7", "42"),
    "answer": ("answer = [1, 2.5, 'x']", "[1, 2.5, x]"),
    "solution()": ("def solution():\n    return 42.0", "42.0"),
    "answer() behind a helper": (
        "def double(x):\n    return 2 * x\n\ndef answer():\n    return double(21)",
        "42",
    ),
    "solution() that prints": ("def solution():\n    print(42)", "42"),
    "a final assignment outranks what was printed": ("print('debug')\nans = 42", "42"),
    "what is printed outranks an earlier assignment": ("answer = [42]\nprint(answer[0])", "42"),
    "exit after answering": ("print(42)\nexit()", "42"),
    "sympy": ("from sympy import *\nx = Symbol('x')\nans = solve(x**2 - 2, x)", "[-sqrt(2), sqrt(2)]"),
    "sympy matrix": ("import sympy\nans = sympy.eye(2) / 3", "[[1/3, 0], [0, 1/3]]"),
    "dict of symbols": ("import sympy as s\nx = s.Symbol('x')\nans = {x: s.Rational(1, 3)}", "{x: 1/3}"),
    "numpy": ("import numpy as np\nans = np.array([1.5, 2]).sum()", "3.5"),
    "fraction": ("from fractions import Fraction\nans = Fraction(6, 4)", "3/2"),
    "a set, sorted": ("ans = {'b', 'c', 'a'}", "{a, b, c}"),
    "tuple of one": ("ans = (1,)", "(1,)"),
    "dataclass in __main__": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(3).x)",
        "3",
    ),
    "a thread": ("import threading\nt=threading.Thread(target=lambda: print(5))\nt.start(); t.join()", "5"),
    "an alarm": (
        "import signal\ndef late(*_): raise TimeoutError\nsignal.signal(signal.SIGALRM, late)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\ntry:\n    while True: sum(range(9))\nexcept TimeoutError: print('rang')",
        "rang",
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as p: print(sum(p.map(abs, range(-9, 0))))",
        "45",
    ),
    "linear algebra": (
        "import numpy as np\na = np.eye(200) * 2\nprint(round(np.linalg.solve(a, np.ones(200)).sum()))",
        "100",
    ),
    "scipy": (
        "from scipy.optimize import brentq\nprint(round(brentq(lambda x: x * x - 2, 0, 2), 6))",
        "1.414214",
    ),
    "a temporary file": (
        "import tempfile\nwith tempfile.TemporaryFile() as f:\n    f.write(b'7'); f.seek(0); print(int(f.read()))",
        "7",
    ),
}


@pytest.mark.slow
def test_answers(box):
    results = box.run([program for program, _ in ANSWERS.values()])
    outcomes = {name: (r.verdict, r.answer) for name, r in zip(ANSWERS, results, strict=True)}
    assert outcomes == {name: ("ok", answer) for name, (_, answer) in ANSWERS.items()}


VERDICTS = {
    "error": ("x = 1\n\nans = x / 0", "ZeroDivisionError: division by zero", 3),
    "syntax": ("x = 1\nans = (", "SyntaxError: '(' was never closed", 2),
    "exit status": ("import os\nos._exit(3)", "exit status 3", None),
    "sys.exit with words": ("import sys\nsys.exit('no')", "SystemExit: no", 2),
    "input": ("x = input()", "EOFError: EOF when reading a line", 1),
}


def test_errors_name_their_line(box):
    results = box.run([program for program, _, _ in VERDICTS.values()])
    outcomes = {name: (r.verdict, r.error, r.error_line) for name, r in zip(VERDICTS, results, strict=True)}
    assert outcomes == {name: ("error", error, line) for name, (_, error, line) in VERDICTS.items()}


@pytest.mark.slow
def test_results_keep_the_order_of_programs_across_threads(box):
    def many(start):
        return [r.answer for r in box.run([f"print({n})" for n in range(start, start + 20)])]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(many, range(0, 80, 20)))
    assert answers == [[str(n) for n in range(start, start + 20)] for start in range(0, 80, 20)]
    assert threading.active_count() < 40


def test_cpu_and_memory_are_measured(box):
    light, heavy = box.run(
        ["print(1)", "x = bytearray(100 << 20)\nx[::4096] = b'a' * len(x[::4096])\nprint(1)"]
    )
    assert heavy.peak_mb > light.peak_mb + 90
    assert 0 < light.cpu_s < heavy.cpu_s < 1
    assert math.isfinite(light.peak_mb)


def test_a_closed_sandbox_runs_nothing():
    with pytest.raises(RuntimeError, match="with statement"):
        Sandbox().run(["print(1)"])


def test_limits_must_be_positive():
    with pytest.raises(ValueError, match="memory_mb is 0"):
        Limits(memory_mb=0)


@pytest.mark.slow
def test_a_program_that_waits_is_distinguished_from_one_that_computes(box):
    waiting = "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"
    working = "while True: pass"
    first, second = box.run([waiting, working])
    assert (first.verdict, first.error) == ("time", "over 1 s, and waiting")
    assert (second.verdict, second.error) in [
        ("time", "over 1 s of CPU"),
        ("time", "over 8 s in all"),  # on a machine so busy that it did not get its second
    ]
    assert first.cpu_s < second.cpu_s


@pytest.mark.soak
def test_no_good_program_is_lost_under_load(box):
    long = "total = 0\nfor n in range(2 * 10**6): total += n % 7\nprint(total)"
    programs = ["print(6 * 7)"] * 200 + [long] * 10
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.callback(stack.enter_context(subprocess.Popen(spin)).kill)
        results = box.run(programs)
    assert {result.answer for result in results[:200]} == {"42"}
    assert {result.answer for result in results[200:]} == {str(sum(n % 7 for n in range(2 * 10**6)))}
