"""Real input: GSM8K rows as seeds, over a real socket, with a real benchmark to stay clean of."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import DATA, Home, Teacher, balanced

TRAIN = DATA / "gsm8k" / "train.jsonl.gz"
TEST = DATA / "gsm8k" / "test.a.jsonl.gz"
SEEDS = 500

pytestmark = pytest.mark.e2e


@pytest.fixture
def gsm8k(tmp_path: Path) -> Path:
    if not TRAIN.exists():
        pytest.skip(f"{TRAIN.name} of GSM8K is not here")
    path = tmp_path / "gsm8k.jsonl"
    with gzip.open(TRAIN, "rt", encoding="utf-8") as lines:
        path.write_text("".join(line for _, line in zip(range(SEEDS), lines, strict=False)))
    return path


@pytest.mark.soak  # a night more; tests/tasks/stages/test_ingest.py has GSM8K
def test_gsm8k_rows_as_seeds_over_a_socket(
    home: Callable[..., Home], teacher: Callable[[], Teacher], gsm8k: Path
) -> None:
    server = teacher()
    one = home(MATHMILL_TEACHER__MODEL="embedded", MATHMILL_TEACHER__BASE_URL=server.url)
    words = [
        "nightly",
        "--target",
        "24",
        "--seeds",
        str(gsm8k),
        "--set",
        "seeds.license=MIT",
        "--set",
        "weakness.share=0",
        "--set",
        "similarity.semantic=ignore",
    ]
    if TEST.exists():
        words += ["--set", f"decontaminate.benchmarks=[{TEST}]"]
        words += ["--set", "decontaminate.rules=[exact, ngram13, ngram8, template]"]
    night = one.json(*words)
    balanced(night["lineage"])
    ingest = night["lineage"]["funnel"][0]
    assert ingest["rejected"] == 0
    assert ingest["kept"] > SEEDS
    assert night["added"] == 24
    counted = server.stats()
    paid = sum(line["calls"] for line in night["lineage"]["service"])
    assert counted["calls"] == counted["distinct_requests"] == paid
    # the user's problems are shown to the teacher, and are the parents of what it wrote
    (shown,) = one.sql(
        "SELECT count(*) AS rows FROM rows WHERE stage = 'similarity' AND "
        "list_has_any(parent_ids, (SELECT list(id) FROM rows WHERE stage = 'ingest' AND source LIKE 'gsm8k%'))"
    )
    assert shown["rows"] > 6
    if TEST.exists():
        (clean,) = one.sql(
            "SELECT count(*) AS rows FROM \"math-sft\" WHERE verdicts['decontaminated'] = 'clean'"
        )
        assert clean["rows"] == 24


@pytest.mark.soak
def test_gold_solutions_distilled_from_gsm8k_are_judged_by_their_answers(
    home: Callable[..., Home], gsm8k: Path
) -> None:
    """The embedded teacher does not know GSM8K: what it makes of it must be caught by the trusted answers."""
    from tasks.answers import Judge

    few = gsm8k.with_name("few.jsonl")
    few.write_text("".join(gsm8k.read_text().splitlines(keepends=True)[:40]))
    one = home()
    night = one.json(
        "nightly", "--target", "20", "--seeds", str(few), "--set", "seeds.own=false", "--set", "seeds.distill=true",
        "--set", "weakness.share=0", "--set", "similarity.semantic=ignore", "--set", "generate.waves=1",
    )  # fmt: skip
    verify = next(line for line in night["lineage"]["funnel"] if line["title"] == "Verify answers, seeds")
    assert verify["rejected"] > 0.8 * verify["asked"]
    kept = one.sql('SELECT answer, reference_answer FROM "math-sft" WHERE reference_answer IS NOT NULL')
    with Judge(workers=1) as judge:
        assert set(judge.equal([(row["answer"], row["reference_answer"]) for row in kept])) <= {"equal"}
