"""Prefect's server app behind the security checks for which Prefect 3.8 has no setting.

Prefect itself requires the password below /api and a CSRF token with every change, and restricts the origins that may
read its responses. This middleware closes four gaps that remain:

- a foreign name in the Host header (DNS rebinding makes any web page "same origin");
- requests that a page of another origin makes;
- paths that Prefect serves without a password (health, readiness, the description of the API);
- WebSockets: Prefect accepts one before the password, keeps it open until the password arrives, and raises if the first
  message is not one that its own clients send.
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
MOST_DECODINGS = 3  # rounds of percent-decoding of one path
LONGEST_TOKEN = 200
LONGEST_FIRST_MESSAGE = 4_096  # characters of a WebSocket's first message, which holds the password
FIRST_MESSAGE_WITHIN_S = 30.0
POLICY_VIOLATION = 1008  # close code of a refused WebSocket
SAFE = ("GET", "HEAD")
FRAMED_BY_NOBODY = (b"content-security-policy", b"frame-ancestors 'none'")


def create_app() -> ASGIApp:
    """Return the app that uvicorn serves. Its settings are environment variables of the server process."""
    from prefect.server.api.server import create_app as prefect_app

    return AccessGuard(prefect_app(), os.environ[AUTH], os.environ.get(LINK))


class AccessGuard:
    """ASGI middleware that answers 403 to a foreign Host or Origin and 401 to a request without the password.

    `auth` is USER:PASSWORD. `link` is the token of the one-time sign-in link; None means that there is no UI, so that every
    path requires the password.
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
            credentials = headers.get("authorization", "").encode()
            if not self._open(scope) and not hmac.compare_digest(credentials, self._expected):
                refusal = PlainTextResponse("Unauthorized", 401)
        if refusal is not None:
            # the server answers 403 to a WebSocket that is closed before it was accepted
            await (_close(send) if scope["type"] == "websocket" else refusal(scope, receive, send))
            return
        if scope["type"] == "websocket":
            socket = _Socket(receive, send, self._auth)
            await self._app(scope, socket.receive, socket.send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), FRAMED_BY_NOBODY]
            await send(message)

        await self._app(scope, receive, send_unframed)

    def _open(self, scope: Scope) -> bool:
        """Return whether the request needs no password: it reads a file of the UI, which a browser opens without one."""
        return self._ui and scope["method"] in SAFE and not _private(scope["path"])

    async def _sign_in(self, scope: Scope, receive: Receive) -> Response:
        """Answer a request of the one-time link.

        GET returns a page whose script posts the token that follows # in its address; that part of an address is in no log
        and in no Referer. POST returns the password in exchange for the token, once.
        """
        if scope["method"] in SAFE:
            return _page()
        if scope["method"] != "POST":
            return PlainTextResponse("Method Not Allowed", 405)
        token = await _body(receive)
        # the link is spent before the response: of two simultaneous requests only one gets the password
        if self._link is None or not hmac.compare_digest(token, self._link.encode()):
            return PlainTextResponse("This link is spent.", 403)
        self._link = None
        return PlainTextResponse(base64.b64encode(self._auth.encode()), headers={"Cache-Control": "no-store"})


class _Socket:
    """A WebSocket whose first message must hold the password.

    Prefect's clients and its UI send it there because they cannot set a header. Without it the socket is closed, and the
    app behind sees a client that has disconnected.
    """

    def __init__(self, receive: Receive, send: Send, auth: str) -> None:
        self._receive, self._send, self._auth = receive, send, auth
        self._connected = self._authenticated = self._refused = False

    async def receive(self) -> Message:
        if self._authenticated or not self._connected:
            self._connected = True  # the first event is the handshake
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), FIRST_MESSAGE_WITHIN_S)
        except TimeoutError:
            message = {"type": "websocket.receive"}
        if message["type"] != "websocket.receive":
            return message
        self._authenticated = _has_password(message.get("text"), self._auth)
        if self._authenticated:
            return message
        self._refused = True
        await _close(self._send)
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        if not self._refused:
            await self._send(message)


def _has_password(text: str | None, auth: str) -> bool:
    """Return whether the first message of a WebSocket holds the password."""
    if not text or len(text) > LONGEST_FIRST_MESSAGE:
        return False
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    token = message.get("token") if isinstance(message, dict) and message.get("type") == "auth" else None
    return isinstance(token, str) and hmac.compare_digest(token.encode(), auth.encode())


def _private(path: str) -> bool:
    """Return whether any parser could read this path as one of the API or of its description.

    Covers repeated decoding, empty segments, other slashes, capitals and paths that climb (`..`).
    """
    for _ in range(MOST_DECODINGS):
        path, before = unquote(path), path
        if path == before:
            break
    else:
        return True
    segments = [part for part in re.split(r"[/\\;\x00?#]", path.casefold()) if part not in ("", ".")]
    return not path.startswith("/") or ".." in segments or not PRIVATE.isdisjoint(segments[:1])


def _foreign(scope: Scope, headers: Headers) -> Response | None:
    """Return a refusal if the request names another host or comes from a page of another origin, else None."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not LOCAL_HOST.fullmatch(hosts[0]):
        return PlainTextResponse("This host name is not served here.", 403)
    if any(origin != f"http://{hosts[0]}" for origin in origins) or _embedded(scope, headers):
        return PlainTextResponse("Pages of another origin are not served.", 403)
    return None


def _embedded(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether a browser declares that a page of another origin embeds the response (image, script, frame, opaque
    request). A GET of that kind has no Origin header. Following a link is allowed."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (followed and scope.get("method") in SAFE)


async def _body(receive: Receive) -> bytes:
    """Return the request's body, cut off where it is longer than any token."""
    body = b""
    while len(body) <= LONGEST_TOKEN:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return body[: LONGEST_TOKEN + 1]


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


# Prefect's UI keeps the password, in base64, in the local storage of its origin under this key
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
      "Fix: start `mathmill up` again for a new one, or log in with the content of the file server.password in its home.";
  }
});
"""
