"""`mathmill up`: Prefect's own server, a schedule that fires, a form that starts a run, pages a person sees.

And those who should not use it: pages of other origins, other users of the machine, forged hosts. One server is for all,
since its start is most of the time.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.conftest import started_up
from tests.e2e.processes import (
    CHROMIUM,
    Home,
    ask,
    declared,
    fetch,
    free_port,
    password_of,
    sign_in_link,
    signed_in,
    wait_for,
)

pytestmark = pytest.mark.e2e

NOBODY = 65534
REFUSED = (401, 403)
# one request per (method, path) of standard input; as a program, so that another user can run it
ASKING = """
import http.client, json, sys
port = int(sys.argv[1])
statuses = {}
for method, path in json.load(sys.stdin):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body=b"{}", headers={"Content-Type": "application/json"})
    statuses[method + " " + path] = connection.getresponse().status
print(json.dumps(statuses))
"""
# what a page does: a simple request, one with a preflight, one with cookies and a websocket
ATTACK = """
async (base) => {
  const tried = {};
  const attempt = async (name, path, options) => {
    try {
      const answer = await fetch(base + path, options);
      tried[name] = answer.type === "opaque" ? "opaque" : answer.status;
    } catch (error) { tried[name] = "refused"; }
  };
  await attempt("read", "/api/admin/settings", {});
  await attempt("health", "/api/health", {});
  await attempt("form", "/api/flows/", {method: "POST", body: '{"name": "evil"}', headers: {"Content-Type": "text/plain"}});
  await attempt("json", "/api/flows/", {method: "POST", body: '{"name": "evil"}', headers: {"Content-Type": "application/json"}});
  await attempt("blind form", "/api/flows/", {mode: "no-cors", method: "POST", body: '{"name": "evil"}'});
  await attempt("blind read", "/api/admin/settings", {mode: "no-cors", credentials: "include"});
  await attempt("token", "/sign-in", {method: "POST", body: "guess"});
  tried.socket = await new Promise((done) => {
    const socket = new WebSocket(base.replace("http", "ws") + "/api/events/out", ["prefect"]);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
  });
  return tried;
}
"""

RUN_WITHIN_S = 300
BELOW_LABEL = "xpath=//label[starts-with(normalize-space(.), '{}')]/following::textarea[1]"
ENDED = ("COMPLETED", "FAILED", "CRASHED")


def runs(up: tuple[Home, str], **chosen: Any) -> list[dict[str, Any]]:
    runs_listed: list[dict[str, Any]] = ask(
        up, "flow_runs/filter", {"sort": "START_TIME_ASC", "flow_runs": chosen}
    )
    return runs_listed


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A machine on which `up` runs, with a night every minute."""
    with started_up(tmp_path_factory.mktemp("up") / "mathmill", "* * * * *") as started:
        yield started.home, started.url


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
    ended_run: dict[str, Any] = wait_for(ended, RUN_WITHIN_S, "a scheduled run")
    return ended_run


def test_a_scheduled_night_completes(up: tuple[Home, str], scheduled: dict[str, Any]) -> None:
    home, _ = up
    assert scheduled["state_type"] == "COMPLETED"
    assert scheduled["parameters"]["config"]["target"] == 20
    assert home.json("datasets")[0]["rows"] == 20


def test_the_run_has_its_artifacts(up: tuple[Home, str], scheduled: dict[str, Any]) -> None:
    chosen = {"artifacts": {"flow_run_id": {"any_": [scheduled["id"]]}}}
    artifacts = {a["key"]: a for a in ask(up, "artifacts/filter", chosen) if a["key"]}
    assert {"math-sft-funnel", "math-sft-report", "math-sft-version"} <= set(artifacts)
    assert "data:image/png;base64," in artifacts["math-sft-report"]["data"]
    assert '"Mix"' in artifacts["math-sft-funnel"]["data"]


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
    served = {deployment["name"]: deployment for deployment in ask(up, "deployments/filter", {})}
    assert set(served) == {one["name"] for one in declared()}
    limited = {name for name, one in served.items() if one["global_concurrency_limit"] is not None}
    assert limited == {one["name"] for one in declared() if "concurrency_limit" in one}
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
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
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


@pytest.mark.soak
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


