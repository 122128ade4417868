"""Runs in progress as their notes and the ledger have them, and the same in Prometheus' format."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from storage import live_runs
from storage.ledger import COMPLETION, Call, CallUsage
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import client_of

SAMPLE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} (\S+)')
DASHBOARD = Path(__file__).parents[3] / "examples" / "grafana.json"


@pytest.fixture
def running(filled: Path, site_of: Callable[..., Site], tmp_path: Path) -> Site:
    """A site beside which a run has made 30 of its 120 calls in 300 seconds, a third of them refused."""
    site = site_of(filled)
    site.home = tmp_path / "home"
    note = {"since": time.time() - 300, "forecast": {"figures": {"calls": [90, 120, 200], "usd": [1.0, 2.0, 3.0]}}, "inputs": ""}  # fmt: skip
    (site.home / "runs").mkdir(parents=True)
    (site.home / "runs" / "night-7.json").write_bytes(orjson.dumps(note))
    ledger = site.ledger()
    for number in range(30):
        call = Call(
            f"{number:064x}", b"{}", b"{}", 200 if number % 3 else 503, 'a "model"\n', time.time() - 3, elapsed=1.5,
            role="teacher", tag="evolve", run="night-7",
        )  # fmt: skip
        receipt = ledger.put(call).result(30)
        ledger.record_usage(CallUsage(receipt.id, COMPLETION, 10, 60, False, 0.01))
    return site


def test_a_run_in_progress(running: Site) -> None:
    page = client_of(running).get("/runs").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "night-7" in text
    assert "30 of about 120 calls" in text
    assert "$0.30 of about $2.00 paid" in text
    assert re.search(r"15 min left", text)
    assert "10 with 503" in text


def test_a_run_without_a_note_is_shown_while_it_lasts(running: Site) -> None:
    line = {"stage": "dedup", "title": "De-duplicate", "asked": 40, "kept": 30, "rejected": 9, "failed": 1}
    state = {
        "at": time.time(),
        "since": time.time() - 20,
        "noted": False,
        "funnel": [line],
        "running": [],
        "models": [],
    }
    live_runs.write(running.home, "import-1", state)
    page = client_of(running).get("/runs").text
    assert "import-1" in page
    assert "De-duplicate" in page
    live_runs.write(running.home, "import-1", state | {"noted": True})  # its note is gone: it is over
    assert "import-1" not in client_of(running).get("/runs").text
    live_runs.write(running.home, "import-1", state)
    live_runs.remove(running.home, "import-1")
    assert "import-1" not in client_of(running).get("/runs").text


def test_the_funnel_of_a_run_in_progress(running: Site) -> None:
    line = {"stage": "solve", "title": "Solve <b>", "asked": 40, "kept": 30, "rejected": 9, "failed": 1}
    model = {"role": "teacher", "stage": "all", "calls": 30, "from the ledger": 2, "failed": 1, "retries": 3, "tokens": 900, "USD": 0.3} | {
        "in flight": 7, "limit": 16, "cuts": 0, "breaker opened": 2, "tokens/s": 55,
    }  # fmt: skip
    state = {"at": time.time(), "funnel": [line], "running": [{"title": "Verify", "done": 5, "total": 30}], "models": [model]}  # fmt: skip
    live_runs.write(running.home, "night-7", state)
    live_runs.write(running.home, "night-of-old", state)
    page = client_of(running).get("/runs").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Solve &lt;b&gt; 40 30 0 9 1" in text
    assert "Verify 5 of 30 rows" in text
    assert "teacher 7 16 30 2 3 1 2 55" in text
    assert "said nothing" not in text
    live_runs.write(running.home, "night-7", state | {"at": time.time() - 600})
    assert "said nothing for 10 min" in client_of(running).get("/runs").text
    live_runs.forget(running.home, but={"night-7"})
    assert not live_runs.read(running.home, "night-of-old")
    assert live_runs.read(running.home, "night-7")["funnel"] == [line]


def test_a_run_whose_process_is_gone_is_not_in_progress(running: Site) -> None:
    note = {"since": time.time() - 7_200, "forecast": {}, "inputs": ""}
    (running.home / "runs" / "evaluate-1.json").write_bytes(orjson.dumps(note))
    (running.home / "runs" / "stopped-1.json").write_bytes(orjson.dumps(note | {"since": None}))
    text = " ".join(re.sub(r"<[^>]+>", " ", client_of(running).get("/runs").text).split())
    alive, lost, stopped = (text.index(name) for name in ("night-7", "evaluate-1", "stopped-1"))
    assert alive < lost < stopped
    assert text[:lost].count("left at this speed") == 1
    assert "left at this speed" not in text[lost:]
    assert "no sign of life for 2.0 h" in text[lost:stopped]
    assert "a limit ended it" in text[stopped:]
    # an answer to one of its calls is a sign of life
    call = Call(
        "e" * 64, b"{}", b"{}", 200, "m", time.time() - 4, elapsed=1.5, role="checkpoint", run="evaluate-1"
    )
    running.ledger().put(call).result(30)
    text = " ".join(re.sub(r"<[^>]+>", " ", client_of(running).get("/runs").text).split())
    assert "no sign of life" not in text
    assert text.count("left at this speed") == 2


def test_a_note_that_is_none_hides_no_run(running: Site) -> None:
    (running.home / "runs" / "broken.json").write_bytes(b"{")
    assert "night-7" in client_of(running).get("/runs").text


def test_metrics_are_in_the_text_format(running: Site) -> None:
    answer = client_of(running).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values: dict[str, list[tuple[str, float]]] = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            values.setdefault(match[1], []).append((match[2], float(match[3])))
    assert values["mathmill_calls_total"] == [('role="teacher",model="a \\"model\\"\\n"', 30.0)]
    assert values["mathmill_run_progress"] == [('run="night-7"', 0.25)]
    assert values["mathmill_recent_tokens_per_second"][0][1] == 30.0
    assert values["mathmill_recent_failed_share"][0][1] == pytest.approx(1 / 3)
    assert values["mathmill_dataset_rows"] == [('dataset="math-filled"', 601.0)]


def test_the_dashboard_asks_for_metrics_that_there_are(running: Site) -> None:
    text = client_of(running).get("/metrics").text
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        (name,) = set(re.findall(r"mathmill_\w+", panel["targets"][0]["expr"]))
        assert f"# TYPE {name} " in text, panel["title"]
