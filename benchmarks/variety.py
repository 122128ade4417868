"""How varied the questions of the embedded teacher are: distinct templates (numbers masked), questions whose wording no problem family
fixes, and artefacts of form in questions and solutions.

    .venv/bin/python benchmarks/variety.py                       # every method that needs no documents, in this process
    .venv/bin/python benchmarks/variety.py --home HOME math-sft  # the rows of a published version

The first form has no stages after the solutions: it measures what is written, not what a night keeps. Last line: templates per 500
questions, beside those of self_instruct alone in the same run.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from storage.datasets.store import Store  # noqa: E402
from storage.ledger import Ledger  # noqa: E402
from storage.rows import column, kept, replace, to_table  # noqa: E402
from tasks.dedup.normalise import template  # noqa: E402
from tasks.llm.endpoint import Endpoint, EngineLimits  # noqa: E402
from tasks.llm.engine import Engine  # noqa: E402
from tasks.methods import asks_table, converses, method, plan_of, subdomains_of  # noqa: E402
from tasks.plugins import names  # noqa: E402
from tasks.problems.machinery.family import recognise  # noqa: E402
from tasks.stages.generate import generate  # noqa: E402
from tasks.stages.ingest import ingest  # noqa: E402
from tasks.stages.solve import SolveSettings, solve  # noqa: E402
from tasks.taxonomy import SUBDOMAINS  # noqa: E402

TARGET = 300  # templates per 500 questions
FIRST = "self_instruct"
LATEX = re.compile(r"\\(?:\(|\[|[a-zA-Z]{2,})|\$[^$]*[\\^=][^$]*\$")
ASCII = re.compile(r"\w\^\w|\d\s*\*\s*\w|\bsqrt\b")
ARTEFACTS = {
    "question: opening of a conversation": (
        "question",
        re.compile(r"^(?:Please answer|Try this|Quick question|Here is one)|^(?:请问|试求|思考|请看下题)："),
    ),
    "question: a number is missing": ("question", re.compile(r"___")),
    "program: a power of nought": ("solution", re.compile(r"\*\*0\b")),
    "program: a sign before a number in brackets": ("solution", re.compile(r"\+ \(-\d+\)\*x")),
}


def artefacts(rows: pa.Table) -> Counter[str]:
    """Count the artefacts of the rows, each at most once per row."""
    counts: Counter[str] = Counter()
    for question, solution, form in zip(
        *(column(rows, name) for name in ("question", "solution", "solution_format")), strict=True
    ):
        texts = {"question": question, "solution": solution or ""}
        counts.update(name for name, (where, pattern) in ARTEFACTS.items() if pattern.search(texts[where]))
        if form == "cot" and LATEX.search(question) and ASCII.search(texts["solution"]):
            boxless = re.sub(r"\\boxed.*", "", texts["solution"])
            counts["solution: ASCII where the question has LaTeX"] += not LATEX.search(boxless)
    return counts


def templates(questions: Iterable[str]) -> set[str]:
    return {template(question) for question in questions}


def own_wording(questions: Iterable[tuple[str, str]]) -> int:
    """Return how many of the questions, given with their languages, no problem family has written."""
    return sum(recognise(question, language) is None for question, language in questions)


def describe(title: str, rows: pa.Table) -> None:
    """Print the counts over the distinct questions of some rows."""
    questions = dict(zip(column(rows, "question"), column(rows, "language"), strict=True))
    if questions:
        print(
            f"{title:<20}{len(questions):>10}{len(templates(questions)):>11}{own_wording(questions.items()):>20}"
        )


def written(count: int, folder: Path, seed: int) -> pa.Table:
    """Return questions of every method that takes rows, about `count` of each, and two solutions of those of the first."""

    def no_tick(rows: int) -> None:
        """Ignore the progress."""

    ledger = Ledger.open(str(folder / "ledger.sqlite"))
    teacher, reasoner = (
        Engine(Endpoint(role=role, model="embedded"), ledger, EngineLimits())
        for role in ("teacher", "reasoner")
    )
    pool = kept(
        ingest([ROOT / "seeds" / "en.jsonl", ROOT / "seeds" / "zh.jsonl"], default_license="Apache-2.0").table
    )
    tables = []
    others = [name for name in names("tasks.methods") if name not in (FIRST, "similar")]
    for name in [FIRST, *others]:
        plugin = method(name)
        if plugin.takes != "rows" or plugin.makes != "questions" or converses(name) is not None:
            continue
        topics = list(subdomains_of(name)) or list(SUBDOMAINS)
        cells = [(language, topic) for topic in topics for language in ("en", "en", "en", "zh")]
        quota = Counter(cells[i * 7 % len(cells)] for i in range(count))
        asks = plan_of(name, None)(pool, quota, per_call=5, examples=3, seed=seed)
        outcome = generate(asks_table(asks), engine=teacher, source=name, license="Apache-2.0", tick=no_tick)
        rows = kept(outcome.rows)
        if name == FIRST:
            solved = kept(
                solve(
                    rows,
                    engine=reasoner,
                    settings=SolveSettings(samples=2, canaries=0),
                    seed=seed,
                    tick=no_tick,
                ).rows
            )
            answers = dict(zip(column(solved, "problem_id"), column(solved, "answer"), strict=True))
            trusted = replace(rows, reference_answer=[answers.get(one) for one in column(rows, "problem_id")])
            pool = pa.concat_tables([pool, trusted])
            rows = pa.concat_tables([rows, solved])
        tables.append(rows)
    for one in (teacher, reasoner):
        one.close()
    ledger.close()
    return pa.concat_tables([to_table([]), *tables])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "version", nargs="?", help="a published version instead of questions that are written here"
    )
    parser.add_argument("--home", type=Path, default=ROOT / ".mathmill")
    parser.add_argument("--questions", type=int, default=120, help="questions per method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    if options.version:
        rows = Store(options.home).read(options.version)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = written(24 if options.quick else options.questions, Path(folder), options.seed)
    print(f"{'method':<20}{'questions':>10}{'templates':>11}{'of no one family':>20}")
    for name in sorted(set(column(rows, "method"))):
        describe(name, rows.filter(pa.compute.equal(rows.column("method"), name)))
    describe("all", rows)
    print("\nartefacts (rows)")
    for name, number in artefacts(rows).most_common():
        print(f"{number:>6}  {name}")
    alone = set(column(rows.filter(pa.compute.equal(rows.column("method"), FIRST)), "question"))
    every = set(column(rows, "question"))
    value, peer = (500 * len(templates(one)) / max(1, len(one)) for one in (every, alone))
    ok = value >= TARGET
    print(
        f"templates: {value:.0f} per 500 questions, {FIRST} {peer:.0f} per 500 questions, ratio {value / max(peer, 1):.2f}, "
        f"target {TARGET}, {'ok' if ok else 'short'}"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