@pytest.fixture(scope="module")
def paths(up: tuple[Home, str]) -> list[tuple[str, str]]:
    """Every operation of the API by its own description."""
    home, url = up
    spec = fetch(f"{url}/openapi.json", headers=password_of(home.path))
    matching = [
        (method.upper(), path if path.startswith("/api/") else f"/api{path}")
        for path, methods in spec["paths"].items()
        for method in methods
    ]
    assert len(matching) > 150
    return [
        *matching,
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/api/openapi.json"),
        ("POST", "/"),
    ]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_another_user_is_refused_everywhere(up: tuple[Home, str], paths: list[tuple[str, str]]) -> None:
    """As another user where the tests run as root; without the password in any case."""
    _, url = up
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done: Any = subprocess.run(
        [sys.executable if not other else "/usr/bin/python3", "-c", ASKING, str(port_of(url))],
        input=json.dumps(paths), capture_output=True, text=True, cwd="/", check=True, **other,
    )  # fmt: skip
    statuses: dict[str, int] = json.loads(done.stdout)
    assert {name: status for name, status in statuses.items() if status not in REFUSED} == {}
    assert len(statuses) == len(set(paths))


def test_another_user_reads_no_password_and_no_database(up: tuple[Home, str]) -> None:
    home, _ = up
    home.run("datasets")
    private = [
        home.path / "server.password",
        *home.path.glob("ledger.sqlite*"),
        *home.path.glob("prefect/*.db*"),
    ]
    assert any(file.name == "prefect.db-wal" for file in private)
    assert {file.name: oct(file.stat().st_mode & 0o077) for file in private} == {
        file.name: "0o0" for file in private
    }
    assert home.path.stat().st_mode & 0o077 == 0
    if os.geteuid() == 0:
        for file in private:
            done = subprocess.run(["cat", str(file)], user=NOBODY, group=NOBODY, extra_groups=[],
                                  capture_output=True, cwd="/", check=False)  # fmt: skip
            assert done.returncode != 0


def test_a_change_needs_a_token_besides_the_password(up: tuple[Home, str]) -> None:
    home, url = up
    headers = {"Content-Type": "application/json", **password_of(home.path)}
    assert status_of(url, "POST", "/api/flows/filter", headers) == 403
    assert status_of(url, "POST", "/api/flows/filter", {**signed_in(home.path, url), **headers}) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "user@127.0.0.1"]
)
def test_a_forged_host_is_refused(up: tuple[Home, str], host: str) -> None:
    """DNS rebinding: the page of evil.example reaches this machine under its own name."""
    home, url = up
    headers = {"Host": host.format(port=port_of(url)), **password_of(home.path)}
    for path in ("/", "/sign-in", "/ui-settings", "/api/health", "/api/admin/settings"):
        assert status_of(url, "GET", path, headers) == 403


def status_of(url: str, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(url), timeout=30)
    body = b"{}" if method == "POST" else None
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    return connection.getresponse().status


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page on another port of this machine: same site, other origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_link_opens_the_ui_once_and_a_page_of_another_origin_reaches_nothing(
    up: tuple[Home, str], page: Page, elsewhere: str
) -> None:
    """The other page is in the browser that has signed in: nothing that this one holds helps it."""
    home, url = up
    page.goto(f"{url}/flows")
    page.get_by_text(re.compile(r"^\s*[1-9]\d* Flows\s*$")).first.wait_for(timeout=60_000)
    other = page.context.new_page()
    statuses: list[tuple[str, int]] = []
    other.on("response", lambda answer: statuses.append((answer.url, answer.status)))
    other.goto(elsewhere)
    tried = other.evaluate(ATTACK, url)
    blind = [tried.pop("blind form"), tried.pop("blind read")]
    assert blind == ["opaque", "opaque"]  # sent, and nobody sees the answer
    assert set(tried.values()) == {"refused"}, tried
    answered = [status for address, status in statuses if address.startswith(url)]
    assert len(answered) >= 2
    assert set(answered) <= set(REFUSED)
    other.set_content(f'<iframe src="{url}/flows"></iframe>')
    other.wait_for_timeout(1_000)
    framed = "".join(frame.content() for frame in other.frames[1:] if frame.url.startswith(url))
    assert not re.search(r"[1-9]\d* Flows", framed)
    names = [flow["name"] for flow in fetch(f"{url}/api/flows/filter", {}, signed_in(home.path, url))]
    assert "evil" not in names
    # the link is spent
    assert page.context.browser is not None
    second = page.context.browser.new_context().new_page()
    second.goto(sign_in_link(home))
    second.get_by_text("used already").wait_for(timeout=30_000)
    assert second.evaluate("localStorage.getItem('prefect-password')") is None


def test_the_password_is_nowhere_but_in_its_file(up: tuple[Home, str]) -> None:
    home, _ = up
    password = (home.path / "server.password").read_text().partition(":")[2]
    assert len(password) > 40
    assert password not in (home.path.parent / "up.log").read_text() + (home.path / "server.log").read_text()
    assert password not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout


def test_a_second_up_on_one_home_is_refused_in_a_line(up: tuple[Home, str]) -> None:
    home, url = up
    done = home.script("up", "--port", str(free_port()))
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith(f"mathmill: `mathmill up` runs on {home.path} already, at {url}")
    )
