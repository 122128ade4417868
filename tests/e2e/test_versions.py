"""The second month: rebuild, compare, promote, roll back, restore, maintain, verify, on a real night's data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Home, Teacher, balanced, fetch

pytestmark = pytest.mark.e2e

NIGHT = ("nightly", "--target", "60", "--set", "shard_rows=64", "--set", "weakness.share=0")


@dataclass
class Story:
    home: Home
    api: str
    night: dict[str, Any]
    asked: Callable[[], int]


@pytest.fixture
def story(home: Callable[..., Home], teacher: Callable[[], Teacher], prefect_api: str) -> Story:
    served = teacher()
    one = home(MATHMILL_TEACHER__BASE_URL=served.url)
    night = one.json(*NIGHT)
    return Story(one, prefect_api, night, lambda: int(served.stats()["calls"]))


@pytest.mark.soak
def test_the_second_month(story: Story) -> None:
    home, night, asked = story.home, story.night, story.asked
    first, before = night["version"], asked()

    # what if: nothing published, nobody asked
    text = home.run("rebuild", "--what-if", "--set", "thresholds.answer=0.85").stdout
    assert first in text
    assert re.search(r"^subdomain +base +rebuilt$", text, re.MULTILINE)
    assert not re.search(r"[`|\\]", text)
    assert " does not apply: a rebuild takes every row that passes" in text
    assert re.search(rf"^Base: {re.escape(first)}: [\d,]+ of its [\d,]+ rows kept", text, re.MULTILINE)
    expected_rows = int(re.search(r"would be: ([\d,]+) rows", text).group(1).replace(",", ""))  # type: ignore[union-attr]
    assert [v["version"] for v in home.json("datasets")] == [first]

    # stricter: fewer rows, nothing asked, reasons known
    strict = home.json("rebuild", "--set", "thresholds.answer=0.85")
    assert asked() == before
    assert strict["lineage"]["base"] == first
    assert strict["lineage"]["flow"] == "rebuild"
    assert 0 < strict["rows"] <= expected_rows
    balanced(strict["lineage"])
    whole, of_base = strict["lineage"]["candidates"], strict["lineage"]["of_base"]
    assert whole["asked"] == whole["kept"] + whole["rejected"] + whole["failed"]
    assert sum(one["rows"] for one in strict["reasons"]) == whole["rejected"] + whole["failed"]
    assert of_base["kept"] + of_base["others"] == strict["rows"]
    assert of_base["rows"] - of_base["kept"] == sum(one["rows"] for one in of_base["reasons"])
    # solutions that no model wrote have a threshold of their own (score.trusted)
    low = home.sql(
        f"""SELECT count(*) AS n FROM "{strict["version"]}"
        WHERE scores['answer'] < 0.8499 AND verdicts['solution_by'] IS NULL"""
    )
    assert low == [{"n": 0}]
    difference = home.json("diff", first, strict["version"])
    assert (
        difference["rows_before"] + difference["added"] - difference["dropped"]
        == difference["rows_after"]
        == strict["rows"]
    )
    assert sum(one["rows"] for one in difference["reasons"]) == difference["dropped"]
    assert not [one for one in difference["reasons"] if one["stage"] == "unknown"]
    keys = {a["key"] for a in fetch(f"{story.api}/artifacts/filter", {"limit": 200})}
    assert "math-sft-diff" in keys
    page = home.path / "reports" / f"{strict['version']}.diff.html"
    assert first in page.read_text(encoding="utf-8")

    # looser: rows that were dropped before the critic are judged now, and only those
    loose = home.json("rebuild", "--set", "thresholds={heuristics: 0, instruction: 0, answer: 0}")
    # more rows come to the mixture; how many it takes is also limited by the shares
    came = [
        sum(line["asked"] for line in one["lineage"]["funnel"] if line["stage"] == "mix")
        for one in (loose, strict)
    ]
    assert came[0] > came[1]
    assert loose["rows"] >= strict["rows"]
    balanced(loose["lineage"])
    judged = [line["asked"] for line in loose["lineage"]["funnel"] if line["stage"] == "critique"]
    paid = sum(cost["completions"] - cost["cached"] for cost in loose["lineage"]["costs"])
    canaries = sum(record["calls"] for record in loose["lineage"]["canaries"])
    assert asked() - before == paid <= sum(judged) + canaries
    again = home.json(
        "rebuild", "--set", "thresholds={heuristics: 0, instruction: 0, answer: 0}", "--set", "seed=0"
    )
    assert again["version"] == loose["version"]  # nothing else would be in it: none is published
    forced = home.json(
        "rebuild", "--set", "thresholds={heuristics: 0, instruction: 0, answer: 0}", "--set", "force=true"
    )
    assert forced["digest"] == loose["digest"]
    assert forced["version"] != loose["version"]
    assert asked() - before == paid

    # one source left out
    formats = home.json("rebuild", "--set", "without.solution_format=[pot]", "--set", "mix.shares={}")
    assert home.sql(f"""SELECT DISTINCT solution_format AS f FROM "{formats["version"]}" """) == [
        {"f": "cot"}
    ]

    # single rows left out: they are gone, and rows that only lacked the place may have come in
    (one, *_) = home.sql(f"""SELECT id FROM "{first}" ORDER BY id LIMIT 1""")
    removed = home.json("rebuild", "--set", f"without.id=[{one['id']}]", "--set", "base=" + first.partition("@")[2])  # fmt: skip
    assert home.sql(f"""SELECT id FROM "{removed["version"]}" WHERE id = '{one["id"]}'""") == []
    gone = home.run("rebuild", "--set", "without.id=[ffffffffffffffffffffffff]", code=2).stderr
    assert "setting without.id" in gone
    assert len(gone) < 5_000  # not every id of the dataset

    # tags
    home.run("promote", first, "validated")
    refused = home.run("promote", first, "production", code=2).stderr
    assert "gates.verdict" in refused
    assert "\n" not in refused.strip()
    (home.path / "gates.yaml").write_text("production: {min_rows: 10}\nvalidated: {min_rows: 100000}\n")
    assert "gates.min_rows" in home.run("promote", first, "validated", code=2).stderr
    home.run("promote", first, "production")
    home.run("promote", strict["version"], "production")
    assert home.json("show", "math-sft@production")["version"] == strict["version"]
    home.run("rollback", "math-sft")
    assert home.json("show", "math-sft@production")["version"] == first
    assert "nothing to go back to" in home.run("rollback", "math-sft", code=2).stderr

    # the first version's rows again as the newest
    home.run("restore", first)
    newest = home.json("show", "math-sft")
    assert newest["digest"] == night["digest"]
    assert newest["version"] != first

    # maintenance: dry first, then done; nothing that is kept changes
    (home.path / "tables" / "math-sft" / "part-dead-0-0000.parquet").write_bytes(b"torn")
    rules = (
        "--set",
        "keep_last=2",
        "--set",
        "keep_days=0",
        "--set",
        "keep_months=0",
        "--set",
        "grace_hours=0",
    )
    dry = home.run("maintain", *rules).stdout
    assert f"retire {strict['version']}" in dry
    assert "part-dead-0-0000.parquet" in dry
    assert len(home.json("datasets")) == 7
    home.run("maintain", *rules, "--apply")
    left = [v["version"] for v in home.json("datasets")]
    assert left == [first, removed["version"], newest["version"]]
    home.run("maintain", *rules, "--apply")
    assert "retire" not in home.run("maintain", *rules).stdout
    states = home.json("verify")
    assert set(states) == {
        *left,
        *(f"log of {name}" for name in {version.partition("@")[0] for version in left}),
        *("candidates", "marks", "tags", "ledger", "stage outputs", "encodings", "reports and notes"),
        *(f"history {name}" for name in {version.partition("@")[0] for version in left}),
    }
    assert all(state.startswith("sound") for state in states.values())

    # damage is named
    files = sorted(Path(home.path / "tables" / "math-sft").glob("*.parquet"))
    victim = files[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    assert victim.name in home.run("verify", code=2).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("rebuild",), "there is no dataset 'math-sft'"),
        (("rebuild", "--set", "without.colour=[red]"), "unknown column 'colour'"),
        (("promote", "math-sft", "production"), "no dataset"),
        (("diff", "a", "b"), "no dataset"),
        pytest.param(("rebuild", "--set", "thresholds.answer=2"), "equal to 1", marks=pytest.mark.soak),
        pytest.param(("rebuild", "--set", "nothing=2"), "rebuild --show-config", marks=pytest.mark.soak),
        pytest.param(("maintain", "--set", "keep_last=0"), "equal to 2", marks=pytest.mark.soak),
    ],
)
def test_bad_rebuilds_are_refused_in_one_line(
    home: Callable[..., Home], words: tuple[str, ...], complaint: str
) -> None:
    refused = home().run(*words, code=2).stderr.strip().splitlines()
    assert complaint in refused[-1], refused
