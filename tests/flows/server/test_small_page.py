"""Each page of a small store in a real browser: by keyboard, on a phone, in the dark, with hostile rows, without an outside address."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.filled_store import DATASET, fill
from storage import live_runs
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tests.flows.server.test_page import CHROMIUM, DESK, PHONE, WITHIN_S, viewing

FIRST, SECOND = f"{DATASET}@2026.11.20", f"{DATASET}@2026.11.21"
EVIL = "<img src=x onerror=alert(1)><script>alert(1)</script> \u202e [x](javascript:alert(1)) {{ 7*7 }}"
# every page of the menu, and those that they lead to
PAGES = (
    "/", "/versions", f"/versions/{FIRST}", f"/versions/{FIRST}/figures", f"/versions/{FIRST}/rows", f"/versions/{FIRST}/rows?view=table",
    f"/versions/{FIRST}/dropped", f"/versions/{FIRST}/review", f"/versions/{SECOND}/review", "/review", f"/compare?a={FIRST}&b={SECOND}", "/compare",
    "/trends", "/costs", "/evaluations", "/evaluations/student-1", "/runs", "/sql", "/rows/{evil}", "/nope",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, str]]:
    """The address of `mathmill view` over a small store, its home, and the id of a hostile row."""
    home = tmp_path_factory.mktemp("small")
    store = Store(home)
    first = fill(store, 400, dropped=60)
    evil = Row(EVIL, "en", solution=EVIL, answer=EVIL, subdomain=EVIL, critique=EVIL, scores={"critique": 0.9}, correctness=0.1)  # fmt: skip
    store.publish(
        DATASET, [to_table([evil])], lineage=first.lineage | {"run": EVIL}, date=datetime.date(2026, 11, 21)
    )
    folder = home / "evaluations" / "student-1"
    folder.mkdir(parents=True)
    columns = {"id": ["gsm8k#0"], "benchmark": ["gsm8k"], "form": ["open"], "subdomain": [EVIL], "question": [EVIL], "options": pa.nulls(1, pa.list_(pa.string())),
               "reference": ["4"], "rejected": pa.nulls(1, pa.string()), "answers": [[EVIL]], "texts": [[EVIL]]}  # fmt: skip
    for name, score in (("candidate", 0.0), ("baseline", 1.0)):
        pq.write_table(pa.table(columns | {"score": [score]}), folder / f"{name}.parquet")
    record = {
        "name": "student-1",
        "created": "2026-11-29T06:00:00",
        "model": EVIL,
        "baseline": EVIL,
        "scores": {},
    }
    (folder / "record.json").write_bytes(orjson.dumps(record))
    (home / "runs").mkdir()
    (home / "runs" / "night-7.json").write_bytes(orjson.dumps({"since": 1.0, "forecast": {}}))
    live_runs.write(home, "night-7", {"at": 1.0, "running": [{"title": EVIL, "done": 1, "total": 2}], "funnel": [
        {"stage": "solve", "title": EVIL, "asked": 2, "kept": 1, "rejected": 1, "failed": 0}]})  # fmt: skip
    with viewing(home) as url:
        yield url, home, evil.id


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def opened(browser: Browser, url: str, viewport: dict[str, int], scheme: str = "light") -> Page:
    page = browser.new_context(viewport=viewport, base_url=url, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(WITHIN_S * 1000)
    return page


@pytest.mark.slow
@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_each_page_fits_and_runs_nothing_of_a_row(
    browser: Browser, served: tuple[str, Path, str], viewport: dict[str, int], scheme: str
) -> None:
    url, _, evil = served
    page = opened(browser, url, viewport, scheme)
    outside: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith((url, "data:")) else None)  # fmt: skip
    page.on("console", lambda message: problems.append(message.text))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    for path in PAGES:
        answer = page.goto(path.replace("{evil}", evil))
        page.wait_for_load_state("load")
        assert answer is not None
        assert answer.status == (404 if path == "/nope" else 200), path
        if path == "/nope":
            problems.clear()  # the browser notes the status
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
        assert page.locator("main img, main script").count() == 0, path
        assert "\u202e" not in page.locator("main").inner_text(), path
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in re.findall(r"\d+", ground)[:3]) > 380) == (scheme == "light")
    assert outside == []
    assert problems == []
    page.context.close()


@pytest.mark.slow
def test_the_navigation_is_in_sight_on_a_phone_and_a_query_runs_by_keys(
    browser: Browser, served: tuple[str, Path, str]
) -> None:
    page = opened(browser, served[0], PHONE)
    page.goto("/sql")
    links = page.locator("body > header nav a")
    assert links.count() == 9
    for place in range(links.count()):
        box = links.nth(place).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    page.fill("#sql", "SELECT 40 + 2 AS answer")
    page.press("#sql", "Control+Enter")
    page.locator("table.rows td", has_text="42").wait_for()
    page.context.close()


@pytest.mark.slow
def test_rows_are_reviewed_by_keys_alone(browser: Browser, served: tuple[str, Path, str]) -> None:
    url, home, _ = served
    page = opened(browser, url, DESK)

    def press(key: str) -> None:
        shown = page.locator("input[name=row]").get_attribute("value")
        page.keyboard.press(key)
        page.wait_for_function(
            "id => (document.querySelector('input[name=row]') || {}).value !== id", arg=shown
        )
        page.wait_for_load_state("load")

    page.goto(f"/versions/{FIRST}/review?as=ada")
    page.keyboard.press("o")
    page.locator("form.judge").wait_for()
    page.wait_for_load_state("load")
    press("r")
    second = page.locator("input[name=row]").get_attribute("value")
    page.keyboard.press("v")
    assert page.locator("details", has_text="Votes, scores").locator("table").is_visible()
    page.keyboard.press("c")
    page.keyboard.type("wrong sum")  # r, w, u and s are letters here
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    fields = page.locator("textarea[name=answer]")
    fields.fill("43")
    fields.press("Escape")
    press("w")
    press("s")
    press("b")
    page.keyboard.press("b")
    page.wait_for_url(f"**row={second}")
    assert "You said wrong" in page.locator(".waits").inner_text()
    press("r")
    page.locator("#judgements table").wait_for()
    given = Store(home).judgements(DATASET)
    assert [one.opinion.value for one in given] == ["right", "wrong", "skip", "right"]
    assert (given[1].comment, given[1].answer, given[1].solution, given[1].reviewer) == ("wrong sum", "43", None, "ada")  # fmt: skip
    assert given[3].row == second
    page.context.close()
