"""Registered benchmarks: their items are kept out, the version shows what was looked for, later ones clean what stands."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, Home, balanced

pytestmark = [pytest.mark.e2e, pytest.mark.soak]


def register(path: Path, questions: list[str]) -> str:
    """A benchmark file of the questions, its lines broken elsewhere."""
    items = [{"question": "\n".join(textwrap.wrap(text, 30)), "answer": ""} for text in questions]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return f"decontaminate.benchmarks=[{path}]"


def test_items_are_kept_out_and_a_new_benchmark_cleans_what_stands(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    lines = (ROOT / "seeds" / "en.jsonl").read_text().splitlines()
    leaked = [json.loads(line)["question"] for line in lines][:30]
    one = home()
    words = ["nightly", "--target", "40", "--set", "weakness.share=0", "--set", "seeds.distill=true"]
    first = one.json(*words, "--set", register(tmp_path / "exam.jsonl", leaked))
    balanced(first["lineage"])
    certificate = first["lineage"]["decontamination"]
    assert [(name, items) for name, _, items in certificate["sets"]] == [("exam", 30)]
    assert {what.split()[1] for what in certificate["hits"]} == {"exam"}
    assert certificate["hits"]["exact exam"] >= 1
    recall = {part["kind"]: part["found"] / part["planted"] for part in certificate["recall"]}
    assert recall["verbatim"] == recall["re-wrapped"] == 1.0
    assert {"renamed", "other numbers", "translated, own problems"} <= set(recall)
    assert certificate["clean_rows"] > 200
    gate = first["lineage"]["funnel"][-1]
    assert (gate["stage"], gate["kept"], gate["rejected"]) == ("certify", first["added"], 0)
    lost = one.sql("SELECT question, rejected FROM rejected WHERE stage = 'decontaminate'")
    assert len(lost) == sum(certificate["hits"].values())
    assert set(leaked) & {row["question"] for row in lost}
    (clean,) = one.sql("SELECT count(*) AS n FROM \"math-sft\" WHERE verdicts['decontaminated'] = 'clean'")
    assert clean["n"] == first["rows"]
    assert "| verbatim | 30 | 30 | 1.000 |" in one.run("show", first["version"], "--lineage").stdout
    assert "What the rules find of leaks that were planted" in Path(first["report"]).read_text()

    (taken,) = one.sql('SELECT min(question) AS question FROM "math-sft"')
    late = register(tmp_path / "late.jsonl", [taken["question"]])
    second = one.json(*words, "--set", late, "--set", "decontaminate.rules=[exact]")
    assert "exact late" in second["lineage"]["decontamination"]["hits"]
    (gone,) = one.sql(
        f'SELECT count(*) AS n FROM "{first["version"]}" WHERE question = $${taken["question"]}$$'
    )
    left = one.sql(f'SELECT id FROM "{second["version"]}" WHERE question = $${taken["question"]}$$')
    assert gone["n"] >= 1
    assert left == []
    assert second["rows"] == first["rows"] - gone["n"] + second["added"]
    (standing,) = [line for line in second["lineage"]["funnel"] if line["title"].endswith(first["version"])]
    assert (standing["asked"], standing["rejected"]) == (first["rows"], gone["n"])
