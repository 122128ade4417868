"""Every seed problem is right, complete and original: programs run, boxes agree, and no text is copied."""

from __future__ import annotations

import collections
import contextlib
import functools
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import sympy
from math_verify import parse, verify

from tasks.answers import extract
from tasks.problems.machinery.family import recognise
from tasks.taxonomy import SUBDOMAINS, domain_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
FIELDS = ["id", "question", "solution", "answer", "domain", "subdomain", "language", "license", "program"]


def load(name: str) -> list[dict[str, Any]]:
    lines = (ROOT / "seeds" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


SEEDS = load("en.jsonl") + load("zh.jsonl")
PROBE = load("probe.jsonl")
EVERY = SEEDS + PROBE


@functools.cache
def run(program: str) -> str:
    """The last line a program prints. In process: these programs are ours and reviewed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "seed", "exec"), {"__name__": "seed"})
    return out.getvalue().strip().splitlines()[-1]


def equal(answer: str, printed: str) -> bool:
    """Equal as LaTeX, or as sympy writes what the program printed.

    There are no limits of wall time: on a busy machine they would end as "different".
    """
    written = [printed]
    with contextlib.suppress(sympy.SympifyError, TypeError):
        written.append(sympy.latex(sympy.sympify(printed)))
    if answer in written:
        return True
    left, *others = (parse(f"${text}$", parsing_timeout=None) for text in (answer, *written))
    return any(verify(left, other, timeout_seconds=None) for other in others)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+|[\u4e00-\u9fff]", text.lower())


def grams(text: str) -> set[tuple[str, ...]]:
    """Runs of 10 words; of 18 where there is Chinese, whose words here are single characters."""
    text_words = words(text)
    size = 18 if re.search("[\u4e00-\u9fff]", text) else 10
    return {tuple(text_words[i : i + size]) for i in range(len(text_words) - size + 1)}


@pytest.mark.parametrize("task", EVERY, ids=[task["id"] for task in EVERY])
def test_program_and_box_give_the_answer(task: dict[str, Any]) -> None:
    assert equal(task["answer"], run(task["program"]))
    last = task["solution"].splitlines()[-1]
    assert last == f"\\boxed{{{task['answer']}}}"
    extracted = extract(task["solution"], task["language"])
    assert extracted is not None
    assert extracted.answer == task["answer"]


def test_the_check_notices_a_wrong_answer() -> None:
    wrong = [task["id"] for task in SEEDS[::5] if equal("987654321", run(task["program"]))]
    assert wrong == []


@pytest.mark.parametrize("task", EVERY, ids=[task["id"] for task in EVERY])
def test_fields(task: dict[str, Any]) -> None:
    assert list(task) == FIELDS
    assert all(isinstance(value, str) and value.strip() == value != "" for value in task.values())
    assert task["subdomain"] in SUBDOMAINS
    assert task["domain"] == domain_of(task["subdomain"])
    assert task["license"] == "Apache-2.0"
    assert bool(re.search("[\u4e00-\u9fff]", task["question"])) == (task["language"] == "zh")


def test_no_money_sign_beside_latex() -> None:
    outside = [re.sub(r"\$[^$]*\$", "", task["question"]) for task in SEEDS]
    assert not [text for text in outside if "\\" in text]


def test_coverage() -> None:
    count = collections.Counter((task["language"], task["subdomain"]) for task in SEEDS)
    assert all(count["en", subdomain] >= 3 for subdomain in SUBDOMAINS)
    assert sum(count["en", s] for s in SUBDOMAINS) >= 90
    assert sum(count["zh", s] for s in SUBDOMAINS) >= 30
    assert sum(1 for s in SUBDOMAINS if count["zh", s]) >= 15
    probed = collections.Counter(task["subdomain"] for task in PROBE)
    assert all(probed[subdomain] >= 2 for subdomain in SUBDOMAINS)
    assert {task["language"] for task in PROBE} == {"en", "zh"}


@pytest.mark.parametrize("task", PROBE, ids=[task["id"] for task in PROBE])
def test_the_families_recognise_every_probe_question(task: dict[str, Any]) -> None:
    problem = recognise(task["question"], task["language"])
    assert problem is not None
    assert (problem.subdomain, problem.worked.answer) == (task["subdomain"], task["answer"])


def test_no_two_tasks_share_text() -> None:
    assert len({task["id"] for task in EVERY}) == len(EVERY)
    assert len({" ".join(words(task["question"])) for task in EVERY}) == len(EVERY)
    owner: dict[tuple[str, ...], str] = {}
    for task in SEEDS:
        for gram in grams(task["question"]):
            assert owner.setdefault(gram, task["id"]) == task["id"], gram


def test_no_seed_is_in_a_public_benchmark() -> None:
    folders = [DATA / name for name in ("gsm8k", "benchmarks", "math")]
    files = sorted(path for folder in folders for path in folder.glob("*.jsonl*"))
    if not files:
        pytest.skip("the shared benchmark data is not beside this checkout")
    ours = {gram: task["id"] for task in SEEDS for gram in grams(task["question"])}
    for path in files:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for key in ("question", "problem", "input", "Problem", "Body"):
                    if isinstance(row.get(key), str):
                        shared = [ours[gram] for gram in grams(row[key]) if gram in ours]
                        assert not shared, (path.name, shared[0], row[key][:200])
