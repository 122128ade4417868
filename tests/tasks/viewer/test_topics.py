"""Comparisons, evaluations, trends, costs, SQL, and rows that are taken out."""

from __future__ import annotations

import datetime
import html
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from storage.datasets.store import Store
from storage.errors import StorageError
from storage.ledger import COMPLETION, Call, CallUsage, Ledger
from storage.rows import Row, to_table
from tasks.viewer.routes import forms
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import FIRST, SECOND, client_of

ORIGIN = {"origin": "http://127.0.0.1"}


def shown(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text[-300:]
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text))


def test_two_versions_side_by_side(client: TestClient) -> None:
    text = " ".join(shown(client, f"/compare?a={FIRST}&b={SECOND}").split())
    assert "1 added" in text
    assert "0 dropped" in text
    assert "600 unchanged" in text
    assert "How many primes are below 10?" in text
    assert client.get("/compare?a=nope&b=nope").status_code == 404


def test_what_each_group_earned_stands_on_the_page_of_its_version(filled: Path, client: TestClient) -> None:
    store = Store(filled)
    address = f"/versions/{FIRST}"
    assert "What each source did" not in shown(client, address)
    measured = {"groups": ["a", "<b>"], "rows": [40, 30], "influence": [0.4, -0.1], "without": [None, -0.02]}
    names = {"by": "source", "base": "student", "items": "new problems", "worst": "<b>", "harmful": True}
    store.mark(store.resolve(FIRST), "attribution", names | measured | {"steps": 60})
    text = " ".join(shown(client, address).split())
    assert "What each source did for new problems" in text
    assert "Least useful: <b>. Without it the loss is lower: it costs points" in text
    assert "a 40 +0.400 not checked <b> 30 -0.100 -0.0200" in text


def test_trends_have_a_point_per_version(client: TestClient) -> None:
    page = client.get("/trends").text
    assert page.count("2026.11.21:") >= 4
    assert "share of circles" in page


