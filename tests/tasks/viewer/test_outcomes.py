"""What became of rows, in words that a stranger reads right: rejected or not taken, what it cost, and what names mean."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from storage.datasets.store import Store
from storage.ledger import COMPLETION, Call, CallUsage
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.viewer.facts import StageOutcome, facts_of, funnel_lines
from tasks.viewer.site import Site
from tasks.viewer.written import written
from tests.tasks.viewer.conftest import client_of

KEY = "c" * 64
QUESTION = "Two parts. Part one: $\\frac{1}{2} + 1$. Part two: 3. Which is larger?"
FUNNEL = [
    {"stage": "calibrate", "title": "Calibrate", "asked": 2, "kept": 0, "rejected": 2, "failed": 0},
    {"stage": "verify", "title": "Verify answers", "asked": 5, "kept": 4, "rejected": 1, "failed": 0},
    {"stage": "probe", "title": "Probe", "asked": 3, "kept": 2, "rejected": 1, "failed": 0},
    {"stage": "mix", "title": "Mix", "asked": 4, "kept": 2, "rejected": 2, "failed": 0},
]


def solved(number: int, subdomain: str, **given: object) -> Row:
    fields: dict[str, object] = {
        "solution": f"so {number}",
        "method": "evolve",
        "subdomain": subdomain,
    } | given
    return Row(f"Question {number}?", "en", **fields)  # type: ignore[arg-type]


@pytest.fixture
def client(tmp_path: Path, site_of: Callable[..., Site]) -> TestClient:
    """A page over two nights of one dataset: in the second, sums got worse, and roots are as good but a smaller share."""
    store = Store(tmp_path / "home")
    different = reason("verify", Code.DIFFERENT, answer="1", reference="2")
    over = reason("mix", Code.OVER_QUESTION, most=2)
    for night, right in ((1, 9), (2, 3)):
        kept = [
            solved(
                100 * night + n,
                "sums",
                correctness=0.9,
                scores={"answer": 0.8},
                verdicts={"rival": "0", "settled": "yes", "consistent": "3/4"},
            )
            for n in range(right)
        ] + [solved(100 * night + 30 + n, "roots", correctness=0.8) for n in range(6)]
        lost = [
            solved(
                100 * night + 50 + n,
                "sums",
                correctness=0.2,
                reason=different,
                verdicts={"equivalent": "different"},
            )
            for n in range(10 - right)
        ]
        aside = [
            solved(100 * night + 70, "roots", reason=over),
            Row(f"Probe {night}?", "en", solution="x", reason=reason("probe", Code.STUDENT_RIGHT)),
            Row(f"Known {night}?", "en", solution="x", reason=reason("calibrate", Code.CALIBRATED)),
            Row("", "en", id=f"{night:024x}", method="fuse", params=orjson.dumps({"completion": KEY}).decode(),
                reason=reason("fuse", Code.MALFORMED_ITEM, why="the writer's own check failed")),
        ]  # fmt: skip
        lost[0].scores = {"answer": 0.9}
        store.append_candidates(to_table([*lost, *aside]), run=f"night-{night}", stage="verify")
        store.append_candidates(to_table(kept), run=f"night-{night}", stage="published")
        cost = {"role": "teacher", "model": "m", "completions": 9, "prompt_tokens": 900, "completion_tokens": 100, "usd": 0.5}  # fmt: skip
        paid = {"role": "teacher", "model": "m", "tag": "solve", "calls": 4, "prompt_tokens": 500, "completion_tokens": 60, "usd": 0.25,
                "latency_p50": 1.0, "latency_p95": 1.0, "tokens_per_s": 1.0}  # fmt: skip
        store.publish(
            "d",
            [to_table(kept)],
            lineage={"run": f"night-{night}", "flow": "nightly", "funnel": FUNNEL, "costs": [cost], "service": [paid],
                     "ended": {"resumed": night == 2, "by": "target"},
                     "verifier": {"cells": [{"planted": 10, "errors": 0}, {"planted": 7, "errors": 1}]}},
        )  # fmt: skip
    site = site_of(tmp_path / "home")
    body = {"choices": [{"message": {"content": orjson.dumps(
        {"plan": "join", "fused": QUESTION, "check": "No answer follows.", "sound": False, "difficulty": 3}).decode()}}]}  # fmt: skip
    call = Call(KEY, b'{"messages": []}', orjson.dumps(body), 200, "m", 1.0, elapsed=1.0, role="teacher", tag="fuse", run="night-1")  # fmt: skip
    receipt = site.ledger().put(call).result(30)
    site.ledger().record_usage(CallUsage(receipt.id, COMPLETION, 10, 60, False, 0.01))
    return client_of(site)


def text_of(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text[-400:]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def newest(client: TestClient, row: int = 0) -> str:
    return re.findall(r'href="/versions/(d@[^"/#?]+)"', client.get("/versions").text)[row]


def test_rows_that_were_only_not_taken_are_no_rejections(client: TestClient) -> None:
    version = newest(client)
    page = text_of(client, f"/versions/{version}")
    assert "8 candidates rejected by its run" in page
    assert "3 not taken: probe, calibration, surplus" in page
    assert "Calibrate 2 2 0 0 used, none is published by design" in page
    assert "Mix 4 2 2 0 0" in page
    assert "Verify answers 5 4 0 1 0" in page
    assert "<b>3 rows</b>" in client.get(f"/versions/{version}/dropped?outcome=not+taken").text
    dropped = text_of(client, f"/versions/{version}/dropped")
    assert "rejected or not taken rejected 8 not taken 3" in dropped
    assert "none: seed, known and probe questions 2" in dropped


def test_a_stage_that_did_both_under_several_titles_counts_as_rejecting() -> None:
    line = {"stage": "select", "title": "a", "asked": 9, "kept": 5, "rejected": 4, "failed": 0}
    two = funnel_lines([line, line | {"title": "b"}], {"select": (3, 5)})
    assert [(one.not_taken, one.rejected) for one in two] == [(0, 4), (0, 4)]
    assert funnel_lines([line], {"select": (3, 1)}) == [StageOutcome("select", "a", 9, 5, 3, 1, 0)]
    assert not funnel_lines([line], {})[0].not_taken
    recorded = funnel_lines(
        [line | {"not_taken": 2}, line | {"title": "b", "not_taken": 0}], {"select": (3, 5)}
    )
    assert [(one.not_taken, one.rejected) for one in recorded] == [(2, 2), (0, 4)]


def test_both_costs_and_both_certificates_are_shown(client: TestClient) -> None:
    home = text_of(client, "/")
    assert "$0.50 for 1,000 tokens used, of which its run paid $0.25 for 560 tokens" in home
    assert "benchmarks: none registered ; verifier: 1 of 17 planted answers misjudged" in home
    page = text_of(client, f"/versions/{newest(client)}")
    assert "Paid by its run" in page
    assert "Used by this version, paid by any run" in page
    assert "An earlier process of this run was ended" in page


def test_a_version_without_a_record_of_what_was_paid(client: TestClient, tmp_path: Path) -> None:
    version = Store(tmp_path / "other").publish("e", [to_table([solved(1, "sums")])], lineage={"run": "r"})
    facts = facts_of(version, [], {})
    assert (facts.paid, facts.verifier, facts.resumed) == (None, "", False)


def test_comparing_ranks_subdomains_by_what_their_runs_did(client: TestClient) -> None:
    after, before = newest(client), newest(client, 1)
    page = text_of(client, f"/compare?a={before}&b={after}")
    assert "sums 10 → 10 9 → 3 0.90 → 0.30 -0.60 0.83 → 0.41 -0.42 0.75 → 0.75" in page
    assert "roots 7 → 7 7 → 7 1.00 → 1.00 +0.00" in page
    assert page.index("sums 10") < page.index("roots 7")
    assert "Shares are composition" in page


def test_a_list_by_the_critic_says_how_many_rows_it_saw(client: TestClient) -> None:
    page = text_of(client, f"/versions/{newest(client)}/dropped?wrong=yes&score.answer.min=0.95")
    assert "The critic saw 1 of 7 wrong rows" in page
    assert f"./mathmill critic evaluate --version {newest(client)} --critic prompted" in page
    assert "none of the 1 row that the critic saw" in page
    assert "The critic saw" not in text_of(client, f"/versions/{newest(client)}/dropped?wrong=yes")


def test_a_row_that_is_none_shows_what_was_written(client: TestClient, tmp_path: Path) -> None:
    listed = client.get(f"/versions/{newest(client, 1)}/dropped?code=malformed_item").text
    page = client.get(re.findall(r'href="(/rows/[0-9a-f]{24})"', listed)[0]).text
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "Which is larger?" in text
    assert "the writer's own check: failed No answer follows." in text
    assert "<math" in page
    assert "Other solutions" not in text  # rows without a text have no question in common


@pytest.mark.parametrize(
    ("raw", "items", "text"),
    [
        ('{"choices": [{"message": {"content": "no <json> here"}}]}', 0, "no <json> here"),
        ('{"content": [{"type": "text", "text": "{\\"problems\\": [{\\"question\\": \\"a\\"}, {\\"question\\": \\"b\\"}]}"}]}', 2, ""),
        ("not json", 0, "not json"),
        ('{"choices": [7, {"message": 8}], "content": {}}', 1, ""),
    ],
)  # fmt: skip
def test_what_was_written_is_read_from_any_response(raw: str, items: int, text: str) -> None:
    read = written(raw)
    assert len(read.items) == items
    assert text in read.text


def test_names_on_the_page_of_a_row_are_explained(client: TestClient) -> None:
    address = re.findall(r'href="(/rows/[0-9a-f]{24})"', client.get(f"/versions/{newest(client)}/rows").text)[
        0
    ]
    page = text_of(client, address)
    assert "samples for another answer 0" in page
    assert "votes are sure yes" in page
    assert "rival" not in page.split("All columns")[0]
