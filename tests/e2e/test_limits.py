"""Nights under limits: budgets, deadlines, the ledger alone, batches at half the price."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.llm.prices import published
from tests.e2e.processes import Home, Teacher, fetch
from tests.tasks.llm.batch_api import BatchApi, serving

pytestmark = pytest.mark.e2e

NIGHT = (
    "nightly", "--target", "40", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore",
    "--set", "shard_rows=16",
)  # fmt: skip
NOWHERE = "http://127.0.0.1:9/v1"
PRICES = {"MATHMILL_TEACHER__PRICE_IN": "1", "MATHMILL_TEACHER__PRICE_OUT": "2"}


def pointed_at(home: Callable[..., Home], url: str, **more: str) -> Home:
    return home(MATHMILL_TEACHER__MODEL="embedded", MATHMILL_TEACHER__BASE_URL=url, **PRICES, **more)


def stopped(home: Home, *words: str) -> dict[str, Any]:
    outcome: dict[str, Any] = json.loads(home.run(*NIGHT, *words, "--json", code=3).stdout)
    assert home.json("datasets") == []
    return outcome


@pytest.fixture(scope="module")
def whole(home: Callable[..., Home]) -> tuple[Home, dict[str, Any]]:
    """A home after a night that no limit met."""
    one = home(**PRICES)
    return one, one.json(*NIGHT)


@pytest.mark.soak
def test_a_budget_stops_the_night_and_the_next_run_goes_on(
    whole: tuple[Home, dict[str, Any]], home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    server = teacher()
    one = pointed_at(home, server.url)
    price = sum(line["usd"] for line in whole[1]["lineage"]["service"])
    cap = price / 2
    outcome = stopped(one, "--budget-usd", f"{cap}")
    assert outcome["stopped"] == "usd"
    assert cap / 2 < outcome["usd"] <= cap
    assert one.json("ledger", "stats")["cost"] == pytest.approx(outcome["usd"])
    paid = server.stats()["calls"]
    assert "--deadline 0s is past" in one.run(*NIGHT, "--deadline", "0s", code=2).stderr
    assert server.stats()["calls"] == paid
    # gone on with, it ends as the night that nobody stopped, and pays for nothing twice
    night = one.json(*NIGHT)
    assert night["digest"] == whole[1]["digest"]
    assert night["lineage"]["ended"]["by"] == "target"
    assert server.stats()["repeated_requests"] == 0
    sums = sum(line["usd"] for line in night["lineage"]["service"])
    assert sums == pytest.approx(one.json("ledger", "stats")["cost"]) == pytest.approx(price)


@pytest.mark.soak
def test_a_night_from_the_ledger_alone(
    whole: tuple[Home, dict[str, Any]], home: Callable[..., Home], tmp_path: Path
) -> None:
    export = tmp_path / "ledger.jsonl.gz"
    calls = whole[0].json("ledger", "export", str(export))["calls"]
    one = pointed_at(home, NOWHERE)
    outcome = stopped(one, "--offline")
    assert outcome["stopped"] == "offline"
    assert "are not in the ledger" in outcome["why"]
    assert one.json("ledger", "import", str(export)) == {"put": calls, "known": 0, "skipped": {}}
    night = one.json(*NIGHT, "--offline")
    assert night["digest"] == whole[1]["digest"]
    assert night["lineage"]["service"] == []


@pytest.mark.soak
def test_enough_rows_are_published_when_a_limit_ends_the_night(home: Callable[..., Home]) -> None:
    half = ("nightly", "--target", "40", "--set", "weakness.share=0.5", "--set", "gates.share_at_limit=0.4")
    free = home().json(*half)
    assert free["lineage"]["ended"]["by"] == "target"
    used = {
        line["tag"]: line["prompt_tokens"] + line["completion_tokens"] for line in free["lineage"]["service"]
    }
    rows = {line["title"]: line["asked"] for line in free["lineage"]["funnel"]}
    # the waves come first, then the probe: the cap falls into the probe
    solved = rows["Solve in words and programs, wave 1"]
    share = solved / (solved + rows["Solve in words and programs, weakness"])
    cap = used["self_instruct"] + share * (used["solve"] + used["critique"]) * 1.15 + 12_000
    night = home().json(*half, "--budget-tokens", str(int(cap)))
    assert night["lineage"]["ended"]["by"] == "tokens"
    assert 16 <= night["rows"] < 40


@pytest.mark.soak
def test_least_shares_of_domains(home: Callable[..., Home]) -> None:
    one = home()
    night = one.json(*NIGHT, "--min-share", "probability=0.4", "--min-share", "calculus=0.2")
    rows = one.sql('SELECT domain, count(*) AS n FROM "math-sft" GROUP BY 1')
    counts = {row["domain"]: row["n"] for row in rows}
    assert night["rows"] == 40
    assert counts["probability"] >= 16
    assert counts["calculus"] >= 8


class TeachersBatches(BatchApi):
    """The embedded teacher behind a Batch API."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.looks = 1
        self._url = f"{url}/chat/completions"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = fetch(self._url, asked)
        return reply


