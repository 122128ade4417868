"""Real programs of models: every file in pot/ of the data folder is executed and compared with the stored results.

The stored values come from other executors (Program-of-Thoughts, ToRA); docs/log.md explains every
disagreement. What must hold here: none is our fault, and nearly all agree.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.sandbox import Limits, Result, Sandbox, isolation

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "pot"

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder (pot/) is not at hand"),
    pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}"),
]

# Names that the few-shot prompts offered without an import
PRELUDE = """
import math, statistics
import numpy as np
from sympy import Eq, Symbol, simplify, solve
def solve_it(equation, variable):
    found = solve(equation, variable, dict=True)
    if found:
        return found[0]
    return {v: None for v in variable} if isinstance(variable, list) else {variable: None}
"""


@dataclass(frozen=True)
class Case:
    file: str
    program: str
    stored: str | None  # what another executor got; None: it failed there, or nothing is stored


def cases() -> Iterator[Case]:
    for path in sorted(DATA.glob("*.jsonl*")):
        name = path.name.split(".")[0]
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                for program, stored in programs(name, json.loads(line)):
                    yield Case(name, program, stored)


def programs(name: str, row: dict) -> Iterator[tuple[str, str | None]]:
    """The programs of a row, each with the stored result of running it, where there is one."""
    if "code" in row:
        for code in row["code"]:
            blocks = re.findall(r"```python\n(.*?)```\n```output\n(.*?)```", code, re.DOTALL)
            yield from ((block, output.strip().split("\n")[-1].strip() or None) for block, output in blocks)
    elif "generated_answer" in row:
        # a completion that ran on into invented questions: the first function is its answer
        yield row["generated_answer"].split("\n\n\n")[0], None
    elif "generated" in row:
        generated = row["generated"] if isinstance(row["generated"], list) else [row["generated"]]
        stored = row.get("executed", row.get("generated_prediction")) if len(generated) == 1 else None
        for program in generated:
            yield PRELUDE + program, None if stored in (None, "None") else str(stored)


def number(text: str) -> float | None:
    """A value as the other executors rounded theirs: the first number of a list, fractions divided."""
    match = re.fullmatch(r"[\[({]?\s*(?:\w+: )?(-?[\d.]+(?:e[+-]?\d+)?)(?:/(\d+))?\b.*", text, re.DOTALL)
    if match is None:
        return None
    try:
        return float(match[1]) / float(match[2] or 1)
    except (ValueError, ZeroDivisionError):
        return None


def agree(stored: str, result: Result) -> bool:
    if result.answer is None:
        return False
    mine, theirs = number(result.answer), number(stored)
    if mine is None or theirs is None:
        return "".join(stored.split()) == "".join(result.answer.split())
    return math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=0.00501)  # AQuA's were rounded to 0.01


def run(selected: list[Case]) -> list[Result]:
    with Sandbox(Limits(wall_s=5.0), workers=2) as box:
        return box.run([case.program for case in selected])


def report(selected: list[Case], results: list[Result]) -> tuple[Counter[str], int, int]:
    """Counts by verdict; of the programs with a stored value, how many agree, of how many."""
    compared = [(c, r) for c, r in zip(selected, results, strict=True) if c.stored is not None]
    agreed = sum(agree(case.stored or "", result) for case, result in compared)
    return Counter(result.verdict for result in results), agreed, len(compared)


@pytest.mark.slow
def test_the_first_programs_of_every_file():
    counts: Counter[str] = Counter()
    selected = []
    for case in cases():
        counts[case.file] += 1
        if counts[case.file] <= 25:
            selected.append(case)
    verdicts, agreed, compared = report(selected, run(selected))
    assert len(counts) == 10
    assert verdicts["infra"] == 0
    assert agreed >= 0.97 * compared > 0.97 * 150


@pytest.mark.soak
def test_every_program():
    selected = list(cases())
    verdicts, agreed, compared = report(selected, run(selected))
    print(f"{len(selected)} programs: {dict(verdicts)}; {agreed} of {compared} stored values agree")
    assert verdicts["infra"] == 0
    assert verdicts["ok"] > 0.8 * len(selected)
    assert agreed >= 0.985 * compared