def test_costs_by_day_run_dataset_and_model(filled: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(filled)
    ledger = site.ledger()
    day = 1_795_900_000.0  # 2026-11-28
    for number, (run, model, created, cost) in enumerate(
        [
            ("night-filled", "a", day, 1.5),
            ("night-filled", "b", day, 0.25),
            ("night-2", "a", day + 86_400, 2.0),
        ]
    ):
        receipt = ledger.put(
            Call(f"{number:064x}", b"{}", b"{}", 200, model, created, role="teacher", tag="evolve", run=run)
        ).result(30)
        ledger.record_usage(CallUsage(receipt.id, COMPLETION, 10, 20, False, cost))
    client = client_of(site)
    page = client.get("/costs").text
    sections = {
        match[1]: html.unescape(re.sub(r"<[^>]+>", " ", match[2]))
        for match in re.finditer(r'<h2 id="([\w-]+)">(.*?)</table>', page, re.DOTALL)
    }
    assert "$3.75" in page
    assert re.search(r"2026-11-29\s+\$2.00.*2026-11-28\s+\$1.75", sections["day"], re.DOTALL)
    assert re.search(r"a\s+\$3.50\s+2", sections["model"])
    assert re.search(r"night-2\s+\$2.00", sections["run"])
    assert re.search(r"math-filled\s+\$3.75\s+3", sections["dataset"])
    assert re.search(r"evolve\s+\$3.75", sections["method-or-stage"])


def test_calls_outside_of_runs_are_no_cost_of_a_dataset(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    home = tmp_path / "home"
    rows = to_table([Row("What is 2 + 2?", "en", solution="4", answer="4")])
    Store(home).publish("by-hand", [rows], lineage={})
    Store(home).publish("d", [rows], lineage={"run": "night-1"})
    site = site_of(home)
    for number, run in enumerate(["", "", "night-1", "evaluate-1"]):
        call = Call(f"{number:064x}", b"{}", b"{}", 200, "m", 1.8e9, role="critic", tag="critique", run=run)
        receipt = site.ledger().put(call).result(30)
        site.ledger().record_usage(CallUsage(receipt.id, COMPLETION, 10, 20, False, 0.5))
    page = " ".join(shown(client_of(site), "/costs").split())
    by_dataset = page.partition("By dataset")[2].partition("By run")[0]
    assert "by-hand" not in by_dataset
    assert re.search(r"outside of the runs: \S+ and what commands measure \$1.00 2 ", by_dataset)
    assert "other runs, such as evaluations $0.50 1 " in by_dataset
    assert re.search(r" d \$0.50 1 ", by_dataset)
    by_run = page.partition("By run")[2].partition("By model")[0]
    assert re.search(r"outside of the runs: \S+ and what commands measure \$1.00 2 ", by_run)
    assert "/versions/by-hand" not in client_of(site).get("/costs").text


def test_a_chart_says_its_first_and_last_value_at_its_ends(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    store = Store(tmp_path / "home")
    for day, count in ((20, 5), (21, 9), (22, 3)):
        rows = to_table([Row(f"Question {n}", "en", solution="4", answer="4") for n in range(count)])
        store.publish("d", [rows], lineage={}, date=datetime.date(2026, 11, day), mode="overwrite")
    page = client_of(site_of(tmp_path / "home")).get("/trends").text
    (figure,) = re.findall(r"<figcaption>rows (.*?)</figure>", page, re.DOTALL)
    assert "lowest 3, highest 9" in figure
    assert "<span>2026.11.20: 5</span><span>2026.11.22: 3</span>" in figure


def test_datasets_with_one_version_are_named_after_the_trends(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    store = Store(tmp_path / "home")
    for name in ("alone", "single"):
        rows = to_table([Row("Question", "en", solution="4", answer="4")])
        store.publish(name, [rows], lineage={}, date=datetime.date(2026, 11, 20), mode="overwrite")
    page = client_of(site_of(tmp_path / "home")).get("/trends").text
    text = " ".join(re.sub("<[^>]+>", "", page).split())
    assert "2 datasets have one version, which shows no trend: alone, single." in text
    assert "<figure" not in page
    assert "There is no dataset yet" not in text


@pytest.fixture
def evaluated(filled: Path) -> Path:
    folder = filled / "evaluations" / "student-1"
    folder.mkdir(parents=True, exist_ok=True)

    def items(scores: Sequence[float]) -> pa.Table:
        names = ["same", "lost", "won", "never"]
        return pa.table(
            {
                "id": [f"gsm8k#{number}" for number in range(4)],
                "benchmark": ["gsm8k"] * 4,
                "form": ["open"] * 4,
                "subdomain": ["money"] * 4,
                "question": [f"question {name}" for name in names],
                "options": pa.nulls(4, pa.list_(pa.string())),
                "reference": ["4"] * 4,
                "rejected": pa.nulls(4, pa.string()),
                "answers": [["4"]] * 4,
                "texts": [[f"<b>answer</b> {score}"] for score in scores],
                "score": list(scores),
            }
        )

    pq.write_table(items([1.0, 0.0, 1.0, 0.0]), folder / "candidate.parquet")
    pq.write_table(items([1.0, 1.0, 0.0, 0.0]), folder / "baseline.parquet")
    score = {
        "group": "benchmark",
        "name": "gsm8k",
        "items": 4,
        "score": 0.5,
        "low": 0.1,
        "high": 0.9,
        "unanswered": 0,
    }
    record = {
        "name": "student-1", "created": "2026-11-29T06:00:00+00:00", "model": "student", "baseline": "teacher",
        "scores": {"student": [score], "teacher": [score]},
    }  # fmt: skip
    (folder / "record.json").write_bytes(orjson.dumps(record))
    return filled


def test_regressions_come_first(evaluated: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(evaluated))
    assert "50.0%" in shown(client, "/evaluations")
    page = shown(client, "/evaluations/student-1")
    places = [page.index(f"question {name}") for name in ("lost", "never", "won", "same")]
    assert places == sorted(places)
    assert "answer 1: 4" in page
    only = shown(client, "/evaluations/student-1?only=worse")
    assert "question lost" in only
    assert "question won" not in only
    assert "<b>answer" not in client.get("/evaluations/student-1").text
    assert client.get("/evaluations/nope").status_code == 404
    # by subdomain: one item lost and one won in four
    assert re.search(
        r"money\s+4\s+50.0%\s+50.0%\s+\+0.0", " ".join(shown(client, "/evaluations/student-1").split())
    )
    assert "money +0.0 points" in shown(client, "/evaluations")
    assert client.get("/evaluations/..%2f..").status_code == 404


def token(client: TestClient, address: str = "/sql") -> str:
    match = re.search(r'name="token" value="(\w+)"', client.get(address).text)
    assert match
    return match[1]


@pytest.mark.slow
def test_sql_has_the_limits_of_the_command(client: TestClient) -> None:
    query = f'SELECT subdomain, count(*) AS n FROM "{FIRST}" GROUP BY ALL ORDER BY n DESC'
    form = {"q": query, "token": token(client)}
    answer = client.post("/sql", data=form, headers=ORIGIN)
    assert answer.status_code == 200
    assert "linear equations" in answer.text
    for refused in ("DROP VIEW rows", "SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/x'"):
        answer = client.post("/sql", data=form | {"q": refused}, headers=ORIGIN)
        assert answer.status_code == 422
        assert "Fix:" in answer.text
        assert "root:" not in answer.text
    box = client.get("/sql").text
    listed = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", box)).split())
    for column in ("subdomain string", "scores map", "code string", "correctness float"):
        assert column in listed
    assert '"math-filled"' in listed
    assert "linear" not in client.get(f"/sql?q={query}").text.partition("</form>")[2]  # a link runs nothing


def test_changes_need_the_token_and_the_page_itself(client: TestClient) -> None:
    form = {"q": "SELECT 1", "token": token(client)}
    assert client.post("/sql", data=form).status_code == 403  # no origin
    assert client.post("/sql", data=form, headers={"origin": "http://evil.example"}).status_code == 403
    crossed = ORIGIN | {"sec-fetch-site": "cross-site"}
    assert client.post("/sql", data=form, headers=crossed).status_code == 403
    assert client.post("/sql", data={"q": "SELECT 1"}, headers=ORIGIN).status_code == 400
    assert client.post("/sql", data=form | {"token": "0" * 64}, headers=ORIGIN).status_code == 400
    assert client.post("/sql", data=form | {"q": "x" * 2_000_000}, headers=ORIGIN).status_code == 413


def test_rows_are_taken_out_after_a_question(filled: Path, site_of: Callable[..., Site]) -> None:
    taken: list[tuple[str, list[str], str]] = []

    def take_out(version: str, ids: Sequence[str], person: str) -> str:
        taken.append((version, list(ids), person))
        if len(ids) == 2:
            raise StorageError("the rows did not pass. Fix: choose others")
        return SECOND

    client = client_of(site_of(filled, take_out=take_out))
    rows = [row["id"] for row in Store(filled).read(FIRST).slice(0, 2).to_pylist()]
    address = f"/versions/{FIRST}/take-out"
    form = {"token": token(client, f"/versions/{FIRST}/rows"), "which": "chosen", "ids": rows[:1]}
    asked = client.post(address, data=form, headers=ORIGIN)
    assert "Take 1 row out" in asked.text
    assert not taken
    done = ended(client, client.post(address, data=form | {"confirmed": "yes"}, headers=ORIGIN).url.path)
    assert SECOND in done
    assert taken == [(FIRST, rows[:1], "local")]
    failed = ended(client, client.post(address, data=form | {"confirmed": "yes", "ids": rows}, headers=ORIGIN).url.path)  # fmt: skip
    assert "the rows did not pass" in failed
    everything = client.post(f"{address}?subdomain=urns", data={"token": form["token"], "which": "all", "confirmed": "yes"}, headers=ORIGIN)  # fmt: skip
    ended(client, everything.url.path)
    urns = [row["id"] for row in Store(filled).read(FIRST).to_pylist() if row["subdomain"] == "urns"]
    assert sorted(taken[-1][1]) == sorted(urns)
    nothing = client.post(address, data={"token": form["token"], "which": "chosen", "ids": ["f" * 24]}, headers=ORIGIN)  # fmt: skip
    assert nothing.status_code == 400


def test_no_more_rows_than_the_cap_are_taken_out_at_a_time(
    filled: Path, site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[list[str]] = []

    def take_out(version: str, ids: Sequence[str], person: str) -> str:
        taken.append(list(ids))
        return SECOND

    client = client_of(site_of(filled, take_out=take_out))
    in_urns = sum(row["subdomain"] == "urns" for row in Store(filled).read(FIRST).to_pylist())
    form = {"token": token(client), "which": "all", "confirmed": "yes"}
    address = f"/versions/{FIRST}/take-out?subdomain=urns"
    monkeypatch.setattr(forms, "MOST_OUT", in_urns - 1)
    refused = client.post(address, data=form, headers=ORIGIN)
    assert refused.status_code == 400
    assert f"take at most {in_urns - 1:,} out at a time" in refused.text
    assert taken == []
    monkeypatch.setattr(forms, "MOST_OUT", in_urns)
    ended(client, client.post(address, data=form, headers=ORIGIN).url.path)
    assert [len(ids) for ids in taken] == [in_urns]


def ended(client: TestClient, address: str) -> str:
    assert address.startswith("/jobs/")
    for _ in range(200):
        page = client.get(address).text
        if "The rebuild runs" not in page:
            return page
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def test_usage_per_day_counts_every_call_once(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    for number in range(10):
        receipt = ledger.put(
            Call(
                f"{number:064x}",
                b"{}",
                b"{}",
                200 if number else 500,
                "m",
                86_400.0 * number + 86_399,
                elapsed=2.0,
            )
        ).result(30)
        ledger.record_usage(CallUsage(receipt.id, COMPLETION, 1, 2, False, 0.5))
    lines = ledger.daily()
    assert [line.day for line in lines] == [f"1970-01-{number:02d}" for number in range(1, 11)]
    assert {line.calls for line in lines} == {1}
    assert sum(line.usd for line in lines) == 5.0
    assert ledger.traffic(60.0) == []
    now = ledger.put(Call("f" * 64, b"{}", b"{}", 429, "m", time.time() - 2.0, elapsed=2.0, role="critic"))
    now.result(30)
    (traffic,) = ledger.traffic(60.0)
    assert (traffic.calls, traffic.statuses, traffic.latency_p50) == (1, {429: 1}, 2.0)
    assert 0.02 < traffic.in_flight <= 0.034
    ledger.close()
