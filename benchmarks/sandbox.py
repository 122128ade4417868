"""Measure the programs per second of tasks.sandbox and of other ways to run a model's programs.

    python -m benchmarks.sandbox [--quick] [--workers N]

The peers run as many programs at a time as the sandbox has workers: a fresh Python process per program, bubblewrap with a fresh
Python per program, and a pool of processes that `exec` (without isolation or deadline: the upper bound of speed). The programs
are chains of word problems that import sympy; one in five calls solve. Then it counts good programs lost while eight processes
keep the machine busy. The peers run alternately, and the median of the ratios counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.sandbox import Limits, Sandbox, isolate
from tasks.seeding import rng_of

TARGET = 40.0
LOAD = 8
Run = Callable[[Sequence[str]], list[str | None]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer programs; ends within a minute")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    workers, quick = options.workers, options.quick
    rounds, few, many = (2, 4 * workers, 300) if quick else (5, 10 * workers, 2000)
    with (
        Sandbox(Limits(), workers=workers) as box,
        multiprocessing.get_context("spawn").Pool(workers) as pool,
    ):
        pool.map(execute, ["import sympy"] * workers)

        def sandbox(programs: Sequence[str]) -> list[str | None]:
            return [result.answer for result in box.run(programs)]

        ways: dict[str, tuple[Run, int]] = {
            "sandbox": (sandbox, many),
            "fresh Python each": (lambda programs: each(fresh, programs, workers), few),
            "bubblewrap each": (lambda programs: each(isolated, programs, workers), few),
            "pool with exec": (lambda programs: pool.map(execute, programs, chunksize=8), many),
        }
        rates = measured(ways, rounds)
        lost, total = lost_under_load(box, 100 if quick else 1000)
    print(f"{'programs/s, median of ' + str(rounds):<28}{workers:>4} workers")
    for name, values in rates.items():
        print(f"{name:<28}{statistics.median(values):>12.1f}")
    print()
    lines = [
        line("sandbox against a fresh process each", rates, "fresh Python each", TARGET),
        line("sandbox against a bubblewrap each", rates, "bubblewrap each", TARGET),
        f"sandbox under load {LOAD}: {lost} programs lost, of {total}, ratio {lost / total:.3f}, "
        f"target 0, {'short' if lost else 'ok'}",
    ]
    print(*lines, sep="\n")
    return 1 if any(line.endswith("short") for line in lines) else 0


def line(name: str, rates: dict[str, list[float]], peer: str, target: float) -> str:
    ratio = statistics.median(a / b for a, b in zip(rates["sandbox"], rates[peer], strict=True))
    ours, theirs = (statistics.median(rates[key]) for key in ("sandbox", peer))
    verdict = "ok" if ratio >= target else "short"
    return (
        f"{name}: {ours:.1f} programs/s, {peer} {theirs:.1f}, ratio {ratio:.1f}, target {target:g}, {verdict}"
    )


def measured(ways: dict[str, tuple[Run, int]], rounds: int) -> dict[str, list[float]]:
    """Return the programs per second of each way and round. The ways alternate, and every answer is checked."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (run, count) in ways.items():
            programs, answers = zip(*chains(count, number), strict=True)
            start = time.perf_counter()
            printed = run(programs)
            rates[name].append(count / (time.perf_counter() - start))
            wrong = sum(a != b for a, b in zip(printed, answers, strict=True))
            if wrong:
                raise SystemExit(f"{name}: {wrong} of {count} answers are wrong")
    return rates


def chains(count: int, number: int) -> Iterator[tuple[str, str]]:
    """Return the (program, answer) pairs of a round: chains of arithmetic about prices; one in five is an equation."""
    rng = rng_of("benchmark sandbox", number)
    for index in range(count):
        price, buyers, days = (rng.randint(2, 99) for _ in range(3))
        if index % 5 == 0:
            yield (
                "import sympy\nx = sympy.symbols('x')\n"
                f"print(sympy.solve(sympy.Eq({price} * x - {buyers * price}, 0), x)[0])",
                str(buyers),
            )
        else:
            yield (
                f"import sympy\nprice = {price}\nbuyers = {buyers}\nper_day = price * buyers\n"
                f"total = sum(per_day for _ in range({days}))\nprint(sympy.Integer(total))",
                str(price * buyers * days),
            )


def each(run: Callable[[str], str | None], programs: Sequence[str], workers: int) -> list[str | None]:
    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(run, programs))


def fresh(program: str) -> str | None:
    return printed([sys.executable, "-c", program])


def isolated(program: str) -> str | None:
    code = f"import sys; sys.path[:0] = {isolate.sites()!r}; exec({program!r})"
    return printed(isolate.arguments(Limits(), [isolate.interpreter(), "-I", "-S", "-c", code]))


def printed(command: list[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done.stdout.strip() or None


def execute(program: str) -> str | None:
    """Run a program as ToRA's pool does: exec in the worker, and the last printed line is the answer."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(program, {})
    return out.getvalue().strip() or None


def lost_under_load(box: Sandbox, count: int) -> tuple[int, int]:
    """Return how many good programs got no answer while LOAD processes kept the machine busy, and how many were run."""
    programs, answers = zip(*chains(count, -1), strict=True)
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(LOAD):
            process = stack.enter_context(subprocess.Popen(spin))
            stack.callback(process.kill)
        results = box.run(programs)
    return sum(r.answer != a for r, a in zip(results, answers, strict=True)), count


if __name__ == "__main__":
    sys.exit(main())
