"""The checks before Prefect's server app: host, origin, password, the one-time link."""

from __future__ import annotations

import base64

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from flows.server_app import LONGEST_TOKEN, SIGN_IN, Guard

AUTH = "mathmill:a-long-secret"
PASSWORD = {"Authorization": "Basic " + base64.b64encode(AUTH.encode()).decode()}


async def anything(request: object) -> PlainTextResponse:
    return PlainTextResponse("behind")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def client(link: str | None = "once") -> TestClient:
    routes = [
        WebSocketRoute("/api/events/out", socket),
        Route("/{path:path}", anything, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    return TestClient(Guard(Starlette(routes=routes), AUTH, link), base_url="http://127.0.0.1:4200")


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/health", "/api/ready", "/api/flows/filter", "/docs", "/redoc", "/openapi.json"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_api_asks_for_the_password(path: str, method: str) -> None:
    assert client().request(method, path).status_code == 401
    wrong = {"Authorization": "Basic " + base64.b64encode(b"mathmill:no").decode()}
    assert client().request(method, path, headers=wrong).status_code == 401
    assert client().request(method, path, headers=PASSWORD).status_code != 401


def test_the_files_of_the_ui_are_open_to_reading_only() -> None:
    assert client().get("/dashboard").text == "behind"
    assert client().get("/ui-settings").status_code == 200
    assert client().post("/dashboard").status_code == 401


def test_without_a_ui_everything_asks_for_the_password() -> None:
    for path in ("/", "/dashboard", "/ui-settings", SIGN_IN, "/api/health"):
        assert client(link=None).get(path).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4200", "127.0.0.1.evil.example", "localhost.", "a@127.0.0.1", "[::1", ""],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    for path in ("/", SIGN_IN, "/api/health"):
        assert client().get(path, headers={**PASSWORD, "Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "[::1]:4200", "localhost"])
def test_a_name_of_this_machine_is_served(host: str) -> None:
    """Another port is right as well: the UI through an SSH tunnel."""
    headers = {**PASSWORD, "Host": host, "Origin": f"http://{host}"}
    assert client().post("/api/flows/filter", headers=headers).text == "behind"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:4200",
        "http://localhost:4200",
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    headers = {**PASSWORD, "Origin": origin}
    for path in ("/", SIGN_IN, "/api/health"):
        assert client().get(path, headers=headers).status_code == 403
    assert client().post(SIGN_IN, content="once", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/api/events/out", headers=headers):
        pass


def test_a_websocket_of_our_own_is_let_through() -> None:
    """Prefect asks for the password in the first message of a websocket."""
    with client().websocket_connect("ws://127.0.0.1:4200/api/events/out"):
        pass


def test_the_link_gives_the_password_once() -> None:
    one = client()
    page = one.get(SIGN_IN)
    assert "a-long-secret" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert one.post(SIGN_IN, content="a guess").status_code == 403
    assert one.post(SIGN_IN, content="x" * 10 * LONGEST_TOKEN).status_code == 403
    answer = one.post(SIGN_IN, content="once")
    assert base64.b64decode(answer.text).decode() == AUTH
    assert answer.headers["cache-control"] == "no-store"
    assert one.post(SIGN_IN, content="once").status_code == 403


def test_no_page_frames_the_ui() -> None:
    assert client().get("/dashboard").headers["content-security-policy"] == "frame-ancestors 'none'"
