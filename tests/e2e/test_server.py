"""`mathmill up`: Prefect's own server, a schedule that fires, a form that starts a run, pages a person sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.conftest import started_up
from tests.e2e.processes import CHROMIUM, Home, ask, declared, sign_in_link, wait_for

pytestmark = pytest.mark.e2e

RUN_WITHIN_S = 300
BELOW_LABEL = "xpath=//label[starts-with(normalize-space(.), '{}')]/following::textarea[1]"
ENDED = ("COMPLETED", "FAILED", "CRASHED")


def runs(up: tuple[Home, str], **chosen: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(up, "flow_runs/filter", {"sort": "START_TIME_ASC", "flow_runs": chosen})
    return found


@pytest.fixture(scope="module")
def up(
    tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]
) -> Iterator[tuple[Home, str]]:
    """A machine on which `up` runs, with a night every minute."""
    path = tmp_path_factory.mktemp("up") / "mathmill"
    migrated(path)
    with started_up(path, "* * * * *") as found:
        yield found.home, found.url


@pytest.fixture(scope="module")
def scheduled(up: tuple[Home, str]) -> dict[str, Any]:
    """The first run that the schedule started and that ended; after it the schedule rests."""
    nightly = ask(up, "deployments/name/nightly/nightly")["id"]

    def ended() -> dict[str, Any] | None:
        over = [run for run in runs(up) if run["state_type"] in ENDED]
        return next((run for run in over if run["auto_scheduled"]), None)

    def started() -> bool:
        return any(run["auto_scheduled"] and run["state_type"] != "SCHEDULED" for run in runs(up))

    wait_for(started, RUN_WITHIN_S, "a start by schedule")
    ask(up, f"deployments/{nightly}/pause_deployment", {})
    found: dict[str, Any] = wait_for(ended, RUN_WITHIN_S, "a scheduled run")
    return found


def test_a_scheduled_night_completes(up: tuple[Home, str], scheduled: dict[str, Any]) -> None:
    home, _ = up
    assert scheduled["state_type"] == "COMPLETED"
    assert scheduled["parameters"]["config"]["target"] == 20
    assert home.json("datasets")[0]["rows"] == 20


def test_the_run_has_its_artifacts(up: tuple[Home, str], scheduled: dict[str, Any]) -> None:
    chosen = {"artifacts": {"flow_run_id": {"any_": [scheduled["id"]]}}}
    found = {a["key"]: a for a in ask(up, "artifacts/filter", chosen) if a["key"]}
    assert {"math-sft-funnel", "math-sft-report", "math-sft-version"} <= set(found)
    assert "data:image/png;base64," in found["math-sft-report"]["data"]
    assert '"Mix"' in found["math-sft-funnel"]["data"]


def test_task_runs_are_a_shard_and_named_for_people(up: tuple[Home, str], scheduled: dict[str, Any]) -> None:
    chosen = {"flow_runs": {"id": {"any_": [scheduled["id"]]}}}
    names = [task["name"] for task in ask(up, "task_runs/filter", chosen)]
    assert "Verify answers, wave 1 1/1" in names
    assert len(names) < 40


def test_the_form_has_descriptions_and_limits(up: tuple[Home, str]) -> None:
    deployment = ask(up, "deployments/name/nightly/nightly")
    schema = deployment["parameter_openapi_schema"]
    night = schema["definitions"]["Nightly"]["properties"]
    assert night["target"]["minimum"] == 1
    assert night["target"]["description"]
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployment["global_concurrency_limit"]["limit"] == 1


def test_everything_that_prefect_yaml_declares_is_served(up: tuple[Home, str]) -> None:
    served = {found["name"]: found for found in ask(up, "deployments/filter", {})}
    assert set(served) == {one["name"] for one in declared()}
    for one in declared():
        assert len(served[one["name"]]["schedules"]) == (
            1 if one["name"] == "nightly" else len(one.get("schedules", []))
        )
        assert served[one["name"]]["description"] == one["description"]


def test_a_run_elsewhere_on_this_home_joins_the_server(
    up: tuple[Home, str], scheduled: dict[str, Any]
) -> None:
    home, _ = up
    name = home.json("rebuild", "--set", "into=by-hand")["version"]
    assert name.startswith("by-hand@")
    assert any(run["parameters"]["config"].get("into") == "by-hand" for run in runs(up))


@pytest.fixture(scope="module")
def page(up: tuple[Home, str]) -> Iterator[Page]:
    """A page of headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(sign_in_link(up[0]))
        page.wait_for_url("**/dashboard", timeout=60_000)
        yield page
        browser.close()


def seen(page: Page, name: str) -> None:
    """Keeps a picture for docs/ where SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.wait_for_timeout(2_000)
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_page_of_a_run(up: tuple[Home, str], scheduled: dict[str, Any], page: Page) -> None:
    _, url = up
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/runs/flow-run/{scheduled['id']}")
    page.get_by_text("Completed", exact=True).first.wait_for(timeout=60_000)
    page.locator("canvas").first.wait_for(timeout=30_000)
    seen(page, "run")
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("math-sft-funnel").first.wait_for(timeout=30_000)
    seen(page, "artifacts")
    outside = [address for address in asked if not address.startswith((url, "data:", "blob:"))]
    assert outside == []


def test_the_page_of_an_artifact(up: tuple[Home, str], scheduled: dict[str, Any], page: Page) -> None:
    _, url = up
    chosen = {"artifacts": {"key": {"any_": ["math-sft-report"]}}}
    report = ask(up, "artifacts/filter", chosen)[0]["id"]
    page.goto(f"{url}/artifacts/artifact/{report}")
    page.locator("img[src^='data:image/png']").first.wait_for(timeout=30_000)
    seen(page, "artifact")


def test_a_rebuild_is_started_by_filling_its_form(
    up: tuple[Home, str], scheduled: dict[str, Any], page: Page
) -> None:
    home, url = up
    deployment = ask(up, "deployments/name/rebuild/rebuild")["id"]
    page.goto(f"{url}/deployments/deployment/{deployment}/run")
    page.wait_for_load_state("networkidle")  # the form is drawn again when the deployment's schema comes
    page.locator(BELOW_LABEL.format("Into")).fill("by-form")
    seen(page, "form")
    with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run")) as submitted:
        page.get_by_role("button", name="Submit").click()
    number = submitted.value.json()["id"]

    def ended() -> dict[str, Any] | None:
        run: dict[str, Any] = ask(up, f"flow_runs/{number}")
        return run if run["state_type"] in ENDED else None

    run = wait_for(ended, RUN_WITHIN_S, "the rebuild")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["config"]["into"] == "by-form"
    assert any(version["version"].startswith("by-form@") for version in home.json("datasets"))


def test_the_report_in_a_browser(up: tuple[Home, str], scheduled: dict[str, Any], page: Page) -> None:
    home, _ = up
    page.goto(next((home.path / "reports").glob("math-sft@*.html")).as_uri())
    assert page.locator("h1").inner_text().startswith("math-sft@")
    assert page.locator(".row").count() == 10
    assert page.locator("svg").count() >= 5
    assert page.locator("math").first.bounding_box() is not None
    seen(page, "report")
