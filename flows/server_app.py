"""Prefect's server app behind the checks that Prefect 3.8 has no setting for.

Prefect itself asks for the password below /api, for a CSRF token with every change, and names the origins that may read
its answers. Three holes remain, and this wrapper closes them: a foreign name in the Host header (DNS rebinding makes any
web page "same origin"), requests that carry the Origin of another page, and the paths that Prefect answers to everyone
(health, readiness, the API's description).
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AUTH = "PREFECT_SERVER_API_AUTH_STRING"
LINK = "MATHMILL_SERVER_SIGN_IN"  # the token of the one-time link; set for a server with a UI only
SIGN_IN = "/sign-in"
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
DESCRIPTION = ("/docs", "/redoc", "/openapi.json")
LONGEST_TOKEN = 200
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
        refusal = _foreign(headers)
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

        async def framed_by_nobody(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), FRAMED_BY_NOBODY]
            await send(message)

        await self._app(scope, receive, framed_by_nobody)

    def _open(self, scope: Scope) -> bool:
        """The UI's own files, the same for everybody: a browser that opens a page sends no password."""
        path = scope["path"]
        private = path == "/api" or path.startswith(("/api/", *DESCRIPTION))
        return self._ui and scope["method"] in SAFE and not private

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


def _foreign(headers: Headers) -> Response | None:
    """A refusal where the request names another host, or comes from a page of another origin."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or _name(f"//{hosts[0]}") not in LOCAL_NAMES:
        return PlainTextResponse("This host name is not served here.", 403)
    if any(origin != f"http://{hosts[0]}" for origin in origins):
        return PlainTextResponse("Pages of another origin are not served.", 403)
    return None


def _name(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if not (parts.username or parts.path or parts.query) else None
    except ValueError:
        return None


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
    await send({"type": "websocket.close", "code": 1008})


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
