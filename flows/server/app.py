"""Prefect's server app behind the checks that Prefect 3.8 has no setting for.

Prefect itself asks for the password below /api, for a CSRF token with every change, and names the origins that may read
its answers. Four holes remain, and this wrapper closes them: a foreign name in the Host header (DNS rebinding makes any
web page "same origin"), requests that a page of another origin makes, the paths that Prefect answers to everyone (health,
readiness, the API's description), and WebSockets, which Prefect accepts before it has seen the password, keeps open for as
long as none comes, and whose first message raises where it is anything but what Prefect's own clients send.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AUTH = "PREFECT_SERVER_API_AUTH_STRING"
LINK = "MATHMILL_SERVER_SIGN_IN"  # the token of the one-time link; set for a server with a UI only
SIGN_IN = "/sign-in"
LOCAL_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
PRIVATE = frozenset({"api", "docs", "redoc", "openapi.json"})  # first segments of paths
MOST_DECODINGS = 3  # of a path that is encoded in itself
LONGEST_TOKEN = 200
LONGEST_FIRST_MESSAGE = 4_096  # characters of the message of a WebSocket that brings the password
FIRST_MESSAGE_WITHIN_S = 30.0
POLICY_VIOLATION = 1008  # the close code of a WebSocket that is refused
SAFE = ("GET", "HEAD")
FRAMED_BY_NOBODY = (b"content-security-policy", b"frame-ancestors 'none'")


def create_app() -> ASGIApp:
    """The app that uvicorn serves: settings come from the environment of the server's process."""
    from prefect.server.api.server import create_app as prefect_app

    return Guard(prefect_app(), os.environ[AUTH], os.environ.get(LINK))


class Guard:
    """ASGI middleware: 403 for a foreign Host or Origin, 401 without the password.

    `link`: token of the one-time link; None where there is no UI, so that every path asks for the password.
    """

    def __init__(self, app: ASGIApp, auth: str, link: str | None = None) -> None:
        self._app = app
        self._auth = auth
        self._expected = b"Basic " + base64.b64encode(auth.encode())
        self._ui = link is not None
        self._link = link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _foreign(scope, headers)
        if refusal is None and scope["type"] == "http":
            if self._ui and scope["path"] == SIGN_IN:
                await (await self._sign_in(scope, receive))(scope, receive, send)
                return
            given = headers.get("authorization", "").encode()
            if not self._open(scope) and not hmac.compare_digest(given, self._expected):
                refusal = PlainTextResponse("Unauthorized", 401)
        if refusal is not None:
            # a websocket that is refused before it was accepted is answered with 403 by the server
            await (_close(send) if scope["type"] == "websocket" else refusal(scope, receive, send))
            return
        if scope["type"] == "websocket":
            socket = _Socket(receive, send, self._auth)
            await self._app(scope, socket.receive, socket.send)
            return

        async def framed_by_nobody(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), FRAMED_BY_NOBODY]
            await send(message)

        await self._app(scope, receive, framed_by_nobody)

    def _open(self, scope: Scope) -> bool:
        """The UI's own files, the same for everybody: a browser that opens a page sends no password."""
        return self._ui and scope["method"] in SAFE and not _private(scope["path"])

    async def _sign_in(self, scope: Scope, receive: Receive) -> Response:
        """GET: a page whose script sends the token that follows # in its address, which no log and no Referer shows.
        POST: the password for the token, once."""
        if scope["method"] in SAFE:
            return _page()
        if scope["method"] != "POST":
            return PlainTextResponse("Method Not Allowed", 405)
        given = await _body(receive)
        # spent before it is answered: of two that come at once only one gets the password
        if self._link is None or not hmac.compare_digest(given, self._link.encode()):
            return PlainTextResponse("This link is spent.", 403)
        self._link = None
        return PlainTextResponse(base64.b64encode(self._auth.encode()), headers={"Cache-Control": "no-store"})


class _Socket:
    """A WebSocket whose first message must bring the password, as Prefect's clients and its UI send it: they cannot set
    a header. Without it the socket is closed, and the app behind sees a client that has left."""

    def __init__(self, receive: Receive, send: Send, auth: str) -> None:
        self._receive, self._send, self._auth = receive, send, auth
        self._connected = self._known = self._refused = False

    async def receive(self) -> Message:
        if self._known or not self._connected:
            self._connected = True  # the first event is the handshake
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), FIRST_MESSAGE_WITHIN_S)
        except TimeoutError:
            message = {"type": "websocket.receive"}
        if message["type"] != "websocket.receive":
            return message
        self._known = _brings(message.get("text"), self._auth)
        if self._known:
            return message
        self._refused = True
        await _close(self._send)
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        if not self._refused:
            await self._send(message)


def _brings(text: str | None, auth: str) -> bool:
    """Whether the first message of a WebSocket holds the password."""
    if not text or len(text) > LONGEST_FIRST_MESSAGE:
        return False
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    given = message.get("token") if isinstance(message, dict) and message.get("type") == "auth" else None
    return isinstance(given, str) and hmac.compare_digest(given.encode(), auth.encode())


def _private(path: str) -> bool:
    """Whether any reader of paths could take this one for a path of the API or its description: decoded again, with
    empty segments, other slashes or capitals, or one that climbs."""
    for _ in range(MOST_DECODINGS):
        path, before = unquote(path), path
        if path == before:
            break
    else:
        return True
    segments = [part for part in re.split(r"[/\\;\x00?#]", path.casefold()) if part not in ("", ".")]
    return not path.startswith("/") or ".." in segments or not PRIVATE.isdisjoint(segments[:1])


def _foreign(scope: Scope, headers: Headers) -> Response | None:
    """A refusal where the request names another host, or comes from a page of another origin."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not LOCAL_HOST.fullmatch(hosts[0]):
        return PlainTextResponse("This host name is not served here.", 403)
    if any(origin != f"http://{hosts[0]}" for origin in origins) or _embedded(scope, headers):
        return PlainTextResponse("Pages of another origin are not served.", 403)
    return None


def _embedded(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin asks for something to use in itself (an image, a script, a
    frame, a request without a look at the answer), which has no Origin where it is a GET. Following a link is right."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (followed and scope.get("method") in SAFE)


async def _body(receive: Receive) -> bytes:
    """The request's body, as far as a token is long."""
    found = b""
    while len(found) <= LONGEST_TOKEN:
        message = await receive()
        found += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return found[: LONGEST_TOKEN + 1]


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _page() -> Response:
    nonce = secrets.token_urlsafe(16)
    script = _SCRIPT.replace("SIGN_IN", json.dumps(SIGN_IN))
    headers: dict[str, Any] = {
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(
        f'<!doctype html><meta charset="utf-8"><title>Sign in</title><p id="note">Signing in ...</p>'
        f'<script nonce="{nonce}">{script}</script>',
        headers=headers,
    )


# Prefect's UI keeps the password, base64, in the local storage of its origin under this name
_SCRIPT = """
const token = location.hash.slice(1);
history.replaceState(null, "", SIGN_IN);
fetch(SIGN_IN, {method: "POST", body: token}).then(async (answer) => {
  if (answer.ok) {
    localStorage.setItem("prefect-password", await answer.text());
    location.replace("/");
  } else {
    document.getElementById("note").textContent =
      "This link was used already, or is of an earlier start. " +
      "Fix: start `mathmill up` again for a new one, or log in with what stands in the file server.password of its home.";
  }
});
"""
