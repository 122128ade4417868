"""The checks before Prefect's server app: host, origin, password, the one-time link."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from flows.server import app as server_app
from flows.server.app import LONGEST_FIRST_MESSAGE, LONGEST_TOKEN, POLICY_VIOLATION, SIGN_IN, AccessGuard

AUTH = "mathmill:a-long-secret"
PASSWORD = {"Authorization": "Basic " + base64.b64encode(AUTH.encode()).decode()}


async def anything(request: object) -> PlainTextResponse:
    return PlainTextResponse("behind")


async def socket(websocket: WebSocket) -> None:
    """As Prefect's: it accepts, and reads the first message as if it were the one that it expects."""
    await websocket.accept(subprotocol="prefect")
    try:
        message = await websocket.receive_json()
    except WebSocketDisconnect:
        return
    received.append(message["token"])
    await websocket.send_json({"type": "auth_success"})
    received.append(await websocket.receive_text())
    await websocket.close()


received: list[Any] = []


def client(link: str | None = "once") -> TestClient:
    routes = [
        WebSocketRoute("/api/events/{way}", socket),
        Route("/{path:path}", anything, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    return TestClient(AccessGuard(Starlette(routes=routes), AUTH, link), base_url="http://127.0.0.1:4200")


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
    [
        *(
            "evil.example",
            "evil.example:4200",
            "127.0.0.1.evil.example",
            "localhost.",
            "a@127.0.0.1",
            "[::1",
            "",
        ),
        *("127.0.0.1#evil", "127.0.0.1?evil", "127.0.0.1:x", "127.0.0.1, evil", "127.1", "0.0.0.0", "[::]"),
    ],
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


def test_a_websocket_with_the_password_is_let_through() -> None:
    """Prefect's clients bring the password in the first message of a websocket."""
    received.clear()
    with client().websocket_connect("ws://127.0.0.1:4200/api/events/in") as ours:
        ours.send_json({"type": "auth", "token": AUTH})
        assert ours.receive_json() == {"type": "auth_success"}
        ours.send_text("an event")
    assert received == [AUTH, "an event"]


@pytest.mark.parametrize(
    "first",
    [
        "",
        "{",
        "[]",
        "null",
        '"auth"',
        "[" * 3_000,
        '{"type": "filter", "filter": {}}',
        '{"type": "auth"}',
        '{"type": "auth", "token": null}',
        '{"type": "auth", "token": ""}',
        '{"type": "auth", "token": "mathmill:a guess"}',
        '{"type": "auth", "token": ["mathmill:a-long-secret"]}',
        '{"type": "auth", "token": "\u00e9"}',
        '{"type": "auth", "token": "\\ud800"}',
        json.dumps({"token": AUTH}),
        json.dumps({"type": "auth", "token": AUTH, "more": "x" * LONGEST_FIRST_MESSAGE}),
        b"\x00\xff",
    ],
)
def test_a_websocket_without_the_password_is_closed(first: str | bytes) -> None:
    received.clear()
    with client().websocket_connect("ws://127.0.0.1:4200/api/events/in") as strange:
        strange.send_bytes(first) if isinstance(first, bytes) else strange.send_text(first)
        with pytest.raises(WebSocketDisconnect) as closed:
            strange.receive_json()
    assert closed.value.code == POLICY_VIOLATION
    assert received == []


def test_a_websocket_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_app, "FIRST_MESSAGE_WITHIN_S", 0.1)
    address = "ws://127.0.0.1:4200/api/events/out"
    with client().websocket_connect(address) as silent, pytest.raises(WebSocketDisconnect) as closed:
        silent.receive_json()
    assert closed.value.code == POLICY_VIOLATION


@pytest.mark.parametrize(
    "path",
    [
        "//api/health",
        "/%2fapi/health",
        "/%61pi/health",
        "/%2561pi/health",
        "/%25252561pi/health",
        "/API/health",
        "/x/../api/health",
        "/./api/health",
        "/;/api/health",
        "/api;x/health",
        "/api%00/health",
        "/%5capi/health",
        "/..%2f..%2fetc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/docs/x",
        "http://evil.example/api/health",
        "*",
        "",
    ],
)
def test_no_spelling_of_a_path_is_open(path: str) -> None:
    """Paths as they are in a request, without the normalisation of a client."""
    assert status_of_target(path) == 401


@pytest.mark.parametrize(
    "path", ["/", "/dashboard", "/assets/index-1.js", "/artifacts/key/api", "/runs?x=/api"]
)
def test_the_paths_of_the_ui_are_open(path: str) -> None:
    assert status_of_target(path) == 200


def status_of_target(target: str) -> int:
    """What the guard answers to GET where the server has decoded the target once, as uvicorn does."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "scheme": "http",
        "query_string": query.encode(), "headers": [(b"host", b"127.0.0.1:4200")], "root_path": "",
    }  # fmt: skip
    sent: list[Any] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("behind")(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(AccessGuard(behind, AUTH, "once")(scope, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "dest", "method", "status"),
    [
        ("no-cors", "image", "GET", 403),
        ("no-cors", "script", "GET", 403),
        ("navigate", "iframe", "GET", 403),
        ("navigate", "embed", "GET", 403),
        ("navigate", "document", "POST", 403),
        ("navigate", "document", "GET", 200),
    ],
)
def test_a_page_of_another_origin_may_link_to_the_ui_only(
    site: str, mode: str, dest: str, method: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert client().request(method, "/dashboard", headers=headers).status_code == status


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