@pytest.mark.soak
def test_a_night_through_batches_is_the_same_at_half_the_price(
    whole: tuple[Home, dict[str, Any]], home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    api = TeachersBatches(teacher().url)
    with serving(api) as url:
        one = pointed_at(home, url, MATHMILL_BATCH_POLL="0.2")
        night = one.json(*NIGHT, "--batch")
    assert night["digest"] == whole[1]["digest"]
    assert api.chats == 0
    assert 3 <= len(api.batches) <= 12  # a few a stage, whatever the shards
    price = sum(line["usd"] for line in whole[1]["lineage"]["service"])
    assert sum(line["usd"] for line in night["lineage"]["service"]) == pytest.approx(price / 2)
    assert sum(cost["usd"] for cost in night["lineage"]["costs"]) < price


@pytest.mark.soak
def test_a_night_from_batch_files_that_somebody_answers(
    whole: tuple[Home, dict[str, Any]], home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    """As with `vllm run-batch -i X.jsonl -o X.output.jsonl`, by hand."""
    url = f"{teacher().url}/chat/completions"
    one = pointed_at(home, NOWHERE)
    for _ in range(12):
        process = one.start(*NIGHT, "--set", "answers=files", "--json")
        out, err = process.communicate(timeout=400)
        if process.returncode == 0:
            break
        assert process.returncode == 3, err[-2000:]
        assert json.loads(out)["stopped"] == "files"
        for asked in (one.path / "batches").rglob("batch-*.asked.jsonl"):
            batch = asked.with_name(asked.name.replace(".asked.", "."))
            answers = batch.with_suffix(".output.jsonl")
            if not answers.exists():
                lines = [json.loads(line) for line in batch.read_text().splitlines()]
                done = [
                    {
                        "custom_id": line["custom_id"],
                        "response": {"status_code": 200, "body": fetch(url, line["body"])},
                    }
                    for line in lines
                ]
                answers.write_text("".join(json.dumps(line) + "\n" for line in done))
    assert json.loads(out)["digest"] == whole[1]["digest"]


def test_doctor_and_plan_name_a_model_that_reasons_its_limit_and_the_truncation_to_expect(
    home: Callable[..., Home],
) -> None:
    one = home(MATHMILL_REASONER__REASONING="true")
    for words in (("doctor",), ("plan", "nightly")):
        text = " ".join(one.run(*words).stdout.split())
        assert "thinks, 32,768 tokens per answer; truncation not measured yet" in text, words


@pytest.mark.parametrize(
    ("api", "model", "url"),
    [
        ("anthropic", "claude-opus-5", "https://api.anthropic.com/v1"),
        ("gemini", "gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta"),
        ("responses", "gpt-5-mini", "https://api.openai.com/v1"),
        ("bedrock", "global.anthropic.claude-haiku-4-5", "https://bedrock-runtime.us-east-1.amazonaws.com"),
    ],
)
def test_plan_knows_the_prices_of_each_provider(
    api: str, model: str, url: str, home: Callable[..., Home]
) -> None:
    price = published(model, (url,))
    assert price is not None
    stated = {"API": api, "MODEL": model, "BASE_URL": url, "API_KEY": "none"}
    one = home(**{f"MATHMILL_TEACHER__{name}": value for name, value in stated.items()})
    forecast = one.json("plan", "nightly")
    for line in forecast["stages"]:
        tokens = line["prompt_tokens"] * price.prompt + line["completion_tokens"] * price.completion
        assert line["usd"] == pytest.approx(tokens / 1e6, rel=0.05), line
        assert line["model"] == model
    online, batch = (forecast["figures"][name][1] for name in ("usd", "usd_batch"))
    assert batch == pytest.approx(online / 2, rel=0.01)
    assert online > 0
