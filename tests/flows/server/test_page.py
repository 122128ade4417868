"""The page as a real server over 200,000 rows, used by a real browser: by mouse, by keyboard, on a phone, without an outside address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from benchmarks.filled_store import DATASET, fill
from storage.datasets.store import Store
from storage.errors import StorageError
from tasks.viewer.access import AccessError

ROWS = 200_000
CHROMIUM = shutil.which("chromium")
SCRIPT = Path(sys.executable).parent / "mathmill"
WITHIN_S = 240  # on a machine that others use too
VERSION = f"{DATASET}@2026.11.20"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MATHMILL_", "PREFECT_"))
    }
    return kept | {"MATHMILL_HOME": str(home), "MATHMILL_ENV_FILE": ""} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    port = int(url.rpartition(":")[2])
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"the page did not start: {process.stderr.read() if process.stderr else ''}")


@contextmanager
def viewing(home: Path) -> Iterator[str]:
    """Start `mathmill view` over a home, and give its address."""
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [str(SCRIPT), "view", "--port", url.rpartition(":")[2]],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of `mathmill view` over ROWS rows, and its home."""
    home = tmp_path_factory.mktemp("served")
    fill(Store(home), ROWS)
    with viewing(home) as url:
        yield url, home


@pytest.fixture(scope="module")
def browser_page(served: tuple[str, Path]) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport=DESK, base_url=served[0]).new_page()
        page.set_default_timeout(WITHIN_S * 1000)
        page.goto(f"/versions/{VERSION}/rows")  # copies the rows
        yield page
        browser.close()


@pytest.mark.slow
def test_filters_and_pages_by_mouse(browser_page: Page, served: tuple[str, Path]) -> None:
    asked: list[str] = []
    problems: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("console", lambda message: problems.append(message.text))
    browser_page.goto(f"/versions/{VERSION}/rows")
    assert browser_page.locator(".state b").first.inner_text() == f"{ROWS:,} rows"
    browser_page.locator(".facets a", has_text="circles").click()
    browser_page.wait_for_url("**subdomain=circles**")
    browser_page.locator(".filter", has_text="subdomain is circles").wait_for()
    count = browser_page.locator(".state b").first.inner_text()
    assert count != f"{ROWS:,} rows"
    first = browser_page.locator("article.row code").first.inner_text()
    browser_page.locator("a[rel=next]").click()
    browser_page.wait_for_url("**after=**")
    assert browser_page.locator("article.row code").first.inner_text() != first
    assert browser_page.locator(".state b").first.inner_text() == count
    browser_page.go_back()
    assert browser_page.locator("article.row code").first.inner_text() == first
    assert browser_page.locator("math").first.is_visible()
    assert not [one for one in asked if not one.startswith((served[0], "data:"))]
    assert problems == []


@pytest.mark.slow
def test_a_reason_of_the_funnel_leads_to_its_rows(browser_page: Page) -> None:
    browser_page.goto(f"/versions/{VERSION}")
    browser_page.locator("#distributions").wait_for()  # comes after the page
    browser_page.locator("table a", has_text="wrong step").click()
    browser_page.wait_for_url("**code=wrong_step**")
    assert "line 2 is wrong" in browser_page.locator("article.row .reason").first.inner_text()


@pytest.mark.slow
def test_keys_alone_lead_to_a_row(browser_page: Page) -> None:
    browser_page.goto(f"/versions/{VERSION}/rows")
    browser_page.keyboard.press("/")
    browser_page.keyboard.type("boxes -pens*")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url("**q=boxes**")
    browser_page.keyboard.press("Escape")
    browser_page.keyboard.press("j")
    browser_page.keyboard.press("j")
    chosen = browser_page.evaluate("document.activeElement.dataset.href")
    assert chosen == browser_page.locator("article.row").nth(1).get_attribute("data-href")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url(f"**{chosen}")
    assert "Life of the row" in browser_page.locator("main").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction(browser_page: Page, scheme: str) -> None:
    browser_page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    browser_page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    try:
        row = browser_page.locator("article.row").first
        for path in ("/", "/versions", f"/versions/{VERSION}", f"/versions/{VERSION}/rows", f"/versions/{VERSION}/dropped"):  # fmt: skip
            browser_page.goto(path)
            browser_page.wait_for_load_state("networkidle")
            assert browser_page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        row.wait_for()
        ground = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
        bright = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) > 380
        assert bright == (scheme == "light")
        assert not browser_page.locator("details.facets ul").first.is_visible()  # the filters begin closed
    finally:
        browser_page.set_viewport_size(DESK)  # type: ignore[arg-type]
        browser_page.emulate_media(color_scheme="light")


@pytest.mark.soak
@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_each_page_of_many_rows_answers_and_fits(browser_page: Page, viewport: dict[str, int]) -> None:
    browser_page.set_viewport_size(viewport)  # type: ignore[arg-type]
    base = f"/versions/{VERSION}"
    try:
        for path in (
            "/", "/versions", base, f"{base}/figures", f"{base}/rows", f"{base}/rows?view=table&sort=-score.critique", f"{base}/rows?q=223+boxes",
            f"{base}/rows?wrong=yes&score.critique.min=0.7", f"{base}/dropped", f"{base}/dropped?q=boxes&code=near", f"{base}/review", "/review",
            "/compare", f"/compare?a={VERSION}&b={VERSION}", "/trends", "/costs", "/evaluations", "/runs", "/sql",
        ):  # fmt: skip
            answer = browser_page.goto(path)
            browser_page.wait_for_load_state("load")
            assert answer is not None
            assert answer.status == 200, path
            assert browser_page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
        row = browser_page.goto(f"{base}/rows")
        assert row is not None
        address = browser_page.locator("article.row").first.get_attribute("data-href")
        browser_page.goto(str(address))
        assert "Life of the row" in browser_page.locator("main").inner_text()
    finally:
        browser_page.set_viewport_size(DESK)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_second_page_and_an_open_address_are_refused(served: tuple[str, Path]) -> None:
    _, home = served
    for options, words in ((["--port", str(free_port())], "another process"), (["--host", "0.0.0.0"], "MATHMILL_VIEW_PASSWORD")):  # fmt: skip
        done = subprocess.run(
            [str(SCRIPT), "view", *options],
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_errors_are_for_people() -> None:
    assert issubclass(AccessError, StorageError)
